"""Warnings about masks: silent where there is nothing, and right where there is."""

import numpy as np
import pytest

from locref_widgets.engine.fsc import fsc_curves
from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.fsc_warnings import chance_of_shells, fsc_warnings
from locref_widgets.masks.dynamic import soft_edge

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
