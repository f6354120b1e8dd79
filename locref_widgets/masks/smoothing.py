"""Gaussian smoothing in voxels, on a part of the box if only that is wanted.

The kernel is Segger's: a Gaussian sampled at whole voxels, cut at ``floor(5 sd)`` and brought to
sum one, along each axis in turn, with zeros outside of the box.
"""

import itertools
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.processors import processors

_REACH_SD = 5.0
"""The kernel ends at this many standard deviations."""

_SLABS = 32
"""Lines are smoothed in so many lots, shared out to the processors."""

Box = tuple[slice, slice, slice]
"""A part of a volume, with explicit starts and stops, along z, y, x."""


def reach_px(sd_px: float) -> int:
    """How far the kernel of a standard deviation reaches, in whole voxels."""
    return math.floor(_REACH_SD * sd_px)


def smooth(
    volume: Float[np.ndarray, "z y x"], sd_px: float, part: Box | None = None
) -> Float[np.ndarray, "part_z part_y part_x"]:
    """Smooth a volume with a Gaussian of standard deviation ``sd_px`` voxels, zeros outside.

    With ``part`` only that part of the box is returned, bit for bit as the whole would give it. A
    standard deviation under a fifth of a voxel changes nothing, for its kernel is one voxel.

    Raises
    ------
    InputError
        if the standard deviation is negative or no number.
    """
    check_smoothing(sd_px, "smoothing")
    part = part or whole(volume.shape)
    reach = reach_px(sd_px)
    if reach == 0:
        return volume[part].copy()
    values = volume[grown(part, reach, volume.shape)]
    for axis in range(3):
        values = _smoothed_along(values, axis, sd_px, reach)
        # What lies beside the part is not needed once its own axis is done.
        skip = part[axis].start - max(part[axis].start - reach, 0)
        keep = slice(skip, skip + part[axis].stop - part[axis].start)
        values = values[(slice(None),) * axis + (keep,)]
    return values


def _smoothed_along(
    values: Float[np.ndarray, "z y x"], axis: int, sd_px: float, reach: int
) -> Float[np.ndarray, "z y x"]:
    """Smooth lines along an axis, slabs of them at once on all processors."""
    smoothed = np.empty_like(values)
    across = 1 if axis == 0 else 0
    bounds = np.linspace(0, values.shape[across], _SLABS + 1).astype(int)

    def smooth_slab(first: int, last: int) -> None:
        slab = (slice(None),) * across + (slice(first, last),)
        ndimage.gaussian_filter1d(
            values[slab], sd_px, axis, mode="constant", radius=reach, output=smoothed[slab]
        )

    slabs = [(a, b) for a, b in itertools.pairwise(bounds.tolist()) if b > a]
    # SciPy lets go of the interpreter while it works.
    with ThreadPoolExecutor(processors()) as pool:
        for _ in pool.map(smooth_slab, *zip(*slabs, strict=True)):
            pass
    return smoothed


def whole(shape: tuple[int, ...]) -> Box:
    """The part that is all of a box of this shape."""
    z, y, x = (slice(0, n) for n in shape)
    return z, y, x


def grown(part: Box, by_px: int, shape: tuple[int, ...]) -> Box:
    """A part with ``by_px`` voxels more on every side, as far as the box has them."""
    z, y, x = (
        slice(max(s.start - by_px, 0), min(s.stop + by_px, n))
        for s, n in zip(part, shape, strict=True)
    )
    return z, y, x


def check_smoothing(sd_px: float, what: str) -> None:
    """Raise `InputError` unless a standard deviation is a number of 0 or more."""
    if not (np.isfinite(sd_px) and sd_px >= 0):
        raise InputError(
            f"{what} of {sd_px:g} voxels: it is the standard deviation of a Gaussian, 0 (none) or "
            "more; 1 is usual."
        )
