"""What is made of the map joins the mask at hand as sets of voxels do."""

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.masks import volume_steps as steps
from locref_widgets.masks.join_step import Join
from locref_widgets.masks.recipe import MaskRecipe, follow
from tests.masks.test_recipe import two_blobs

LOW, HIGH = steps.Threshold(level="0.2"), steps.Threshold(level="1.5")
BALL = steps.Erase(spheres=((16.0, 14.0, 12.0, 3.0),), outside=True)


@pytest.mark.parametrize(
    ("how", "joined"),
    [
        ("replace", lambda mask, made: made),
        ("or", np.maximum),
        ("and", np.minimum),
        ("without", lambda mask, made: mask * (1 - made)),
    ],
)
def test_two_masks_are_joined_voxel_by_voxel(how, joined):
    mask = follow(two_blobs(), [LOW, BALL]).data
    made = follow(two_blobs(), [HIGH]).data
    result = follow(two_blobs(), [LOW, BALL, Join(how=how, steps=(HIGH,))])
    np.testing.assert_array_equal(result.data, joined(mask, made))
    assert 0 < result.data.sum() < result.data.size


def test_what_is_taken_from_a_soft_mask_and_what_is_left_add_up_to_it():
    soft = follow(two_blobs(), [LOW, steps.SoftPad(width_px=4)])
    part = [HIGH, steps.SoftPad(width_px=4)]
    left = follow(soft, [Join(how="without", steps=(LOW,))])
    cut = follow(two_blobs(), [LOW, steps.SoftPad(width_px=4), Join(how="without", steps=part)])
    both = follow(two_blobs(), [LOW, steps.SoftPad(width_px=4), Join(how="and", steps=part)])
    np.testing.assert_allclose(cut.data + both.data, soft.data, atol=1e-6)
    assert left.data.min() >= 0


def test_a_recipe_with_a_join_is_written_read_and_carried_to_another_grid():
    ball = (15.0, 12.0, 12.0, 3.0)
    paint = Join(how="replace", steps=(steps.Empty(), steps.Paint(spheres=(ball,))))
    recipe = MaskRecipe().made_for(two_blobs()).add(paint)
    again = MaskRecipe.from_yaml(recipe.to_yaml())
    assert again == recipe
    assert "start anew: an empty mask, then paint" in recipe.describe()[0]
    finer = two_blobs(48, 1.5)
    mask = recipe.rescaled_to(finer).apply(finer).data
    assert mask[24, 24, 30] == 1
    assert abs(mask.sum() - 8 * recipe.apply(two_blobs()).data.sum()) < 0.2 * mask.sum()


def test_what_is_no_mask_cannot_be_joined():
    with pytest.raises(InputError, match=r"step 2 \(join\): .*threshold the map first"):
        follow(two_blobs(), [LOW, Join(how="or", steps=(steps.Flip(),))])
    with pytest.raises(InputError, match=r"step 1 \(join\): threshold: .*no voxel reaches"):
        follow(two_blobs(), [Join(how="replace", steps=(steps.Threshold(level="99"),))])
