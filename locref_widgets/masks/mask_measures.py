"""Numbers read off a mask: how soft its edge is, what it holds, how far a point lies from it."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

INSIDE = 0.5
"""A voxel of at least this value is in the mask."""

NOTHING = 0.01
"""Below this a mask is taken as zero: the tail of a soft edge, or rounding in the file."""

_DENSITY_LEVEL = 0.2
"""Fraction of the map's maximum that counts as density."""


def covers_the_box(mask: Float[np.ndarray, "z y x"]) -> bool:
    """Whether a mask selects next to all of the box, and so no region."""
    return bool(np.mean(mask >= INSIDE) > 0.9)


def density_share(mask: Float[np.ndarray, "z y x"], volume: Float[np.ndarray, "z y x"]) -> float:
    """Share of the map's density (values over 0.2 of its maximum) that the mask holds, 0 to 1.

    1 means that the mask covers the whole particle; a map without positive density gives 0.
    """
    highest = float(volume.max())
    if not highest > 0:
        return 0.0
    density = np.where(volume >= _DENSITY_LEVEL * highest, volume, 0.0)
    return float(np.sum(density * (mask >= INSIDE)) / np.sum(density))


def edge_width_angstrom(mask: Float[np.ndarray, "z y x"], voxel_size_angstrom: float) -> float:
    """Width of a mask's cosine edge from 1 to 0, 0 for a binary mask.

    From central differences g at half height, where a cosine edge of width W sampled every h has
    ``g = sin(pi h / W) / (2 h)``; the median over the edge.
    """
    half_way = (mask > 0.35) & (mask < 0.65)
    if not half_way.any():
        return 0.0
    box = tuple(
        slice(max(s.start - 1, 0), s.stop + 1)
        for s in ndimage.find_objects(half_way.astype(np.int8))[0]
    )
    gradient = np.gradient(mask[box].astype(np.float64), voxel_size_angstrom)
    slope = np.sqrt(sum(component**2 for component in gradient))[half_way[box]]
    slope = slope[slope > 0]
    if not len(slope):
        return np.inf
    rise = min(2.0 * voxel_size_angstrom * float(np.median(slope)), 1.0)
    return float(np.pi * voxel_size_angstrom / np.arcsin(rise))


def distance_px(mask: Float[np.ndarray, "z y x"], point_xyz_px: Float[np.ndarray, " 3"]) -> float:
    """Distance of a point (voxels from the corner) from the nearest voxel of the mask; 0 inside.

    Infinite for an empty mask.
    """
    voxels = np.argwhere(mask >= INSIDE)
    if not len(voxels):
        return np.inf
    # Half a voxel about a voxel's centre is the voxel itself.
    away = np.maximum(np.abs(voxels[:, ::-1] - point_xyz_px) - 0.5, 0.0)
    return float(np.sqrt(np.min(np.sum(away**2, axis=1))))


def margin_px(mask: Float[np.ndarray, "z y x"]) -> int:
    """Voxels of nothing between the mask, its edge included, and the nearest face of the box."""
    used = mask > NOTHING
    margins = [min(mask.shape)]
    for axis in range(3):
        along = np.flatnonzero(np.any(used, axis=tuple(a for a in range(3) if a != axis)))
        if len(along):
            margins += [int(along[0]), int(mask.shape[axis] - 1 - along[-1])]
    return min(margins)
