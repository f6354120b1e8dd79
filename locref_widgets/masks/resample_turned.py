"""Resampling at the voxels of a grid that is turned against the source's.

Positions are affine in the new voxel's indices, so they are the sum of three tables, one an axis.
Each table keeps the whole voxels and the fraction apart, for a float32 of a position of some
hundred voxels holds the fraction to 1e-5 only. Slabs of planes go to a pool of threads, where XLA's
compiled loop runs without Python's lock.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.masks.resample_axes import multiply_along
from locref_widgets.masks.resample_weights import (
    CARDINAL_REACH,
    Order,
    coefficient_weights,
    smoothing_weights,
)
from locref_widgets.processors import processors

_PLANES = 16
"""Planes of a slab. One shape for all slabs means one compilation."""

_ROUND_TO = 32
"""Extents are rounded up to multiples, so that other turns and masks meet the same programs."""

Table = tuple[Int[AnyArray, "..."], Float[AnyArray, "..."]]
"""Whole voxels and fraction of what one new axis adds to the position (z, y, x) in the source."""


def resample_turned(
    values: Float[np.ndarray, "z y x"],
    shape: tuple[int, int, int],
    matrix_px: Float[np.ndarray, "3 3"],
    offset_px: Float[np.ndarray, " 3"],
    order: Order,
) -> Float[np.ndarray, "newz newy newx"]:
    """Values at ``matrix_px @ index + offset_px``, indices and positions (z, y, x) in voxels.

    Outside its box the source is zero. Where the new voxels are larger (the columns of the matrix
    longer than 1), the source is low-passed first, as ``resample_weights`` says. Peak memory: the
    result, the padded source, and with order 3 or a low-pass one more of that size.
    """
    result = np.zeros(shape, np.float32)
    stretch = float(np.linalg.norm(matrix_px[:, 0]))
    values, offset_px = _low_passed(values, offset_px, stretch, order)
    padded, pad_px = _padded(values, order)
    first, last = _region(values.shape, shape, matrix_px, offset_px, pad_px)
    if np.any(first >= last):
        return result
    offset_px = offset_px + matrix_px @ first
    extent = [_rounded(int(n)) for n in last - first]
    z, y, x = (
        _table(matrix_px[:, axis], extent[axis], offset_px if axis == 0 else np.zeros(3))
        for axis in range(3)
    )
    source = jnp.asarray(padded)

    def one_slab(start: int) -> None:
        slab = slice(start, start + _PLANES)
        some = _slab(source, tuple(t[:, slab] for t in z), y, x, pad_px=pad_px, order=order)
        into = result[first[0] + start : min(first[0] + start + _PLANES, last[0])]
        there = into[:, first[1] : last[1], first[2] : last[2]]
        there[...] = np.asarray(some)[tuple(map(slice, there.shape))]

    starts = range(0, int(last[0] - first[0]), _PLANES)
    with ThreadPoolExecutor(processors()) as pool:
        list(pool.map(one_slab, starts))
    return result


def _low_passed(
    values: Float[np.ndarray, "z y x"],
    offset_px: Float[np.ndarray, " 3"],
    stretch: float,
    order: Order,
) -> tuple[Float[np.ndarray, "z2 y2 x2"], Float[np.ndarray, " 3"]]:
    """Low-pass what the new voxels cannot hold; the box grows by the reach of the filter."""
    if stretch <= 1.0:
        return values, offset_px
    pad = int(np.ceil(2.0 * stretch)) + 1 if order == 1 else int(np.ceil(5.0 * stretch))
    for axis in range(3):
        weights = smoothing_weights(values.shape[axis], pad, stretch, order).astype(np.float32)
        values = multiply_along(values, weights, axis)
    return values, offset_px + pad


def _padded(
    values: Float[np.ndarray, "z y x"], order: Order
) -> tuple[Float[np.ndarray, "z2 y2 x2"], int]:
    """Add zeros around, so that every position near the box finds all its taps.

    For order 3 the values become spline coefficients, which go on a little beyond the box.
    """
    pad = 2 if order == 1 else CARDINAL_REACH + 2
    if order == 3:
        for axis in range(3):
            weights = coefficient_weights(values.shape[axis], pad).astype(np.float32)
            values = multiply_along(values, weights, axis)
    inside = tuple(slice(0, n) if order == 3 else slice(pad, pad + n) for n in values.shape)
    grown = values.shape if order == 3 else tuple(n + 2 * pad for n in values.shape)
    padded = np.zeros([_rounded(n + 1) for n in grown], np.float32)
    padded[inside] = values
    return padded, pad


def _region(
    source: tuple[int, ...],
    shape: tuple[int, int, int],
    matrix_px: Float[np.ndarray, "3 3"],
    offset_px: Float[np.ndarray, " 3"],
    pad_px: int,
) -> tuple[Int[np.ndarray, " 3"], Int[np.ndarray, " 3"]]:
    """Box of new voxels (first, one past the last) that the source reaches."""
    ends = [(-float(pad_px), n - 1.0 + pad_px) for n in source]
    corners = np.array(list(product(*ends)))
    seen = np.linalg.solve(matrix_px, (corners - offset_px).T)
    first = np.clip(np.floor(seen.min(axis=1)), 0, shape).astype(np.int64)
    last = np.clip(np.ceil(seen.max(axis=1)) + 1, 0, shape).astype(np.int64)
    return first, last


def _table(
    column_px: Float[np.ndarray, " 3"], n: int, offset_px: Float[np.ndarray, " 3"]
) -> tuple[Int[np.ndarray, "3 n"], Float[np.ndarray, "3 n"]]:
    positions = column_px[:, None] * np.arange(n) + offset_px[:, None]
    whole = np.floor(positions)
    return whole.astype(np.int32), (positions - whole).astype(np.float32)


@partial(jax.jit, static_argnames=("pad_px", "order"))
def _slab(
    padded: Float[AnyArray, "z y x"],
    along_z: Table,
    along_y: Table,
    along_x: Table,
    *,
    pad_px: int,
    order: Order,
) -> Float[Array, "planes newy newx"]:
    flat = jnp.ravel(padded)
    strides = (padded.shape[1] * padded.shape[2], padded.shape[2], 1)
    taps = (0, 1) if order == 1 else (-1, 0, 1, 2)

    def one_plane(plane: Table) -> Float[Array, "newy newx"]:
        first, fractions = jnp.zeros((), jnp.int32), []
        for axis, (size, stride) in enumerate(zip(padded.shape, strides, strict=True)):
            part = plane[1][axis] + along_y[1][axis][:, None] + along_x[1][axis][None, :]
            carry = jnp.floor(part).astype(jnp.int32)
            voxel = plane[0][axis] + along_y[0][axis][:, None] + along_x[0][axis][None, :]
            voxel = voxel + carry + pad_px
            fractions.append(part - carry)
            # At the ends all taps are zero, so the fraction there does not matter.
            first = first + jnp.clip(voxel, -taps[0], size - 1 - taps[-1]) * stride

        def gather(axis: int, at: int) -> Float[Array, "newy newx"]:
            if axis == 3:
                return flat.at[first + at].get(mode="promise_in_bounds")
            lines = [gather(axis + 1, at + tap * strides[axis]) for tap in taps]
            return _interpolated(lines, fractions[axis])

        return gather(0, 0)

    return jax.vmap(one_plane)((along_z[0].T, along_z[1].T))


def _interpolated(
    lines: list[Float[Array, "newy newx"]], fraction: Float[Array, "newy newx"]
) -> Float[Array, "newy newx"]:
    """Between two values, or among four coefficients of cubic B-splines."""
    if len(lines) == 2:
        return lines[0] + (lines[1] - lines[0]) * fraction
    t, u = fraction, 1.0 - fraction
    weights = (
        u**3 / 6.0,
        2.0 / 3.0 - t**2 * (1.0 - 0.5 * t),
        2.0 / 3.0 - u**2 * (1.0 - 0.5 * u),
        t**3 / 6.0,
    )
    return sum(w * line for w, line in zip(weights, lines, strict=True))  # pyright: ignore


def _rounded(n: int) -> int:
    return -(-n // _ROUND_TO) * _ROUND_TO
