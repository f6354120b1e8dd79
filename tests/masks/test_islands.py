"""Holes and islands against SciPy's and scikit-image's."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage import measure, morphology

from locref_widgets.errors import InputError
from locref_widgets.masks.islands import fill_holes, keep_islands, label_islands
from tests.masks.brute_force import small_masks


def shell(box_px: int = 20, outer_px: float = 8.0, inner_px: float = 5.0) -> np.ndarray:
    axis = np.arange(box_px) - box_px // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    return (distance <= outer_px) & (distance > inner_px)


@st.composite
def cave_masks(draw) -> np.ndarray:
    """Noise dense enough for holes of one and more voxels, and for islands."""
    shape = draw(st.tuples(*[st.integers(1, 24)] * 3))
    share = draw(st.sampled_from([0.05, 0.3, 0.6, 0.8, 0.95]))
    return np.random.default_rng(draw(st.integers(0, 2**16))).random(shape) < share


def as_groups(labels: np.ndarray) -> set[frozenset[int]]:
    """Which voxels hang together, whatever the numbers are."""
    flat = labels.ravel()
    return {
        frozenset(np.flatnonzero(flat == label).tolist()) for label in np.unique(flat[flat > 0])
    }


# -------------------------------------------------------------------------------------- holes


@settings(max_examples=150, deadline=None)
@given(binary=st.one_of(cave_masks(), small_masks()))
def test_filled_holes_are_scipys(binary):
    found = fill_holes(binary)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, ndimage.binary_fill_holes(binary))
    np.testing.assert_array_equal(fill_holes(found), found)


@settings(max_examples=100, deadline=None)
@given(binary=cave_masks(), at_most_voxels=st.integers(0, 12))
def test_holes_up_to_a_size_are_those_that_scikit_image_removes(binary, at_most_voxels):
    # Framed with background, so that what scikit-image counts as a hole is enclosed for us too.
    framed = np.pad(binary, 1)
    holes = ndimage.binary_fill_holes(framed) & ~framed
    large = morphology.remove_small_objects(holes, max_size=at_most_voxels, connectivity=1)
    expected = framed | (holes & ~large)
    np.testing.assert_array_equal(fill_holes(framed, at_most_voxels=at_most_voxels), expected)


def test_a_shell_is_filled_and_the_input_is_left_as_it_was():
    mask = shell()
    before = mask.copy()
    filled = fill_holes(mask)
    np.testing.assert_array_equal(mask, before)
    np.testing.assert_array_equal(filled, shell(inner_px=-1.0))
    hole = int(filled.sum() - mask.sum())
    assert not (fill_holes(mask, at_most_voxels=hole - 1) & ~mask).any()
    np.testing.assert_array_equal(fill_holes(mask, at_most_voxels=hole), filled)


def test_a_hole_that_opens_by_a_corner_only_is_a_hole_and_by_a_face_is_none():
    closed = np.ones((5, 5, 5), bool)
    closed[2, 2, 2] = closed[1, 1, 1] = False  # they touch at a corner
    closed[0, 0, 0] = False  # touches the border
    np.testing.assert_array_equal(np.argwhere(~fill_holes(closed)), [[0, 0, 0]])
    closed[0, 1, 1] = False  # a face joins it to the border
    np.testing.assert_array_equal(
        np.argwhere(~fill_holes(closed)), [[0, 0, 0], [0, 1, 1], [1, 1, 1]]
    )


def test_a_cave_open_at_the_border_of_the_box_is_no_hole():
    mask = shell(box_px=14, outer_px=9.0, inner_px=7.5)  # the border cuts the cave open
    np.testing.assert_array_equal(fill_holes(mask), mask)


def test_negative_sizes_of_holes_are_refused():
    with pytest.raises(InputError, match="holes of at most -1 voxels"):
        fill_holes(shell(), at_most_voxels=-1)


# ------------------------------------------------------------------------------------ islands


@settings(max_examples=100, deadline=None)
@given(binary=st.one_of(cave_masks(), small_masks()))
def test_islands_are_those_of_scikit_image_from_the_largest_on(binary):
    labels, sizes = label_islands(binary)
    assert labels.dtype == np.int32
    assert as_groups(labels) == as_groups(measure.label(binary, connectivity=3))
    np.testing.assert_array_equal(labels > 0, binary)
    np.testing.assert_array_equal(sizes, np.bincount(labels.ravel())[1:])
    assert (np.diff(sizes) <= 0).all()


@settings(max_examples=100, deadline=None)
@given(binary=cave_masks(), least_voxels=st.integers(2, 40))
def test_islands_of_a_least_size_are_those_that_scikit_image_leaves(binary, least_voxels):
    expected = morphology.remove_small_objects(binary, max_size=least_voxels - 1, connectivity=3)
    if expected.any():
        np.testing.assert_array_equal(keep_islands(binary, least_voxels=least_voxels), expected)
    else:
        with pytest.raises(InputError):
            keep_islands(binary, least_voxels=least_voxels)


def three_islands() -> np.ndarray:
    """Of 27, 8 and 1 voxels."""
    mask = np.zeros((10, 12, 14), bool)
    mask[1:4, 1:4, 1:4] = True
    mask[6:8, 6:8, 6:8] = True
    mask[9, 11, 13] = True
    return mask


def test_the_largest_islands_are_kept():
    mask = three_islands()
    assert [int(keep_islands(mask, count=n).sum()) for n in (1, 2, 3, 9)] == [27, 35, 36, 36]


def test_islands_at_points_are_kept():
    mask = three_islands()
    small = keep_islands(mask, at_points=[(6.4, 7.0, 5.6)])  # rounds to x 6, y 7, z 6
    np.testing.assert_array_equal(small, mask & (np.arange(14) >= 6) & (np.arange(14) < 8))
    assert keep_islands(mask, at_points=[(13, 11, 9)]).sum() == 1
    assert keep_islands(mask, at_points=[(13, 11, 9), (1, 1, 1), (2, 2, 2)]).sum() == 28


def test_several_conditions_must_all_hold():
    mask = three_islands()
    points = [(13, 11, 9), (6, 6, 6)]
    assert keep_islands(mask, at_points=points, least_voxels=2).sum() == 8
    assert keep_islands(mask, at_points=points, count=1).sum() == 8
    assert keep_islands(mask, least_voxels=2, count=1).sum() == 27


@pytest.mark.parametrize(
    "point", [(14, 0, 0), (0, 12, 0), (0, 0, 10), (-1, 0, 0), (0, 0, 9.5), (np.nan, 0, 0)]
)
def test_a_point_outside_the_box_is_refused(point):
    with pytest.raises(InputError, match=r"point .* lies outside the box of 14 x 12 x 10 voxels"):
        keep_islands(three_islands(), at_points=[point])


def test_a_point_in_no_island_is_refused():
    with pytest.raises(InputError, match=r"point \(5, 5, 5\) lies in no island"):
        keep_islands(three_islands(), at_points=[(1, 1, 1), (5, 5, 5)])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({}, "which islands to keep is not said"),
        ({"count": 0}, "number of islands to keep is 0"),
        ({"least_voxels": 0}, "least size of an island to keep is 0"),
        ({"least_voxels": 28}, "at least 28 voxels; the largest island of the mask has 27"),
        ({"at_points": []}, "no point is given"),
        ({"at_points": [(1, 2)]}, "x, y, z"),
    ],
)
def test_what_leaves_no_island_is_refused(options, told):
    with pytest.raises(InputError, match=told):
        keep_islands(three_islands(), **options)


def test_an_empty_mask_has_no_islands_and_no_holes():
    empty = np.zeros((4, 5, 6), bool)
    labels, sizes = label_islands(empty)
    assert not labels.any()
    assert len(sizes) == 0
    assert not fill_holes(empty).any()
    with pytest.raises(InputError, match="the mask is empty"):
        keep_islands(empty, count=1)
