"""The search of one iteration of a run, set up again from its folder."""

from pathlib import Path

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.refinement.observing import Change, Observer
from locref_widgets.refinement.pose_search import pose_search
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.search_pass import PosedSearch
from locref_widgets.runs.changes import in_effect, mask_at
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.inputs import load_inputs
from locref_widgets.runs.iteration_files import iteration_arrays


def search_of_iteration(
    path: str | Path, iteration: int = 1, observer: Observer | None = None
) -> PosedSearch:
    """What the search of an iteration was told: its maps, noise, settings and extents.

    Of a cross-fitted iteration the images are read, for the maps that its references were made of:
    once of the first, twice of the others. Later ones need none. It is the same to the last bit on
    the same device.

    Raises
    ------
    InputError
        If the run has not come so far, or its inputs were changed since.
    """
    folder = RunFolder(path)
    has = folder.iterations()
    if iteration < 1 or iteration - 1 not in has:
        searched = ", ".join(str(n) for n in has if n) or "none"
        raise InputError(
            f"{folder.path}: iteration {iteration} has no search to show (iterations with one:"
            f" {searched})."
        )
    record = folder.read_record()
    inputs = load_inputs(record["inputs"])
    before, change = iteration - 1, None
    settings, mask = in_effect(record, before)
    after, mask_after = in_effect(record, iteration)
    if (after, mask_after) != (settings, mask):
        change = Change(after, mask_at(folder, iteration) if mask_after != mask else None)
    if mask is not None:
        changed = mask_at(folder, before)
        inputs = RefinementInput(inputs.particles, inputs.volume, changed, inputs.half_maps)
    first = folder.read_iteration(0)
    last = first if before == 0 else folder.read_iteration(before)
    found = folder.read_iteration(iteration) if iteration in has else None
    return pose_search(inputs, settings, first, last, found, change, observer)


def found_in_iteration(path: str | Path, iteration: int) -> dict[str, np.ndarray]:
    """What the search of an iteration found of each particle, by the names of `IterationResult`."""
    with iteration_arrays(RunFolder(path).iteration_folder(iteration)) as stored:
        names = [name for name in stored.files if name.startswith("info/")]
        return {name.removeprefix("info/"): stored[name] for name in names}
