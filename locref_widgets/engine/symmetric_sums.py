"""Symmetry of a reconstruction: the Fourier sums turned by each operator and added up.

To add an image at every symmetric orientation is to add the sums of all images turned by every
operator. That is how it is done here, as in RELION: once per map instead of once per image, each
turned grid looked up by trilinear interpolation. The look-up smooths the turned sums once more, and
in real space that weighs the map by a known envelope, which `symmetry_envelope` gives.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from locref_widgets.engine.slicing import Accumulator, complete_plane, grid_shape, interpolate_sums

_NO_LOOK_UP = 1e-6


def symmetrise(accumulator: Accumulator, operators: Float[np.ndarray, "m 3 3"]) -> Accumulator:
    """Add up the sums turned by every operator of a point group about the map's centre.

    ``operators`` are those of `locref_widgets.engine.symmetry`, the identity first. It takes the
    memory of two more such sums, whatever the number of operators.
    """
    return _symmetrise(accumulator, jnp.asarray(operators[1:], jnp.float32))


@eqx.filter_jit
def _symmetrise(accumulator: Accumulator, turns: Float[Array, "k 3 3"]) -> Accumulator:
    radius = accumulator.radius
    nz, ny, nx = grid_shape(radius)
    line = jnp.arange(ny, dtype=jnp.float32) - radius - 1
    y, x = jnp.meshgrid(line, jnp.arange(nx, dtype=jnp.float32), indexing="ij")
    # Slices are dense near the origin, as the inverse of the distance from it. What turns leave
    # alike is taken out before the look-up, lest it spread the sums there outwards.
    distance = 0.5 + jnp.sqrt(line[:, None, None] ** 2 + y**2 + x**2)[..., None]
    even = complete_plane(accumulator.sums) * distance

    def add_turned(index: Array) -> Float[Array, "y x 3"]:
        z = jnp.broadcast_to(line[index], y.shape)
        points = jnp.stack([x, y, z], axis=-1).reshape(-1, 3)

        def add(total: Float[Array, "p 3"], turn: Float[Array, "3 3"]) -> tuple[Array, None]:
            return total + interpolate_sums(even, points @ turn.T, radius), None

        total, _ = jax.lax.scan(add, even[index].reshape(-1, 3), turns)
        return total.reshape(ny, nx, 3) / distance[index]

    turned = jax.lax.map(add_turned, jnp.arange(nz))
    # The plane qx = 0 is whole now, and whoever takes up the sums completes it once more.
    return Accumulator(turned.at[:, :, 0].multiply(0.5), accumulator.padded_px, radius)


def symmetry_envelope(
    operators: Float[np.ndarray, "m 3 3"], box_px: int, padded_px: int
) -> Float[Array, "z y x"]:
    """What the look-ups of `symmetrise` do to the map; `slicing.undo_interpolation` knows the rest.

    A trilinear look-up between grid points weighs the turned map by ``sinc^2`` along each axis of
    the grid that it was looked up in; along an axis on which all turned points fall on grid points
    it does nothing. The map is the mean over the operators.
    """
    interpolated = np.abs(operators - np.round(operators)).max(axis=-1) > _NO_LOOK_UP
    return _mean_envelope(
        jnp.asarray(operators, jnp.float32), jnp.asarray(interpolated), box_px, padded_px
    )


@eqx.filter_jit
def _mean_envelope(
    operators: Float[Array, "m 3 3"], interpolated: Bool[Array, "m 3"], box_px: int, padded_px: int
) -> Float[Array, "z y x"]:
    line = (jnp.arange(box_px, dtype=jnp.float32) - box_px // 2) / padded_px
    z, y, x = line[:, None, None], line[:, None], line

    def add(total: Float[Array, "z y x"], operator: tuple) -> tuple[Array, None]:
        turn, between = operator
        factor = jnp.ones_like(total)
        for axis in range(3):
            place = turn[axis, 0] * x + turn[axis, 1] * y + turn[axis, 2] * z
            factor = factor * jnp.where(between[axis], jnp.sinc(place) ** 2, 1.0)
        return total + factor, None

    total, _ = jax.lax.scan(add, jnp.zeros((box_px,) * 3), (operators, interpolated))
    return total / operators.shape[0]
