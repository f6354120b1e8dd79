"""Discs hold each independent coefficient once, in order of shell."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.grids import (
    convenient_box,
    disc_to_image,
    image_to_disc,
    make_disc,
    pixels_within,
    shell_means,
    shell_sums,
)


@pytest.mark.parametrize("box", [16, 17, 32])
def test_each_coefficient_stands_once(box):
    disc = make_disc(box)
    k = np.asarray(disc.coordinates).astype(int)
    both = {tuple(p) for p in k} | {tuple(-p) for p in k}
    assert len(both) == 2 * len(k) - 1  # only the origin is its own mirror image
    x = np.rint(np.fft.fftfreq(box) * box).astype(int)
    full = {(a, b) for a in x for b in x if round(np.hypot(a, b)) <= disc.radius_px}
    assert both == full


def test_shells_ascend_and_prefixes_are_smaller_discs():
    disc = make_disc(32)
    assert np.all(np.diff(disc.shells) >= 0)
    n = pixels_within(disc, 7)
    np.testing.assert_array_equal(disc.coordinates[:n], make_disc(32, 7).coordinates)


@pytest.mark.parametrize("radius", [0, 16])
def test_a_disc_that_does_not_fit_is_refused(radius):
    with pytest.raises(ValueError, match="does not fit a box of 32 px"):
        make_disc(32, radius)


@pytest.mark.parametrize("box", [16, 17])
def test_transform_is_the_plain_sum_about_the_centre(box, rng):
    image = rng.normal(size=(box, box)).astype(np.float32)
    disc = make_disc(box)
    x = np.arange(box) - box // 2
    kx, ky = np.asarray(disc.coordinates, np.float64).T
    waves = np.exp(-2j * np.pi * (ky[:, None, None] * x[:, None] + kx[:, None, None] * x) / box)
    expected = np.sum(waves * image, axis=(1, 2))
    # float32 FFT of 256 values of order 1
    np.testing.assert_allclose(image_to_disc(jnp.asarray(image), disc), expected, atol=2e-5)


def test_image_and_disc_are_inverse_for_band_limited_images(rng):
    disc = make_disc(32, 12)
    n = disc.shells.size
    coefficients = (rng.normal(size=n) + 1j * rng.normal(size=n)).astype(np.complex64)
    coefficients[0] = coefficients[0].real
    image = disc_to_image(jnp.asarray(coefficients), disc)
    np.testing.assert_allclose(image_to_disc(image, disc), coefficients, atol=2e-5)


def test_shell_means_against_a_count(rng):
    disc = make_disc(32)
    values = (100 + rng.normal(size=disc.shells.size)).astype(np.float32)
    expected = [values[disc.shells == s].mean(dtype=np.float64) for s in range(disc.radius_px + 1)]
    np.testing.assert_allclose(shell_means(jnp.asarray(values), disc), expected, rtol=2e-6)


def test_shell_sums_against_a_count(rng):
    """Each of a batch, to the rounding of a sum of the list's length about its mean."""
    disc = make_disc(33, 12)
    values = (100 + rng.normal(size=(3, disc.shells.size))).astype(np.float32)
    expected = [
        values[:, disc.shells == s].sum(axis=1, dtype=np.float64) for s in range(disc.radius_px + 1)
    ]
    found = shell_sums(jnp.asarray(values), disc)
    np.testing.assert_allclose(found, np.transpose(expected), rtol=2e-6, atol=1e-4)


def test_convenient_boxes_are_even_fast_and_no_smaller():
    for least in (1, 15.2, 16, 17, 43.0, 61.5, 97, 251):
        box = convenient_box(least)
        assert box >= max(least, 16)
        assert box % 2 == 0
        rest = box
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        assert rest == 1
        # 5-smooth even numbers lie close: the gap to the next is below 8 % from 32 on.
        assert box <= max(16, 1.15 * least + 2)
    assert [convenient_box(n) for n in (20, 21, 49, 97)] == [20, 24, 50, 100]
