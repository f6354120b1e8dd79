"""The likelihood of an image at candidate poses, as matrix products.

For an image ``X`` with noise variance ``sigma^2(k) = E|n(k)|^2`` and the template ``T`` of a
candidate, the log-likelihood up to a constant is

    sum_k ( 2 Re <T, C* X> - |C T|^2 ) / sigma^2  =  Re <T, Y> - 1/2 <|T|^2, Q>,

summed over the half plane, with ``C`` the CTF (its antisymmetric phase included),
``Y = 2 C* X / sigma^2`` and ``Q = 2 |C|^2 / sigma^2``. Candidates that differ by a shift only share
their template: their scores are one product ``templates x pixels @ pixels x shifts``.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from locref_widgets.engine.grids import Disc
from locref_widgets.engine.rotations import exp_rotation
from locref_widgets.engine.slicing import Projector, slice_many


class WeightedImage(eqx.Module):
    """A particle, or a batch of them, as the likelihood sees it: centred on the refined region.

    Attributes
    ----------
    real, imaginary
        Parts of ``Y``, the image times ``2 C* / sigma^2``, shifted so that the region's centre, at
        the given pose, lies at the phase origin.
    power_weights
        ``Q``, the weight ``2 |C|^2 / sigma^2`` of a template's power.
    coordinates
        Fourier coordinates of the pixels, with anisotropic magnification applied.
    rotation
        The given rotation.
    lever_px
        Vector from the fulcrum to the region's centre in the image frame of the given pose.
    """

    real: Float[Array, "*b p"]
    imaginary: Float[Array, "*b p"]
    power_weights: Float[Array, "*b p"]
    coordinates: Float[Array, "*b p 2"]
    rotation: Float[Array, "*b 3 3"]
    lever_px: Float[Array, "*b 3"]


def weigh_image(
    coefficients: Complex[Array, " p"],
    transfer: Complex[Array, " p"],
    sigma2: Float[Array, " p"],
    disc: Disc,
    radius_px: Float[Array, ""],
) -> tuple[Complex[Array, " p"], Float[Array, " p"]]:
    """``Y`` and ``Q`` of an image; the origin and shells beyond ``radius_px`` get no weight.

    ``radius_px`` is a run-time value: the disc's own radius only sets the shape of the arrays.
    """
    used = (jnp.asarray(disc.shells) >= 1) & (jnp.asarray(disc.shells) <= radius_px)
    weight = jnp.where(used, 2.0 * jnp.asarray(disc.weights) / sigma2, 0.0)
    return weight * jnp.conj(transfer) * coefficients, weight * jnp.abs(transfer) ** 2


def phase_ramp(
    coordinates: Float[Array, "p 2"], displacement_px: Float[Array, " 2"], box_px: int
) -> Complex[Array, " p"]:
    """``exp(-2 pi i k d / N)``: what moving an image by ``d`` pixels does to its coefficients."""
    angle = (-2.0 * jnp.pi / box_px) * (coordinates @ displacement_px)
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


def templates(
    projector: Projector,
    image: WeightedImage,
    turns_rad: Float[Array, "r 3"],
    pixels: int,
    box_px: int,
) -> Float[Array, "r q"]:
    """Templates of the region after turns about the fulcrum, on the first ``pixels`` of the disc.

    Parameters
    ----------
    projector
        The region, centred on its own centre.
    turns_rad
        Rotation vectors of the turns in the image frame.

    Returns
    -------
    Real and imaginary parts one after the other (``q = 2 pixels``), the swing of the region's
    centre about the fulcrum included.
    """
    coordinates = image.coordinates[:pixels]
    turns = exp_rotation(turns_rad)
    real, imaginary = slice_many(projector, turns @ image.rotation, coordinates, box_px)
    swing = (turns @ image.lever_px - image.lever_px)[:, :2]
    return rotate_phases(real, imaginary, (-1.0 / box_px) * (swing @ coordinates.T))


def rotate_phases(
    real: Float[Array, "*#b p"], imaginary: Float[Array, "*#b p"], cycles: Float[Array, "*#b p"]
) -> Float[Array, "*b q"]:
    """Coefficients times ``exp(2 pi i cycles)``, real and imaginary parts one after the other."""
    cosine, sine = jnp.cos(2.0 * jnp.pi * cycles), jnp.sin(2.0 * jnp.pi * cycles)
    return jnp.concatenate(
        [real * cosine - imaginary * sine, real * sine + imaginary * cosine], axis=-1
    )


def shifted_images(
    image: WeightedImage, shifts_px: Float[Array, "s 2"], plain: Float[Array, "p 2"], box_px: int
) -> Float[Array, "s q"]:
    """``Y exp(-2 pi i k t / N)`` for each shift, real and imaginary parts one after the other.

    ``plain`` are the pixels' own coordinates; its length says how many pixels are used.
    """
    pixels = plain.shape[0]
    cycles = (-1.0 / box_px) * (shifts_px @ plain.T)
    return rotate_phases(image.real[None, :pixels], image.imaginary[None, :pixels], cycles)


def score_candidates(
    projector: Projector,
    image: WeightedImage,
    turns_rad: Float[Array, "r 3"],
    shifts_px: Float[Array, "s 2"],
    disc: Disc,
    pixels: int,
) -> Float[Array, "r s"]:
    """Log-likelihoods of all pairs of a turn and a shift, over the first ``pixels`` of the disc."""
    plain = jnp.asarray(disc.coordinates[:pixels])
    predicted = templates(projector, image, turns_rad, pixels, disc.box_px)
    power = predicted**2 @ jnp.tile(image.power_weights[:pixels], 2)
    columns = shifted_images(image, shifts_px, plain, disc.box_px)
    products = jnp.matmul(predicted, columns.T, precision=jax.lax.Precision.HIGHEST)
    return products - 0.5 * power[:, None]
