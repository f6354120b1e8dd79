"""FSC against a float64 sum over the full spectrum, and analytic cases.

Curves are held to relion_postprocess in tests/interop.
"""

import numpy as np
import pytest

from locref_widgets.engine import fsc, shells
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.phase_randomisation import white_noise
from tests.interop.relion import stored_correlations


def full_shells(box_px: int) -> np.ndarray:
    k = np.fft.fftfreq(box_px, 1.0 / box_px)
    radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2)
    return np.rint(radius).astype(int)


def brute_force_fsc(map1: np.ndarray, map2: np.ndarray) -> np.ndarray:
    box_px = map1.shape[0]
    f1, f2 = np.fft.fftn(map1.astype(np.float64)), np.fft.fftn(map2.astype(np.float64))
    shell = full_shells(box_px).ravel()

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(shell, values.ravel())[: box_px // 2 + 1]

    cross = total((f1 * f2.conj()).real)
    return cross / np.sqrt(total(np.abs(f1) ** 2) * total(np.abs(f2) ** 2))


def noise(rng: np.random.Generator, box_px: int) -> np.ndarray:
    return rng.normal(size=(box_px,) * 3).astype(np.float32)


def coloured_blob(rng: np.random.Generator, box_px: int, width_px: float) -> np.ndarray:
    """White noise under a Gaussian envelope: compact, with power in every shell."""
    axis = np.arange(box_px) - box_px // 2
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    return noise(rng, box_px) * np.exp(-squared / (2 * width_px**2)).astype(np.float32)


# ---------------------------------------------------------------------------------- shells


@pytest.mark.parametrize("box_px", [8, 15, 16, 33])
def test_shell_sums_count_every_coefficient_of_the_full_spectrum(box_px, rng):
    values = rng.normal(size=(box_px,) * 3)
    power = np.abs(np.fft.fftn(values)) ** 2
    shell = full_shells(box_px).ravel()
    expected = np.bincount(shell, power.ravel())[: box_px // 2 + 1]
    half_power = np.abs(np.fft.rfftn(values)) ** 2
    result = shells.shell_sum(half_power.astype(np.float32))
    np.testing.assert_allclose(result, expected, rtol=2e-6)  # float32 sums of up to 3,000 terms
    counts = np.bincount(shell)[: box_px // 2 + 1]
    np.testing.assert_array_equal(shells.shell_counts(box_px), counts)
    means = shells.shell_mean(half_power.astype(np.float32))
    np.testing.assert_allclose(means, expected / counts, rtol=2e-6)


def test_shell_indices_are_the_full_ones_cut_to_the_half_spectrum():
    np.testing.assert_array_equal(fsc.shell_indices(12), full_shells(12)[:, :, :7])


def test_batches_of_spectra_are_summed_one_by_one(rng):
    batch = rng.random((2, 3, 10, 10, 6)).astype(np.float32)
    result = np.asarray(shells.shell_sum(batch))
    assert result.shape == (2, 3, 6)
    np.testing.assert_array_equal(result[1, 2], shells.shell_sum(batch[1, 2]))


# ---------------------------------------------------------------------------------- the curve


@pytest.mark.parametrize("box_px", [16, 17, 40])
def test_fsc_equals_the_float64_sum_over_the_full_spectrum(box_px, rng):
    map1 = noise(rng, box_px)
    map2 = map1 + noise(rng, box_px)
    result = fsc.fourier_shell_correlation(map1, map2)
    # Rounding of a float32 transform is about 1e-7 of a coefficient's size.
    np.testing.assert_allclose(result, brute_force_fsc(map1, map2), atol=2e-6)


def test_each_stored_coefficient_once_is_relions_sum(rng):
    map1 = noise(rng, 24)
    map2 = map1 + noise(rng, 24)
    result = fsc.fourier_shell_correlation(map1, map2, as_stored=True)
    np.testing.assert_allclose(result, stored_correlations(map1, map2), atol=2e-6)
    assert np.abs(result - brute_force_fsc(map1, map2)).max() > 1e-3


def test_fsc_of_a_steep_spectrum_keeps_its_weak_shells(rng):
    # Amplitudes fall by 1e3 from the centre to Nyquist, as in a real map.
    box_px = 32
    fall = np.exp(-full_shells(box_px) / box_px * 2 * 6.9)
    maps = [np.fft.ifftn(np.fft.fftn(noise(rng, box_px)) * fall).real for _ in range(2)]
    map1, map2 = (m.astype(np.float32) for m in (maps[0], maps[0] + 0.5 * maps[1]))
    # Rounding is relative to the strongest coefficient: 1e-7 * 1e3.
    result = fsc.fourier_shell_correlation(map1, map2)
    np.testing.assert_allclose(result, brute_force_fsc(map1, map2), atol=2e-4)


def test_identical_maps_correlate_fully_whatever_their_scale(rng):
    volume = noise(rng, 24)
    for scale in (1.0, -1.0, 1e-6, 1e6):
        values = fsc.fourier_shell_correlation(volume, np.float32(scale) * volume)
        np.testing.assert_allclose(values, np.sign(scale), atol=1e-6)


def test_empty_map_correlates_with_nothing(rng):
    values = fsc.fourier_shell_correlation(noise(rng, 16), np.zeros((16,) * 3, np.float32))
    np.testing.assert_array_equal(values, 0.0)


def test_independent_noise_stays_within_three_standard_errors(rng):
    box_px = 48
    values = np.asarray(fsc.fourier_shell_correlation(noise(rng, box_px), noise(rng, box_px)))
    # n_k coefficients of which half are independent: the FSC of noise has variance 1 / n_k for
    # real parts of n_k/2 complex products with unit power each, so 3 sigma holds 99.7 % of shells.
    bound = 3.0 / np.sqrt(shells.shell_counts(box_px))
    assert np.mean(np.abs(values[1:]) < bound[1:]) > 0.9


def test_signal_and_noise_give_snr_over_snr_plus_one(rng):
    box_px, snr = 48, 0.5
    signal = np.sqrt(snr).astype(np.float32) * noise(rng, box_px)
    values = np.asarray(
        fsc.fourier_shell_correlation(signal + noise(rng, box_px), signal + noise(rng, box_px))
    )
    expected = snr / (snr + 1.0)
    # The standard error of a correlation is (1 - rho^2) / sqrt(n), n = n_k / 2 complex values;
    # a factor of 2 for the sampling of the signal's own power. All shells with >= 100 values.
    counts = shells.shell_counts(box_px)
    error = (values - expected) * np.sqrt(counts)
    assert np.mean(np.abs(error[counts > 100]) < 3.0) > 0.9
    weight = counts[counts > 100]
    assert abs(np.average(values[counts > 100], weights=weight) - expected) < 0.01


def test_mask_multiplies_both_maps_and_frequencies_are_per_angstrom(rng):
    map1, map2 = noise(rng, 20), noise(rng, 20)
    mask = rng.random((20,) * 3).astype(np.float32)
    curve = fsc.compute_fsc_curve(map1, map2, 1.5, mask)
    np.testing.assert_allclose(curve.values, brute_force_fsc(map1 * mask, map2 * mask), atol=2e-6)
    np.testing.assert_allclose(curve.frequency_per_angstrom, np.arange(11) / 30.0)
    assert isinstance(curve.values, np.ndarray)


# ---------------------------------------------------------------------------------- crossings


def curve(*values: float) -> FSCCurve:
    return FSCCurve(np.arange(len(values)) / 100.0, np.array(values))


@pytest.mark.parametrize(
    ("values", "resolution"),
    [
        ((1.0, 1.0, 0.243, 0.043, 0.0), 100 / 2.5),  # halfway between shells 2 and 3
        ((1.0, 0.9, 0.8, 0.7), 100 / 3),  # never crossing: the last shell
        ((1.0, 0.143, 0.0), 100 / 1),  # on the threshold is not below it
        ((1.0, 0.1, 0.9, 0.9), 100 / 1),  # below in the first shell
        ((-0.4, 0.9, 0.243, 0.043), 100 / 2.5),  # shell 0 takes no part
        ((1.0, 0.9, 0.643, -0.357, 0.9, 0.1), 100 / 2.5),  # the first crossing counts
        ((1.0, 0.9, 0.9, np.nan, 0.9), 100 / 2),  # undefined from shell 3 on
    ],
)
def test_first_crossing_is_interpolated(values, resolution):
    assert curve(*values).resolution_angstrom() == pytest.approx(resolution)


def test_threshold_is_free():
    assert curve(1.0, 0.75, 0.25, 0.0).resolution_angstrom(0.5) == pytest.approx(100 / 1.5)


# ---------------------------------------------------------------------------------- masks' share


def test_spherical_mask_has_radius_half_a_box_and_a_cosine_edge():
    mask = fsc.spherical_mask(40)
    line = mask[20, 20, 20:]  # radii 0 .. 19
    np.testing.assert_array_equal(line[:18], 1.0)  # 0.85 * 20 = 17
    assert line[18] == pytest.approx(0.5 + 0.5 * np.cos(np.pi / 3))
    assert mask[20, 20, 0] == 0.0
    assert mask.dtype == np.float32


@pytest.mark.parametrize("box_px", [24, 25])
def test_randomised_phases_keep_amplitudes_and_the_shells_below(box_px, rng):
    volume = noise(rng, box_px)
    result = np.asarray(fsc.randomise_phases(volume, 6, white_noise(volume.shape, rng)))
    before, after = np.fft.fftn(volume), np.fft.fftn(result)
    below = full_shells(box_px) < 6
    scale = np.abs(before).max()
    np.testing.assert_allclose(after[below], before[below], atol=1e-5 * scale)
    np.testing.assert_allclose(np.abs(after), np.abs(before), atol=1e-5 * scale)
    phase = np.angle(after[~below] / before[~below])
    # Mean of unit vectors of random phase: 1 / sqrt(n / 2), n / 2 of them being independent.
    assert abs(np.exp(1j * phase).mean()) < 4.0 / np.sqrt(phase.size / 2)


def test_randomised_curve_is_seeded_and_near_zero_without_a_mask(rng):
    volume = noise(rng, 32)
    ones = np.ones_like(volume)

    def randomised(seed):
        curves = fsc.phase_randomised_fscs(
            volume, volume, {"all": ones}, 8, np.random.default_rng(seed)
        )
        return np.asarray(curves["all"])

    values = randomised(7)
    np.testing.assert_allclose(values[:8], 1.0, atol=1e-5)
    bound = 3.0 / np.sqrt(shells.shell_counts(32))
    assert np.mean(np.abs(values[8:]) < bound[8:]) > 0.8
    np.testing.assert_array_equal(values, randomised(7))
    assert np.abs(randomised(8) - values)[8:].max() > 1e-3


def test_correction_follows_chen_and_spares_the_first_two_randomised_shells():
    masked = np.array([1.0, 0.99, 0.9, 0.8, 0.7, 0.6, 0.2])
    randomised = np.array([1.0, 0.99, 0.5, 0.5, 0.2, 0.2, 0.4])
    result = fsc.corrected_fsc(masked, randomised, from_shell=2)
    np.testing.assert_allclose(result, [1.0, 0.99, 0.9, 0.8, 0.5 / 0.8, 0.4 / 0.8, 0.0])


def test_randomisation_starts_where_the_unmasked_curve_falls_below_point_eight():
    assert fsc.randomisation_shell(np.array([0.1, 0.95, 0.85, 0.75, 0.9])) == 3
    assert fsc.randomisation_shell(np.array([1.0, 0.9, 0.9])) == 3


def test_correction_removes_the_correlation_that_a_tight_mask_brings(rng):
    """Halves without common signal beyond shell 8, inside a mask of few voxels with a hard edge."""
    box_px = 48
    common = coloured_blob(rng, box_px, 5.0)
    spectrum = np.fft.rfftn(common)
    spectrum[fsc.shell_indices(box_px) > 8] = 0.0
    common = 50.0 * np.fft.irfftn(spectrum, s=common.shape, axes=(0, 1, 2)).astype(np.float32)
    # Noise as strong as the signal's leakage through the mask's hard edge, not stronger.
    half1, half2 = (common + 2.0 * noise(rng, box_px) for _ in range(2))
    axis = np.arange(box_px) - box_px // 2
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    mask = (squared < 7**2).astype(np.float32)

    curves = fsc.fsc_curves(half1, half2, 2.0, {"dynamic mask": mask, "user mask": mask}, seed=3)
    start = fsc.randomisation_shell(curves["no mask"].values)
    beyond = slice(start + 3, box_px // 2 + 1)
    assert curves["dynamic mask"].values[10] > 0.3  # what the mask pretends
    corrected = curves["dynamic mask corrected"].values
    assert np.abs(curves["no mask"].values[12:]).mean() < 0.05
    assert np.all(corrected[beyond] <= np.maximum(curves["dynamic mask"].values[beyond], 0.0))
    assert corrected[12:].mean() < 0.5 * curves["dynamic mask"].values[12:].mean()
    assert (
        curves["dynamic mask corrected"].resolution_angstrom()
        >= curves["dynamic mask"].resolution_angstrom()
    )


def test_all_curves_have_their_names_and_identical_halves_need_no_correction(rng):
    volume, mask = noise(rng, 16), fsc.spherical_mask(16, 0.5)
    curves = fsc.fsc_curves(volume, volume, 1.0, {"dynamic mask": mask, "user mask": mask})
    assert list(curves) == [
        "no mask",
        "spherical",
        "dynamic mask",
        "user mask",
        "dynamic mask randomised",
        "dynamic mask corrected",
    ]
    # Nothing falls below 0.8, so only the corners of the spectrum beyond Nyquist are randomised.
    del curves["dynamic mask randomised"]
    for name, one in curves.items():
        np.testing.assert_allclose(one.values, 1.0, atol=1e-5, err_msg=name)
        assert one.resolution_angstrom() == pytest.approx(2.0)
