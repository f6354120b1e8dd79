"""Resampling against SciPy, brute force, and laws that hold exactly."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.io.placing import place_on_grid
from locref_widgets.masks.dynamic import soft_edge
from locref_widgets.masks.resample import resample_on_grid

TO_SCIPY = 1e-6
"""Of the largest value: float32 weights and sums against SciPy's float64."""

PAD = 20
"""Zeros around what SciPy is given: beyond the box the source is zero."""


def volume(shape_zyx=(18, 20, 22), voxel=1.5, corner=(0.0, 0.0, 0.0), seed=0, values=None) -> Map:
    if values is None:
        values = np.random.default_rng(seed).normal(size=shape_zyx)
    position = BoxPosition(origin_angstrom=corner)
    return Map(np.asarray(values, np.float32), voxel, Path("some.mrc"), position)


def by_scipy(source: Map, reference: Map, order: int, rotation=None, translation=None):
    """The definition, in float64: every voxel's position in the source, one by one."""
    grid = np.indices(reference.data.shape).reshape(3, -1)[::-1]
    points = reference.corner_angstrom[:, None] + reference.voxel_size_angstrom * grid
    if translation is not None:
        points = points - translation[:, None]
    if rotation is not None:
        points = rotation.T @ points
    voxels = (points - source.corner_angstrom[:, None]) / source.voxel_size_angstrom
    padded = np.pad(source.data.astype(np.float64), PAD)
    values = ndimage.map_coordinates(
        padded, voxels[::-1] + PAD, order=order, mode="grid-constant", cval=0.0
    )
    return values.reshape(reference.data.shape)


def worst(found: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


# Copies


def test_a_segment_cut_out_by_chimerax_is_copied_exactly_onto_its_map(shared_data):
    monomer = read_map(shared_data / "masks" / "emd_5168_monomer.mrc", cubic=False)
    whole = read_map(shared_data / "masks" / "emd_5168.map")
    placed = resample_on_grid(monomer, whole)
    inside = placed.data != 0
    assert inside.sum() == np.count_nonzero(monomer.data)
    np.testing.assert_array_equal(placed.data[inside], whole.data[inside])
    np.testing.assert_array_equal(placed.data, place_on_grid(whole, monomer, "it").data)
    assert placed.position == whole.position
    assert "copied voxel by voxel" in placed.remarks[-1]


@given(
    shift=st.tuples(*[st.integers(-25, 25)] * 3),
    shape=st.tuples(*[st.integers(1, 14)] * 3),
    order=st.sampled_from([1, 3]),
)
@settings(max_examples=40, deadline=None)
def test_whole_voxels_apart_is_a_copy(shift, shape, order):
    source = volume(shape, corner=tuple(1.5 * s + 3.0 for s in shift))
    reference = volume((12, 10, 11), corner=(3.0, 3.0, 3.0), seed=1)
    expected = np.zeros((90,) * 3, np.float32)
    z, y, x = (30 + s for s in shift[::-1])
    expected[z : z + shape[0], y : y + shape[1], x : x + shape[2]] = source.data
    expected = expected[30:42, 30:40, 30:41]
    if not expected.any():
        with pytest.raises(InputError, match="nothing of it lies in the box"):
            resample_on_grid(source, reference, order=order)
        return
    np.testing.assert_array_equal(resample_on_grid(source, reference, order=order).data, expected)


@pytest.mark.parametrize("order", [1, 3])
def test_its_own_grid_gives_the_map_itself(order):
    some = volume()
    np.testing.assert_array_equal(resample_on_grid(some, some, order=order).data, some.data)


# Interpolation


@given(
    corner=st.tuples(*[st.floats(-9.0, 9.0)] * 3),
    voxel=st.floats(0.5, 1.5),
    order=st.sampled_from([1, 3]),
)
@settings(max_examples=30, deadline=None)
def test_finer_or_equal_voxels_are_interpolated_as_scipy_does(corner, voxel, order):
    source = volume(corner=corner)
    reference = volume((17, 19, 13), voxel=voxel, corner=(1.0, 0.0, 2.0), seed=1)
    offset = (source.corner_angstrom - reference.corner_angstrom) / 1.5
    if np.all(np.abs(offset - np.rint(offset)) < 0.051) or abs(voxel - 1.5) < 2e-3:
        return  # a copy
    expected = by_scipy(source, reference, order)
    if not expected.any():
        return
    assert worst(resample_on_grid(source, reference, order=order).data, expected) < 2 * TO_SCIPY


@given(
    turn=st.tuples(*[st.floats(-3.0, 3.0)] * 3),
    translation=st.tuples(*[st.floats(-6.0, 6.0)] * 3),
    order=st.sampled_from([1, 3]),
)
@settings(max_examples=15, deadline=None)
def test_a_turned_source_is_interpolated_as_scipy_does(turn, translation, order):
    source = volume(corner=(-14.0, -15.0, -12.0))
    reference = volume((17, 19, 13), voxel=1.2, corner=(-9.0, -10.0, -8.0), seed=1)
    rotation, translation = Rotation.from_rotvec(turn).as_matrix(), np.array(translation)
    found = resample_on_grid(
        source, reference, order=order, rotation=rotation, translation_angstrom=translation
    )
    expected = by_scipy(source, reference, order, rotation, translation)
    assert worst(found.data, expected) < 4 * TO_SCIPY


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("turned", [False, True])
def test_resampling_a_crop_is_resampling_what_it_was_cut_from(order, turned):
    """For a crop with zeros around: outside its box a source is zero."""
    crop = volume(corner=(4.6, -3.1, 2.0))
    position = tuple(crop.corner_angstrom - 1.5 * 9)
    whole = volume(values=np.pad(crop.data, 9), corner=position)
    reference = volume((30, 30, 30), voxel=1.1, corner=(-2.0, -4.0, 1.0), seed=1)
    rotation = Rotation.from_rotvec([0.3, 0.2, -0.4]).as_matrix() if turned else None
    one, other = (
        resample_on_grid(some, reference, order=order, rotation=rotation).data
        for some in (crop, whole)
    )
    assert worst(one, other) < 4 * TO_SCIPY


def test_the_general_way_agrees_with_the_one_along_the_axes():
    """A turn of half a circle about z, which both can do: the first by flipping the axes."""
    smooth = ndimage.gaussian_filter(volume().data, 1.5)
    source = volume(values=smooth, corner=(0.3, 0.4, 0.1))
    reference = volume((20, 20, 20), voxel=2.7, corner=(-25.0, -25.0, 1.0), seed=1)
    half = np.diag([-1.0, -1.0, 1.0])
    flipped_corner = tuple(-(source.corner_angstrom + 1.5 * (np.array([22, 20, 18]) - 1)))
    flipped = volume(values=source.data[:, ::-1, ::-1], corner=(*flipped_corner[:2], 0.1))
    for order, tolerance in ((3, 0.02), (1, 0.05)):
        # Larger voxels: the low-pass before a turn is not the stretched kernel itself.
        turned = resample_on_grid(source, reference, order=order, rotation=half).data
        straight = resample_on_grid(flipped, reference, order=order).data
        assert np.linalg.norm(turned - straight) < tolerance * np.linalg.norm(straight)
    finer = volume((40, 40, 40), voxel=1.0, corner=(-35.0, -35.0, 1.0), seed=1)
    for order in (1, 3):
        turned = resample_on_grid(source, finer, order=order, rotation=half).data
        assert worst(turned, resample_on_grid(flipped, finer, order=order).data) < 4 * TO_SCIPY


# Larger voxels


def ball_mask(box=48, radius=12.0, voxel=1.0) -> Map:
    axis = np.arange(box) - box // 2
    inside = sum(np.meshgrid(axis**2, axis**2, axis**2)) <= radius**2
    return volume(values=soft_edge(inside, 0.0, 6.0 * voxel, voxel), voxel=voxel)


@given(voxel=st.floats(1.05, 5.0), corner=st.tuples(*[st.floats(-2.0, 2.0)] * 3))
@settings(max_examples=25, deadline=None)
def test_a_mask_keeps_its_volume_and_its_range_on_larger_voxels(voxel, corner):
    fine = ball_mask()
    size = int(48 / voxel) + 2
    coarse = volume((size,) * 3, voxel=voxel, corner=corner, seed=1)
    found = resample_on_grid(fine, coarse, where="headers").data
    assert found.min() >= 0.0
    assert found.max() <= 1.0 + 1e-6
    assert found.sum() * voxel**3 == pytest.approx(fine.data.sum(), rel=0.01)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("order", "most"), [(1, 0.12), (3, 0.02)])
def test_what_larger_voxels_cannot_hold_is_averaged_out(order, most, turned):
    """A wave of 3.4 voxels is beyond the Nyquist limit of voxels three times as large."""
    wave = np.cos(2 * np.pi * np.arange(60) / 3.4)
    source = volume(values=np.broadcast_to(wave, (60, 60, 60)), voxel=1.0, corner=(1.0, 1.0, 1.0))
    coarse = volume((8, 8, 8), voxel=3.0, corner=(20.0, 20.0, 20.0), seed=1)
    rotation = translation = None
    if turned:
        rotation = Rotation.from_rotvec([0.1, 0.2, 0.05]).as_matrix()
        translation = np.full(3, 31.0) - rotation @ np.full(3, 31.0)
    found = resample_on_grid(
        source, coarse, order=order, rotation=rotation, translation_angstrom=translation
    )
    assert np.abs(found.data).max() < most


@pytest.mark.parametrize("turned", [False, True])
def test_what_larger_voxels_can_hold_is_kept_by_the_cubic_order(turned):
    wave = np.cos(2 * np.pi * np.arange(80) / 12.0)
    source = volume(values=np.broadcast_to(wave, (80, 80, 80)), voxel=1.0, corner=(1.0, 1.0, 1.0))
    coarse = volume((8, 8, 8), voxel=2.5, corner=(30.0, 30.0, 30.0), seed=1)
    # A turn about x leaves the wave along x as it is.
    rotation = Rotation.from_rotvec([0.3, 0.0, 0.0]).as_matrix() if turned else None
    centre = np.full(3, 40.0)
    translation = centre - rotation @ centre if rotation is not None else None
    found = resample_on_grid(
        source, coarse, order=3, rotation=rotation, translation_angstrom=translation
    )
    expected = np.cos(2 * np.pi * (29.0 + 2.5 * np.arange(8)) / 12.0)
    assert np.abs(found.data - expected).max() < 0.02


# Where boxes lie


def test_headers_that_say_nothing_are_laid_centre_on_centre():
    """As RELION and cryoSPARC crop and rescale: about voxel N//2, with zeros in the header."""
    large, small = volume((20, 20, 20), voxel=2.0), volume((10, 10, 10), voxel=2.0, seed=1)
    placed = resample_on_grid(small, large).data
    np.testing.assert_array_equal(placed[5:15, 5:15, 5:15], small.data)
    assert np.count_nonzero(placed) == small.data.size
    by_headers = resample_on_grid(small, large, where="headers").data
    np.testing.assert_array_equal(by_headers[:10, :10, :10], small.data)


def test_rescaled_boxes_of_the_same_edges_keep_their_centre():
    fine, coarse = ball_mask(box=48), volume((24, 24, 24), voxel=2.0, corner=(7.0, 7.0, 7.0))
    found = resample_on_grid(fine, coarse).data
    centre = [np.average(np.arange(24), weights=found.sum(axis=axes)) for axes in ((1, 2), (0, 1))]
    assert centre == pytest.approx([12.0, 12.0], abs=1e-3)


def test_a_mask_of_whole_numbers_becomes_fractions():
    binary = volume(values=(ball_mask().data > 0.5).astype(np.int8), voxel=1.0, corner=(1, 1, 1.5))
    found = resample_on_grid(binary, volume((60, 60, 60), voxel=0.9, corner=(1.0, 1.0, 1.0)))
    assert found.data.dtype == np.float32
    assert np.any((found.data > 0.2) & (found.data < 0.8))


def test_a_mask_is_clipped_where_a_cubic_overshoots():
    binary = volume(values=ball_mask().data > 0.5, voxel=1.0, corner=(1.0, 1.0, 1.5))
    grid = volume((50, 50, 50), voxel=0.95, corner=(1.0, 1.0, 1.0))
    free = resample_on_grid(binary, grid, order=3).data
    clipped = resample_on_grid(binary, grid, order=3, mask=True).data
    assert free.max() > 1.05
    np.testing.assert_array_equal(clipped, np.clip(free, 0.0, 1.0))


def test_a_mask_moved_and_moved_back_is_where_it_was():
    ball = ball_mask()
    ball = volume(values=ball.data, voxel=1.0, corner=(-24.0, -24.0, -24.0))
    rotation = Rotation.from_rotvec([0.5, -0.3, 0.2]).as_matrix()
    shift = np.array([3.0, -2.0, 4.0])
    moved = resample_on_grid(ball, ball, rotation=rotation, translation_angstrom=shift)
    centre = [
        np.average(np.arange(-24, 24), weights=moved.data.sum(axis=axes))
        for axes in ((0, 1), (0, 2), (1, 2))
    ]
    assert centre == pytest.approx(shift, abs=1e-3)
    back = resample_on_grid(
        moved, ball, rotation=rotation.T, translation_angstrom=-rotation.T @ shift
    )
    assert np.abs(back.data - ball.data).max() < 0.1  # two trilinear interpolations of its edge


# Wrong input


@pytest.mark.parametrize("turned", [False, True])
def test_nothing_inside_the_box_is_told(turned):
    far = volume(corner=(500.0, 0.0, 0.0))
    rotation = Rotation.from_rotvec([0.0, 0.1, 0.0]).as_matrix() if turned else None
    with pytest.raises(InputError, match=r"nothing of it lies in the box.*\(500\.0, 0\.0, 0\.0\)"):
        resample_on_grid(far, volume(), rotation=rotation)


def test_values_that_are_no_numbers_are_refused():
    some = volume()
    some.data[3, 4, 5] = np.nan
    with pytest.raises(InputError, match=r"some\.mrc: holds values that are NaN"):
        resample_on_grid(some, volume(voxel=1.0))


@pytest.mark.parametrize(
    "matrix",
    [np.diag([1.0, 1.0, -1.0]), 1.1 * np.eye(3), np.full((3, 3), np.nan), np.zeros((3, 3))],
)
def test_what_is_no_rotation_is_refused(matrix):
    with pytest.raises(InputError, match="is none"):
        resample_on_grid(volume(), volume(), rotation=matrix)


def test_a_move_that_is_not_finite_is_refused():
    with pytest.raises(InputError, match="translation"):
        resample_on_grid(volume(), volume(), translation_angstrom=np.array([0.0, np.inf, 0.0]))


def test_an_empty_mask_stays_empty():
    empty = volume(values=np.zeros((8, 8, 8)), corner=(1.0, 2.0, 3.0))
    assert not resample_on_grid(empty, volume(voxel=1.1)).data.any()


def test_the_source_is_left_alone():
    some = volume(corner=(0.4, 0.2, 0.1))
    before = some.data.copy()
    resample_on_grid(some, volume(voxel=1.0), mask=True, order=3)
    np.testing.assert_array_equal(some.data, before)
