"""What an iteration makes of its half-maps for the next one: the mask, and the cut-off field.

Both come from the two half-sets together. The mask is drawn from what is coarser than the initial
low-pass, and of the field each place has one number; nothing finer passes from one half to the
other.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.filters import lowpass_cosine
from locref_widgets.engine.fsc import FSCCurve, compute_fsc_curve, spherical_mask
from locref_widgets.engine.nonuniform import cutoff_candidates, cutoff_field, filter_by_field
from locref_widgets.masks.dynamic import dynamic_mask
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import (
    cut_region,
    in_region_box,
    paste_region,
    shell_of_resolution,
    trusted_fsc,
)
from locref_widgets.refinement.settings import RefinementSettings

Volume = Float[np.ndarray, "z y x"]

_COARSEST = 0.2
"""First cut-off tried, over the shell that the half-maps reach as a whole."""
_BEYOND = 1.1
"""Last cut-off tried, likewise: a place may be better than the average."""
_STEPS = 24
_SMALLEST_SHELL = 3.0


@dataclass(frozen=True)
class Masking:
    """Mask of the references and curves, and where they may be how fine.

    ``cutoff_resolution_angstrom`` is the resolution of the cut-off of each voxel, the coarsest one
    outside the region's box; None without non-uniform regularisation.
    """

    mask: Volume
    cutoff_resolution_angstrom: Volume | None


def draw_mask(
    problem: Problem,
    settings: RefinementSettings,
    user_mask: Volume,
    half_maps: tuple[Volume, Volume],
    both: Volume,
    *,
    searched: bool,
) -> Masking:
    """Mask and cut-off field from unfiltered half-maps and the map of both.

    Until there was a search, and until the half-maps agree to the dynamic mask's start resolution,
    the user's mask serves. The resolution here is that of the FSC inside the mask given, before any
    correction for it: the curve that there is before the mask is drawn.
    """
    voxel = problem.pixel_size_angstrom
    if settings.masking == "none":
        user_mask = paste_region(spherical_mask(problem.region_box_px), problem)
    curve = compute_fsc_curve(*half_maps, voxel, user_mask)
    resolution = curve.resolution_angstrom()
    dynamic = (
        settings.masking == "dynamic"
        and searched
        and resolution <= settings.dynamic_mask_start_resolution
    )
    mask, smooth = user_mask, both
    if dynamic:
        smooth = np.asarray(lowpass_cosine(both, voxel, settings.initial_lowpass))
        mask = _dynamic(smooth, user_mask, settings, resolution, voxel)
    if not settings.non_uniform:
        return Masking(mask, None)
    if dynamic:
        curve = compute_fsc_curve(*half_maps, voxel, mask)
    cutoff, candidates = _cutoffs(problem, half_maps, curve)
    if dynamic:
        filtered = filter_by_field(cut_region(smooth, problem), cutoff, candidates)
        smooth = paste_region(np.asarray(filtered), problem)
        mask = _dynamic(smooth, user_mask, settings, resolution, voxel)
    return Masking(mask, _as_resolution(problem, cutoff, float(candidates[0])))


def cutoff_shells(
    problem: Problem, cutoff_resolution_angstrom: Volume | None
) -> Float[np.ndarray, "m m m"] | None:
    """The field in the region's box, in its shells."""
    if cutoff_resolution_angstrom is None:
        return None
    region = cut_region(cutoff_resolution_angstrom, problem)
    extent = problem.region_box_px * problem.pixel_size_angstrom
    # Zeros lie where the region's box reaches beyond the map: there is no density either.
    return np.where(region > 0, extent / np.where(region > 0, region, 1.0), extent).astype(
        np.float32
    )


def _dynamic(
    smooth: Volume,
    user_mask: Volume,
    settings: RefinementSettings,
    resolution_angstrom: float,
    voxel_size_angstrom: float,
) -> Volume:
    unit = resolution_angstrom if settings.dynamic_mask_in_resolutions else 1.0
    return dynamic_mask(
        smooth,
        user_mask,
        voxel_size_angstrom,
        threshold=settings.dynamic_mask_threshold,
        near_angstrom=settings.dynamic_mask_near * unit,
        far_angstrom=settings.dynamic_mask_far * unit,
        absolute=settings.dynamic_mask_absolute,
    )


def _cutoffs(
    problem: Problem, half_maps: tuple[Volume, Volume], curve: FSCCurve
) -> tuple[Float[np.ndarray, "m m m"], Float[np.ndarray, " c"]]:
    """The field in the region's box and the cut-offs it is made of."""
    voxel = problem.pixel_size_angstrom
    last = shell_of_resolution(curve.resolution_angstrom(), problem.box_px, voxel)
    response = in_region_box(trusted_fsc(curve, last), problem)
    reach = last * problem.region_box_px / problem.box_px
    candidates = cutoff_candidates(
        max(_SMALLEST_SHELL, _COARSEST * reach), _BEYOND * reach, reach / _STEPS
    )
    first, second = (cut_region(half_map, problem) for half_map in half_maps)
    return np.asarray(cutoff_field(first, second, candidates, response)), candidates


def _as_resolution(
    problem: Problem, cutoff: Float[np.ndarray, "m m m"], coarsest_shell: float
) -> Volume:
    extent = problem.region_box_px * problem.pixel_size_angstrom
    volume = paste_region(extent / cutoff, problem)
    return np.where(volume > 0, volume, extent / coarsest_shell).astype(np.float32)
