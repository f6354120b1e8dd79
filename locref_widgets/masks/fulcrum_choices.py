"""Points that offer themselves as a fulcrum: where the masked region meets the rest.

A region that turns as a body is held where it is joined to the rest, so that the middle of the
joint is a better first guess of a hinge than the region's own centre.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from scipy.spatial import KDTree

from locref_widgets.errors import InputError
from locref_widgets.masks.bounding import bounding_box

_INSIDE = 0.5
"""A voxel of at least this value is in the mask."""

_TOUCHING = np.ones((3, 3, 3), bool)
"""Contacts belong together when their voxels share a face, an edge or a corner."""


@dataclass(frozen=True)
class Interface:
    """The joint of a masked region with the rest of the density.

    ``point_angstrom`` is its middle, (x, y, z) relative to voxel N//2. ``contacts`` counts the
    faces between voxels of the region and of the rest there, ``patches`` the separate joints, of
    which this is the largest. Where nothing touches, ``contacts`` is 0 and ``gap_angstrom`` the
    shortest way between both, whose middle the point is.
    """

    point_angstrom: Float[np.ndarray, "3"]
    contacts: int
    patches: int
    gap_angstrom: float


def interface_with_rest(
    mask: Float[np.ndarray, "z y x"],
    volume: Float[np.ndarray, "z y x"],
    level: float,
    voxel_size_angstrom: float,
) -> Interface:
    """Find where the density inside a mask meets the density outside of it.

    Density is what lies over ``level``; inside is where the mask is at least 0.5. The point is the
    mean of the middles of the faces between a voxel inside and one outside, of the largest
    connected joint.

    Raises
    ------
    InputError
        if no density lies inside the mask, or none outside.
    """
    dense, inside = volume > level, mask >= _INSIDE
    region, rest = dense & inside, dense & ~inside
    for part, where in ((region, "inside"), (rest, "outside")):
        if not part.any():
            raise InputError(
                f"there is no density over the level {level:.4g} {where} the mask, so the region "
                "meets nothing there. Lower the contour level, or choose the point otherwise."
            )
    # A contact lies next to the region.
    box = bounding_box(region, margin_px=1) or (slice(0, None),) * 3
    corner = np.array([side.start for side in box])
    faces = _faces(region[box], rest[box])
    if not len(faces):
        middle, gap_px = _shortest_way(region, rest)
        return Interface(
            _to_angstrom(middle, mask.shape, voxel_size_angstrom),
            0,
            0,
            gap_px * float(voxel_size_angstrom),
        )
    of_patch = _patches(faces, region[box].shape)
    counts = np.bincount(of_patch)
    largest = int(counts.argmax())
    chosen = faces[of_patch == largest]
    middle = corner + 0.5 * (chosen[:, :3] + chosen[:, 3:]).mean(axis=0)
    return Interface(
        _to_angstrom(middle, mask.shape, voxel_size_angstrom),
        int(counts[largest]),
        int(np.count_nonzero(counts)),
        0.0,
    )


def _faces(
    region: Bool[np.ndarray, "z y x"], rest: Bool[np.ndarray, "z y x"]
) -> Int[np.ndarray, "n 6"]:
    """Pairs of voxels that share a face, z, y, x of the one in the region, then of the other."""
    found = []
    for axis in range(3):
        low = tuple(slice(None, -1) if i == axis else slice(None) for i in range(3))
        high = tuple(slice(1, None) if i == axis else slice(None) for i in range(3))
        step = np.eye(3, dtype=np.int64)[axis]
        first = np.argwhere(region[low] & rest[high])
        second = np.argwhere(rest[low] & region[high])
        found.append(np.hstack([first, first + step]))
        found.append(np.hstack([second + step, second]))
    return np.vstack(found).astype(np.int64)


def _patches(faces: Int[np.ndarray, "n 6"], shape: tuple[int, ...]) -> Int[np.ndarray, " n"]:
    """Number of the connected joint that each face is of, by its voxel in the region."""
    touching = np.zeros(shape, bool)
    own = tuple(faces[:, :3].T)
    touching[own] = True
    labels = np.empty(shape, np.int32)
    ndimage.label(touching, structure=_TOUCHING, output=labels)
    return labels[own]


def _shortest_way(
    region: Bool[np.ndarray, "z y x"], rest: Bool[np.ndarray, "z y x"]
) -> tuple[Float[np.ndarray, "3"], float]:
    """Middle (z, y, x) and length of the shortest line between a voxel of each, in voxels."""
    # The voxels that are nearest to the other part have a neighbour that is of neither.
    near, far = (np.argwhere(part & ~ndimage.binary_erosion(part)) for part in (region, rest))
    distances, partners = map(np.asarray, KDTree(far).query(near))
    best = int(np.argmin(distances))
    return 0.5 * (near[best] + far[partners[best]]), float(distances[best])


def _to_angstrom(
    point_zyx: Float[np.ndarray, "3"], shape: tuple[int, ...], voxel_size_angstrom: float
) -> Float[np.ndarray, "3"]:
    return (point_zyx - np.array(shape) // 2)[::-1] * float(voxel_size_angstrom)
