"""What is done to one batch of a half-set: search the poses, add the images to the half-map.

Everything about the region happens in a box about it (`locref_widgets.engine.region_images`); only
the reconstructions of the whole particle use the images' own box.
"""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float

from locref_widgets.engine.compiling import jit_in_one_thread
from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.engine.grids import Disc, image_to_disc, make_disc, shell_sums
from locref_widgets.engine.likelihood import Prior
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.phases import cosine_and_sine, phase_ramp, rotate_phases
from locref_widgets.engine.posterior import image_scatter_px2, scatter_transfer, within_extents
from locref_widgets.engine.reconstruction import add_images
from locref_widgets.engine.region_images import (
    RegionImages,
    ctf_power,
    cut_out,
    make_turnable,
)
from locref_widgets.engine.rotations import exp_rotation
from locref_widgets.engine.search import SearchOutcome, search_particles
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import (
    IMAGES_TOGETHER,
    Accumulator,
    Projector,
    interpolate,
    slice_points,
)
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
    spread_px2
        Mean square of one coordinate of the mask's points about that centre.
    """

    projector: Projector
    centre_px: Float[Array, " 3"]
    lever_px: Float[Array, " 3"]
    spread_px2: Float[Array, ""]


class RegionSums(eqx.Module):
    """What a pass adds up over particles.

    Attributes
    ----------
    map
        Slices of the region.
    residual_power, ctf_power
        Per shell of the region's box: ``sum |Z - |C|^2 T|^2`` and ``sum |C|^2``, whose ratio is the
        noise.
    """

    map: Accumulator
    residual_power: Float[Array, " shells"]
    ctf_power: Float[Array, " shells"]


@eqx.filter_jit
def region_boxes(
    images: DiscImages, poses: Poses, region: Region, disc: Disc, box_px: int
) -> Float[Array, "b m m"]:
    """Cut the boxes about the region, ``C* X`` centred where the poses show it, out of a batch."""
    # Anew, so that its tables are constants of the compiled program.
    disc = make_disc(disc.box_px, disc.radius_px)
    plain = jnp.asarray(disc.coordinates)

    def centre(inputs: tuple) -> Complex[Array, " p"]:
        coefficients, transfer, coordinates, rotation, origin = inputs
        # The centre is a point of the object, so magnification acts on its phase; the origin is a
        # shift of the image, so it does not.
        place = (rotation @ region.centre_px)[:2]
        cycles = (coordinates @ place - plain @ origin) / disc.box_px
        phase = jax.lax.complex(*cosine_and_sine(cycles))
        return jnp.conj(transfer) * phase * coefficients

    premultiplied = jax.lax.map(
        centre,
        (
            images.coefficients,
            images.transfer,
            images.coordinates,
            poses.rotations,
            poses.origins_px,
        ),
    )
    return cut_out(premultiplied, disc, box_px)


@eqx.filter_jit
def region_images(
    boxes: Float[Array, "b m m"],
    ctf: CTFParameters,
    poses: Poses,
    region: Region,
    plan: SearchPlan,
    pixel_size_angstrom: Float[Array, ""],
) -> RegionImages:
    """Boxes about the region as the search sees them."""
    disc = make_disc(plan.box_px, plan.radius_px)
    pixels = jnp.asarray(disc.coordinates)
    box_angstrom = plan.box_px * pixel_size_angstrom
    return RegionImages(
        values=image_to_disc(boxes, disc),
        power=jax.lax.map(lambda c: ctf_power(c, pixels, box_angstrom), ctf),
        coordinates=jax.vmap(lambda m: pixels @ m.T)(jnp.asarray(ctf.magnification)),
        turnable=make_turnable(boxes, plan.turnable_radius),
        ctf=jax.tree.map(jnp.asarray, ctf),
        rotation=poses.rotations,
        lever_px=poses.rotations @ region.lever_px,
        offset_px=jnp.zeros_like(poses.origins_px),
    )


def search_poses(
    images: RegionImages,
    region: Region,
    sigma2: Float[Array, " shells"],
    radius_px: int,
    prior: Prior,
    plan: SearchPlan,
    pixel_size_angstrom: Float[Array, ""],
    at_once: int,
) -> SearchOutcome:
    """Search the local motion of each particle of a batch; ``radius_px`` limits the resolution."""
    return search_particles(
        region.projector,
        images,
        sigma2,
        on_device(radius_px, np.float32),
        prior,
        plan,
        pixel_size_angstrom,
        at_once,
    )


class FoundPoses(eqx.Module):
    """Local motions of a batch as they enter the map.

    Attributes
    ----------
    turns_rad, shifts_px
        The motions: best ones, or their mean over the posterior.
    covariance
        Of rotation (rad) and shift (px); zeros for poses taken as exact.
    probability
        Posterior weight of each; ones for poses taken as exact.
    """

    turns_rad: Float[Array, "b 3"]
    shifts_px: Float[Array, "b 2"]
    covariance: Float[Array, "b 5 5"]
    probability: Float[Array, " b"]


@jit_in_one_thread
def found_poses(
    outcome: SearchOutcome, marginalize: bool, plan: SearchPlan
) -> tuple[FoundPoses, Float[Array, "b 5 5"]]:
    """What enters the map, and the covariance of what is not known of the poses within the extents.

    Into the map goes the posterior's mean with that covariance, or the best pose as if it were
    exact.
    """

    def bounded(mode: Float[Array, " 5"], covariance: Float[Array, "5 5"]) -> tuple[Array, Array]:
        return within_extents(mode, covariance, plan.rotation_extent_rad, plan.shift_radius_px)

    modes = jnp.concatenate([outcome.turn_rad, outcome.shift_px], axis=-1)
    means, width = jax.vmap(bounded)(modes, outcome.covariance)
    if marginalize:
        return FoundPoses(means[:, :3], means[:, 3:], width, outcome.probability), width
    exact, certain = jnp.zeros_like(width), jnp.ones_like(outcome.probability)
    return FoundPoses(outcome.turn_rad, outcome.shift_px, exact, certain), width


class _Centred(eqx.Module):
    """A batch as it enters the map, the region's centre where it was before the motion."""

    rotations: Float[Array, "b 3 3"]
    values: Complex[Array, "b p"]
    power: Float[Array, "b p"]
    residual_power: Float[Array, "b p"]


def add_to_region(
    sums: RegionSums,
    images: RegionImages,
    region: Region,
    found: FoundPoses,
    inverse_sigma2: Float[Array, " p"],
    valid: Bool[Array, " b"],
    plan: SearchPlan,
) -> RegionSums:
    """Add a batch to the region's map at its new poses, and its residuals to the noise.

    ``sums`` are used up.
    """
    centred = _centre(images, region, found, plan)
    return _add_centred(sums, images, centred, inverse_sigma2, valid, plan)


# Compiled like the search, which halves the time of the look-ups; but not the sums of the map.
@jit_in_one_thread
def _centre(images: RegionImages, region: Region, found: FoundPoses, plan: SearchPlan) -> _Centred:
    """Move a batch back by the motions found, and hold it against the region's templates."""
    disc = make_disc(plan.box_px, plan.radius_px)
    plain = jnp.asarray(disc.coordinates)
    turns = exp_rotation(found.turns_rad)
    rotations = turns @ images.rotation
    levers = jnp.einsum("bij,bj->bi", turns, images.lever_px)

    def centred(inputs: tuple) -> tuple[Array, Array, Array]:
        image, rotation, lever, shift, covariance, probability = inputs
        swing, moved = (lever - image.lever_px)[:2], shift + image.offset_px
        # Back to where the region's centre was: the coefficients times the conjugate phases.
        cycles = (image.coordinates @ swing - plain @ moved) / disc.box_px
        real, imaginary = rotate_phases(jnp.real(image.values), jnp.imag(image.values), cycles)
        points = slice_points(rotation, image.coordinates, region.projector.padded_px, disc.box_px)
        template = jax.lax.complex(*interpolate(region.projector, points))
        rest = (real - image.power * jnp.real(template)) ** 2
        rest = rest + (imaginary - image.power * jnp.imag(template)) ** 2
        scatter = image_scatter_px2(covariance, lever, region.spread_px2)
        expected = probability * scatter_transfer(scatter, plain, disc.box_px)
        values = jax.lax.complex(real * expected, imaginary * expected)
        return values, image.power * expected**2, rest

    given = images, rotations, levers, found.shifts_px, found.covariance, found.probability
    return _Centred(rotations, *jax.lax.map(centred, given, batch_size=IMAGES_TOGETHER))


@partial(jax.jit, donate_argnames=("sums",), static_argnames=("plan",))
def _add_centred(
    sums: RegionSums,
    images: RegionImages,
    centred: _Centred,
    inverse_sigma2: Float[Array, " p"],
    valid: Bool[Array, " b"],
    plan: SearchPlan,
) -> RegionSums:
    disc = make_disc(plan.box_px, plan.radius_px)
    weight = inverse_sigma2 * valid[:, None]
    return RegionSums(
        add_images(
            sums.map,
            centred.rotations,
            images.coordinates,
            centred.values * weight,
            centred.power * weight,
            disc.box_px,
        ),
        sums.residual_power + shell_sums(valid @ centred.residual_power, disc),
        sums.ctf_power + shell_sums(valid @ images.power, disc),
    )


@partial(jax.jit, donate_argnames=("accumulator",))
def accumulate(
    accumulator: Accumulator,
    images: DiscImages,
    poses: Poses,
    valid: Bool[Array, " b"],
    inverse_sigma2: Float[Array, " p"],
    disc: Disc,
) -> Accumulator:
    """Add a batch to the sums of the whole particle at the given poses."""
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


def inverse_variance(sigma2: Float[np.ndarray, " shells"], disc: Disc) -> Float[np.ndarray, " p"]:
    """``1 / sigma^2`` of each pixel, 0 at the origin whose variance is not measured."""
    spectrum = np.where(np.arange(sigma2.size) >= 1, 1.0 / np.maximum(sigma2, 1e-30), 0.0)
    spectrum[0] = spectrum[1]
    return spectrum[disc.shells].astype(np.float32)
