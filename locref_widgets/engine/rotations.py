"""Rotations in JAX: exponential and logarithm, local grids over a ball, subdivision of cells.

A small rotation is a rotation vector ``v`` (axis times angle, radians). The ball of rotations
``|v| <= extent`` is covered by cubic cells in the space of rotation vectors, which the exponential
map distorts by less than ``|v|^2 / 12`` (2 % at 28 degrees).
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_SMALL_ANGLE_RAD = 1e-3
"""Below this angle the Taylor series are used; their next term is under 1e-13."""


def _cross_matrix(v: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    x, y, z = v[..., 0], v[..., 1], v[..., 2]
    zero = jnp.zeros_like(x)
    rows = [
        jnp.stack([zero, -z, y], axis=-1),
        jnp.stack([z, zero, -x], axis=-1),
        jnp.stack([-y, x, zero], axis=-1),
    ]
    return jnp.stack(rows, axis=-2)


def exp_rotation(v: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    """Rotation matrix of a rotation vector in radians (Rodrigues' formula).

    Smooth at zero, so it can be differentiated there.
    """
    angle2 = jnp.sum(v**2, axis=-1)
    small = angle2 < _SMALL_ANGLE_RAD**2
    safe2 = jnp.where(small, 1.0, angle2)
    angle = jnp.sqrt(safe2)
    a = jnp.where(small, 1.0 - angle2 / 6.0, jnp.sin(angle) / angle)
    b = jnp.where(small, 0.5 - angle2 / 24.0, (1.0 - jnp.cos(angle)) / safe2)
    k = _cross_matrix(v)
    return jnp.eye(3, dtype=v.dtype) + a[..., None, None] * k + b[..., None, None] * (k @ k)


def log_rotation(rotation: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 3"]:
    """Rotation vector, in radians, of a rotation matrix; inverse of `exp_rotation` up to pi.

    Goes through the unit quaternion whose largest component is taken first (Shepperd 1978), so it
    keeps its accuracy near pi; at exactly pi either of the two axes is returned.
    """
    m = rotation
    d0, d1, d2 = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    squares = jnp.stack(
        [1 + d0 + d1 + d2, 1 + d0 - d1 - d2, 1 - d0 + d1 - d2, 1 - d0 - d1 + d2], axis=-1
    )
    s = [m[..., i, j] + m[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2))]
    a = [m[..., i, j] - m[..., j, i] for i, j in ((2, 1), (0, 2), (1, 0))]
    # Row r: four times the quaternion (w, x, y, z) times its own component r.
    table = jnp.stack(
        [
            jnp.stack([squares[..., 0], a[0], a[1], a[2]], axis=-1),
            jnp.stack([a[0], squares[..., 1], s[0], s[1]], axis=-1),
            jnp.stack([a[1], s[0], squares[..., 2], s[2]], axis=-1),
            jnp.stack([a[2], s[1], s[2], squares[..., 3]], axis=-1),
        ],
        axis=-2,
    )
    largest = jnp.argmax(squares, axis=-1)
    q = jnp.take_along_axis(table, largest[..., None, None], axis=-2)[..., 0, :]
    q = q / jnp.linalg.norm(q, axis=-1, keepdims=True)
    q = jnp.where(q[..., :1] < 0, -q, q)
    sine2 = jnp.sum(q[..., 1:] ** 2, axis=-1)
    small = sine2 < _SMALL_ANGLE_RAD**2
    sine = jnp.sqrt(jnp.where(small, 1.0, sine2))
    factor = jnp.where(small, 2.0 + sine2 / 3.0, 2.0 * jnp.arctan2(sine, q[..., 0]) / sine)
    return factor[..., None] * q[..., 1:]


def ball_grid(radius: float, spacing: float, dimensions: int) -> Float[np.ndarray, "n d"]:
    """Centres of the cubic cells that cover a ball about the origin.

    The lattice has a point at the origin; a cell is kept if it meets the ball. The same grid serves
    rotations (``dimensions=3``, radians) and shifts (``dimensions=2``, pixels).
    """
    steps = int(np.ceil(radius / spacing))
    axis = np.arange(-steps, steps + 1) * spacing
    points = np.array(list(itertools.product(axis, repeat=dimensions)))
    # Distance from the origin to the nearest point of each cell.
    nearest = np.linalg.norm(np.maximum(np.abs(points) - spacing / 2, 0.0), axis=1)
    points = points[nearest <= radius]
    order = np.argsort(np.linalg.norm(points, axis=1), kind="stable")
    return points[order].astype(np.float32)


def child_offsets(spacing: float, dimensions: int) -> Float[np.ndarray, "n d"]:
    """Offsets from a cell's centre to the centres of its ``2^dimensions`` halves."""
    signs = np.array(list(itertools.product((-1.0, 1.0), repeat=dimensions)))
    return (signs * spacing / 4).astype(np.float32)
