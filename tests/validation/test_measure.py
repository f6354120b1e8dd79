"""All that is measured of two half-maps, from maps of known resolution."""

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.edges import soft_edge
from locref_widgets.validation.measure import HalfMapResults, measure
from locref_widgets.validation.words import describe, summary_values
from tests.validation.half_maps import BOX, VOXEL, ball, expected_fsc, make_halves


@pytest.fixture(scope="module")
def halves() -> tuple[Map, Map]:
    return make_halves()


@pytest.fixture(scope="module")
def mask() -> Map:
    return Map(soft_edge(ball(30.0), 4.0, 26.0, VOXEL), VOXEL)


@pytest.fixture(scope="module")
def results(halves: tuple[Map, Map], mask: Map) -> HalfMapResults:
    return measure(*halves, mask, sharpen=True, local=True, against=halves[0])


def test_every_curve_is_there_and_the_users_mask_is_quoted(results: HalfMapResults) -> None:
    assert set(results.curves) == {
        "no mask",
        "spherical",
        "loose",
        "tight",
        "tight randomised",
        "tight corrected",
        "user mask",
        "user mask randomised",
        "user mask corrected",
    }
    assert results.quoted == "user mask corrected"
    expected = expected_fsc(results.masks["user mask"]).resolution_angstrom()
    # A shell of the mask's few voxels scatters by some 0.02 in FSC, and that is 1 % in resolution.
    assert results.resolution_angstrom == pytest.approx(expected, rel=0.03)
    order = ["no mask", "spherical", "tight corrected"]
    told = [results.curves[name].resolution_angstrom() for name in order]
    assert told == sorted(told, reverse=True)
    np.testing.assert_array_equal(results.quoted_mask, results.masks["user mask"])


def test_a_map_that_is_no_half_is_compared_at_a_half(results: HalfMapResults) -> None:
    # The average against one of its own halves.
    assert set(results.against) == {"no mask", "user mask"}
    values = results.against["user mask"].values
    assert np.all(values[1:] > results.curves["user mask"].values[1:])


def test_numbers_of_the_other_measures_are_told(results: HalfMapResults) -> None:
    values = summary_values(results)
    assert 0.4 < values["directional"]["cfar"] <= 1.0
    assert not any("depends on the direction" in text for text in results.warnings)
    assert values["bfactor_angstrom2"] < 0
    local = values["local_resolution"]
    assert local["best_5_percent_angstrom"] <= local["median_angstrom"]
    assert results.local_resolution_angstrom is not None
    middle = np.median(results.local_resolution_angstrom[ball(20.0)])
    # By construction signal and noise are equal at 9 Å / (1/0.4 - 1)^(1/8) = 8.6 Å.
    assert middle == pytest.approx(8.6, rel=0.1)
    assert middle < local["median_angstrom"]  # the mask holds solvent too
    text = describe(results)
    assert f"* resolution {results.resolution_angstrom:.2f} Å" in text
    assert "randomised" not in text
    assert all(word in text for word in ("cFAR", "B-factor", "local resolution", "against"))


def test_without_a_mask_the_tight_one_is_quoted(halves: tuple[Map, Map]) -> None:
    results = measure(*halves, directional=False)
    assert results.quoted == "tight corrected"
    expected = expected_fsc(results.masks["tight"]).resolution_angstrom()
    # A shell of the mask's few voxels scatters by some 0.02 in FSC, and that is 1 % in resolution.
    assert results.resolution_angstrom == pytest.approx(expected, rel=0.03)
    assert results.directional is results.sharpened is results.local_resolution_angstrom is None
    assert set(results.masks) == {"loose", "tight"}


def test_a_hard_mask_is_told_of(halves: tuple[Map, Map]) -> None:
    hard = Map(ball(14.0).astype(np.float32), VOXEL)
    results = measure(*halves, hard, directional=False)
    assert any("binary" in text for text in results.warnings)
    assert any("user mask is too tight" in text for text in results.warnings)


def test_too_coarse_a_map_says_that_it_was_not_sharpened(halves: tuple[Map, Map]) -> None:
    coarse = [Map(half.data, 4.0) for half in halves]
    results = measure(*coarse, sharpen=True, directional=False)
    assert any("no B-factor could be told" in text for text in results.warnings)
    given = measure(*coarse, bfactor_angstrom2=-80.0, directional=False)
    assert given.sharpened is not None
    assert given.sharpened.bfactor_angstrom2 == -80.0
    assert not any("B-factor" in text for text in given.warnings)
    blurring = measure(*coarse, bfactor_angstrom2=80.0, directional=False)
    assert any("a positive one blurs" in text for text in blurring.warnings)


def test_equal_scaled_constant_and_unlike_maps_are_refused(halves: tuple[Map, Map]) -> None:
    first, second = halves
    for other, message in (
        (first, "hold the same map"),
        (Map(3.0 * first.data, VOXEL), "hold the same map"),
        (Map(np.ones_like(first.data), VOXEL), "is 1 everywhere"),
        (Map(second.data[:-2, :-2, :-2], VOXEL), "box of 62"),
        (Map(second.data, 1.5 * VOXEL), "voxels of"),
    ):
        with pytest.raises(InputError, match=message):
            measure(first, other)


def test_masks_and_references_on_other_grids_are_refused(halves: tuple[Map, Map]) -> None:
    small = Map(np.ones((BOX - 2,) * 3, np.float32), VOXEL)
    with pytest.raises(InputError, match="the mask has a box"):
        measure(*halves, small)
    with pytest.raises(InputError, match="the map to compare with"):
        measure(*halves, against=small)
