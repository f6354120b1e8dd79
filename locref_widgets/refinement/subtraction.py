"""Images as coefficients, and the subtraction of the signal outside the region.

Local refinement scores an image against the region alone; whatever else the particle holds would
count as noise, and it is not random. Its projection at the given pose is subtracted first.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from locref_widgets.engine.compiling import jit_in_one_thread
from locref_widgets.engine.ctf import (
    CTFParameters,
    evaluate_antisymmetric_phase,
    evaluate_ctf,
    magnified_coordinates,
)
from locref_widgets.engine.grids import Disc, image_to_disc
from locref_widgets.engine.phases import phase_ramp
from locref_widgets.engine.slicing import (
    IMAGES_TOGETHER,
    Projector,
    interpolate,
    slice_points,
)


class DiscImages(eqx.Module):
    """A batch of images as coefficients on a disc.

    Attributes
    ----------
    coefficients
        As in the file: the phase origin is pixel ``N // 2``.
    transfer
        CTF, antisymmetric phase included.
    coordinates
        Fourier coordinates with anisotropic magnification applied.
    """

    coefficients: Complex[Array, "b p"]
    transfer: Complex[Array, "b p"]
    coordinates: Float[Array, "b p 2"]


def transfer_function(
    ctf: CTFParameters, disc: Disc, pixel_size_angstrom: Float[Array, ""]
) -> Complex[Array, " p"]:
    """CTF and antisymmetric phase of one particle on a disc."""
    frequency = jnp.asarray(disc.coordinates) / (disc.box_px * pixel_size_angstrom)
    amplitude = evaluate_ctf(ctf, frequency)
    phase = evaluate_antisymmetric_phase(ctf, frequency)
    return jax.lax.complex(amplitude * jnp.cos(phase), amplitude * jnp.sin(phase))


@eqx.filter_jit
def to_disc_images(
    images: Float[Array, "b y x"],
    ctf: CTFParameters,
    disc: Disc,
    pixel_size_angstrom: Float[Array, ""],
) -> DiscImages:
    """Transform images and evaluate their transfer functions."""
    plain = jnp.asarray(disc.coordinates)
    return DiscImages(
        coefficients=image_to_disc(images, disc),
        transfer=jax.vmap(lambda c: transfer_function(c, disc, pixel_size_angstrom))(ctf),
        coordinates=jax.vmap(lambda c: magnified_coordinates(c, plain))(ctf),
    )


@jit_in_one_thread
def project_images(
    projector: Projector,
    images: DiscImages,
    rotations: Float[Array, "b 3 3"],
    origins_px: Float[Array, "b 2"],
    disc: Disc,
) -> Complex[Array, "b p"]:
    """What a map contributes to each image: its projection at the pose, times the transfer."""
    plain = jnp.asarray(disc.coordinates)

    def project(inputs: tuple) -> Complex[Array, " p"]:
        coordinates, transfer, rotation, origin = inputs
        points = slice_points(rotation, coordinates, projector.padded_px, disc.box_px)
        coefficients = jax.lax.complex(*interpolate(projector, points))
        # A map point r is seen at (R r)_xy - o.
        return coefficients * transfer * phase_ramp(plain, -origin, disc.box_px)

    inputs = (images.coordinates, images.transfer, rotations, origins_px)
    return jax.lax.map(project, inputs, batch_size=IMAGES_TOGETHER)


def subtract_map(
    projector: Projector,
    images: DiscImages,
    rotations: Float[Array, "b 3 3"],
    origins_px: Float[Array, "b 2"],
    disc: Disc,
) -> DiscImages:
    """Images less the contribution of a map at the given poses."""
    contribution = project_images(projector, images, rotations, origins_px, disc)
    return DiscImages(images.coefficients - contribution, images.transfer, images.coordinates)
