"""How well points agree with a map, and which way it grows: the functions that a fit maximises.

The map is interpolated trilinearly between the centres of its voxels and is zero outside the box
that they span. The slope is the exact one of that function; where it has kinks (on the planes
through voxels) it is the one of the cell that ``floor`` names.

Everything is in voxels. The map comes as a flat array with its size as numbers rather than as a
shape, so that it can be padded and one compiled program serves maps and models of many sizes.
"""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray

Metric = Literal["average", "correlation", "correlation about mean"]
"""With weights w and interpolated values v: ``sum(w v) / sum(w)`` (Chimera's overlap is this times
the sum of weights); ``sum(w v) / (|w| |v|)``; the same after the means are taken off."""

_TINY = 1e-30
_SMALLEST = 128
_BLOCK = 64
"""Arrays are multiples of this long; sums go over blocks first, which keeps six digits in float32
for a million points."""


class PointSet(NamedTuple):
    """Points about their own centre, in voxels; padded with points that are not real."""

    offsets_px: Float[Array, "points 3"]
    weights: Float[Array, " points"]
    real: Float[Array, " points"]
    """1, or 0 for padding, whose weight is 0."""


class FlatMap(NamedTuple):
    """Values of a map in the order x fastest, and voxels along x, y, z; padding may follow."""

    values: Float[Array, " voxels"]
    size_xyz: Float[Array, "3"]


def quantised(count: int) -> int:
    """The next larger of 128, 192, 256, 384, 512, …: arrays padded so come in few sizes."""
    size = _SMALLEST
    while size < count:
        size *= 2
    return size * 3 // 4 if size > _SMALLEST and size * 3 // 4 >= count else size


def make_point_set(
    offsets_px: Float[np.ndarray, "n 3"], weights: Float[np.ndarray, " n"]
) -> PointSet:
    """Pad points; weights are scaled to an average of 1, which changes no metric."""
    count, size = len(weights), quantised(len(weights))
    padded = np.zeros((size, 3), np.float32)
    padded[:count] = offsets_px
    scaled = np.zeros(size, np.float32)
    scaled[:count] = weights / weights.mean()
    real = np.zeros(size, np.float32)
    real[:count] = 1.0
    return PointSet(jnp.asarray(padded), jnp.asarray(scaled), jnp.asarray(real))


def make_flat_map(data: Float[np.ndarray, "z y x"], at_least: int = 0) -> FlatMap:
    """Flatten a map and pad it to a size that comes often, of ``at_least`` so many voxels."""
    flat = np.zeros(quantised(max(data.size, at_least)), np.float32)
    flat[: data.size] = data.ravel()
    return FlatMap(jnp.asarray(flat), jnp.asarray(data.shape[::-1], jnp.float32))


def interpolate(
    flat: FlatMap, places_px: Float[AnyArray, "points 3"]
) -> tuple[Float[Array, " points"], Float[Array, "points 3"]]:
    """Values and their slopes along x, y, z at places (x, y, z) in voxels from the first one."""
    last = flat.size_xyz - 1.0
    inside = jnp.all((places_px >= 0.0) & (places_px <= last), axis=-1)
    corner = jnp.clip(jnp.floor(places_px), 0.0, last - 1.0)
    x, y, z = jnp.moveaxis(places_px - corner, -1, 0)
    i, j, k = jnp.moveaxis(corner.astype(jnp.int32), -1, 0)
    nx, ny = flat.size_xyz[0].astype(jnp.int32), flat.size_xyz[1].astype(jnp.int32)
    first = (k * ny + j) * nx + i

    def rows(offset: Array) -> tuple[Array, Array]:
        """Value along x and its slope on one of the cell's four rows."""
        left, right = flat.values[first + offset], flat.values[first + offset + 1]
        return left + x * (right - left), right - left

    v00, s00 = rows(jnp.int32(0))
    v01, s01 = rows(nx)
    v10, s10 = rows(nx * ny)
    v11, s11 = rows(nx * ny + nx)
    v0, v1 = v00 + y * (v01 - v00), v10 + y * (v11 - v10)
    s0, s1 = s00 + y * (s01 - s00), s10 + y * (s11 - s10)
    along_y0, along_y1 = v01 - v00, v11 - v10
    value = v0 + z * (v1 - v0)
    slope = jnp.stack([s0 + z * (s1 - s0), along_y0 + z * (along_y1 - along_y0), v1 - v0], axis=-1)
    return jnp.where(inside, value, 0.0), jnp.where(inside[..., None], slope, 0.0)


def score(
    metric: Metric, values: Float[Array, " points"], points: PointSet
) -> tuple[Float[Array, ""], Float[Array, " points"]]:
    """Value of a metric and its derivative by each interpolated value."""
    weights, values = points.weights, points.real * values
    if metric == "average":
        total = _sum(weights)
        return _sum(weights * values) / total, weights / total
    if metric == "correlation about mean":
        count = _sum(points.real)
        weights = points.real * (weights - _sum(weights) / count)
        values = points.real * (values - _sum(values) / count)
    norm2 = jnp.maximum(_sum(values**2), _TINY)
    lengths = jnp.sqrt(jnp.maximum(_sum(weights**2), _TINY) * norm2)
    value = _sum(weights * values) / lengths
    return value, weights / lengths - value * values / norm2


def score_and_slope(
    metric: Metric,
    flat: FlatMap,
    points: PointSet,
    rotation: Float[Array, "3 3"],
    centre_px: Float[Array, "3"],
) -> tuple[Float[Array, ""], Float[Array, "6"]]:
    """Metric of points turned about their centre and put at ``centre_px``, and its slope.

    The slope is by a shift (x, y, z) in voxels, then by a rotation vector in radians that acts
    after ``rotation``, about the centre: the sum of forces and of their torques.
    """
    turned = jnp.matmul(points.offsets_px, rotation.T, precision=jax.lax.Precision.HIGHEST)
    values, slopes = interpolate(flat, turned + centre_px)
    value, by_value = score(metric, values, points)
    forces = by_value[:, None] * slopes
    return value, jnp.concatenate([_sum(forces), _sum(jnp.cross(turned, forces))])


def _sum(values: Float[Array, "points ..."]) -> Float[Array, "..."]:
    """Sum over points, over blocks first."""
    blocks = values.reshape(-1, _BLOCK, *values.shape[1:])
    return blocks.sum(axis=1).sum(axis=0)
