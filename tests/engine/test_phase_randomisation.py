"""The notch of the correction, the threshold of the randomisation, and the mean of draws."""

import numpy as np
import pytest

from locref_widgets.engine import fsc
from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.guinier import fsc_weights
from locref_widgets.engine.phase_randomisation import (
    notch_shells,
    randomisation_shell,
    uncut_corrected_fsc,
)


def test_threshold_of_the_randomisation_is_free() -> None:
    assert randomisation_shell(np.array([1.0, 0.9, 0.7, 0.1]), 0.143) == 3


def test_formula_without_the_cut_dips_where_the_randomised_curve_begins_to_fall() -> None:
    masked = np.array([1.0, 0.99, 0.98, 0.97, 0.9])
    randomised = np.array([1.0, 0.99, 0.98, 0.4, 0.0])
    # (t - n) / (1 - n): 0 at the shells where n = t, then 0.57 / 0.6, then t itself.
    np.testing.assert_allclose(uncut_corrected_fsc(masked, randomised), [0, 0, 0, 0.95, 0.9])


@pytest.mark.parametrize(
    ("randomised", "notch"),
    [
        ([1.0, 1.0, 0.9, 0.3, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0], (2, 4)),  # two shells always
        ([1.0, 1.0, 0.9, 0.8, 0.7, 0.6, 0.1, 0.0, 0.0, 0.0], (2, 6)),  # while it is above 0.5
        ([1.0, 1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9], (2, 8)),  # six at most
    ],
)
def test_notch_lasts_while_the_randomised_curve_falls(randomised, notch) -> None:
    assert notch_shells(np.array(randomised), 2) == notch


def test_notch_ends_with_the_curve() -> None:
    assert notch_shells(np.ones(5), 4) == (4, 5)
    assert notch_shells(np.ones(5), 5) == (5, 5)


def curve(values: list[float], notch: tuple[int, int]) -> FSCCurve:
    return FSCCurve(np.arange(len(values)) / 100.0, np.array(values), notch)


def test_a_dip_in_the_notch_is_no_crossing() -> None:
    values = [1.0, 1.0, 0.0, 0.1, 0.9, 0.843, -0.557]
    # From shell 5 at 0.843 to shell 6 at -0.557: half of the fall reaches 0.143.
    assert curve(values, (2, 4)).resolution_angstrom() == pytest.approx(100 / 5.5)
    assert curve(values, (0, 0)).resolution_angstrom() < 100
    assert curve(values, (0, 0)).resolution_angstrom() > 100 / 2


def test_a_curve_that_ends_in_the_notch_has_ended() -> None:
    values = [1.0, 1.0, 0.286, 0.0, 0.0, 0.0, 0.0]
    expected = 100 / 2.5
    assert curve(values, (2, 4)).resolution_angstrom() == pytest.approx(expected)
    assert curve(values, (0, 0)).resolution_angstrom() == pytest.approx(expected)


def test_a_notch_at_the_last_shells_leaves_the_curve_as_it_is() -> None:
    values = [1.0, 1.0, 1.0, 0.0, 0.0]
    assert curve(values, (3, 5)).falls_below()
    assert not curve([1.0, 1.0, 0.0, 1.0], (2, 3)).falls_below()


def test_mean_of_draws_scatters_less_and_begins_with_the_first(rng) -> None:
    box = 32
    half1, half2 = (rng.normal(size=(box,) * 3).astype(np.float32) for _ in range(2))
    mask = fsc.spherical_mask(box, 0.3)

    def randomised(draws: int, seed: int) -> np.ndarray:
        curves = fsc.fsc_curves(
            half1, half2, 1.0, {"m": mask}, corrected=("m",), seed=seed, randomisations=draws
        )
        assert curves["m corrected"].notch == curves["m randomised"].notch
        return curves["m randomised"].values[8:]

    one, eight = (np.array([randomised(n, s) for s in range(4)]) for n in (1, 8))
    # Independent draws: the mean of 8 has 1/2.8 of the scatter of one; 4 seeds x 9 shells tell it
    # to about 12 %.
    assert 1.8 < one.std() / eight.std() < 4.5


def test_filters_go_on_across_a_notch_that_is_no_end() -> None:
    values = [1.0, 0.9, 0.0, 0.95, 0.5, 0.1, 0.05]
    bridged = curve(values, (2, 4)).bridged_values()
    # From 0.9 in shell 1 to 0.5 in shell 4; what is above the line stays.
    np.testing.assert_allclose(bridged, [1.0, 0.9, 0.9 - 0.4 / 3, 0.95, 0.5, 0.1, 0.05])
    np.testing.assert_array_equal(curve(values, (0, 0)).bridged_values(), values)
    assert np.all(fsc_weights(curve(values, (2, 4)))[:5] > 0)
    assert np.all(fsc_weights(curve(values, (2, 4)))[5:] == 0)
    ended = [1.0, 0.9, 0.0, 0.0, 0.1, 0.0, 0.0]
    np.testing.assert_array_equal(curve(ended, (2, 4)).bridged_values(), ended)
