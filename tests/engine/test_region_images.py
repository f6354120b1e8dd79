"""Images cut to the region: noise, products with templates, turned look-ups, magnification."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.ctf import evaluate_ctf, magnified_coordinates
from locref_widgets.engine.grids import disc_to_image, image_to_disc, make_disc, shell_means
from locref_widgets.engine.region_images import (
    ctf_power,
    cut_out,
    fit_box,
    look_up_turned,
    make_turnable,
    noise_in_region_box,
    noise_in_whole_box,
    unmagnified,
)
from locref_widgets.engine.tilts_turns import in_plane
from tests.engine.objects import blob_spectrum, compact_blobs, random_rotation
from tests.engine.simulated import PIXEL_ANGSTROM, real_ctf

WHOLE, REGION = 64, 32


@pytest.mark.parametrize(("whole", "box"), [(64, 32), (33, 20), (32, 25), (24, 40), (25, 32)])
def test_boxes_are_cut_about_the_centre_and_filled_up_with_zeros(whole, box, rng):
    images = rng.normal(size=(2, whole, whole)).astype(np.float32)
    found = np.asarray(fit_box(jnp.asarray(images), box))
    assert found.shape == (2, box, box)
    reach = min(whole, box) // 2 - 1
    for y, x in ((0, 0), (reach, -reach), (-reach, 3)):
        at = box // 2 + y, box // 2 + x
        from_ = whole // 2 + y, whole // 2 + x
        np.testing.assert_array_equal(found[:, at[0], at[1]], images[:, from_[0], from_[1]])
    if box > whole:
        np.testing.assert_allclose(found.sum(), images.sum(dtype=float), rtol=1e-5)


def test_white_noise_in_a_smaller_box_is_less_by_the_ratio_of_the_areas(rng):
    whole, region = make_disc(WHOLE), make_disc(REGION)
    sigma2 = np.full(whole.radius_px + 1, float(WHOLE**2))  # variance 1 per pixel
    images = jnp.asarray(rng.normal(size=(300, WHOLE, WHOLE)), jnp.float32)
    boxes = cut_out(image_to_disc(images, whole), whole, REGION)
    power = jnp.mean(jnp.abs(image_to_disc(boxes, region)) ** 2, axis=0)
    found = np.asarray(shell_means(power, region))
    expected = noise_in_region_box(sigma2, WHOLE, region)
    np.testing.assert_allclose(expected, (REGION / WHOLE) ** 2 * sigma2[0])
    # Shells of 300 times pi L coefficients. At the rim the whole disc's corners are missing, which
    # leaks half of the last shell's power away.
    for shell in range(1, region.radius_px):
        spread = 4 / np.sqrt(300 * np.pi * shell)
        assert found[shell] == pytest.approx(expected[shell], rel=spread + 0.02)


def test_coloured_noise_scales_alike_where_its_spectrum_is_smooth(rng):
    whole, region = make_disc(WHOLE), make_disc(REGION)
    sigma2 = 100.0 * (1 + 2 * np.exp(-np.arange(whole.radius_px + 1) / 12.0))
    scale = np.sqrt(sigma2[whole.shells] / 2)
    noise = rng.normal(size=(2, 300, len(scale))) * scale
    noise = jnp.asarray(noise[0] + 1j * noise[1], jnp.complex64)
    boxes = cut_out(noise, whole, REGION)
    power = jnp.mean(jnp.abs(image_to_disc(boxes, region)) ** 2, axis=0)
    found = np.asarray(shell_means(power, region))
    expected = noise_in_region_box(sigma2, WHOLE, region)
    for shell in range(2, region.radius_px):
        spread = 4 / np.sqrt(300 * np.pi * shell)
        # The cut blurs the spectrum over two shells; here it bends by 3 % over that.
        assert found[shell] == pytest.approx(expected[shell], rel=spread + 0.03)


def test_noise_spectra_of_both_boxes_are_each_others():
    whole, region = make_disc(WHOLE), make_disc(REGION)
    sigma2 = 5.0 + np.arange(whole.radius_px + 1)  # linear: interpolation is exact
    there = noise_in_region_box(sigma2, WHOLE, region)
    back = noise_in_whole_box(there, REGION, whole)
    # Below the region's first shell and beyond its last there is nothing to go by.
    inner = slice(2, 2 * region.radius_px + 1)
    np.testing.assert_allclose(back[inner], sigma2[inner])


def _template_and_image(rng, sigmas=(1.2, 2.0)):
    """A region's coefficients in both boxes, a noisy image of it, and its optics."""
    blobs = compact_blobs(rng, REGION, radius=0.18, sigmas=sigmas)
    rotation = random_rotation(rng)
    ctf = jax.tree.map(lambda a: jnp.asarray(a[0]), real_ctf(rng, 1))
    whole, region = make_disc(WHOLE), make_disc(REGION)
    frequency = whole.coordinates / np.float32(WHOLE * PIXEL_ANGSTROM)
    transfer = np.asarray(evaluate_ctf(ctf, frequency), np.float64)
    large = blob_spectrum(blobs, rotation, whole.coordinates, WHOLE)
    small = blob_spectrum(blobs, rotation, region.coordinates, REGION)
    n = rng.normal(size=(2, len(transfer))) * WHOLE * 0.05
    return large, small, transfer * large + n[0] + 1j * n[1], transfer, ctf


def test_products_of_templates_with_the_cut_out_are_those_with_the_whole_image(rng):
    """``sum 2 / sigma^2 Re <T, C* X>``, with the noise of either box, the origin included."""
    whole, region = make_disc(WHOLE), make_disc(REGION)
    sigma2 = np.full(whole.radius_px + 1, 3.0)
    weights = {
        WHOLE: 2 * whole.weights / sigma2[whole.shells],
        REGION: 2 * region.weights / noise_in_region_box(sigma2, WHOLE, region)[region.shells],
    }
    for _ in range(5):
        large, small, image, transfer, _ = _template_and_image(rng)
        premultiplied = jnp.asarray(transfer * image, jnp.complex64)
        boxes = cut_out(premultiplied[None], whole, REGION)
        cut = np.asarray(image_to_disc(boxes, region)[0])
        expected = np.sum(weights[WHOLE] * (np.conj(large) * transfer * image).real)
        found = np.sum(weights[REGION] * (np.conj(small) * cut).real)
        # The blobs' tails beyond the box are 1e-3 of their mass.
        size = np.sum(weights[WHOLE] * np.abs(large * transfer * image))
        assert abs(found - expected) < 1e-3 * size


def test_the_power_of_a_template_is_summed_over_the_coarser_grid(rng):
    whole, region = make_disc(WHOLE), make_disc(REGION)
    for _ in range(5):
        large, small, _, transfer, ctf = _template_and_image(rng)
        box_angstrom = jnp.asarray(REGION * PIXEL_ANGSTROM)
        power = np.asarray(ctf_power(ctf, jnp.asarray(region.coordinates), box_angstrom))
        expected = np.sum((np.abs(transfer * large) ** 2)[whole.shells >= 1])
        found = np.sum((power * np.abs(small) ** 2)[region.shells >= 1]) * (WHOLE / REGION) ** 2
        # The halo of |C|^2 (0.3 to 0.8 micrometres: up to 25 Å) and the template's own width share
        # a box of 96 Å; what wraps around it, and the origins' shares, are a few per cent.
        assert found == pytest.approx(expected, rel=0.05)


def _band_limited(rng, disc, width_px):
    """Smooth images that fall to nothing within the box."""
    n = disc.box_px
    x = np.arange(n) - n // 2
    window = np.exp(-0.5 * (x / width_px) ** 2)
    return (rng.normal(size=(n, n)) * window[:, None] * window).astype(np.float32)


@pytest.mark.parametrize("turn", [0.05, -0.3, 1.0, 3.0])
@pytest.mark.parametrize("box", [32, 33])
def test_turned_look_ups_are_the_image_transform_between_its_pixels(box, turn, rng):
    disc = make_disc(box)
    image = _band_limited(rng, disc, 0.12 * box)
    spectrum = make_turnable(jnp.asarray(image), min(2 * (disc.radius_px + 1), box - 1))
    points = np.asarray(disc.coordinates @ np.asarray(in_plane(jnp.asarray(turn))).T, np.float32)
    real, imaginary = look_up_turned(spectrum, jnp.asarray(points))
    x = np.arange(box) - box // 2
    waves = np.exp(-2j * np.pi / box * points[:, 0, None] * x)
    along_y = np.exp(-2j * np.pi / box * points[:, 1, None] * x)
    expected = np.einsum("py,yx,px->p", along_y, image.astype(float), waves)
    found = np.asarray(real) + 1j * np.asarray(imaginary)
    # Bilinear look-up on a doubled grid of an object of an eighth of the box: 1-2 % in all.
    assert np.linalg.norm(found - expected) < 0.03 * np.linalg.norm(expected)


def test_unmagnified_inverts_magnification(rng):
    magnification = np.eye(2) + rng.uniform(-0.1, 0.1, (1, 2, 2))
    ctf = real_ctf(rng, 1, magnification=magnification)
    one = jax.tree.map(lambda a: jnp.asarray(a[0]), ctf)
    points = jnp.asarray(rng.uniform(-15, 15, (50, 2)), jnp.float32)
    there = magnified_coordinates(one, unmagnified(one, points))
    # Float32: two small matrix products of numbers of 15.
    np.testing.assert_allclose(there, points, atol=1e-5)
    assert np.abs(np.asarray(unmagnified(one, points)) - np.asarray(points)).max() > 0.1


def test_power_between_pixels_is_the_transfer_functions(rng):
    ctf = jax.tree.map(lambda a: jnp.asarray(a[0]), real_ctf(rng, 1))
    points = jnp.asarray(rng.uniform(-15, 15, (50, 2)), jnp.float32)
    box = jnp.asarray(96.0)
    np.testing.assert_allclose(
        ctf_power(ctf, points, box), evaluate_ctf(ctf, points / 96.0) ** 2, atol=1e-5
    )


def test_an_image_cut_at_its_own_size_is_itself(rng):
    disc = make_disc(24)
    images = jnp.asarray(rng.normal(size=(2, 24, 24)), jnp.float32)
    coefficients = image_to_disc(images, disc)
    np.testing.assert_allclose(
        cut_out(coefficients, disc, 24), disc_to_image(coefficients, disc), atol=1e-6
    )
