"""What is done to one batch of a half-set: search the poses, add the images to the half-map."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from locref_widgets.engine.grids import Disc, make_disc, shell_means
from locref_widgets.engine.likelihood import WeightedImage, phase_ramp, templates, weigh_image
from locref_widgets.engine.reconstruction import add_images
from locref_widgets.engine.rotations import exp_rotation
from locref_widgets.engine.search import SearchOutcome, search_particles
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Accumulator, Projector
from locref_widgets.refinement.subtraction import DiscImages


class Poses(eqx.Module):
    """Poses of a batch in the units of the engine."""

    rotations: Float[Array, "b 3 3"]
    origins_px: Float[Array, "b 2"]


class Region(eqx.Module):
    """The refined region: its templates and where it sits.

    Attributes
    ----------
    projector
        The region's map about its own centre.
    centre_px
        That centre relative to the centre of the box, ``(x, y, z)``.
    lever_px
        Vector from the fulcrum to that centre in the map frame.
    """

    projector: Projector
    centre_px: Float[Array, " 3"]
    lever_px: Float[Array, " 3"]


def _region_phase(
    region: Region,
    rotation: Float[Array, "3 3"],
    origin_px: Float[Array, " 2"],
    coordinates: Float[Array, "p 2"],
    plain: Float[Array, "p 2"],
    box_px: int,
) -> Complex[Array, " p"]:
    """Phase that carries a template about the region's centre to where the pose shows it.

    The centre is a point of the object, so magnification acts on its phase; the origin offset is a
    shift of the image, so it does not.
    """
    centre = (rotation @ region.centre_px)[:2]
    return phase_ramp(coordinates, centre, box_px) * phase_ramp(plain, -origin_px, box_px)


@eqx.filter_jit
def weighted_images(
    images: DiscImages,
    poses: Poses,
    region: Region,
    sigma2: Float[Array, " shells"],
    radius_px: Float[Array, ""],
    disc: Disc,
) -> WeightedImage:
    """The batch as the likelihood sees it, on a disc that is a prefix of the images' own."""
    pixels = disc.shells.shape[0]
    plain = jnp.asarray(disc.coordinates)
    variance = sigma2[jnp.asarray(disc.shells)]

    def weigh(coefficients: Complex[Array, " p"], transfer: Complex[Array, " p"]) -> tuple:
        return weigh_image(coefficients[:pixels], transfer[:pixels], variance, disc, radius_px)

    values, weights = jax.vmap(weigh)(images.coefficients, images.transfer)
    phases = jax.vmap(lambda r, o, k: _region_phase(region, r, o, k[:pixels], plain, disc.box_px))(
        poses.rotations, poses.origins_px, images.coordinates
    )
    values = values * jnp.conj(phases)
    return WeightedImage(
        real=jnp.real(values),
        imaginary=jnp.imag(values),
        power_weights=weights,
        coordinates=images.coordinates[:, :pixels],
        rotation=poses.rotations,
        lever_px=poses.rotations @ region.lever_px,
    )


def search_poses(
    images: DiscImages,
    poses: Poses,
    region: Region,
    sigma2: Float[Array, " shells"],
    radius_px: int,
    plan: SearchPlan,
    at_once: int,
) -> SearchOutcome:
    """Search the local motion of each particle of a batch; ``radius_px`` limits the resolution."""
    disc = make_disc(plan.box_px, plan.radius_px)
    weighted = weighted_images(
        images, poses, region, sigma2, jnp.asarray(radius_px, jnp.float32), disc
    )
    return search_particles(region.projector, weighted, disc, plan, at_once)


@partial(jax.jit, donate_argnames=("accumulator",))
def accumulate(
    accumulator: Accumulator,
    images: DiscImages,
    poses: Poses,
    valid: Bool[Array, " b"],
    inverse_sigma2: Float[Array, " p"],
    disc: Disc,
) -> Accumulator:
    """Add a batch to a half-map's sums at the given poses."""
    plain = jnp.asarray(disc.coordinates)

    def centre(
        coefficients: Complex[Array, " p"], origin: Float[Array, " 2"]
    ) -> Complex[Array, " p"]:
        # The map's centre is seen at -o: move it to the phase origin.
        return coefficients * phase_ramp(plain, origin, disc.box_px)

    centred = jax.vmap(centre)(images.coefficients, poses.origins_px)
    weight = inverse_sigma2 * valid[:, None]
    values = jnp.conj(images.transfer) * centred * weight
    weights = jnp.abs(images.transfer) ** 2 * weight
    return add_images(
        accumulator, poses.rotations, images.coordinates, values, weights, disc.box_px
    )


@eqx.filter_jit
def moved_poses(
    poses: Poses,
    turns_rad: Float[Array, "b 3"],
    shifts_px: Float[Array, "b 2"],
    fulcrum_px: Float[Array, " 3"],
) -> Poses:
    """Poses after the local motions found (float32; see `locref_widgets.engine.fulcrum`)."""
    rotations = exp_rotation(turns_rad) @ poses.rotations
    swing = ((rotations - poses.rotations) @ fulcrum_px)[:, :2]
    return Poses(rotations, poses.origins_px + swing + shifts_px)


@eqx.filter_jit
def residual_power(
    images: DiscImages,
    poses: Poses,
    region: Region,
    turns_rad: Float[Array, "b 3"],
    shifts_px: Float[Array, "b 2"],
    valid: Bool[Array, " b"],
    disc: Disc,
) -> Float[Array, " shells"]:
    """Sum over the batch of each shell's mean power of image less template: the noise."""
    pixels = disc.shells.shape[0]
    plain = jnp.asarray(disc.coordinates)

    def one(inputs: tuple) -> Float[Array, " shells"]:
        coefficients, transfer, coordinates, rotation, origin, turn, shift = inputs
        stand_in = jnp.zeros(pixels)
        image = WeightedImage(
            stand_in, stand_in, stand_in, coordinates, rotation, rotation @ region.lever_px
        )
        parts = templates(region.projector, image, turn[None], pixels, disc.box_px)[0]
        predicted = jax.lax.complex(parts[:pixels], parts[pixels:])
        predicted = predicted * _region_phase(
            region, rotation, origin + shift, coordinates, plain, disc.box_px
        )
        return shell_means(jnp.abs(coefficients - transfer * predicted) ** 2, disc)

    inputs = (
        images.coefficients,
        images.transfer,
        images.coordinates,
        poses.rotations,
        poses.origins_px,
        turns_rad,
        shifts_px,
    )
    return jnp.sum(jax.lax.map(one, inputs) * valid[:, None], axis=0)


def inverse_variance(sigma2: Float[np.ndarray, " shells"], disc: Disc) -> Float[np.ndarray, " p"]:
    """``1 / sigma^2`` of each pixel, 0 at the origin whose variance is not measured."""
    spectrum = np.where(np.arange(sigma2.size) >= 1, 1.0 / np.maximum(sigma2, 1e-30), 0.0)
    spectrum[0] = spectrum[1]
    return spectrum[disc.shells].astype(np.float32)
