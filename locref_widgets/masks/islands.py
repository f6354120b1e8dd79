"""Holes and islands of binary masks.

Voxels of a mask hang together if they share a corner (26 neighbours), those outside it if they
share a face (6 neighbours): so a surface that is closed by corners has an inside.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.masks.bounding import bounding_box

_FACES = ndimage.generate_binary_structure(3, 1)
_CORNERS = ndimage.generate_binary_structure(3, 3)


def fill_holes(
    binary: Bool[np.ndarray, "z y x"], *, at_most_voxels: int | None = None
) -> Bool[np.ndarray, "z y x"]:
    """Add the holes of a mask: what is outside it but cut off from the border of the box.

    Parameters
    ----------
    at_most_voxels
        Holes that are larger than this stay open; without it all are filled.

    Raises
    ------
    InputError
        If ``at_most_voxels`` is negative.
    """
    if at_most_voxels is not None and at_most_voxels < 0:
        raise InputError(f"holes of at most {at_most_voxels} voxels: expected 0 or more.")
    filled = binary.copy()
    # What reaches a face of the bounding box goes on to the border of the array.
    box = bounding_box(binary)
    if box is None:
        return filled
    labels, count = _label(~binary[box], _FACES)
    is_hole = np.ones(count + 1, bool)
    is_hole[0] = False  # the mask itself
    for axis in range(3):
        for end in (0, -1):
            is_hole[np.unique(np.take(labels, end, axis=axis))] = False
    if not is_hole.any():
        return filled
    if at_most_voxels is not None:
        is_hole &= np.bincount(labels.ravel(), minlength=count + 1) <= at_most_voxels
    filled[box] |= is_hole[labels]
    return filled


def label_islands(
    binary: Bool[np.ndarray, "z y x"],
) -> tuple[Int[np.ndarray, "z y x"], Int[np.ndarray, " islands"]]:
    """Number the islands of a mask from the largest (1) to the smallest; 0 is outside.

    Returns
    -------
    labels
        int32
    sizes
        Voxels of each island: ``sizes[0]`` is that of island 1. Islands of one size are in the
        order of their first voxel.
    """
    labels = np.zeros(binary.shape, np.int32)
    box = bounding_box(binary)
    if box is None:
        return labels, np.zeros(0, np.int64)
    found, count = _label(binary[box], _CORNERS)
    sizes = np.bincount(found.ravel(), minlength=count + 1)[1:]
    order = np.argsort(-sizes, kind="stable")
    rank = np.zeros(count + 1, np.int32)
    rank[order + 1] = np.arange(1, count + 1)
    labels[box] = rank[found]
    return labels, sizes[order]


def keep_islands(
    binary: Bool[np.ndarray, "z y x"],
    *,
    count: int | None = None,
    at_points: Sequence[Sequence[float]] | None = None,
    least_voxels: int | None = None,
) -> Bool[np.ndarray, "z y x"]:
    """Remove all islands of a mask but those asked for.

    Of several conditions all must hold.

    Parameters
    ----------
    count
        The largest so many, of those that the other conditions leave.
    at_points
        Islands that hold one of these points (x, y, z): voxels from the corner, fractions
        allowed; the nearest voxel counts.
    least_voxels
        Islands of at least so many voxels.

    Raises
    ------
    InputError
        If no condition is given, one is out of its range, a point lies outside the box or in no
        island, or no island is left.
    """
    if count is None and at_points is None and least_voxels is None:
        raise InputError(
            "which islands to keep is not said: give the number of the largest, points inside "
            "them, or their least size in voxels."
        )
    for what, value in (("number of islands", count), ("least size of an island", least_voxels)):
        if value is not None and value < 1:
            raise InputError(f"{what} to keep is {value}: expected 1 or more.")
    if at_points is not None and not len(at_points):
        raise InputError("no point is given for the islands to keep: give at least one (x, y, z).")
    labels, sizes = label_islands(binary)
    kept = np.ones(len(sizes), bool)
    if at_points is not None:
        kept[:] = False
        kept[[_island_at(point, labels) - 1 for point in at_points]] = True
    if least_voxels is not None:
        kept &= sizes >= least_voxels
    if count is not None:
        kept &= np.cumsum(kept) <= count
    if not kept.any():
        raise InputError(_nothing_left(sizes, least_voxels))
    return np.concatenate(([False], kept))[labels]


def _label(
    binary: Bool[np.ndarray, "z y x"], structure: Bool[np.ndarray, "3 3 3"]
) -> tuple[Int[np.ndarray, "z y x"], int]:
    labels = np.empty(binary.shape, np.int32)
    count = ndimage.label(binary, structure=structure, output=labels)
    return labels, int(count)  # pyright: ignore[reportArgumentType]


def _island_at(point_xyz: Sequence[float], labels: Int[np.ndarray, "z y x"]) -> int:
    said = f"point ({', '.join(f'{value:g}' for value in point_xyz)})"
    size_xyz = labels.shape[::-1]
    nearest = np.floor(np.asarray(point_xyz, np.float64) + 0.5)
    if len(nearest) != 3 or not np.all((nearest >= 0) & (nearest < size_xyz)):
        raise InputError(
            f"{said} lies outside the box of {' x '.join(map(str, size_xyz))} voxels. Expected "
            "x, y, z in voxels from the corner (0, 0, 0)."
        )
    x, y, z = nearest.astype(int)
    label = int(labels[z, y, x])
    if label == 0:
        raise InputError(
            f"{said} lies in no island of the mask. Take a point inside one (x, y, z in voxels "
            "from the corner), or lower the threshold so that the mask reaches it."
        )
    return label


def _nothing_left(sizes: Int[np.ndarray, " islands"], least_voxels: int | None) -> str:
    if not len(sizes):
        return "the mask is empty: it has no islands to keep. Was the threshold too high?"
    return (
        f"none of the islands asked for has at least {least_voxels} voxels; the largest island "
        f"of the mask has {sizes[0]}. Lower the least size."
    )
