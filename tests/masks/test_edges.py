"""Dilation, erosion and soft edges against brute force and relion_mask_create."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.masks.edges import dilate, erode, soft_edge, soft_pad
from tests.masks.brute_force import distances, small_masks

BOX = 48
VOXEL = 1.5

RADII = st.one_of(st.integers(0, 7).map(float), st.floats(0.0, 7.0, allow_subnormal=False))
ROUNDING = 1e-9


def distance_from(centre_xyz_px, box_px: int = BOX) -> np.ndarray:
    """Distance in voxels of every voxel from a point given from voxel N//2."""
    axis = np.arange(box_px) - box_px // 2
    x, y, z = centre_xyz_px
    return np.sqrt(
        (axis - z)[:, None, None] ** 2
        + (axis - y)[None, :, None] ** 2
        + (axis - x)[None, None, :] ** 2
    )


def cosine(distance: np.ndarray, near: float, far: float) -> np.ndarray:
    return 0.5 + 0.5 * np.cos(np.pi * np.clip((distance - near) / (far - near), 0, 1))


# ------------------------------------------------------------------------------ dilate, erode


@settings(max_examples=100, deadline=None)
@given(binary=small_masks(), radius_px=RADII)
def test_dilation_takes_in_what_is_within_the_radius(binary, radius_px):
    expected = distances(binary) <= radius_px * (1 + ROUNDING)
    found = dilate(binary, radius_px)
    assert found.dtype == np.bool_
    np.testing.assert_array_equal(found, expected)


@settings(max_examples=100, deadline=None)
@given(binary=small_masks(), radius_px=RADII)
def test_erosion_takes_away_what_has_an_outside_voxel_within_the_radius(binary, radius_px):
    expected = distances(~binary) > radius_px * (1 + ROUNDING)
    np.testing.assert_array_equal(erode(binary, radius_px), expected & binary)


@settings(max_examples=50, deadline=None)
@given(binary=small_masks(), radius_px=RADII)
def test_erosion_is_dilation_of_the_complement_and_a_negative_radius_does_the_other(
    binary, radius_px
):
    np.testing.assert_array_equal(erode(binary, radius_px), ~dilate(~binary, radius_px))
    np.testing.assert_array_equal(dilate(binary, -radius_px), erode(binary, radius_px))
    np.testing.assert_array_equal(erode(binary, -radius_px), dilate(binary, radius_px))


@settings(max_examples=50, deadline=None)
@given(binary=small_masks(), first=RADII, second=RADII)
def test_dilation_grows_and_erosion_shrinks_with_the_radius(binary, first, second):
    small, large = sorted((first, second))
    assert (binary <= dilate(binary, small)).all()
    assert (dilate(binary, small) <= dilate(binary, large)).all()
    assert (erode(binary, large) <= erode(binary, small)).all()
    assert (erode(binary, small) <= binary).all()


@settings(max_examples=50, deadline=None)
@given(binary=small_masks(), radius_px=RADII)
def test_closing_adds_and_opening_takes_away(binary, radius_px):
    assert (erode(dilate(binary, radius_px), radius_px) >= binary).all()
    assert (dilate(erode(binary, radius_px), radius_px) <= binary).all()


def test_the_border_of_the_box_does_not_erode():
    binary = np.zeros((12, 12, 12), bool)
    binary[:, :, :6] = True  # cut by five faces of the box
    eroded = erode(binary, 2.0)
    expected = binary.copy()
    expected[:, :, 4:] = False
    np.testing.assert_array_equal(eroded, expected)
    assert erode(np.ones((5, 5, 5), bool), 3.0).all()


def test_ball_grows_by_the_radius():
    # The voxels of a ball reach its surface but for less than a voxel's diagonal.
    distance = distance_from((0.0, 0.0, 0.0))
    grown = dilate(distance <= 8.0, 6.5)
    assert not grown[distance > 14.5].any()
    assert grown[distance <= 14.5 - np.sqrt(3) / 2].all()


# ---------------------------------------------------------------------------------- soft pad


@settings(max_examples=100, deadline=None)
@given(binary=small_masks(), width_px=RADII, dilate_px=RADII)
def test_one_stage_edge_is_a_cosine_of_the_distance_from_the_region(binary, width_px, dilate_px):
    distance = distances(binary)
    if width_px > 0:
        beyond = np.maximum(distance - dilate_px * (1 + ROUNDING), 0.0)
        expected = 0.5 + 0.5 * np.cos(np.pi * np.minimum(beyond, width_px) / width_px)
    else:
        expected = distance <= dilate_px * (1 + ROUNDING)
    found = soft_pad(binary, width_px, dilate_px=dilate_px)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected.astype(np.float32))


@settings(max_examples=60, deadline=None)
@given(
    binary=small_masks(),
    width_px=st.floats(0.5, 7.0),
    extend_px=st.one_of(st.integers(-3, 5).map(float), st.floats(-3.0, 5.0)),
)
def test_two_stage_edge_is_relions_formula(binary, width_px, extend_px):
    # relion_mask_create: grow by d^2 < e^2 (or shrink), then 0.5 + 0.5 cos(pi d / w) for d < w.
    grown = binary | (distances(binary) ** 2 < extend_px**2 * (1 - 2e-9))
    if extend_px < 0:
        grown = binary & ~(distances(~binary) ** 2 < extend_px**2 * (1 - 2e-9))
    distance = distances(grown)
    expected = np.where(
        distance < width_px, 0.5 + 0.5 * np.cos(np.pi * np.minimum(distance / width_px, 1.0)), 0.0
    )
    found = soft_pad(binary, width_px, dilate_px=extend_px, two_stage=True)
    np.testing.assert_array_equal(found, expected.astype(np.float32))


def test_edge_is_one_up_to_the_dilation_and_exactly_zero_from_its_end():
    distance = distance_from((0.0, 0.0, 0.0))
    mask = soft_pad(distance == 0.0, 6.0, dilate_px=3.0)
    assert (mask[distance <= 3.0] == 1.0).all()
    assert (mask[distance >= 9.0] == 0.0).all()
    edge = (distance > 3.0) & (distance < 9.0)
    assert ((mask[edge] > 0.0) & (mask[edge] < 1.0)).all()
    assert mask[24, 24, 24 + 6] == pytest.approx(0.5)


@settings(max_examples=50, deadline=None)
@given(binary=small_masks(), widths=st.tuples(RADII, RADII), radii=st.tuples(RADII, RADII))
def test_edge_grows_with_width_and_dilation_and_lies_within_0_and_1(binary, widths, radii):
    (narrow, wide), (less, more) = sorted(widths), sorted(radii)
    mask = soft_pad(binary, narrow, dilate_px=less)
    assert ((mask >= 0.0) & (mask <= 1.0)).all()
    assert (mask <= soft_pad(binary, wide, dilate_px=less)).all()
    assert (mask <= soft_pad(binary, narrow, dilate_px=more)).all()


@settings(max_examples=40, deadline=None)
@given(
    binary=small_masks(),
    axis=st.integers(0, 2),
    order=st.permutations(range(3)),
    two_stage=st.booleans(),
)
def test_edge_of_the_mirrored_mask_is_the_mirrored_edge(binary, axis, order, two_stage):
    edge = soft_pad(binary, 4.5, dilate_px=2.5, two_stage=two_stage)
    for change in (lambda a: np.flip(a, axis), lambda a: a.transpose(order)):
        found = soft_pad(change(binary), 4.5, dilate_px=2.5, two_stage=two_stage)
        np.testing.assert_array_equal(found, change(edge))


def test_negative_dilation_erodes_before_the_edge_is_put_on():
    ball = distance_from((0.0, 0.0, 0.0)) <= 9.0
    found = soft_pad(ball, 5.0, dilate_px=-3.0)
    np.testing.assert_array_equal(found, soft_pad(erode(ball, 3.0), 5.0))


def test_two_stages_put_the_edge_up_to_a_voxel_farther_in_than_one():
    ball = distance_from((0.3, 0.1, 0.2)) <= 8.0
    one = soft_pad(ball, 12.0, dilate_px=6.0)
    two = soft_pad(ball, 12.0, dilate_px=6.0, two_stage=True)
    # The triangle inequality; the steepest slope of a cosine edge is pi / (2 w) a voxel.
    assert (two <= one + 1e-6).all()
    assert 0.05 < (one - two).max() < np.pi / 24


@pytest.mark.parametrize(
    ("width_px", "dilate_px", "told"),
    [(-1.0, 0.0, "0 or more"), (np.nan, 0.0, "expected a number"), (1.0, np.inf, "expected a num")],
)
def test_impossible_pads_are_refused(width_px, dilate_px, told):
    with pytest.raises(InputError, match=told):
        soft_pad(np.ones((3, 3, 3), bool), width_px, dilate_px=dilate_px)


@pytest.mark.parametrize("change", [dilate, erode])
def test_impossible_radii_are_refused(change):
    with pytest.raises(InputError, match="radius of nan voxels: expected a number"):
        change(np.ones((3, 3, 3), bool), np.nan)


# -------------------------------------------------------------------------------------- RELION


@pytest.fixture(scope="module")
def beta_gal(shared_data: Path) -> Map:
    return read_map(shared_data / "maps" / "betaGal.mrc")


@pytest.mark.parametrize(
    ("level", "extend_px", "width_px", "ones", "non_zero", "total"),
    [
        (0.04, 3.0, 6.0, 33_582, 78_639, 52_847.5856),
        (0.04, 0.0, 5.0, 17_864, 47_727, 31_322.0679),
        (0.03, 6.0, 12.0, 57_903, 203_897, 118_830.6525),
    ],
)
def test_masks_of_beta_galactosidase_have_the_known_counts(
    beta_gal, level, extend_px, width_px, ones, non_zero, total
):
    # Worked out in float64 from RELION's formula by another program.
    mask = soft_pad(beta_gal.data >= level, width_px, dilate_px=extend_px, two_stage=True)
    assert np.count_nonzero(mask == 1.0) == ones
    assert np.count_nonzero(mask) == non_zero
    # Rounding to float32 changes each of the values at the edge by up to 3e-8.
    assert mask.sum(dtype=np.float64) == pytest.approx(total, abs=3e-8 * non_zero)


@pytest.mark.relion
@pytest.mark.parametrize(
    ("level", "extend_px", "width_px"),
    [(0.04, 3, 6), (0.03, 6, 12), (0.04, -2, 5), (0.04, 2.5, 4.5)],
)
def test_two_stage_edge_is_that_of_relion_mask_create(
    beta_gal,
    level,
    extend_px,
    width_px,
    tmp_path: Path,
    program: Callable[[str], str],
):
    write_map(tmp_path / "map.mrc", beta_gal.data, beta_gal.voxel_size_angstrom)
    command = [program("relion_mask_create"), "--i", "map.mrc", "--o", "mask.mrc"]
    command += ["--ini_threshold", f"{level}", "--extend_inimask", f"{extend_px}"]
    command += ["--width_soft_edge", f"{width_px}"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=600)
    theirs = mrcfile.read(tmp_path / "mask.mrc")
    ours = soft_pad(
        beta_gal.data >= level, float(width_px), dilate_px=float(extend_px), two_stage=True
    )
    # Both are float32 of one formula; a build of RELION in single precision may round otherwise.
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


# ---------------------------------------------------------------------------------- soft edge


def test_ball_gets_its_edge_at_near_and_far_to_half_a_voxel():
    radius_px, near, far = 8.0, 3.0, 12.0
    distance = distance_from((1.0, -2.0, 3.0))
    mask = soft_edge(distance <= radius_px, near, far, VOXEL)
    surface = (distance - radius_px) * VOXEL
    # The nearest voxel centre lies inside the ball, by less than a voxel and on average by a
    # quarter of one: no voxel is nearer than the surface, and the edge is right to half a voxel.
    assert (mask <= cosine(surface, near, far) + 1e-6).all()
    assert (mask >= cosine(surface + VOXEL, near, far) - 1e-6).all()
    edge = (mask > 0.01) & (mask < 0.99)
    seen = near + (far - near) * np.arccos(2.0 * mask[edge] - 1.0) / np.pi
    lag = seen - surface[edge]
    assert 0.0 < lag.mean() < 0.5 * VOXEL
    for side in (seen < near + 2.0, seen > far - 2.0):
        assert lag[side].mean() < 0.5 * VOXEL
    assert mask.dtype == np.float32


def test_profile_is_a_cosine_of_the_distance_from_one_voxel():
    centre = distance_from((0.0, 0.0, 0.0))
    mask = soft_edge(centre == 0.0, 3.0, 15.0, VOXEL)
    np.testing.assert_allclose(mask, cosine(centre * VOXEL, 3.0, 15.0), atol=1e-6)
    assert mask[24, 24, 24 + 6] == pytest.approx(0.5)  # 9 Å: half way


def test_cropping_to_the_region_changes_nothing_at_the_box_edge():
    region = distance_from((20.0, 0.0, -22.0)) <= 5.0
    distance = ndimage.distance_transform_edt(~region, sampling=VOXEL)
    expected = cosine(distance, 2.0, 9.0)
    np.testing.assert_allclose(soft_edge(region, 2.0, 9.0, VOXEL), expected, atol=1e-6)


def test_equal_near_and_far_give_a_hard_edge():
    centre = distance_from((0.0, 0.0, 0.0))
    mask = soft_edge(centre == 0.0, 6.0, 6.0, VOXEL)
    np.testing.assert_array_equal(mask, (centre * VOXEL <= 6.0).astype(np.float32))


def test_empty_region_gives_an_empty_edge():
    assert not soft_edge(np.zeros((4, 5, 6), bool), 3.0, 12.0, VOXEL).any()


@pytest.mark.parametrize(("near", "far"), [(-1.0, 5.0), (6.0, 3.0)])
def test_impossible_edges_are_refused(near, far):
    with pytest.raises(InputError, match="near must be 0 or more"):
        soft_edge(np.ones((4, 5, 6), bool), near, far, VOXEL)
