"""Dynamic masks on analytic shapes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.masks import dynamic
from locref_widgets.masks.edges import soft_edge

BOX = 48
VOXEL = 1.5


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


ONES = np.ones((BOX,) * 3, np.float32)


def test_dynamic_mask_follows_the_threshold_inside_the_users_mask():
    # Linear from 10 at the centre to 0 at 10 voxels: threshold 0.3 is the ball of 7 voxels.
    distance = distance_from((0.0, 0.0, 0.0))
    volume = np.maximum(10.0 - distance, 0.0).astype(np.float32)
    user = (np.arange(BOX)[None, None, :] >= BOX // 2 - 3) * ONES
    mask = dynamic.dynamic_mask(
        volume, user, VOXEL, threshold=0.3, near_angstrom=3.0, far_angstrom=9.0
    )
    region = (distance <= 7.0 + 1e-4) & (user > 0)
    expected = soft_edge(region, 3.0, 9.0, VOXEL) * user
    np.testing.assert_allclose(mask, expected, atol=1e-6)
    assert (mask[region] == 1.0).all()
    assert not mask[user == 0].any()


def test_a_soft_user_mask_bounds_the_result_and_weights_the_density():
    distance = distance_from((0.0, 0.0, 0.0))
    volume = (distance <= 14).astype(np.float32)
    user = cosine(distance, 6.0, 12.0).astype(np.float32)
    mask = dynamic.dynamic_mask(volume, user, VOXEL, threshold=0.5)
    assert (mask <= user).all()
    np.testing.assert_array_equal(mask[distance <= 9.0], user[distance <= 9.0])  # weight >= 0.5
    assert mask[24, 24, 24 + 13] == 0.0


def test_density_outside_the_users_mask_does_not_set_the_threshold():
    inside, outside = distance_from((-8.0, 0.0, 0.0)) <= 4, distance_from((14.0, 0.0, 0.0)) <= 4
    volume = (inside + 100.0 * outside).astype(np.float32)
    user = (np.arange(BOX)[None, None, :] < BOX // 2) * ONES
    assert (dynamic.dynamic_mask(volume, user, VOXEL)[inside] == 1.0).all()


def test_negative_density_counts_only_when_asked():
    low, high = distance_from((-10.0, 0.0, 0.0)) <= 3, distance_from((10.0, 0.0, 0.0)) <= 3
    volume = (high * 1.0 - low * 0.5).astype(np.float32)
    edge = {"near_angstrom": 1.0, "far_angstrom": 3.0}
    assert not dynamic.dynamic_mask(volume, ONES, VOXEL, **edge)[low].any()
    mask = dynamic.dynamic_mask(volume, ONES, VOXEL, absolute=True, **edge)
    assert (mask[low] == 1.0).all()
    assert (mask[high] == 1.0).all()


@settings(max_examples=20, deadline=None)
@given(shift=st.tuples(*[st.integers(-6, 6)] * 3), seed=st.integers(0, 2**16))
def test_translation_of_the_map_translates_the_mask(shift, seed):
    box_px = 32
    axis = np.abs(np.arange(box_px) - box_px // 2)
    near_middle = (axis[:, None, None] <= 3) & (axis[:, None] <= 3) & (axis <= 3)
    noise = np.random.default_rng(seed).random((box_px,) * 3)
    volume = (noise * near_middle).astype(np.float32)
    user = np.ones_like(volume)
    # Reach: 3 + 6 (shift) + 9 Å / 1.5 Å = 15 voxels < 16, so nothing wraps round the box.
    edge = {"threshold": 0.7, "near_angstrom": 3.0, "far_angstrom": 9.0}
    moved = dynamic.dynamic_mask(np.roll(volume, shift, (0, 1, 2)), user, VOXEL, **edge)
    still = dynamic.dynamic_mask(volume, user, VOXEL, **edge)
    np.testing.assert_array_equal(moved, np.roll(still, shift, (0, 1, 2)))


@pytest.mark.parametrize(
    ("volume", "user", "why"),
    [
        (ONES, 0 * ONES, "the mask is zero everywhere"),
        (0 * ONES, ONES, "no positive density"),
        (-ONES, ONES, "no positive density"),
        (np.nan * ONES, ONES, "no positive density"),
    ],
)
def test_an_empty_result_says_why(volume, user, why):
    with pytest.raises(InputError, match=f"the dynamic mask is empty: .*{why}"):
        dynamic.dynamic_mask(volume, user, VOXEL)


@pytest.mark.parametrize("threshold", [0.0, -0.2, 1.5])
def test_threshold_is_a_fraction(threshold):
    with pytest.raises(InputError, match="fraction of the map's maximum"):
        dynamic.dynamic_mask(ONES, ONES, VOXEL, threshold=threshold)


@pytest.mark.parametrize("box_px", [32, 33])
def test_centre_of_mass_is_in_angstrom_from_the_centre_voxel(box_px):
    centre = (3.0, -4.0, 5.0)
    ball = (distance_from(centre, box_px) <= 6.0).astype(np.float32)
    np.testing.assert_allclose(
        dynamic.centre_of_mass_angstrom(ball, VOXEL), np.array(centre) * VOXEL, atol=1e-9
    )


def test_centre_of_mass_weighs_values():
    mask = np.zeros((8, 8, 8), np.float32)
    mask[4, 4, 4], mask[4, 6, 4] = 1.0, 0.5
    np.testing.assert_allclose(dynamic.centre_of_mass_angstrom(mask, 3.0), [0.0, 2.0, 0.0])
    with pytest.raises(InputError, match="no centre of mass"):
        dynamic.centre_of_mass_angstrom(0 * mask, 3.0)


def test_radius_reaches_the_farthest_voxel_inside():
    mask = np.zeros((16, 16, 16), np.float32)
    mask[8, 8, 6:11] = 1.0
    mask[8, 8, 12] = 0.4  # below half: the edge
    assert dynamic.radius_angstrom(mask, 2.0, np.array([0.0, 0.0, 0.0])) == 4.0
    assert dynamic.radius_angstrom(mask, 2.0, np.array([-4.0, 3.0, 0.0])) == np.hypot(8.0, 3.0)
    assert dynamic.radius_angstrom(0 * mask, 2.0, np.zeros(3)) == 0.0
