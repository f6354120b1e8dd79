"""Blur put into a map is found, where it was put and as much as was put."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from locref_widgets.engine.local_blur import LocalPower, local_blur, local_power

BOX, VOXEL = 72, 1.5
WINDOW = 10.0
FINEST = 4.0


def halves(
    rng: np.random.Generator, blur_angstrom: float, noise: float = 0.3, scale: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """White signal, blurred (and scaled) where x is in the upper half; white noise on top."""
    signal = rng.normal(size=(BOX,) * 3)
    k2 = sum(axis**2 for axis in np.meshgrid(*[np.fft.fftfreq(BOX, VOXEL)] * 3, indexing="ij"))
    fall = np.exp(-2.0 * np.pi**2 * k2 * blur_angstrom**2)
    blurred = scale * np.fft.ifftn(np.fft.fftn(signal) * fall).real
    signal[:, :, BOX // 2 :] = blurred[:, :, BOX // 2 :]
    first, second = (signal + noise * rng.normal(size=signal.shape) for _ in range(2))
    return first.astype(np.float32), second.astype(np.float32)


def measured(power: LocalPower) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blur of all points against the sharp ones, their errors, their place along x in voxels."""
    region = np.ones(power.cross.shape[1:], bool)
    at = power.step_px * (np.argwhere(region)[:, 2] + 0.5) - 0.5
    blur = local_blur(power, region, inner(at)[0])
    return blur.variance_angstrom2, blur.error_angstrom2, at


def inner(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points of either half, two windows from where they meet (the box is no torus here)."""
    away = 2.0 * WINDOW / VOXEL
    sharp = (at > away) & (at < BOX // 2 - away)
    return sharp, (at > BOX // 2 + away) & (at < BOX - away)


@pytest.mark.parametrize("blur", [0.8, 1.2])
def test_the_difference_of_two_halves_is_the_variance_of_the_blur(rng, blur):
    power = local_power(*halves(rng, blur), VOXEL, finest_angstrom=FINEST, window_angstrom=WINDOW)
    u2, error, at = measured(power)
    sharp, blurred = inner(at)
    found = u2[blurred].mean() - u2[sharp].mean()
    # Some 40 windows a side do not overlap.
    expected_error = error[blurred].mean() * np.sqrt(2 / 20)
    assert found == pytest.approx(blur**2, abs=4 * expected_error + 0.03 * blur**2)


def test_blur_does_not_depend_on_the_height_of_the_density_nor_on_noise(rng):
    power = local_power(
        *halves(rng, 0.0, noise=0.5, scale=3.0),
        VOXEL,
        finest_angstrom=FINEST,
        window_angstrom=WINDOW,
    )
    u2, error, at = measured(power)
    sharp, scaled = inner(at)
    assert abs(u2[scaled].mean() - u2[sharp].mean()) < 4 * error.mean() * np.sqrt(2 / 20)


def test_errors_are_those_of_the_scatter(rng):
    power = local_power(
        *halves(rng, 0.0, noise=0.5), VOXEL, finest_angstrom=FINEST, window_angstrom=WINDOW
    )
    u2, error, at = measured(power)
    some = (at > 20) & (at < 52)
    assert np.std(u2[some]) == pytest.approx(np.median(error[some]), rel=0.35)


def test_cross_power_is_that_of_the_signal_alone(rng):
    noiseless = local_power(
        *halves(rng, 0.0, noise=0.0), VOXEL, finest_angstrom=FINEST, window_angstrom=WINDOW
    )
    np.testing.assert_allclose(noiseless.cross, noiseless.power, rtol=1e-4)
    noisy = local_power(
        *halves(rng, 0.0, noise=1.0), VOXEL, finest_angstrom=FINEST, window_angstrom=WINDOW
    )
    ratio = noisy.cross.mean(axis=(1, 2, 3)) / noisy.power.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(ratio[1:], 0.5, atol=0.05)


def test_power_is_the_product_of_band_passed_maps_in_a_gaussian_window(rng):
    """Brute force: band by band with NumPy, the window in one go, read off at the points."""
    first, second = halves(rng, 0.0)
    power = local_power(first, second, VOXEL, finest_angstrom=FINEST, window_angstrom=WINDOW)
    assert power.step_px > 1
    k = np.meshgrid(*[np.fft.fftfreq(BOX, VOXEL)] * 3, indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in k))
    width = 2.0 * (power.frequency_per_angstrom[1] - power.frequency_per_angstrom[0])
    at = np.rint(power.step_px * (np.arange(power.cross.shape[1]) + 0.5) - 0.5).astype(int)
    for centre, found in zip(power.frequency_per_angstrom, power.cross, strict=True):
        band = 0.5 + 0.5 * np.cos(np.pi * np.clip(np.abs(radius - centre) / width, 0, 1))
        map1, map2 = (np.fft.ifftn(np.fft.fftn(half) * band).real for half in (first, second))
        smooth = gaussian_filter(map1 * map2, WINDOW / VOXEL, mode="constant", truncate=6)
        expected = smooth[np.ix_(at, at, at)]
        # The points lie half a voxel beside those read off, where blocks are even.
        assert np.abs(found - expected).max() < 0.05 * expected.max()


def test_bands_are_as_wide_as_the_window_allows_and_end_at_the_finest(rng):
    power = local_power(*halves(rng, 0.0), VOXEL, finest_angstrom=8.0, window_angstrom=WINDOW)
    k = power.frequency_per_angstrom
    assert k[0] == pytest.approx(1 / (2.355 * WINDOW))
    np.testing.assert_allclose(np.diff(k), 0.5 * k[0])
    assert 1 / 8.0 - 0.5 * k[0] < k[-1] <= 1 / 8.0


def test_maps_of_nothing_have_no_blur_and_no_warnings():
    nothing = np.zeros((32,) * 3, np.float32)
    power = local_power(nothing, nothing, VOXEL, finest_angstrom=8.0, window_angstrom=WINDOW)
    u2, error, _ = measured(power)
    assert np.isfinite(u2).all()
    assert np.isfinite(error).all()
