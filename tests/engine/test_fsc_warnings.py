"""Warnings about masks: silent where there is nothing, and right where there is."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from locref_widgets.engine.fsc import compute_fsc_curve, fsc_curves
from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.fsc_warnings import chance_of_shells, fsc_warnings
from locref_widgets.masks.edges import soft_edge

SHELLS = np.arange(41)
FREQUENCY = SHELLS / 160.0  # Nyquist 4 Å


def family(
    masked: np.ndarray, corrected: np.ndarray, randomised: np.ndarray
) -> dict[str, FSCCurve]:
    notch = (6, 8)
    return {
        "tight": FSCCurve(FREQUENCY, masked),
        "tight randomised": FSCCurve(FREQUENCY, randomised, notch),
        "tight corrected": FSCCurve(FREQUENCY, corrected, notch),
    }


def falling(shell: float) -> np.ndarray:
    return 1.0 / (1.0 + (SHELLS / shell) ** 6)


def noise(rng: np.random.Generator, size: float) -> np.ndarray:
    return size * rng.normal(size=len(SHELLS)) / np.maximum(SHELLS, 1)


def test_a_mask_that_adds_nothing_is_not_told_of(rng) -> None:
    masked = falling(20)
    randomised = noise(rng, 0.5)
    corrected = masked - randomised * (1 - masked)
    assert fsc_warnings(family(masked, corrected, randomised)) == []


def test_a_tight_mask_is_told_of_with_both_resolutions(rng) -> None:
    masked = np.maximum(falling(22), 0.3 * (SHELLS < 30))
    randomised = 0.3 * (SHELLS > 5) * (SHELLS < 30) + noise(rng, 0.2)
    corrected = np.where(SHELLS < 8, masked, (masked - randomised) / (1 - randomised))
    curves = family(masked, corrected, randomised)
    warnings = fsc_warnings(curves)
    assert "the tight mask is too tight" in warnings[0]
    quoted = [curves[name].resolution_angstrom() for name in ("tight", "tight corrected")]
    assert f"{quoted[0]:.2f} Å is {quoted[1]:.2f} Å corrected" in warnings[0]
    assert "randomised curve of the tight mask is 0.3" in warnings[1]


def test_an_excess_within_chance_is_not_told_of(rng) -> None:
    # A single draw of a curve of a tiny mask: 0.08 too high in a few shells, and chance is as much.
    masked = falling(20)
    randomised = noise(rng, 3.0)
    corrected = masked - 0.08 * ((SHELLS > 9) & (SHELLS < 14))
    told = fsc_warnings(family(masked, corrected, randomised))
    assert not any("too tight" in text for text in told)
    told = fsc_warnings(family(masked, corrected, noise(rng, 0.1)))
    assert any("too tight" in text for text in told)


@pytest.mark.parametrize("size", [0.2, 2.0])
def test_chance_is_read_from_the_scatter_and_not_from_a_smooth_share(size, rng) -> None:
    told = [
        chance_of_shells(FSCCurve(FREQUENCY, 0.3 + noise(rng, size), (6, 8)))[20] for _ in range(20)
    ]
    # 32 differences tell it to about 20 %, 20 curves to 5 %.
    assert np.mean(told) == pytest.approx(size / 20, rel=0.2)


def test_chance_is_not_underrated_where_a_mask_makes_neighbouring_shells_alike(rng) -> None:
    """A ball of 6 voxels with an edge of 6: a shell of its transform is some ten shells wide."""
    box, pairs = 64, 8
    axis = np.arange(box) - box // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    mask = np.clip((12.0 - distance) / 6.0, 0, 1).astype(np.float32)
    told, means = [], []
    for _ in range(pairs):
        first, second = rng.normal(size=(2, box, box, box)).astype(np.float32)
        curve = compute_fsc_curve(first, second, 2.0, mask)
        told.append(chance_of_shells(FSCCurve(curve.frequency_per_angstrom, curve.values, (2, 4))))
        means.append(np.convolve(curve.values, np.full(3, 1 / 3), "same"))
    shells = np.arange(10, 30)
    true = np.sqrt(np.mean((np.array(means)[:, shells] * shells) ** 2))
    # 8 curves of some five independent means each tell the true one to 15 %.
    assert 0.85 * true < np.mean(np.array(told)[:, 20] * 20) < 2.0 * true


def test_draws_of_random_phases_tell_the_chance_whatever_the_mask(rng) -> None:
    """A hard ball of 6 voxels, whose own share goes up and down from shell to shell."""
    box = 48
    axis = np.arange(box) - box // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    masks = {"tight": (distance <= 6).astype(np.float32)}
    common = 2.0 * gaussian_filter(rng.normal(size=(box,) * 3), 2.0)
    halves = [(common + 0.3 * rng.normal(size=common.shape)).astype(np.float32) for _ in range(2)]
    curves = [
        fsc_curves(*halves, 2.0, masks, corrected=("tight",), randomisations=4, seed=100 * seed)
        for seed in range(8)
    ]
    randomised = [told["tight randomised"] for told in curves]
    shells = np.arange(max(randomised[0].notch[1], 8), 23)
    means = [np.convolve(curve.values, np.full(3, 1 / 3), "same")[shells] for curve in randomised]
    true = np.sqrt(np.mean((np.std(means, axis=0, ddof=1) * shells) ** 2))
    told = np.mean([chance_of_shells(curve)[10] * 10 for curve in randomised])
    # Eight curves of some four independent means tell the true one to 15 %; a mean of three shells
    # may be that much better known than one.
    assert 0.85 * true < told < 2.0 * true


def test_a_curve_that_reaches_nyquist_or_rises_again_is_told_of() -> None:
    high = {"no mask": FSCCurve(FREQUENCY, np.full(41, 0.9))}
    assert "Nyquist, 4.00 Å" in fsc_warnings(high)[0]
    rising = falling(15)
    rising[33:] = 0.5
    assert "rises again to 0.50" in fsc_warnings({"no mask": FSCCurve(FREQUENCY, rising)})[0]
    assert fsc_warnings({"no mask": FSCCurve(FREQUENCY, falling(15))}) == []


def test_a_hard_mask_is_told_of_and_a_soft_one_passes(rng) -> None:
    """Common signal that ends near shell 7; a hard mask of a few voxels spreads it to all."""
    box = 48
    k = np.fft.fftfreq(box, 1 / box)
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    axis = np.arange(box) - box // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    common = np.exp(-((distance / 10.0) ** 2)) * (1.0 + rng.normal(size=(box,) * 3))
    common = np.fft.ifftn(np.fft.fftn(common) / (1 + (radius / 7) ** 4)).real
    halves = [(common + 0.05 * rng.normal(size=common.shape)).astype(np.float32) for _ in range(2)]
    ball = distance <= 8
    masks = {"hard": ball.astype(np.float32), "soft": soft_edge(ball, 6.0, 28.0, 2.0)}
    curves = fsc_curves(*halves, 2.0, masks, corrected=("hard", "soft"), randomisations=4)
    told = fsc_warnings(curves)
    assert any("hard mask is too tight" in text for text in told), told
    assert not any("soft mask" in text for text in told), told


def test_phases_random_from_the_first_shells_are_told_of(rng) -> None:
    masked = falling(20)
    curves = family(masked, masked, noise(rng, 0.1))
    curves["tight randomised"] = FSCCurve(FREQUENCY, noise(rng, 0.1), (2, 4))
    assert "random from 80 Å" in fsc_warnings(curves)[0]
