"""Watershed regions of a map: voxels whose steepest ascent ends at the same maximum.

The rule is the one of Segger (Pintilie et al., J. Struct. Biol. 170, 427, 2010) as its program in
Chimera and ChimeraX carries it out, so that regions come out with the same voxels and numbers.
Borders lie in the valleys; there are no voxels between regions. One quirk is not copied: there the
first voxel of the box counts as background whatever its value, here it is a voxel like any other.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int32, Int64

from locref_widgets.errors import InputError
from locref_widgets.masks.ascent import Landscape
from locref_widgets.masks.smoothing import Box, check_smoothing, smooth


@dataclass(frozen=True)
class WatershedRegions:
    """Regions numbered 1..n in raster order (z, y, x) of their first voxels."""

    labels: Int32[np.ndarray, "z y x"]
    """The region of every voxel, 0 outside."""

    points_xyz: Int64[np.ndarray, "n 3"]
    """The maximum of every region, in voxels from the corner of the box."""


def watershed(
    volume: Float[np.ndarray, "z y x"], level: float, *, smoothing_px: float = 0.0
) -> Int32[np.ndarray, "z y x"]:
    """Label the watershed regions of the voxels of at least ``level``; 0 outside.

    Every voxel leads to the highest of its 26 neighbours if that is strictly higher (the first in
    raster order of equals); voxels that end at one maximum are a region. Plateaus are not joined.
    Regions are numbered 1..n in raster order of their first voxels.

    Parameters
    ----------
    volume
        density, in any unit
    level
        lowest density that belongs to a region, in the map's unit
    smoothing_px
        standard deviation in voxels of a Gaussian that the map is smoothed with beforehand. The
        level then refers to the smoothed map.

    Raises
    ------
    InputError
        if the level is above the map's maximum or no number, the smoothing is negative, or the map
        holds NaN.
    """
    check_smoothing(smoothing_px, "smoothing")
    if smoothing_px > 0:
        volume = smooth(volume, smoothing_px)
    return find_regions(volume, level).labels


def find_regions(volume: Float[np.ndarray, "z y x"], level: float) -> WatershedRegions:
    """Find the regions of `watershed` with their maxima. Raises as it does."""
    lowest_kept = check_level(volume, level)
    part = _bounding_box(volume, lowest_kept)
    landscape = Landscape(volume[part])
    voxels = np.flatnonzero(landscape.padded >= lowest_kept)
    # From here on voxels are named by their rank in raster order. All that is led to is kept: it
    # is higher than a voxel that is.
    leads_to = np.searchsorted(voxels, landscape.step(voxels))
    while not np.array_equal(further := leads_to[leads_to], leads_to):
        leads_to = further
    maxima, numbers = _numbered_by_first(leads_to)
    labels = np.zeros(volume.shape, np.int32)
    inner = np.zeros(landscape.padded.shape, np.int32)
    inner.ravel()[voxels] = numbers
    labels[part] = inner[1:-1, 1:-1, 1:-1]
    corner = np.array([s.start for s in part])
    return WatershedRegions(labels, (landscape.zyx(voxels[maxima]) + corner)[:, ::-1].copy())


def check_level(volume: Float[np.ndarray, "z y x"], level: float) -> np.floating:
    """Return a level in the precision of a map's values, which they are compared with.

    Raises
    ------
    InputError
        if no voxel reaches the level, or map or level hold NaN.
    """
    lowest, highest = float(volume.min()), float(volume.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise InputError(
            "the map to segment holds NaN or infinite values. Write it again with the program that "
            "made it."
        )
    if not np.isfinite(level):
        raise InputError(f"the level is {level}, expected a density of the map, as a number.")
    # A level below all values keeps them all, as the lowest value does.
    with np.errstate(over="ignore"):
        lowest_kept = volume.dtype.type(max(float(level), lowest))
    if lowest_kept > highest:
        raise InputError(
            f"the level {level:g} is above the map's maximum {highest:g}: no voxel reaches it. "
            "Choose a lower level."
        )
    return lowest_kept


def _bounding_box(volume: Float[np.ndarray, "z y x"], lowest_kept: np.floating) -> Box:
    kept = volume >= lowest_kept
    z, y, x = (
        slice(int(along[0]), int(along[-1]) + 1)
        for along in (np.flatnonzero(kept.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1)))
    )
    return z, y, x


def _numbered_by_first(
    leads_to: Int64[np.ndarray, " n"],
) -> tuple[Int64[np.ndarray, " regions"], Int32[np.ndarray, " n"]]:
    """Maxima in the order of their regions' first voxels, and the number 1.. of every voxel."""
    n = len(leads_to)
    first = np.empty(n, np.int64)
    first[leads_to[::-1]] = np.arange(n)[::-1]  # of several the last one stays: the first voxel
    maxima = np.flatnonzero(leads_to == np.arange(n))
    maxima = maxima[np.argsort(first[maxima])]
    number = np.zeros(n, np.int32)
    number[maxima] = np.arange(1, len(maxima) + 1, dtype=np.int32)
    return maxima, number[leads_to]
