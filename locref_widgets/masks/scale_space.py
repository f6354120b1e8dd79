"""Grouping of watershed regions by smoothing, as in Segger ("group by smoothing").

Step i smooths the *original* map with a Gaussian of i times the step. In it the point of every
region walks uphill; regions whose walks end at one voxel become one, whose point is that voxel. A
region that meets no other keeps the point it had and starts from there at the next step (Pintilie
et al., J. Struct. Biol. 170, 427, 2010, and the program).
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

from locref_widgets.errors import InputError
from locref_widgets.masks.ascent import Landscape
from locref_widgets.masks.hierarchy import Hierarchy, HierarchyBuilder
from locref_widgets.masks.smoothing import Box, check_smoothing, grown, smooth, whole

_MARGIN_PX = 3
"""Smoothed density is made as far around the points; walks that leave it get more."""


def group_by_smoothing(
    volume: Float[np.ndarray, "z y x"],
    points_xyz: Int64[np.ndarray, "n 3"],
    *,
    steps: int,
    step_px: float,
) -> Hierarchy:
    """Group regions, given by their maxima, in steps of growing smoothness.

    Parameters
    ----------
    volume
        the map that the regions were found in, whole
    points_xyz
        the maximum of every region, in voxels from the corner
    steps
        how many times to smooth; 0 for no grouping
    step_px
        standard deviation of the first Gaussian in voxels; the others are its multiples

    Raises
    ------
    InputError
        if ``steps`` is negative, or ``step_px`` is not above 0.
    """
    check_steps(steps, step_px)
    builder = HierarchyBuilder(points_xyz)
    for step in range(1, steps + 1):
        sd_px = step * step_px
        starts = builder.points_xyz
        # One region has none to meet.
        ends = _walk_smoothed(volume, starts, sd_px) if len(starts) > 1 else starts
        builder.group(ends, sd_px)
    return builder.hierarchy()


def check_steps(steps: int, step_px: float) -> None:
    """Raise `InputError` unless steps and their size can be used."""
    if steps < 0:
        raise InputError(
            f"{steps} steps of smoothing: expected 0 (no grouping) or more; 4 is usual."
        )
    check_smoothing(step_px, "a step of smoothing")
    if step_px == 0:
        raise InputError(
            "a step of smoothing of 0 voxels groups nothing: give more than 0 (1 is usual), or "
            "0 steps."
        )


def _walk_smoothed(
    volume: Float[np.ndarray, "z y x"], starts_xyz: Int64[np.ndarray, "n 3"], sd_px: float
) -> Int64[np.ndarray, "n 3"]:
    """Where walks uphill in the smoothed map end."""
    low, high = starts_xyz.min(axis=0)[::-1], starts_xyz.max(axis=0)[::-1]
    z, y, x = (slice(int(a), int(b) + 1) for a, b in zip(low, high, strict=True))
    box, margin = whole(volume.shape), _MARGIN_PX
    while True:
        part = grown((z, y, x), margin, volume.shape)
        landscape = Landscape(smooth(volume, sd_px, part))
        corner = np.array([s.start for s in part])
        starts = landscape.position(starts_xyz[:, ::-1] - corner)
        ends, trusted = landscape.climb(starts, _neighbours_known(part, box))
        if trusted:
            return (landscape.zyx(ends) + corner)[:, ::-1].copy()
        margin *= 2


def _neighbours_known(part: Box, box: Box) -> Bool[np.ndarray, " m"]:
    """For the positions in a part's landscape: whether no neighbour is in the box but not there."""
    known = np.ones([s.stop - s.start + 2 for s in part], bool)
    for axis, (inner, outer) in enumerate(zip(part, box, strict=True)):
        before = (slice(None),) * axis
        if inner.start > outer.start:
            known[(*before, 1)] = False
        if inner.stop < outer.stop:
            known[(*before, -2)] = False
    return known.ravel()
