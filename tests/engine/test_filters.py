"""Filters against closed forms, SciPy and a float64 transform."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import signal

from locref_widgets.engine import filters

VOXEL = 1.5


def radius(box_px: int) -> np.ndarray:
    k = np.fft.fftfreq(box_px, 1.0 / box_px)
    return np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2)


def impulse(box_px: int) -> np.ndarray:
    """A map whose spectrum is 1 everywhere: a filter's output transforms to its response."""
    volume = np.zeros((box_px,) * 3, np.float32)
    volume[0, 0, 0] = 1.0
    return volume


def response(volume) -> np.ndarray:
    return np.fft.fftn(np.asarray(volume, dtype=np.float64)).real


def gaussian_blob(box_px: int, width_px: float, centre_px=(0.0, 0.0, 0.0)) -> np.ndarray:
    """Gaussian at ``centre_px`` (z, y, x) from voxel N//2, height 1, float64."""
    lines = [
        np.exp(-((np.arange(box_px) - box_px // 2 - c) ** 2) / (2.0 * width_px**2))
        for c in centre_px
    ]
    return lines[0][:, None, None] * lines[1][None, :, None] * lines[2][None, None, :]


# ---------------------------------------------------------------------------------- low-pass


@pytest.mark.parametrize("order", [2, 8])
def test_butterworth_has_its_closed_form(order):
    box_px, cutoff_px = 24, 6
    result = response(filters.lowpass(impulse(box_px), VOXEL, box_px * VOXEL / cutoff_px, order))
    expected = 1.0 / np.sqrt(1.0 + (radius(box_px) / cutoff_px) ** (2 * order))
    np.testing.assert_allclose(result, expected, atol=1e-6)  # float32
    assert result[0, 0, cutoff_px] == pytest.approx(np.sqrt(0.5), abs=1e-6)
    assert result[0, 0, 0] == pytest.approx(1.0, abs=1e-6)


def test_butterworth_far_below_nyquist_stays_finite():
    # (k / cutoff)^16 overflows float32 in the corners: the response there is 0, not NaN.
    result = response(filters.lowpass(impulse(16), VOXEL, 1e5))
    assert np.isfinite(result).all()
    assert result[0, 0, 0] == pytest.approx(1.0)


def test_cosine_edge_is_half_at_the_cutoff_and_flat_outside_the_edge():
    box_px, cutoff_px = 32, 8
    result = response(
        filters.lowpass_cosine(impulse(box_px), VOXEL, box_px * VOXEL / cutoff_px, edge_px=4.0)
    )
    k = radius(box_px)
    np.testing.assert_allclose(result[k <= 6], 1.0, atol=1e-6)
    np.testing.assert_allclose(result[k >= 10], 0.0, atol=1e-6)
    assert result[0, 0, 8] == pytest.approx(0.5, abs=1e-6)
    assert result[0, 0, 7] == pytest.approx(0.5 + 0.5 * np.cos(np.pi / 4), abs=1e-6)


@pytest.mark.parametrize("box_px", [15, 16])
def test_filtered_power_obeys_parseval(box_px, rng):
    volume = rng.normal(size=(box_px,) * 3).astype(np.float32)
    result = np.asarray(filters.lowpass(volume, VOXEL, 6.0), dtype=np.float64)
    gain = 1.0 / (1.0 + (radius(box_px) * 6.0 / (box_px * VOXEL)) ** 16)
    power = np.abs(np.fft.fftn(volume)) ** 2
    assert np.sum(result**2) == pytest.approx(np.sum(power * gain) / volume.size, rel=1e-5)


# ---------------------------------------------------------------------------------- shells


@pytest.mark.parametrize("box_px", [15, 16])
def test_shell_filter_is_linear_between_shells_and_constant_beyond(box_px, rng):
    values = rng.random(box_px // 2 + 1).astype(np.float32)
    result = response(filters.apply_shell_filter(impulse(box_px), values))
    expected = np.interp(radius(box_px), np.arange(len(values)), values)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_values_between_shells_are_those_of_interp(rng):
    values = rng.random(9).astype(np.float32)
    radii = np.concatenate([np.arange(12.0), 11 * rng.random(200)]).astype(np.float32)
    expected = np.interp(radii, np.arange(9), values)
    result = filters.between_shells(values, jnp.asarray(radii))
    np.testing.assert_allclose(result, expected, atol=1e-6)
    expected = np.interp(radii, np.arange(9), values, right=-2.0)
    result = filters.between_shells(values, jnp.asarray(radii), beyond=-2.0)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_shell_filter_of_ones_changes_nothing(rng):
    volume = rng.normal(size=(12,) * 3).astype(np.float32)
    result = filters.apply_shell_filter(volume, np.ones(7, np.float32))
    np.testing.assert_allclose(result, volume, atol=1e-6)


# ---------------------------------------------------------------------------------- box


def along_every_axis(volume: np.ndarray, box_px: int) -> np.ndarray:
    """The same by SciPy, about the centre voxel instead of voxel 0."""
    moved = np.roll(volume.astype(np.float64), [-(n // 2) for n in volume.shape], (0, 1, 2))
    for axis in range(3):
        moved = signal.resample(moved, box_px, axis=axis)
    return np.roll(moved, [box_px // 2] * 3, (0, 1, 2))


@pytest.mark.parametrize(("old", "new"), [(16, 12), (16, 11), (15, 12)])
def test_crop_equals_scipy_resample(old, new, rng):
    volume = rng.normal(size=(old,) * 3).astype(np.float32)
    expected = along_every_axis(volume, new)
    np.testing.assert_allclose(filters.fourier_crop(volume, new), expected, atol=2e-6)


@pytest.mark.parametrize(("old", "new"), [(12, 16), (12, 17), (11, 16)])
def test_pad_equals_scipy_resample(old, new, rng):
    volume = rng.normal(size=(old,) * 3).astype(np.float32)
    expected = along_every_axis(volume, new)
    np.testing.assert_allclose(filters.fourier_pad(volume, new), expected, atol=5e-6)


@pytest.mark.parametrize(("small", "large"), [(12, 18), (12, 17), (13, 20)])
def test_padding_then_cropping_returns_the_map(small, large, rng):
    volume = rng.normal(size=(small,) * 3).astype(np.float32)
    result = filters.fourier_crop(filters.fourier_pad(volume, large), small)
    np.testing.assert_allclose(result, volume, atol=5e-6)  # float32, six transforms


def test_cropping_then_padding_returns_a_band_limited_map(rng):
    box_px, kept = 24, 16
    spectrum = np.fft.fftn(rng.normal(size=(box_px,) * 3))
    spectrum[radius(box_px) >= kept // 2] = 0.0
    volume = np.fft.ifftn(spectrum).real.astype(np.float32)
    result = filters.fourier_pad(filters.fourier_crop(volume, kept), box_px)
    np.testing.assert_allclose(result, volume, atol=5e-6)


@pytest.mark.parametrize(("old", "new"), [(32, 24), (33, 24), (32, 25), (24, 40)])
def test_blob_stays_where_it_was_from_the_centre_and_keeps_its_height(old, new):
    # Width in the smaller box over 1.5 voxels: nothing is left at Nyquist (exp(-11)).
    offset = np.array([2.0, -1.0, 3.5])
    volume = gaussian_blob(old, 0.08 * old, offset).astype(np.float32)
    change = filters.fourier_crop if new < old else filters.fourier_pad
    expected = gaussian_blob(new, 0.08 * new, offset * new / old)
    np.testing.assert_allclose(change(volume, new), expected, atol=1e-4)


def test_changing_the_box_the_wrong_way_is_refused():
    volume = np.zeros((8, 8, 8), np.float32)
    with pytest.raises(ValueError, match="use fourier_pad"):
        filters.fourier_crop(volume, 10)
    with pytest.raises(ValueError, match="use fourier_crop"):
        filters.fourier_pad(volume, 6)
