"""Guinier plot and post-processing against NumPy and known B-factors."""

import numpy as np
import pytest

from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.guinier import fsc_weights, guinier_plot
from locref_widgets.engine.postprocess import postprocess
from locref_widgets.errors import InputError

BOX, VOXEL = 48, 1.5


def radius(box_px: int = BOX) -> np.ndarray:
    k = np.fft.fftfreq(box_px, 1.0 / box_px)
    return np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)


def frequency() -> np.ndarray:
    return np.arange(BOX // 2 + 1) / (BOX * VOXEL)


def filtered(volume: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.fft.ifftn(np.fft.fftn(volume) * response).real.astype(np.float32)


def blurred(rng: np.random.Generator, bfactor: float, box_px: int = BOX) -> np.ndarray:
    s_squared = (radius(box_px) / (box_px * VOXEL)) ** 2
    return filtered(rng.normal(size=(box_px,) * 3), np.exp(-0.25 * bfactor * s_squared))


def ones() -> FSCCurve:
    return FSCCurve(frequency(), np.ones(BOX // 2 + 1))


def test_plot_is_the_mean_amplitude_weighted_by_the_fsc(rng) -> None:
    volume = blurred(rng, 90.0)
    fsc = FSCCurve(frequency(), 1.0 / (1.0 + (np.arange(25) / 15) ** 6))
    plot = guinier_plot(volume, VOXEL, fsc, high_angstrom=3.5)
    amplitude = np.abs(np.fft.fftn(volume.astype(float))) / BOX**3
    shell = np.rint(radius()).astype(int)
    expected = np.log([amplitude[shell == number].mean() for number in range(25)])
    np.testing.assert_allclose(plot.log_amplitude, expected, atol=1e-5)
    weight = 0.5 * np.log(2 * fsc.values / (1 + fsc.values))
    np.testing.assert_allclose(plot.log_weighted, expected + weight, atol=1e-5)
    # 72 Å / 10 Å and 72 Å / 3.5 Å.
    np.testing.assert_array_equal(np.flatnonzero(plot.fitted), np.arange(8, 21))
    slope, intercept = np.polyfit(frequency()[8:21] ** 2, (expected + weight)[8:21], 1)
    assert plot.slope_angstrom2 == pytest.approx(slope, rel=1e-3)
    assert plot.intercept == pytest.approx(intercept, abs=1e-3)
    assert plot.correlation < -0.95


def test_fit_ends_where_the_correlation_does(rng) -> None:
    values = np.ones(25)
    values[15:] = [0.0, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3, 0.2, 0.3]
    plot = guinier_plot(blurred(rng, 50.0), VOXEL, FSCCurve(frequency(), values))
    np.testing.assert_array_equal(np.flatnonzero(plot.fitted), np.arange(8, 15))
    assert np.isnan(plot.log_weighted[15:]).all()
    assert np.isfinite(plot.log_amplitude).all()


def test_fit_without_shells_is_refused(rng) -> None:
    values = np.where(np.arange(25) < 9, 1.0, 0.0)
    with pytest.raises(InputError, match="at least 3"):
        guinier_plot(blurred(rng, 50.0), VOXEL, FSCCurve(frequency(), values))


def test_sharpening_undoes_the_known_bfactor(rng) -> None:
    volume = blurred(rng, 120.0)
    result = postprocess(volume, volume, VOXEL, ones())
    # 17 shells of over 800 coefficients each.
    assert result.bfactor_angstrom2 == pytest.approx(-120.0, rel=0.03)
    assert result.resolution_angstrom == pytest.approx(2 * VOXEL)
    again = guinier_plot(result.volume, VOXEL, high_angstrom=3.5)
    assert abs(again.bfactor_angstrom2) < 5.0


def test_given_bfactor_weight_and_lowpass_make_the_map(rng) -> None:
    first, second = (rng.normal(size=(BOX,) * 3).astype(np.float32) for _ in range(2))
    fsc = FSCCurve(frequency(), 1.0 / (1.0 + (np.arange(25) / 12) ** 8))
    result = postprocess(first, second, VOXEL, fsc, bfactor_angstrom2=-60.0)
    assert result.guinier is None
    cutoff = BOX * VOXEL / result.resolution_angstrom
    sharpen = np.interp(
        radius(), np.arange(25), np.exp(15.0 * frequency() ** 2) * fsc_weights(fsc, 1e-4)
    )
    edge = 0.5 + 0.5 * np.cos(np.pi * np.clip((radius() - cutoff) / 2 + 0.5, 0, 1))
    expected = filtered(0.5 * (first + second), sharpen * edge)
    np.testing.assert_allclose(result.volume, expected, atol=2e-5)
    assert np.abs(np.fft.fftn(result.volume))[radius() > cutoff + 1.5].max() < 1e-2


def test_too_coarse_a_map_is_weighted_only(rng) -> None:
    volume = blurred(rng, 50.0)
    values = np.where(np.arange(25) < 8, 1.0, 0.0)
    result = postprocess(volume, volume, VOXEL, FSCCurve(frequency(), values))
    assert result.bfactor_angstrom2 == 0.0
    assert result.guinier is None


@pytest.mark.parametrize("bfactor", [0.0, 60.0, 200.0])
def test_guinier_fit_finds_the_known_bfactor(bfactor, rng) -> None:
    plot = guinier_plot(blurred(rng, bfactor, 64), VOXEL, high_angstrom=3.5)
    # 5 %, and 1 Å^2 of sampling where there is no B-factor: 20 shells of >= 1,000 coefficients.
    assert plot.bfactor_angstrom2 == pytest.approx(-bfactor, rel=0.05, abs=1.0)


def test_sharpening_with_the_fitted_bfactor_flattens_the_spectrum(rng) -> None:
    volume = blurred(rng, 120.0)
    fitted = guinier_plot(volume, VOXEL, high_angstrom=3.2).bfactor_angstrom2
    flat = postprocess(volume, volume, VOXEL, ones(), bfactor_angstrom2=fitted).volume
    assert abs(guinier_plot(flat, VOXEL, high_angstrom=3.2).bfactor_angstrom2) < 2.0


def test_guinier_fit_needs_three_shells_with_signal() -> None:
    volume = np.zeros((32,) * 3, np.float32)
    with pytest.raises(InputError, match="Give the B-factor"):
        guinier_plot(volume, VOXEL, high_angstrom=4.0)
    with pytest.raises(InputError, match="at least 3"):
        guinier_plot(volume + 1, VOXEL, high_angstrom=9.0)


def test_amplitudes_are_weighted_by_the_fsc_up_to_the_first_crossing() -> None:
    values = np.array([-0.5, 1.0, 0.8, 0.5, 0.1, 0.9] + [0.05] * 7)
    weight = np.zeros(13)
    weight[:4] = [1.0, 1.0, np.sqrt(1.6 / 1.8), np.sqrt(1.0 / 1.5)]
    curve = FSCCurve(np.arange(13) / (24 * VOXEL), values)
    np.testing.assert_allclose(fsc_weights(curve), weight, atol=1e-7)
