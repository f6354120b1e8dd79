"""The FSC curves of two half-maps: those an iteration goes by, and all that are kept at the end."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc import FSCCurve, fsc_curves
from locref_widgets.engine.phase_randomisation import DRAWS_TO_KEEP
from locref_widgets.errors import InputError
from locref_widgets.masks.resolution_masks import resolution_masks

Volume = Float[np.ndarray, "z y x"]


def half_map_curves(
    half_maps: tuple[Volume, Volume],
    voxel_size_angstrom: float,
    masks: Mapping[str, Volume],
    *,
    complete: bool,
) -> dict[str, FSCCurve]:
    """Curves by the names of `engine.fsc.fsc_curves`, of unfiltered half-maps.

    With each of the masks, corrected by phase randomisation; when ``complete`` also with a loose
    and a tight mask, as `validation.measure` has them. Coefficients are counted as RELION does.
    """
    masks = dict(masks)
    if complete:
        masks |= _resolution_masks(half_maps, voxel_size_angstrom)
    return fsc_curves(
        *half_maps,
        voxel_size_angstrom,
        masks,
        corrected=tuple(name for name in masks if name != "loose"),
        randomisations=DRAWS_TO_KEEP if complete else 1,
        as_stored=True,
    )


def _resolution_masks(
    half_maps: tuple[Volume, Volume], voxel_size_angstrom: float
) -> dict[str, Volume]:
    try:
        made = resolution_masks(*half_maps, voxel_size_angstrom)
    except InputError:
        return {}  # maps of noise hold no density to draw a mask about
    return {"loose": made.loose, "tight": made.tight}
