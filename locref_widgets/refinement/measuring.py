"""What half-maps are measured by: the mask drawn of them, the cut-off field, the FSC curves."""

from math import pi

from locref_widgets.refinement.curves import half_map_curves
from locref_widgets.refinement.masking import Volume, draw_mask
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import MeasuredMaps

_SHELLS_BEYOND = 2
"""Shells past the 0.143 crossing that the next search may use, so that the resolution can grow."""


def measure_maps(
    problem: Problem,
    settings: RefinementSettings,
    user_mask: Volume,
    half_maps: tuple[Volume, Volume],
    both: Volume,
    *,
    searched: bool,
    complete: bool = False,
) -> MeasuredMaps:
    """Measure unfiltered half-maps and the map of both.

    Parameters
    ----------
    searched
        Whether their poses were searched (see `draw_mask`).
    complete
        Whether all curves are wanted (see `half_map_curves`).
    """
    masking = draw_mask(problem, settings, user_mask, half_maps, both, searched=searched)
    masks = {"dynamic mask": masking.mask}
    if masking.mask is not user_mask:
        masks["user mask"] = user_mask
    voxel = problem.pixel_size_angstrom
    return MeasuredMaps(
        half_maps=half_maps,
        map=both,
        mask=masking.mask,
        cutoff_resolution_angstrom=masking.cutoff_resolution_angstrom,
        fsc=half_map_curves(half_maps, voxel, masks, complete=complete),
    )


def shell_to_search(problem: Problem, measured: MeasuredMaps) -> int:
    """Shell of the region's box up to which the next search may use the maps."""
    crossing = problem.region_shell(measured.resolution_angstrom)
    return min(crossing + _SHELLS_BEYOND, problem.region_disc.radius_px)


def shells_filled(views: int) -> int:
    """Up to which shell of the region's box so many views leave no gaps.

    With equal angles between them that is ``views / pi`` (Crowther, DeRosier & Klug 1970, Proc. R.
    Soc. Lond. A 317:319); at random they need to be twice as many. Half-maps of fewer agree where
    their views happen to lie, which says nothing of the places between.
    """
    return int(views / (2 * pi))
