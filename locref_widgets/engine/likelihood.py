"""The likelihood of an image at candidate poses, as matrix products.

For an image with the transfer function ``C``, noise variance ``sigma^2(k) = E|n(k)|^2`` and the
template ``T`` of a candidate, the log-likelihood up to a constant is

    sum_k w ( Re <T, Z> - 1/2 |C|^2 |T|^2 ),    w = 2 / sigma^2,

summed over the half plane, with ``Z = C* X`` (see `locref_widgets.engine.region_images`). A
candidate is a tilt, an in-plane turn and a shift. Templates are sliced once for each tilt; the
image is turned and shifted instead, its ``|C|^2`` turned with it. All candidates of a level are
then one product ``tilts x pixels @ pixels x (turns x shifts)``.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.grids import Disc
from locref_widgets.engine.phases import rotate_by_few, rotate_phases
from locref_widgets.engine.region_images import (
    RegionImages,
    ctf_power,
    look_up_turned,
    unmagnified,
)
from locref_widgets.engine.slicing import Projector, slice_many
from locref_widgets.engine.tilts_turns import in_plane, rotation_angle, tilt_matrices


class Prior(eqx.Module):
    """Gaussian priors on the local motion, as inverse variances; zero means none.

    Attributes
    ----------
    rotation_precision
        Of each component of the rotation vector, 1/rad^2.
    shift_precision
        Of each component of the shift, 1/px^2.
    """

    rotation_precision: Float[Array, ""]
    shift_precision: Float[Array, ""]


def make_prior(rotation_sigma_rad: float | None, shift_sigma_px: float | None) -> Prior:
    """Priors of given standard deviations; None for a flat one."""
    return Prior(
        jnp.asarray(0.0 if rotation_sigma_rad is None else rotation_sigma_rad**-2, jnp.float32),
        jnp.asarray(0.0 if shift_sigma_px is None else shift_sigma_px**-2, jnp.float32),
    )


class LevelScores(eqx.Module):
    """Scores of one particle's candidates at one level, and what the bounds need.

    Attributes
    ----------
    scores
        Log-likelihood plus log-prior of each tilt, turn and shift.
    templates
        Real and imaginary part of each tilt's template.
    images
        Of the turned images ``w Z``, not shifted.
    power_weights
        ``w |C|^2`` as turned.
    """

    scores: Float[Array, "t n s"]
    templates: Float[Array, "2 t p"]
    images: Float[Array, "2 n p"]
    power_weights: Float[Array, "n p"]


def pixel_weights(
    sigma2: Float[AnyArray, " shells"], radius_px: Float[Array, ""], disc: Disc
) -> Float[Array, " p"]:
    """``2 / sigma^2`` of each pixel; the origin and shells beyond ``radius_px`` get no weight.

    ``radius_px`` is a run-time value: the disc's own radius only sets the shape of the arrays.
    """
    shells = jnp.asarray(disc.shells)
    used = (shells >= 1) & (shells <= radius_px)
    variance = jnp.where(used, jnp.asarray(sigma2)[shells], 1.0)
    return jnp.where(used, 2.0 * jnp.asarray(disc.weights) / variance, 0.0)


def tilted_templates(
    projector: Projector,
    image: RegionImages,
    tilts_rad: Float[Array, "t 2"],
    coordinates: Float[AnyArray, "p 2"],
    box_px: int,
) -> Float[Array, "2 t p"]:
    """Templates after tilts about the fulcrum, the swing of the region's centre included."""
    plane = jnp.asarray(coordinates)
    tilts = tilt_matrices(tilts_rad)
    real, imaginary = slice_many(projector, tilts @ image.rotation, plane, box_px)
    swing = (tilts @ image.lever_px - image.lever_px)[:, :2]
    return rotate_phases(real, imaginary, (-1.0 / box_px) * (swing @ plane.T))


def turned_images(
    image: RegionImages,
    turns_rad: Float[Array, " n"],
    weights: Float[Array, " p"],
    coordinates: Float[AnyArray, "p 2"],
    box_px: int,
    pixel_size_angstrom: Float[Array, ""],
) -> tuple[Float[Array, "2 n p"], Float[Array, "n p"]]:
    """The image ``w Z`` and its ``w |C|^2``, turned back by each in-plane turn.

    A template at pixel ``k`` after ``Z T`` is the slice of ``T`` at ``Z^T k``: so the image is
    looked up at ``k = Z k'`` for the pixels ``k'`` of the slice. Its phase is brought to where the
    lever's end would be after the turn alone.
    """
    plane = jnp.asarray(coordinates)
    lever, box_angstrom = image.lever_px[:2], box_px * pixel_size_angstrom

    def turn(matrix: Float[Array, "2 2"]) -> tuple[Array, ...]:
        object_points = plane @ matrix.T
        points = unmagnified(image.ctf, object_points)
        real, imaginary = look_up_turned(image.turnable, points)
        cycles = (plane @ lever - object_points @ lever - points @ image.offset_px) / box_px
        power = ctf_power(image.ctf, points, box_angstrom)
        return real * weights, imaginary * weights, cycles, weights * power

    *turned, power_weights = jax.vmap(turn)(in_plane(turns_rad))
    return rotate_phases(*turned), power_weights


def log_prior(
    prior: Prior,
    tilts_rad: Float[Array, "t 2"],
    turns_rad: Float[Array, " n"],
    shifts_px: Float[Array, "s 2"],
) -> Float[Array, "t n s"]:
    """Log of the priors, up to a constant, of all combinations."""
    angle = rotation_angle(tilts_rad[:, None, :], turns_rad[None, :])
    rotations = -0.5 * prior.rotation_precision * angle**2
    shifts = -0.5 * prior.shift_precision * jnp.sum(shifts_px**2, axis=-1)
    # Computed once each, not for every combination.
    rotations, shifts = jax.lax.optimization_barrier((rotations, shifts))
    return rotations[:, :, None] + shifts


def score_level(
    projector: Projector,
    image: RegionImages,
    prior: Prior,
    tilts_rad: Float[Array, "t 2"],
    turns_rad: Float[Array, " n"],
    shifts_px: Float[Array, "s 2"],
    weights: Float[Array, " p"],
    coordinates: Float[np.ndarray, "p 2"],
    box_px: int,
    pixel_size_angstrom: Float[Array, ""],
) -> LevelScores:
    """Scores of all combinations over the pixels of ``coordinates`` (a prefix of a disc).

    Shifts are those of the turned image: the shift of the image as it stands is ``Z`` times it.
    """
    templates = tilted_templates(projector, image, tilts_rad, coordinates, box_px)
    images, power_weights = turned_images(
        image, turns_rad, weights, coordinates, box_px, pixel_size_angstrom
    )
    # Each is used more than once: it must be computed once.
    templates, images, power_weights = jax.lax.optimization_barrier(
        (templates, images, power_weights)
    )
    power = (templates[0] ** 2 + templates[1] ** 2) @ power_weights.T
    cycles = (-1.0 / box_px) * (shifts_px @ jnp.asarray(coordinates).T)
    columns = rotate_by_few(images[0][:, None], images[1][:, None], cycles)
    columns = jax.lax.optimization_barrier(columns.reshape(2, -1, coordinates.shape[0]))
    real, imaginary = (
        jnp.matmul(templates[part], columns[part].T, precision=jax.lax.Precision.HIGHEST)
        for part in (0, 1)
    )
    products = real + imaginary
    scores = products.reshape(len(tilts_rad), len(turns_rad), len(shifts_px))
    scores = scores - 0.5 * power[:, :, None] + log_prior(prior, tilts_rad, turns_rad, shifts_px)
    return LevelScores(scores, templates, images, power_weights)
