"""Local rotations as a tilt followed by an in-plane turn, and the cells that cover them.

A local rotation in the image frame is written ``E = Z(turn) T(tilt)``: ``T`` tilts about an axis in
the image plane (two numbers, radians), ``Z`` turns about the viewing direction (one number). Only
the tilt needs a slice of its own: the turn can be applied to the image instead, once for all tilts.

The angle of ``E`` follows from the half-angles, because the two axes are perpendicular:
``cos(angle / 2) = cos(turn / 2) cos(tilt / 2)``.
"""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.spatial.transform import Rotation

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.rotations import ball_grid, exp_rotation, log_rotation


def tilt_matrices(tilts_rad: Float[AnyArray, "*n 2"]) -> Float[Array, "*n 3 3"]:
    """Rotation matrices of tilts."""
    tilts = jnp.asarray(tilts_rad)
    return exp_rotation(jnp.concatenate([tilts, jnp.zeros_like(tilts[..., :1])], axis=-1))


def in_plane(turns_rad: Float[AnyArray, "*n"]) -> Float[Array, "*n 2 2"]:
    """In-plane rotation matrices of turns (the upper left block of ``Z``)."""
    cosine, sine = jnp.cos(jnp.asarray(turns_rad)), jnp.sin(jnp.asarray(turns_rad))
    rows = [jnp.stack([cosine, -sine], axis=-1), jnp.stack([sine, cosine], axis=-1)]
    return jnp.stack(rows, axis=-2)


def rotation_vector(
    tilt_rad: Float[AnyArray, "*n 2"], turn_rad: Float[AnyArray, "*n"]
) -> Float[Array, "*n 3"]:
    """Rotation vector of ``Z(turn) T(tilt)``."""
    turn = jnp.asarray(turn_rad)
    zero = jnp.zeros_like(turn)
    about_view = exp_rotation(jnp.stack([zero, zero, turn], axis=-1))
    return log_rotation(about_view @ tilt_matrices(tilt_rad))


def rotation_angle(
    tilt_rad: Float[AnyArray, "*#n 2"], turn_rad: Float[AnyArray, "*#n"]
) -> Float[Array, "*n"]:
    """Angle of ``Z(turn) T(tilt)`` in radians."""
    tilt = jnp.linalg.norm(jnp.asarray(tilt_rad), axis=-1)
    # By sines, for near zero the cosine loses half its digits.
    a, b = jnp.sin(jnp.asarray(turn_rad) / 2) ** 2, jnp.sin(tilt / 2) ** 2
    return 2.0 * jnp.arcsin(jnp.sqrt(jnp.clip(a + b - a * b, 0.0, 1.0)))


def tilt_and_turn(
    rotation_rad: Float[np.ndarray, " 3"],
) -> tuple[Float[np.ndarray, " 2"], float]:
    """The tilt and the in-plane turn of a local rotation; inverse of `rotation_vector` (host).

    The third row of ``Z T`` is that of ``T``, ``(-a_y sin t, a_x sin t, cos t)`` for a tilt by
    ``t`` about ``a``.
    """
    matrix = Rotation.from_rotvec(rotation_rad).as_matrix()
    sine = float(np.hypot(matrix[2, 0], matrix[2, 1]))
    angle = float(np.arctan2(sine, matrix[2, 2]))
    axis = np.array([matrix[2, 1], -matrix[2, 0]])
    tilt = axis * (angle / sine if sine > 0 else 1.0)
    about_view = matrix @ Rotation.from_rotvec([*tilt, 0.0]).as_matrix().T
    return tilt, float(np.arctan2(about_view[1, 0], about_view[0, 0]))


def root_tilts(extent_rad: float, spacing_rad: float) -> Float[np.ndarray, "t 2"]:
    """Centres of the cells of tilts that meet the disc of an extent."""
    return ball_grid(extent_rad, spacing_rad, 2)


def root_turns(extent_rad: float, spacing_rad: float) -> Float[np.ndarray, " n"]:
    """Centres of the cells of turns that meet the interval of an extent."""
    return ball_grid(extent_rad, spacing_rad, 1)[:, 0]
