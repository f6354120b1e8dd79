"""Cutting images to the region and adding them to its sums are adjoints, too."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import make_ctf_parameters
from locref_widgets.engine.grids import disc_to_image, image_to_disc, make_disc
from locref_widgets.engine.likelihood import pixel_weights
from locref_widgets.engine.phases import phase_ramp
from locref_widgets.engine.posterior import expected_phase, image_scatter_px2, scatter_transfer
from locref_widgets.engine.region_images import fit_box
from locref_widgets.engine.search_plan import plan_search
from locref_widgets.engine.slicing import (
    Projector,
    empty_accumulator,
    grid_shape,
    interpolate,
    make_projector,
    slice_points,
    slice_radius,
)
from locref_widgets.refinement.step import (
    FoundPoses,
    Poses,
    Region,
    RegionSums,
    add_to_region,
    region_boxes,
    region_images,
)
from locref_widgets.refinement.subtraction import (
    DiscImages,
    to_disc_images,
)
from tests.engine.objects import compact_blobs
from tests.refinement.imaging_case import (
    N_IMAGES,
    PIXEL_SIZE_ANGSTROM,
    TOLERANCE,
    inner,
    make_optics,
    random_complex,
)


def _shown(box_px, rng, optics=None):
    """Random images as coefficients, in which the whole box is the region, and their poses."""
    optics = make_optics(rng) if optics is None else optics
    disc = make_disc(box_px)
    pixels = rng.normal(size=(N_IMAGES, box_px, box_px)).astype(np.float32)
    images = to_disc_images(jnp.asarray(pixels), optics, disc, jnp.asarray(PIXEL_SIZE_ANGSTROM))
    poses = Poses(
        jnp.asarray(Rotation.random(N_IMAGES, random_state=rng).as_matrix(), jnp.float32),
        jnp.asarray(rng.uniform(-3, 3, (N_IMAGES, 2)), jnp.float32),
    )
    return images, poses, optics, disc


def _region(parts, padded, radius, centre=(0.0, 0.0, 0.0)):
    return Region(
        projector=Projector(jnp.asarray(parts), padded, radius),
        centre_px=jnp.asarray(centre, jnp.float32),
        lever_px=jnp.asarray([4.0, -3.0, 2.0]),
        spread_px2=jnp.asarray(5.0),
    )


@pytest.mark.parametrize("box_px", [24, 25])
def test_premultiplied_images_apply_the_adjoint_and_the_half_planes_weights(box_px, rng):
    """``<T, w Z>`` is ``2 <C T, X> / sigma^2``, ``w |C|^2`` twice the power, over half a plane."""
    images, poses, optics, disc = _shown(box_px, rng)
    poses = Poses(poses.rotations, jnp.zeros_like(poses.origins_px))
    plan = plan_search(box_px, disc.radius_px, 6.0, 0.2, 4.0)
    blank = _region(np.zeros((*grid_shape(8), 2), np.float32), 2 * box_px, 8)
    pixel = jnp.asarray(PIXEL_SIZE_ANGSTROM)
    boxes = region_boxes(images, poses, blank, disc, box_px)
    cut = region_images(boxes, optics, poses, blank, plan, pixel)
    np.testing.assert_allclose(cut.coordinates, images.coordinates, atol=1e-5)
    sigma2 = rng.uniform(0.5, 2.0, disc.radius_px + 1)
    weights = np.asarray(
        pixel_weights(jnp.asarray(sigma2, jnp.float32), jnp.asarray(9.0), disc), float
    )
    used = (disc.shells >= 1) & (disc.shells <= 9)
    share = np.where(used, 2 * disc.weights / sigma2[disc.shells], 0.0)
    template = random_complex(rng, images.coefficients.shape)
    seen = np.asarray(images.transfer, np.complex128) * template
    size = np.linalg.norm(share * seen) * np.linalg.norm(images.coefficients)
    product = inner(template, weights * np.asarray(cut.values))
    assert abs(product - inner(share * seen, images.coefficients)) < TOLERANCE * size
    np.testing.assert_allclose(
        np.sum(np.abs(template) ** 2 * weights * np.asarray(cut.power), axis=1),
        np.sum(share * np.abs(seen) ** 2, axis=1),
        rtol=1e-5,
    )


class _RegionImaging:
    """Imaging of a region through its own box, and what a pass adds up to its map."""

    def __init__(self, rng, whole_px, box_px, marginal):
        self.images, self.poses, self.optics, self.whole = _shown(whole_px, rng)
        self.plan = plan_search(box_px, box_px // 2 - 1, 5.0, 0.2, 4.0)
        self.disc = make_disc(box_px)
        self.padded = 2 * box_px
        self.radius = min(slice_radius(self.disc.radius_px, box_px, self.padded), 2 * box_px - 1)
        self.centre = np.array([5.0, -4.0, 3.0])
        spread = rng.normal(size=(N_IMAGES, 5, 5)) * [0.02, 0.02, 0.02, 0.3, 0.3]
        covariance = np.einsum("nij,nkj->nik", spread, spread) if marginal else 0 * spread
        self.found = FoundPoses(
            jnp.asarray(rng.uniform(-0.1, 0.1, (N_IMAGES, 3)), jnp.float32),
            jnp.asarray(rng.uniform(-1, 1, (N_IMAGES, 2)), jnp.float32),
            jnp.asarray(covariance, jnp.float32),
            jnp.asarray(
                rng.uniform(0.5, 1, N_IMAGES) if marginal else np.ones(N_IMAGES), jnp.float32
            ),
        )

    def region(self, parts):
        return _region(parts, self.padded, self.radius, self.centre)

    def cut(self, region, coefficients):
        images = DiscImages(
            jnp.asarray(coefficients), self.images.transfer, self.images.coordinates
        )
        boxes = region_boxes(images, self.poses, region, self.whole, self.plan.box_px)
        pixel = jnp.asarray(PIXEL_SIZE_ANGSTROM)
        return region_images(boxes, self.optics, self.poses, region, self.plan, pixel)

    def sums(self, coefficients):
        """The map's sums of images, each pixel weighted as in a sum over the half plane."""
        shape = grid_shape(self.radius)
        region = self.region(np.zeros((*shape, 2), np.float32))
        shells = self.disc.radius_px + 1
        empty = empty_accumulator(self.padded, self.radius)
        return add_to_region(
            RegionSums(empty, jnp.zeros(shells), jnp.zeros(shells)),
            self.cut(region, coefficients),
            region,
            self.found,
            jnp.asarray(self.disc.weights),
            jnp.ones(N_IMAGES, bool),
            self.plan,
        )

    def motion(self, i):
        """Turn after the given pose, where the lever ends, and by how much that moves it."""
        turn = Rotation.from_rotvec(np.asarray(self.found.turns_rad[i])).as_matrix()
        rotation = np.asarray(self.poses.rotations[i], float)
        lever = rotation @ np.array([4.0, -3.0, 2.0])
        return turn @ rotation, turn @ lever, (turn @ lever - lever)[:2]

    def templates(self, parts):
        """Slices at the moved poses in the region's box, placed and blurred as the images are."""
        projector = Projector(jnp.asarray(parts), self.padded, self.radius)
        plain = jnp.asarray(self.disc.coordinates)
        out = []
        for i in range(N_IMAGES):
            rotation, lever, swing = self.motion(i)
            coordinates = plain @ jnp.asarray(self.optics.magnification[i]).T
            points = slice_points(
                jnp.asarray(rotation, jnp.float32), coordinates, self.padded, self.plan.box_px
            )
            value = jax.lax.complex(*interpolate(projector, points))
            value *= phase_ramp(coordinates, jnp.asarray(swing, jnp.float32), self.plan.box_px)
            value *= phase_ramp(plain, -self.found.shifts_px[i], self.plan.box_px)
            scatter = image_scatter_px2(
                self.found.covariance[i], jnp.asarray(lever, jnp.float32), jnp.asarray(5.0)
            )
            blurred = scatter_transfer(scatter, plain, self.plan.box_px)
            out.append(value * self.found.probability[i] * blurred)
        return jnp.stack(out)

    def placed(self, templates):
        """Coefficients of whole images that show the region's boxes, transfer applied."""
        n = self.whole.box_px
        whole = image_to_disc(fit_box(disc_to_image(templates, self.disc), n), self.whole)
        plain = np.asarray(self.whole.coordinates, float)
        out = []
        for i in range(N_IMAGES):
            place = (np.asarray(self.poses.rotations[i], float) @ self.centre)[:2]
            origin = np.asarray(self.poses.origins_px[i], float)
            angle = np.asarray(self.images.coordinates[i], float) @ place - plain @ origin
            wave = np.exp(-2j * np.pi / n * angle)
            out.append(np.asarray(self.images.transfer[i]) * wave * np.asarray(whole[i]))
        return np.stack(out)


@pytest.mark.parametrize("marginal", [False, True], ids=["exact poses", "marginalised"])
@pytest.mark.parametrize(("whole_px", "box_px"), [(40, 24), (41, 24), (24, 24)])
def test_adding_to_the_region_is_the_adjoint_of_imaging_it(whole_px, box_px, marginal, rng):
    """<A v, y> = <v, A* y>: slice, motion, box, whole image, transfer; and all the way back.

    The box cuts nothing of a template, which is made in it.
    """
    imaging = _RegionImaging(rng, whole_px, box_px, marginal)
    v = rng.normal(size=(*grid_shape(imaging.radius), 2)).astype(np.float32)
    imaged = imaging.placed(imaging.templates(v))
    y = imaged + np.std(imaged) * random_complex(rng, imaged.shape)
    weights = imaging.whole.weights / whole_px**2  # by Parseval: sums over pixels of real images
    forward = inner(imaged, weights * y)
    sums = np.asarray(imaging.sums(y.astype(np.complex64)).map.sums)
    backward = inner(v, sums[..., :2]) / box_px**2
    scale = np.linalg.norm(imaged) * np.linalg.norm(weights * y)
    assert abs(forward - backward) < TOLERANCE * scale
    assert abs(forward) > 0.1 * scale


def test_frequencies_at_which_no_pose_is_known_blow_up_no_noise(rng):
    """Where scatter leaves less than 0.1 of a wave, noise is a hundredfold, however wide it is."""
    imaging = _RegionImaging(rng, 40, 24, marginal=False)
    coefficients = np.asarray(imaging.images.coefficients)
    exact = np.asarray(imaging.sums(coefficients).map.sums, float)
    shift = jnp.diag(jnp.asarray([0, 0, 0, 9.0, 9.0]))
    imaging.found = eqx.tree_at(
        lambda found: found.covariance, imaging.found, jnp.broadcast_to(shift, (N_IMAGES, 5, 5))
    )
    wide = np.asarray(imaging.sums(coefficients).map.sums, float)
    rows = np.arange(-imaging.radius - 1, imaging.radius + 2)
    distance = np.sqrt(rows[:, None, None] ** 2 + rows[:, None] ** 2 + rows[rows >= 0] ** 2)
    # exp(-2 pi^2 9 k^2 / 24^2) is 0.1 at shell 2.7 of the box, 5.5 of the padded one (magnification
    # and the width of the look-up aside): there, 20 decades down at Nyquist without a least value.
    known = expected_phase(shift[3:, 3:], jnp.asarray([[2.5, 0.0], [3.0, 0.0]]), 24)
    assert known[0] > 0.1 > known[1]
    beyond = (distance > 8) & (distance < imaging.radius)
    for channels, share in ((slice(0, 2), 0.1), (2, 0.01)):
        expected = share * exact[beyond][:, channels]
        # Sums in float32, to the rounding of the largest.
        atol = 1e-6 * np.abs(expected).max()
        np.testing.assert_allclose(wide[beyond][:, channels], expected, rtol=1e-5, atol=atol)


def test_the_regions_weights_are_its_ctfs_power(rng):
    imaging = _RegionImaging(rng, 40, 24, marginal=False)
    sums = imaging.sums(np.asarray(imaging.images.coefficients))
    shape = grid_shape(imaging.radius)
    region = imaging.region(np.zeros((*shape, 2), np.float32))
    cut = imaging.cut(region, np.asarray(imaging.images.coefficients))
    points = 2.0 * np.linalg.norm(np.asarray(cut.coordinates, float), axis=-1)
    power = np.asarray(cut.power, float)
    expected = np.sum((power * imaging.disc.weights)[points <= imaging.radius])
    np.testing.assert_allclose(np.sum(sums.map.sums[..., 2], dtype=float), expected, rtol=1e-5)
    # Against an empty map all of the premultiplied image is residual.
    for found, values in (
        (sums.residual_power, np.abs(np.asarray(cut.values)) ** 2),
        (sums.ctf_power, power),
    ):
        by_shell = np.bincount(imaging.disc.shells, values.sum(axis=0))
        np.testing.assert_allclose(found, by_shell, rtol=1e-4)


def test_a_region_seen_in_whole_images_is_the_template_times_the_ctfs_power(rng):
    """``crop(C* C T) = |C|^2 T`` where the CTF's halo fits the box: here it has next to none."""
    optics = make_ctf_parameters(
        N_IMAGES,
        voltage_kv=300.0,
        spherical_aberration_mm=2.7,
        amplitude_contrast=0.1,
        defocus_u_angstrom=1500.0,
        defocus_v_angstrom=1700.0,
        defocus_angle_deg=rng.uniform(0, 180, N_IMAGES),
        beam_tilt_mrad=rng.uniform(-1, 1, (N_IMAGES, 2)),
        magnification=np.eye(2) + rng.uniform(-0.02, 0.02, (N_IMAGES, 2, 2)),
    )
    box_px, whole_px = 32, 48
    images, poses, _, whole = _shown(whole_px, rng, optics)
    blobs = compact_blobs(rng, box_px, radius=0.12, sigmas=(1.2, 1.8))
    disc, padded = make_disc(box_px), 2 * box_px
    radius = min(slice_radius(disc.radius_px, box_px, padded), padded // 2 - 1)
    projector = make_projector(jnp.asarray(blobs.volume(box_px, 1.0)), radius)
    region = _region(projector.parts, padded, radius, (5.0, -4.0, 3.0))
    shown = []
    for i in range(N_IMAGES):
        rotation = np.asarray(poses.rotations[i], float)
        coordinates = np.asarray(images.coordinates[i], float)
        spectrum = blobs.spectra(rotation[None], coordinates / whole_px)[0]
        place = (rotation @ np.array([5.0, -4.0, 3.0]))[:2]
        angle = coordinates @ place - np.asarray(whole.coordinates) @ np.asarray(
            poses.origins_px[i]
        )
        shown.append(spectrum * np.exp(-2j * np.pi / whole_px * angle))
    seen = DiscImages(
        jnp.asarray(np.stack(shown) * np.asarray(images.transfer), jnp.complex64),
        images.transfer,
        images.coordinates,
    )
    plan = plan_search(box_px, disc.radius_px, 8.0, 0.2, 4.0)
    boxes = region_boxes(seen, poses, region, whole, box_px)
    cut = region_images(boxes, optics, poses, region, plan, jnp.asarray(PIXEL_SIZE_ANGSTROM))
    for i in range(N_IMAGES):
        coordinates = np.asarray(cut.coordinates[i], float)
        template = blobs.spectra(np.asarray(poses.rotations[i], float)[None], coordinates / box_px)
        expected = np.asarray(cut.power[i]) * template[0]
        # The blobs' tails and the CTF's halo beyond the box: 1 % of the whole.
        rest = np.asarray(cut.values[i]) - expected
        assert np.linalg.norm(rest) < 0.02 * np.linalg.norm(expected)
