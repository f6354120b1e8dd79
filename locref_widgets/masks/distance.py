"""Distance of every voxel to a region, exact up to a reach: what dilation and soft edges are of.

Squared distances are whole numbers, and the squared Euclidean distance is the sum over the axes of
squared steps, so it is found along one axis after the other (the distance transform of sampled
functions, Felzenszwalb & Huttenlocher 2012): ``f(i) <- min over k of f(i + k) + k^2``. No shortest
path has a step longer than the reach, so ``|k|`` need not go further, and numbers of 16 bits do.
Work is done on the region's bounding box grown by the reach, in pieces that stay in the cache.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.masks.bounding import bounding_box
from locref_widgets.processors import processors

ROUNDING = 1e-9
"""Radii that were worked out from Å are this exact (a share of them). The distances that voxels can
have are parted by far more, so none of them is mistaken for another."""

_WINDOW_PX = 120
"""Up to this reach the steps along an axis are tried one by one, whose cost grows with the reach;
beyond it SciPy's transform is the faster one."""

_PIECE_BYTES = 1 << 19
"""Planes worked on together: three such buffers fit into a core's cache."""

_MOST_THREADS = 4


def distance_px(inside: Bool[np.ndarray, "z y x"], reach_px: float) -> Float[np.ndarray, "z y x"]:
    """Distance in voxels of each voxel's centre to the nearest True one, float32.

    Exact (correctly rounded) up to and including ``reach_px``, infinite beyond, and everywhere if
    no voxel is True.

    Raises
    ------
    InputError
        If the reach is negative or NaN.
    """
    return by_distance(inside, reach_px, lambda distance: distance.astype(np.float32))


def by_distance(
    inside: Bool[np.ndarray, "z y x"],
    reach_px: float,
    profile: Callable[[Float[np.ndarray, " n"]], Shaped[np.ndarray, " n"]],
) -> Shaped[np.ndarray, "z y x"]:
    """Give each voxel the value that ``profile`` has at its distance from the nearest True one.

    Parameters
    ----------
    reach_px
        Farther away, the value is that at infinity.
    profile
        Takes all distances (voxels, float64) that can occur, and infinity as the last. What it
        returns sets the type of the result.

    Raises
    ------
    InputError
        If the reach is negative or NaN.
    """
    if not reach_px >= 0:
        raise InputError(f"distance of {reach_px:g} voxels to a mask: expected 0 or more.")
    reach_px = min(reach_px, float(np.linalg.norm(inside.shape)))
    window_px = int(reach_px * (1 + ROUNDING))
    squares = np.arange((window_px + 1) ** 2 + 1)
    distances = np.sqrt(squares)
    distances[distances > reach_px * (1 + ROUNDING)] = np.inf
    values = profile(distances)
    result = np.full(inside.shape, values[-1])
    box = bounding_box(inside, window_px)
    if box is not None:
        looked_up = _in_window if window_px <= _WINDOW_PX else _by_scipy
        looked_up(inside[box], window_px, values, result[box])
    return result


def _in_window(
    inside: Bool[np.ndarray, "z y x"],
    window_px: int,
    values: Shaped[np.ndarray, " squares"],
    result: Shaped[np.ndarray, "z y x"],
) -> None:
    """Put ``values[squared distance]`` into ``result``."""
    nz, ny, nx = inside.shape
    # A row is followed by voxels that are far away, so that a shift of the flat array by up to
    # the window brings nothing from one row into the next.
    row = nx + window_px
    far = (window_px + 1) ** 2
    small = np.min_scalar_type(far + window_px**2)
    steps = np.full((nz, ny, row), window_px + 1, small)
    np.copyto(steps[:, :, :nx], 0, where=inside)
    _count_along_z(steps)
    planes = max(1, _PIECE_BYTES // (ny * row * small.itemsize))

    def finish(start: int) -> None:
        along_z = steps[start : start + planes]
        np.multiply(along_z, along_z, out=along_z)
        scratch = np.empty_like(along_z)
        along_zy = along_z.copy()
        for k in range(1, min(window_px, ny - 1) + 1):
            np.add(along_z, small.type(k * k), out=scratch)
            np.minimum(along_zy[:, k:], scratch[:, :-k], out=along_zy[:, k:])
            np.minimum(along_zy[:, :-k], scratch[:, k:], out=along_zy[:, :-k])
        squared = along_z
        np.copyto(squared, along_zy)
        before, after, scratch = along_zy.reshape(-1), squared.reshape(-1), scratch.reshape(-1)
        for k in range(1, min(window_px, nx - 1) + 1):
            np.add(before, small.type(k * k), out=scratch)
            np.minimum(after[k:], scratch[:-k], out=after[k:])
            np.minimum(after[:-k], scratch[k:], out=after[:-k])
        result[start : start + planes] = values[squared[:, :, :nx]]

    starts = range(0, nz, planes)
    with ThreadPoolExecutor(min(_MOST_THREADS, processors())) as threads:
        list(threads.map(finish, starts))


def _count_along_z(steps: Shaped[np.ndarray, "z y x"]) -> None:
    """Turn 0 inside and a large number outside into voxels to the inside along z."""
    farther = np.empty_like(steps[0])
    for order in (range(len(steps)), range(len(steps) - 1, -1, -1)):
        for here, there in pairwise(order):
            np.add(steps[here], 1, out=farther)
            np.minimum(steps[there], farther, out=steps[there])


def _by_scipy(
    inside: Bool[np.ndarray, "z y x"],
    window_px: int,
    values: Shaped[np.ndarray, " squares"],
    result: Shaped[np.ndarray, "z y x"],
) -> None:
    """As `_in_window`, at a cost that does not depend on the window."""
    distance = np.asarray(ndimage.distance_transform_edt(~inside))
    np.minimum(distance, window_px + 1, out=distance)
    np.multiply(distance, distance, out=distance)
    result[...] = values[np.rint(distance, out=distance).astype(np.int32)]
