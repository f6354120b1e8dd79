"""What a sweep tries, and whether all of it can be."""

from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.inputs import check_data, check_region, check_settings
from locref_widgets.runs.map_difference import IN_COMMON
from locref_widgets.runs.sweep_grid import Candidate

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep tries.

    Attributes
    ----------
    inputs
        As for a refinement; the mask is that of the settings for which the grid names none.
    settings
        Those that the grid leaves as they are.
    candidates
        The combinations.
    masks
        Those that the grid names.
    evaluation_mask
        In which all settings are compared.
    iterations
        After which each run stops.
    warnings
        What `check_plan` said.
    """

    inputs: "RefinementInput"
    settings: RefinementSettings
    candidates: list[Candidate]
    masks: list[Map]
    evaluation_mask: Map
    iterations: int
    warnings: tuple[str, ...] = ()

    def inputs_of(self, candidate: Candidate) -> "RefinementInput":
        """Inputs of a candidate's run."""
        if candidate.mask is None:
            return self.inputs
        return replace(self.inputs, mask=self.masks[candidate.mask])

    def checked(self) -> "SweepPlan":
        """The same with its warnings. Raises `InputError` (see `check_plan`)."""
        return replace(self, warnings=tuple(check_plan(self)))


def smallest_mask(masks: list[Map]) -> Map:
    """The least of several masks at each voxel: what is inside all of them.

    Raises `InputError` when nothing is.
    """
    if len(masks) == 1:
        return masks[0]
    least = reduce(np.minimum, (mask.data for mask in masks))
    if least.max() < IN_COMMON:
        raise InputError(
            "the masks that the grid names have no voxel in common, so that there is no region in "
            "which all settings could be compared. Give a mask for the comparison "
            "(--evaluation-mask, in Python evaluation_mask=), or a grid for each mask."
        )
    return Map(least.astype(np.float32), masks[0].voxel_size_angstrom, position=masks[0].position)


def check_plan(plan: SweepPlan) -> list[str]:
    """Check the inputs with every combination, before anything is computed.

    Returns warnings, each a sentence and each once; those that are not of all combinations begin
    with the words of the first that they are of.

    Raises
    ------
    InputError
        For what cannot be refined; it names the combination unless all of them are refused.
    """
    warnings = _about_shared(plan)
    for symmetry in dict.fromkeys(c.settings.symmetry for c in plan.candidates):
        warnings += check_data(plan.inputs, symmetry)
    told: dict[str, list[Candidate]] = {}
    refused: dict[str, list[Candidate]] = {}
    for candidate in plan.candidates:
        try:
            found = check_settings(plan.inputs_of(candidate), candidate.settings)
        except InputError as error:
            refused.setdefault(str(error), []).append(candidate)
            continue
        for message in dict.fromkeys(found):
            told.setdefault(message, []).append(candidate)
    for message, whose in refused.items():
        of_all = len(whose) == len(plan.candidates)
        raise InputError(
            message if of_all else f"the grid's combination {whose[0].words}: {message}"
        )
    for message, whose in told.items():
        more = f" and {len(whose) - 1} more" if len(whose) > 1 else ""
        of_all = len(whose) == len(plan.candidates)
        warnings.append(message if of_all else f"{whose[0].words}{more}: {message}")
    return list(dict.fromkeys([*warnings, *_check_evaluation_mask(plan)]))


def _about_shared(plan: SweepPlan) -> list[str]:
    """What was given, but is not what the sweep does."""
    settings, usual = plan.settings, RefinementSettings()
    subset, warnings = plan.candidates[0].settings.subset, []
    if settings.iterations not in (usual.iterations, plan.iterations):
        warnings.append(
            f"the settings say iterations {settings.iterations}, which is kept for the refinement "
            f"with the setting chosen; in the sweep each has {plan.iterations} (--iterations)."
        )
    if settings.subset is not None and settings.subset != subset:
        tried = "all particles" if subset is None else f"{subset} particles"
        warnings.append(
            f"the settings say subset {settings.subset}, which is kept for the refinement with the "
            f"setting chosen; in the sweep each has {tried} (--subset)."
        )
    given = plan.inputs.mask
    if plan.masks and not any(_same(given, mask) for mask in plan.masks):
        warnings.append(
            f"{given.path or 'the mask given'}: is not among the masks that the grid names, so it "
            "is not tried. Name it there, too, if it should be."
        )
    return warnings


def _check_evaluation_mask(plan: SweepPlan) -> list[str]:
    mask = plan.evaluation_mask
    if any(_same(mask, other) for other in [*plan.masks, plan.inputs.mask]):
        return []
    # Where the fulcrum lies is no matter of the mask in which the outcomes are compared.
    anywhere = {"fulcrum": "mask", "fulcrum_angstrom": None}
    settings = plan.candidates[0].settings.model_copy(update=anywhere)
    try:
        found = check_region(plan.inputs.volume, mask, settings)
    except InputError as error:
        raise InputError(f"the mask of the comparison: {error}") from None
    return [f"the mask of the comparison: {message}" for message in found]


def _same(first: Map, second: Map) -> bool:
    return first is second or np.array_equal(first.data, second.data)
