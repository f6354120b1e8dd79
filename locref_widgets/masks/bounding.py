"""The box around what a mask holds: tools work inside it, several times cheaper than on it all."""

import numpy as np
from jaxtyping import Bool

Box = tuple[slice, slice, slice]
"""Where to cut, along z, y, x."""


def bounding_box(inside: Bool[np.ndarray, "z y x"], margin_px: int = 0) -> Box | None:
    """Smallest box that holds every True voxel, grown by a margin but not beyond the array.

    None if no voxel is True.
    """
    along_z = _ends(inside.reshape(len(inside), -1), axis=1)
    if along_z == (0, 0):
        return None
    seen_along_z = np.logical_or.reduce(inside[slice(*along_z)], axis=0)
    along_y, along_x = _ends(seen_along_z, axis=1), _ends(seen_along_z, axis=0)
    z, y, x = (
        slice(max(first - margin_px, 0), min(end + margin_px, size))
        for (first, end), size in zip((along_z, along_y, along_x), inside.shape, strict=True)
    )
    return z, y, x


def _ends(plane: Bool[np.ndarray, "rows columns"], axis: int) -> tuple[int, int]:
    """First and one past the last place that holds a True one along ``axis``; (0, 0) if none."""
    places = np.flatnonzero(np.logical_or.reduce(plane, axis=axis))
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
