"""Distances to a region against brute force over all pairs of voxels, and SciPy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.masks import distance as distance_module
from locref_widgets.masks.bounding import bounding_box
from locref_widgets.masks.distance import by_distance, distance_px
from tests.masks.brute_force import distances, small_masks

REACHES = st.one_of(st.floats(0.0, 30.0, allow_subnormal=False), st.integers(0, 30).map(float))


def up_to(distance: np.ndarray, reach_px: float) -> np.ndarray:
    return np.where(distance <= reach_px * (1 + 1e-9), distance, np.inf).astype(np.float32)


@settings(max_examples=150, deadline=None)
@given(inside=small_masks(), reach_px=REACHES)
def test_distances_are_those_of_all_pairs_to_the_last_bit(inside, reach_px):
    found = distance_px(inside, reach_px)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, up_to(distances(inside), reach_px))


@pytest.mark.parametrize("reach_px", [5.0, 14.0, 15.0, 40.0, 119.0, 121.0, np.inf])
def test_distances_are_scipys_in_a_larger_box_for_every_width_of_numbers(reach_px, rng):
    # 8, 16 bits, and SciPy itself beyond its limit; pieces of several planes, and many of them.
    inside = rng.random((70, 130, 110)) < 2e-5
    inside[60:, 120:, :3] = True
    exact = np.sqrt(np.rint(np.asarray(ndimage.distance_transform_edt(~inside)) ** 2))
    np.testing.assert_array_equal(distance_px(inside, reach_px), up_to(exact, reach_px))


def test_the_result_does_not_depend_on_pieces_or_path(monkeypatch, rng):
    inside = rng.random((40, 30, 50)) < 0.001
    whole = distance_px(inside, 12.3)
    monkeypatch.setattr(distance_module, "_PIECE_BYTES", 1)
    np.testing.assert_array_equal(distance_px(inside, 12.3), whole)
    monkeypatch.setattr(distance_module, "_WINDOW_PX", 5)
    np.testing.assert_array_equal(distance_px(inside, 12.3), whole)


def test_views_that_are_not_contiguous_are_measured_as_their_copies(rng):
    wide = rng.random((24, 24, 48)) < 0.01
    view = wide.transpose(2, 1, 0)[::2, :, ::-1]
    np.testing.assert_array_equal(distance_px(view, 6.0), distance_px(view.copy(), 6.0))


def test_an_empty_region_is_infinitely_far_and_a_full_one_is_near():
    assert np.isinf(distance_px(np.zeros((4, 5, 6), bool), 3.0)).all()
    assert not distance_px(np.ones((4, 5, 6), bool), 3.0).any()


def test_the_reach_is_included_and_rounding_of_it_does_not_matter():
    inside = np.zeros((1, 1, 9), bool)
    inside[..., 0] = True
    for reach in (3.0, 3.3 / 1.1, np.nextafter(3.0, 0.0)):  # 3.3 / 1.1 is a little under 3
        row = distance_px(inside, reach)[0, 0]
        np.testing.assert_array_equal(row[:5], [0, 1, 2, 3, np.inf])


def test_a_profile_gives_values_and_their_type():
    inside = np.zeros((1, 1, 9), bool)
    inside[..., 2] = True
    row = by_distance(inside, 3.0, lambda d: (10 - np.minimum(d, 9)).astype(np.int8))[0, 0]
    assert row.dtype == np.int8
    np.testing.assert_array_equal(row, [8, 9, 10, 9, 8, 7, 1, 1, 1])


def test_the_input_is_left_as_it_was(rng):
    inside = rng.random((9, 9, 9)) < 0.1
    before = inside.copy()
    distance_px(inside, 4.0)
    np.testing.assert_array_equal(inside, before)


@pytest.mark.parametrize("reach_px", [-1.0, np.nan])
def test_impossible_reaches_are_refused(reach_px):
    with pytest.raises(InputError, match="expected 0 or more"):
        distance_px(np.ones((3, 3, 3), bool), reach_px)


@settings(max_examples=60, deadline=None)
@given(inside=small_masks(), margin_px=st.integers(0, 5))
def test_the_bounding_box_is_the_smallest_that_holds_all(inside, margin_px):
    box = bounding_box(inside, margin_px)
    if not inside.any():
        assert box is None
        return
    assert box is not None
    for axis, (along, places) in enumerate(zip(box, np.nonzero(inside), strict=True)):
        assert along.start == max(places.min() - margin_px, 0)
        assert along.stop == min(places.max() + 1 + margin_px, inside.shape[axis])
