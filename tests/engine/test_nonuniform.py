"""Cut-off fields on half-maps whose regions are band-limited at known frequencies."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.filters import apply_shell_filter, butterworth, radius_fourier_px
from locref_widgets.engine.fsc import fourier_shell_correlation
from locref_widgets.engine.local_wiener import local_wiener, signal_profile
from locref_widgets.engine.nonuniform import (
    cutoff_candidates,
    cutoff_field,
    filter_by_field,
)

BOX = 64
RADIUS = np.asarray(radius_fourier_px(BOX))
X = np.indices((BOX,) * 3)[2]
ONES = np.ones(BOX // 2 + 1, np.float32)
CANDIDATES = cutoff_candidates(4, 31)
# Further from both borders between the regions than the window of the coarsest cut-off here, 8
# shells, reaches: half of 3 * 64 / 8 voxels, which is where its Gaussian has fallen to 1 %.
LEFT, RIGHT = (np.s_[:, :, start + 11 : start + 21] for start in (0, 32))


def band_limited(rng, shell):
    """White noise up to a shell, of unit variance per coefficient."""
    spectrum = np.fft.rfftn(rng.standard_normal((BOX,) * 3))
    return np.fft.irfftn(spectrum * (shell >= RADIUS), s=(BOX,) * 3, axes=(0, 1, 2))


def two_regions(rng, left_shell, right_shell, snr):
    """Half-maps of an object whose halves are band-limited at different shells."""
    right = 1.0 / (1.0 + np.exp(-np.minimum(X - 31.5, 63.5 - X) / 0.7))
    signal = band_limited(rng, left_shell) * (1 - right) + band_limited(rng, right_shell) * right
    noise = rng.standard_normal((2, BOX, BOX, BOX)) / np.sqrt(snr)
    return (signal + noise).astype(np.float32)


def best_cutoff(shell, snr):
    """Cut-off with the least expected error, by summing over the shells in float64."""
    k = np.arange(1, BOX // 2)
    signal, noise = (k <= shell).astype(float), 1.0 / snr

    def error(cutoff):
        h = 1.0 / np.sqrt(1.0 + (k / cutoff) ** 16)
        return np.sum(k**2 * (h**2 * (signal + noise) - 2 * h * signal))

    return min(CANDIDATES, key=error)


@pytest.mark.parametrize("shells", [(8, 24), (10, 20), (12, 18)])
def test_the_field_is_the_known_cutoff_to_one_shell(rng, shells):
    half1, half2 = two_regions(rng, *shells, snr=20.0)
    field = np.asarray(cutoff_field(half1, half2, CANDIDATES, ONES))
    for region, shell in zip((LEFT, RIGHT), shells, strict=True):
        assert np.mean(np.abs(field[region] - shell) <= 1.0) > 0.95
        assert np.median(field[region]) == pytest.approx(shell, abs=1.0)


@pytest.mark.parametrize("shells", [(8, 24), (10, 20)])
def test_the_field_has_the_least_expected_error_in_noise(rng, shells):
    half1, half2 = two_regions(rng, *shells, snr=4.0)
    field = np.asarray(cutoff_field(half1, half2, CANDIDATES, ONES))
    for region, shell in zip((LEFT, RIGHT), shells, strict=True):
        # A window holds some 14 independent coefficients of a shell, so the sums err by a shell.
        assert np.median(field[region]) == pytest.approx(best_cutoff(shell, 4.0), abs=1.0)


def test_the_halves_are_treated_alike(rng):
    half1, half2 = two_regions(rng, 8, 20, snr=4.0)
    field = cutoff_field(half1, half2, CANDIDATES, ONES)
    swapped = cutoff_field(half2, half1, CANDIDATES, ONES)
    assert np.mean(np.asarray(field) == np.asarray(swapped)) > 0.999


def test_noise_alone_gets_the_coarsest_cutoff(rng):
    half1, half2 = rng.standard_normal((2, BOX, BOX, BOX)).astype(np.float32)
    field = np.asarray(cutoff_field(half1, half2, CANDIDATES, ONES))
    assert np.mean(field == CANDIDATES[0]) > 0.99


def test_the_error_is_that_of_the_definition(rng):
    """Two cut-offs, by SciPy in float64: the finer one wins where its windowed error is less."""
    from scipy.ndimage import gaussian_filter

    half1, half2 = two_regions(rng, 8, 20, snr=4.0).astype(np.float64)
    low, high = 8.0, 20.0
    errors = []
    for cutoff in (low, high):
        response = 1.0 / np.sqrt(1.0 + (RADIUS / cutoff) ** 16)
        filtered, limited = (
            [
                np.fft.irfftn(np.fft.rfftn(half) * r, s=half.shape, axes=(0, 1, 2))
                for half in (half1, half2)
            ]
            for r in (response, high >= RADIUS)
        )
        errors.append((filtered[0] - limited[1]) ** 2 + (filtered[1] - limited[0]) ** 2)
    sigma_px = 0.5 * 0.324 * 3.0 * BOX / high
    gain = gaussian_filter(errors[1] - errors[0], sigma_px, mode="wrap", truncate=6.0)
    field = np.asarray(
        cutoff_field(
            half1.astype(np.float32),
            half2.astype(np.float32),
            np.array([low, high], np.float32),
            ONES,
        )
    )
    clear = np.abs(gain) > 1e-3 * np.abs(gain).max()
    np.testing.assert_array_equal(field[clear] == high, gain[clear] < 0)


def test_filtering_by_a_constant_field_is_a_butterworth(rng):
    volume = rng.standard_normal((BOX,) * 3).astype(np.float32)
    filtered = filter_by_field(volume, np.full(volume.shape, 12.0, np.float32), CANDIDATES)
    response = np.asarray(butterworth(RADIUS, 12.0))
    expected = np.fft.irfftn(np.fft.rfftn(volume) * response, s=volume.shape, axes=(0, 1, 2))
    np.testing.assert_allclose(filtered, expected, atol=1e-4)


def core_and_belt(rng, belt_disorder):
    """Truth and half-maps: fine structure in a ball, in a shell about it only its average."""
    z, y, x = np.indices((BOX,) * 3) - BOX // 2
    r = np.sqrt(x**2 + y**2 + z**2)
    core = 1.0 / (1.0 + np.exp((r - 14) / 0.7))
    belt = np.exp(-(((r - 20) / 3.0) ** 2) / 2)
    fine = band_limited(rng, 26)
    truth = (1.0 + fine / fine.std()) * core + (belt if belt_disorder else 0.0)
    noise = 0.6 * rng.standard_normal((2, BOX, BOX, BOX)) * (1.0 + belt_disorder * belt)
    mask = np.clip((28.0 if belt_disorder else 19.0) - r, 0, 4) / 4
    return truth, (truth + noise).astype(np.float32), mask.astype(np.float32)


def reference_errors(truth, halves, mask):
    """Squared errors of the filtered first half: same filter everywhere, and non-uniform."""
    fsc = np.clip(np.asarray(fourier_shell_correlation(*(halves * mask))), 0.0, 1.0)
    below = np.flatnonzero(fsc[1:] < 0.143)
    fsc[0], last = 1.0, int(below[0]) if len(below) else BOX // 2
    fsc[last + 1 :] = 0.0
    candidates = cutoff_candidates(max(3, 0.2 * last), 1.1 * last, last / 24)
    cutoff = cutoff_field(*halves, candidates, fsc)
    ratio = jnp.asarray(fsc / np.maximum(1.0 - fsc, 1e-3))
    profile = signal_profile(halves[0], fsc, mask)
    uniform = apply_shell_filter(halves[0], fsc)
    local = local_wiener(halves[0], profile, ratio, cutoff)
    return [float(np.sum(((np.asarray(m) - truth) * mask) ** 2)) for m in (uniform, local)]


def test_a_disordered_belt_is_filtered_away_from_the_reference(rng):
    uniform, local = reference_errors(*core_and_belt(rng, belt_disorder=1.0))
    assert local < 0.85 * uniform


def test_nothing_is_lost_on_a_particle_that_is_good_everywhere(rng):
    uniform, local = reference_errors(*core_and_belt(rng, belt_disorder=0.0))
    assert local < 1.02 * uniform
