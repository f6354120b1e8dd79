"""Where a line of sight meets the surface of a map, exactly: the browser's copy has only 8 bits."""

import numpy as np
from jaxtyping import Float

_PACE = 0.25
"""Steps along the line, in voxels: a surface that is passed twice within one is not seen."""

_HALVINGS = 30


def value_at(
    volume: Float[np.ndarray, "z y x"], points_voxels: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Trilinear values at points (x, y, z) in voxels from the corner; NaN outside the box."""
    size = np.array(volume.shape[::-1])
    points = np.asarray(points_voxels, dtype=np.float64)
    outside = ~np.all((points >= 0) & (points <= size - 1), axis=1)
    low = np.clip(np.floor(np.nan_to_num(points)), 0, np.maximum(size - 2, 0)).astype(np.int64)
    share = points - low
    total = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner), share, 1.0 - share), axis=1)
        x, y, z = np.minimum(low + corner, size - 1).T
        total += weight * volume[z, y, x]
    total[outside] = np.nan
    return total


def surface_point(
    volume: Float[np.ndarray, "z y x"],
    level: float,
    near_voxels: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    reach_voxels: float = 3.0,
) -> Float[np.ndarray, "3"] | None:
    """Where a line of sight passes ``level`` from below, nearest to a point close to the surface.

    Parameters
    ----------
    near_voxels
        (x, y, z) from the corner, found in a coarser copy of the map
    direction
        of sight, (x, y, z), any length
    reach_voxels
        how far before and behind that point is looked

    Returns
    -------
    The point, where the trilinear value is the level to within bisection; None when the line does
    not pass it within reach.
    """
    unit = direction / np.linalg.norm(direction)
    along = np.arange(-reach_voxels, reach_voxels + _PACE / 2, _PACE)
    values = value_at(volume, near_voxels + along[:, None] * unit) - level
    rises = np.flatnonzero((values[:-1] <= 0) & (values[1:] > 0))
    if not len(rises):
        return None
    first = rises[np.argmin(np.abs(along[rises]))]
    low, high = along[first], along[first + 1]
    for _ in range(_HALVINGS):
        half = 0.5 * (low + high)
        if value_at(volume, (near_voxels + half * unit)[None])[0] > level:
            high = half
        else:
            low = half
    return near_voxels + 0.5 * (low + high) * unit
