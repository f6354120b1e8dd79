"""From maps and poses to images, and from images back to a map."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.ctf import (
    CTFParameters,
    evaluate_antisymmetric_phase,
    evaluate_ctf,
    magnified_coordinates,
)
from locref_widgets.engine.grids import Disc, disc_to_image, image_to_disc, make_disc
from locref_widgets.engine.reconstruction import add_images
from locref_widgets.engine.slicing import (
    Accumulator,
    Projector,
    interpolate,
    make_projector,
    slice_points,
    slice_radius,
)

_LARGEST_BOX_AT_3 = 160


def simulation_projector(volume: Float[AnyArray, "n n n"], disc: Disc) -> Projector:
    """Prepare a map for projections finer than a refinement needs (padding 3 in small boxes)."""
    padding = 3 if disc.box_px <= _LARGEST_BOX_AT_3 else 2
    radius = slice_radius(disc.radius_px, disc.box_px, disc.box_px * padding)
    return make_projector(jnp.asarray(volume, jnp.float32), radius, padding)


def optics(
    params: CTFParameters, disc: Disc, pixel_size_angstrom: float
) -> tuple[Complex[Array, " p"], Float[Array, "p 2"]]:
    """Transfer function of one image on a disc, and where its slice is taken (Fourier px)."""
    coordinates = jnp.asarray(disc.coordinates)
    frequency = coordinates / (disc.box_px * pixel_size_angstrom)
    transfer = evaluate_ctf(params, frequency)
    phase = evaluate_antisymmetric_phase(params, frequency)
    points = magnified_coordinates(params, coordinates)
    return jax.lax.complex(transfer * jnp.cos(phase), transfer * jnp.sin(phase)), points


def translation(
    origin_angstrom: Float[AnyArray, "2"], disc: Disc, pixel_size_angstrom: float
) -> Complex[Array, " p"]:
    """Phases that an image with this origin has: ``exp(2 pi i k o)``."""
    frequency = jnp.asarray(disc.coordinates) / (disc.box_px * pixel_size_angstrom)
    angle = 2.0 * jnp.pi * (frequency @ jnp.asarray(origin_angstrom))
    return jax.lax.complex(jnp.cos(angle), jnp.sin(angle))


@eqx.filter_jit
def project_images(
    projector: Projector,
    rotations: Float[AnyArray, "n 3 3"],
    origins_angstrom: Float[AnyArray, "n 2"],
    ctf: CTFParameters,
    box_px: int,
    pixel_size_angstrom: float,
) -> Float[Array, "n y x"]:
    """Noise-free images ``[y, x]`` of a map at these poses with these optics.

    Fourier pixels from the Nyquist ring on are zero.
    """
    disc = make_disc(box_px)

    def one(item: tuple) -> Float[Array, "y x"]:
        rotation, origin, params = item
        transfer, coordinates = optics(params, disc, pixel_size_angstrom)
        points = slice_points(rotation, coordinates, projector.padded_px, disc.box_px)
        projection = jax.lax.complex(*interpolate(projector, points))
        return disc_to_image(
            projection * transfer * translation(origin, disc, pixel_size_angstrom), disc
        )

    arrays = (
        jnp.asarray(rotations, jnp.float32),
        jnp.asarray(origins_angstrom, jnp.float32),
        jax.tree.map(jnp.asarray, ctf),
    )
    return jax.lax.map(one, arrays)


@eqx.filter_jit
def add_to_reconstruction(
    accumulator: Accumulator,
    images: Float[AnyArray, "n y x"],
    rotations: Float[AnyArray, "n 3 3"],
    origins_angstrom: Float[AnyArray, "n 2"],
    ctf: CTFParameters,
    box_px: int,
    pixel_size_angstrom: float,
) -> Accumulator:
    """Insert images with white noise into an accumulator at their poses."""
    disc = make_disc(box_px)
    spectra = image_to_disc(jnp.asarray(images, jnp.float32), disc)

    def one(params: CTFParameters, origin: Array, spectrum: Array) -> tuple[Array, ...]:
        transfer, points = optics(params, disc, pixel_size_angstrom)
        shift = translation(origin, disc, pixel_size_angstrom)
        return points, jnp.conj(transfer * shift) * spectrum, jnp.abs(transfer) ** 2

    origins = jnp.asarray(origins_angstrom, jnp.float32)
    points, values, weights = jax.vmap(one)(jax.tree.map(jnp.asarray, ctf), origins, spectra)
    rotations = jnp.asarray(rotations, jnp.float32)
    return add_images(accumulator, rotations, points, values, weights, disc.box_px)


def add_noise(
    rng: np.random.Generator, images: Float[np.ndarray, "n y x"], noise_sd: float
) -> Float[np.ndarray, "n y x"]:
    """Add white Gaussian noise to images."""
    return images + noise_sd * rng.standard_normal(images.shape, dtype=np.float32)
