"""Imaging (slice, transfer, shift) and what a reconstruction adds up are each other's adjoints."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.grids import disc_to_image, image_to_disc, make_disc
from locref_widgets.engine.slicing import (
    Projector,
    empty_accumulator,
    grid_shape,
    slice_radius,
)
from locref_widgets.refinement.step import (
    Poses,
    accumulate,
)
from locref_widgets.refinement.subtraction import (
    DiscImages,
    project_images,
    to_disc_images,
    transfer_function,
)
from tests.refinement.imaging_case import (
    N_IMAGES,
    PIXEL_SIZE_ANGSTROM,
    TOLERANCE,
    inner,
    make_optics,
    random_complex,
)


class _Imaging:
    """Images with every optical effect, and random poses."""

    def __init__(self, rng, box_px):
        self.disc = make_disc(box_px)
        self.padded = 2 * box_px
        self.radius = min(
            slice_radius(self.disc.radius_px, box_px, self.padded), self.padded // 2 - 1
        )
        optics = make_optics(rng)
        pixels = rng.normal(size=(N_IMAGES, box_px, box_px)).astype(np.float32)
        self.images = to_disc_images(
            jnp.asarray(pixels), optics, self.disc, jnp.asarray(PIXEL_SIZE_ANGSTROM)
        )
        assert np.abs(np.imag(self.images.transfer)).max() > 0.1  # the tilt is at work
        self.poses = Poses(
            jnp.asarray(Rotation.random(N_IMAGES, random_state=rng).as_matrix(), jnp.float32),
            jnp.asarray(rng.uniform(-6, 6, (N_IMAGES, 2)), jnp.float32),
        )
        self.weights = self.disc.weights / rng.uniform(0.5, 2.0, self.disc.weights.shape)

    def project(self, parts):
        projector = Projector(jnp.asarray(parts), self.padded, self.radius)
        return np.asarray(
            project_images(
                projector, self.images, self.poses.rotations, self.poses.origins_px, self.disc
            )
        )

    def accumulate(self, values, valid=None):
        images = DiscImages(jnp.asarray(values), self.images.transfer, self.images.coordinates)
        return np.asarray(
            accumulate(
                empty_accumulator(self.padded, self.radius),
                images,
                self.poses,
                jnp.ones(N_IMAGES, bool) if valid is None else jnp.asarray(valid),
                jnp.asarray(self.weights, jnp.float32),
                self.disc,
            ).sums
        )


@pytest.mark.parametrize("box_px", [24, 25])
def test_accumulating_is_the_adjoint_of_imaging(box_px, rng):
    """<A v, W y> = <v, A* W y> with transfer, tilt, magnification, origins and weights."""
    imaging = _Imaging(rng, box_px)
    # Magnification is at work: coordinates differ from the pixels' own, some beyond the radius.
    own = np.asarray(imaging.disc.coordinates)
    assert np.abs(np.asarray(imaging.images.coordinates) - own).max() > 0.2
    v = rng.normal(size=(*grid_shape(imaging.radius), 2)).astype(np.float32)
    imaged = imaging.project(v)
    y = imaged + np.std(imaged) * random_complex(rng, imaged.shape)
    sums = imaging.accumulate(y)
    forward = inner(imaged, imaging.weights * y)
    backward = inner(v, sums[..., :2])
    scale = np.linalg.norm(imaged) * np.linalg.norm(imaging.weights * y)
    assert abs(forward - backward) < TOLERANCE * scale
    # The test can fail: the two are far from orthogonal.
    assert abs(forward) > 0.1 * scale


def test_an_image_that_is_set_aside_adds_nothing(rng):
    imaging = _Imaging(rng, 24)
    y = random_complex(rng, imaging.images.coefficients.shape)
    valid = np.arange(N_IMAGES) != 2
    without = y * valid[:, None]
    some = imaging.accumulate(y, valid)
    np.testing.assert_allclose(some[..., :2], imaging.accumulate(without)[..., :2], atol=1e-6)
    assert some[..., 2].sum() < 0.95 * imaging.accumulate(y)[..., 2].sum()


def test_the_weights_add_up_to_the_transfer_functions_power(rng):
    """Trilinear shares sum to 1: the third channel holds ``sum w |C|^2`` of the points inside."""
    imaging = _Imaging(rng, 24)
    points = 2.0 * np.linalg.norm(np.asarray(imaging.images.coordinates, np.float64), axis=-1)
    inside = points <= imaging.radius
    power = np.abs(np.asarray(imaging.images.transfer, np.complex128)) ** 2
    expected = np.sum((power * imaging.weights)[inside])
    found = imaging.accumulate(imaging.images.coefficients)[..., 2]
    np.testing.assert_allclose(found.sum(dtype=float), expected, rtol=1e-5)


def test_reconstructing_ones_own_images_is_the_gradient_of_their_misfit(rng):
    """``A* W (X - A v)`` is minus half the gradient of ``|X - A v|^2_W`` by automatic means."""
    imaging = _Imaging(rng, 24)
    v = rng.normal(size=(*grid_shape(imaging.radius), 2)).astype(np.float32)
    x = random_complex(rng, imaging.images.coefficients.shape) * 10

    def misfit(parts):
        projector = Projector(parts, imaging.padded, imaging.radius)
        imaged = project_images(
            projector,
            imaging.images,
            imaging.poses.rotations,
            imaging.poses.origins_px,
            imaging.disc,
        )
        return jnp.sum(jnp.asarray(imaging.weights, jnp.float32) * jnp.abs(x - imaged) ** 2)

    gradient = np.asarray(jax.grad(misfit)(jnp.asarray(v)))
    expected = -2 * imaging.accumulate(x - imaging.project(v))[..., :2]
    # Float32 sums of a few hundred terms per grid point.
    np.testing.assert_allclose(gradient, expected, atol=1e-5 * np.abs(expected).max())


def _apply(transfer, images, disc):
    """Real images with their coefficients on the disc multiplied; nothing beyond the disc."""
    return np.asarray(disc_to_image(transfer * image_to_disc(jnp.asarray(images), disc), disc))


@pytest.mark.parametrize("box_px", [24, 25])
def test_the_conjugate_transfer_is_the_adjoint_on_real_images(box_px, rng):
    """<C x, y> = <x, C* y> over the pixels of real images, beam tilt included."""
    disc = make_disc(box_px)
    optics = make_optics(rng)
    pixel = jnp.asarray(PIXEL_SIZE_ANGSTROM)
    transfer = jax.vmap(lambda c: transfer_function(c, disc, pixel))(optics)
    # The origin's coefficient is real: so must its transfer be.
    np.testing.assert_array_equal(jnp.imag(transfer[:, 0]), 0.0)
    x, y = rng.normal(size=(2, N_IMAGES, box_px, box_px)).astype(np.float32)
    forward = inner(_apply(transfer, x, disc), y)
    backward = inner(x, _apply(jnp.conj(transfer), y, disc))
    scale = np.linalg.norm(x) * np.linalg.norm(y)
    assert abs(forward - backward) < TOLERANCE * scale
    # With a complex transfer it matters which is conjugated.
    wrong = inner(x, _apply(transfer, y, disc))
    assert abs(forward - wrong) > 100 * TOLERANCE * scale
