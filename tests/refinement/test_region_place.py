"""The place of a region: about its mask's centre, and no larger than an image."""

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.region_place import place_region, place_warnings

BOX = 40


def _balls(*balls):
    """A mask of hard balls ``(x, y, z, radius)``, in voxels from the centre of the box."""
    z, y, x = np.indices((BOX,) * 3) - BOX // 2
    inside = np.zeros((BOX,) * 3, bool)
    for cx, cy, cz, radius in balls:
        inside |= (x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2 <= radius**2
    return Map(inside.astype(np.float32), 2.0)


def test_a_ball_is_held_by_a_box_of_its_own_size_about_it():
    mask = _balls((-8, 5, 3, 9))
    place = place_region(mask)
    np.testing.assert_array_equal(place.centre_voxels, [-8, 5, 3])
    assert place.box_px == 20  # 19 voxels across; even, without prime factors beyond 5
    np.testing.assert_array_equal(place.mask, mask.data)
    assert place.left_out == 0
    assert place_warnings(mask) == []


def test_what_fits_only_about_the_maps_centre_is_placed_there():
    """Of two balls at opposite ends the smaller would be 22 voxels from the centre of mass."""
    mask = _balls((-9, 0, 0, 7), (15, 0, 0, 3))
    place = place_region(mask)
    np.testing.assert_array_equal(place.centre_voxels, [0, 0, 0])
    assert place.box_px == BOX
    np.testing.assert_array_equal(place.mask, mask.data)
    assert place.left_out == 0


def test_a_piece_in_the_far_corner_is_left_out_and_told_of():
    """It made the box 1.7 times an image's, filled with zeros where there is no image."""
    region, piece = _balls((-8, 5, 3, 9)), _balls((17, -17, -17, 2))
    mask = Map(region.data + piece.data, 2.0)
    place = place_region(mask)
    assert place.box_px == BOX
    assert np.abs(place.centre_voxels - [-8, 5, 3]).max() <= 1  # 1 % of the mask, 40 voxels off
    np.testing.assert_array_equal(place.mask, region.data)
    assert place.left_out == pytest.approx(piece.data.sum() / mask.data.sum())
    (told,) = place_warnings(mask)
    assert told.startswith(f"the mask given: {100 * place.left_out:.1f} % of the mask lie more")
    assert "larger box" in told


def test_a_mask_of_the_whole_box_is_a_ball_as_wide_as_an_image():
    place = place_region(Map(np.ones((BOX,) * 3, np.float32), 2.0))
    assert place.box_px == BOX
    assert np.abs(place.centre_voxels).max() <= 1  # the mean place of 40 voxels is -0.5
    far = np.sqrt(np.sum((np.indices((BOX,) * 3) - BOX // 2 - _zyx(place)) ** 2, axis=0))
    assert np.all(place.mask[far <= BOX / 2] == 1)
    assert np.all(place.mask[far >= BOX / 2 + 3] == 0)
    assert np.mean(far > BOX / 2 + 3) < place.left_out < np.mean(far > BOX / 2)


def test_of_a_ball_as_wide_as_an_image_nothing_is_left_out():
    """With the voxel at its centre it is 41 voxels across, one more than an image."""
    mask = _balls((0, 0, 0, 20))
    place = place_region(mask)
    np.testing.assert_array_equal(place.mask, mask.data)
    assert place.box_px == BOX
    assert place_warnings(mask) == []


def _zyx(place):
    return place.centre_voxels[::-1, None, None, None]


def test_a_box_whose_transforms_are_slow_is_filled_up():
    """34 = 2 x 17 pixels."""
    ones = np.ones((34,) * 3, np.float32)
    assert place_region(Map(ones, 2.0)).box_px == 36


def test_a_region_of_a_few_voxels_is_refused():
    with pytest.raises(InputError, match="3 voxels across; nothing so small can be aligned"):
        place_region(_balls((0, 0, 0, 1)))
