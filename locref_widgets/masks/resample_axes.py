"""Resampling along the axes, one after another, as products with matrices of weights.

Only the rows and columns with weights in them are multiplied, in blocks: the weights lie along a
band, and a product of small dense blocks is what processors do best. The threads are our own. Those
of a BLAS wait for each other by spinning, which on a machine that others use as well made one
resampling ten times slower (measured; alone both are as fast); so every product is kept below the
size from which OpenBLAS would divide it.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from jaxtyping import Float

from locref_widgets.processors import processors

_UNDIVIDED = 4 * 65536
"""Products of rows x columns x terms up to this are computed by the calling thread (OpenBLAS)."""

_MOST_ROWS = 32
"""Rows of a block of weights."""


def apply_weights(
    values: Float[np.ndarray, "z y x"],
    weights: tuple[
        Float[np.ndarray, "newz z"], Float[np.ndarray, "newy y"], Float[np.ndarray, "newx x"]
    ],
) -> Float[np.ndarray, "newz newy newx"]:
    """Multiply along z, y and x by the three matrices; float32.

    The result is zero where a matrix has rows of zeros. Peak memory: the result and two arrays no
    larger than the larger of ``values`` and the result.
    """
    result = np.zeros(tuple(len(w) for w in weights), np.float32)
    rows = [_extent(w, 0) for w in weights]
    columns = [_extent(w, 1) for w in weights]
    if any(r.start == r.stop for r in rows):
        return result
    part = np.asarray(values[tuple(columns)], np.float32)
    cropped = [w[r, c].astype(np.float32) for w, r, c in zip(weights, rows, columns, strict=True)]
    # The axis that loses most first: what follows is then smaller.
    for axis in sorted(range(3), key=lambda a: len(cropped[a]) / cropped[a].shape[1]):
        part = multiply_along(part, cropped[axis], axis)
    result[tuple(rows)] = part
    return result


def multiply_along(
    values: Float[np.ndarray, "z y x"], weights: Float[np.ndarray, "new old"], axis: int
) -> Float[np.ndarray, "z2 y2 x2"]:
    """Multiply a banded matrix into one axis of an array, block by block."""
    shape = list(values.shape)
    shape[axis] = len(weights)
    result = np.zeros(shape, np.float32)
    # A stack of planes that hold the axis multiplied: along z, the planes across y.
    stack = 1 if axis == 0 else 0
    planes, into = np.moveaxis(values, stack, 0), np.moveaxis(result, stack, 0)
    blocks = _blocks(weights, planes.shape[2 if axis < 2 else 1])

    def multiply(some: slice) -> None:
        for rows, band, block in blocks:
            if axis < 2:
                np.matmul(block, planes[some, band], out=into[some, rows])
            else:
                np.matmul(planes[some, :, band], block.T, out=into[some, :, rows])

    count = processors()
    edges = np.linspace(0, len(planes), min(4 * count, len(planes)) + 1).astype(int)
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(multiply, map(slice, edges[:-1], edges[1:])))
    return result


def _blocks(
    weights: Float[np.ndarray, "new old"], width: int
) -> list[tuple[slice, slice, Float[np.ndarray, "rows terms"]]]:
    """Rows, the columns with weights in them, and these weights; for planes of that width."""
    blocks, first = [], 0
    while first < len(weights):
        n = _MOST_ROWS
        while True:
            rows = slice(first, min(first + n, len(weights)))
            band = _extent(weights[rows], 1)
            if n == 1 or n * (band.stop - band.start) * width <= _UNDIVIDED:
                break
            n //= 2
        blocks.append((rows, band, np.ascontiguousarray(weights[rows, band])))
        first = rows.stop
    return blocks


def _extent(weights: Float[np.ndarray, "new old"], axis: int) -> slice:
    """From the first to the last row (axis 0) or column (axis 1) that has weight."""
    where = np.flatnonzero(np.any(weights != 0, axis=1 - axis))
    return slice(int(where[0]), int(where[-1]) + 1) if len(where) else slice(0, 0)
