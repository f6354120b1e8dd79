"""A good mask passes, a tight one does not, and the curves are those that are shown elsewhere."""

from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from locref_widgets.engine.fsc import fsc_curves
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map
from locref_widgets.masks.edges import soft_pad
from locref_widgets.masks.fsc_consequence import FSCConsequence, fsc_consequence

BOX, VOXEL = 64, 2.0


def as_map(values: np.ndarray, name="mask.mrc", **position) -> Map:
    return Map(np.asarray(values, np.float32), VOXEL, Path(name), BoxPosition(**position))


def distance() -> np.ndarray:
    axis = np.arange(BOX) - BOX // 2
    return np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)


BALL = distance() < 13


DETAIL = gaussian_filter(np.random.default_rng(2).normal(size=(BOX,) * 3), 1.5)

FRAYED = (DETAIL > 0) & (distance() < 9)
"""A hard edge everywhere, through strong density, but chosen without looking at the noise."""


@pytest.fixture(scope="module")
def halves() -> tuple[Map, Map]:
    """A ball of fine detail on strong coarse density, seen twice under noise."""
    rng = np.random.default_rng(3)
    signal = (5.0 + 3.0 * DETAIL / DETAIL.std()) * soft_pad(distance() < 11, 4)
    both = [as_map(signal + 4.0 * rng.normal(size=signal.shape), f"{i}.mrc") for i in (1, 2)]
    return both[0], both[1]


@pytest.fixture(scope="module")
def good(halves) -> FSCConsequence:
    return fsc_consequence(*halves, as_map(soft_pad(BALL, 12)))


@pytest.fixture(scope="module")
def tight(halves) -> FSCConsequence:
    return fsc_consequence(*halves, as_map(FRAYED))


def test_a_wide_and_soft_mask_is_not_too_tight_and_gains(good):
    assert not good.is_too_tight
    assert good.mend is None
    assert good.as_check().state == "ok"
    told = good.resolutions_angstrom
    assert told["mask corrected"] < told["no mask"]
    assert "the mask is not too tight" in good.sentence
    for value in told.values():
        assert f"{value:.2f} Å" in good.sentence


def test_a_mask_of_a_hard_edge_through_density_is_too_tight(tight):
    assert tight.is_too_tight
    assert tight.excess is not None
    assert tight.excess.value > 0.2
    check = tight.as_check()
    assert (check.name, check.state, check.value) == ("FSC", "warning", tight.excess.value)
    assert "too tight" in tight.sentence
    assert tight.mend is not None
    assert tight.mend.flag.startswith("--soft-pad ")
    assert not any("too tight" in text for text in tight.warnings)


def test_the_excess_is_the_distance_of_the_curves_there(tight):
    assert tight.excess is not None
    frequency = tight.tight.frequency_per_angstrom
    at = int(np.argmin(np.abs(frequency - 1.0 / tight.excess.at_angstrom)))
    apart = (tight.tight.values - tight.corrected.values)[at - 1 : at + 2]
    assert tight.excess.value == pytest.approx(apart.mean(), abs=1e-6)


def test_the_mend_loosens_the_mask(halves, tight):
    mended = fsc_consequence(*halves, as_map(soft_pad(FRAYED, tight.mend.values["soft_pad"])))
    assert not mended.is_too_tight


def test_curves_are_those_of_a_refinement(halves, good):
    first, second = (half.data for half in halves)
    mask = soft_pad(BALL, 12)
    curves = fsc_curves(
        first, second, VOXEL, {"m": mask}, corrected=("m",), seed=0, randomisations=4
    )
    for name, curve in good.curves.items():
        other = curves[name if name == "no mask" else name.replace("mask", "m")]
        np.testing.assert_array_equal(curve.values, other.values)


def test_a_mask_cut_out_of_the_box_is_placed(halves, good):
    cut = as_map(soft_pad(BALL, 12)[4:60, 2:62, 3:61], origin_angstrom=(6.0, 4.0, 8.0))
    placed = fsc_consequence(*halves, cut)
    assert placed.resolutions_angstrom == pytest.approx(good.resolutions_angstrom, rel=0.01)


@pytest.mark.parametrize("values", [np.zeros((BOX,) * 3), 3.0 * BALL, np.ones((40,) * 3)])
def test_what_is_no_mask_or_lies_elsewhere_is_refused(halves, values):
    with pytest.raises(InputError, match=r"mask\.mrc"):
        fsc_consequence(*halves, as_map(values))


def test_one_half_map_twice_is_refused(halves):
    with pytest.raises(InputError):
        fsc_consequence(halves[0], halves[0], as_map(soft_pad(BALL, 12)))
