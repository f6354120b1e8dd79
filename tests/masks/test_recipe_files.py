"""A mask and its recipe side by side, and in the run that uses the mask."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.masks import volume_steps as steps
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.masks.recipe_files import find_recipe, recipe_path, save_mask
from locref_widgets.runs.inputs import describe_mask
from tests.masks.test_recipe import two_blobs

RECIPE = MaskRecipe().add(steps.Threshold(level="0.3max"), steps.SoftPad(width_px=4))


def saved(folder: Path) -> Path:
    volume = two_blobs()
    save_mask(folder / "mask.mrc", RECIPE.apply(volume), volume, RECIPE)
    return folder / "mask.mrc"


def test_a_mask_is_found_with_the_recipe_that_made_it(tmp_path: Path) -> None:
    path = saved(tmp_path)
    found = find_recipe(path)
    assert found == RECIPE
    np.testing.assert_array_equal(found.apply(two_blobs()).data, read_map(path).data)


def test_a_mask_changed_since_has_no_recipe(tmp_path: Path) -> None:
    path = saved(tmp_path)
    write_map(path, np.ones((24,) * 3, np.float32), 3.0)
    assert find_recipe(path) is None


def test_a_mask_of_other_programs_has_no_recipe(tmp_path: Path) -> None:
    write_map(tmp_path / "mask.mrc", np.ones((24,) * 3, np.float32), 3.0)
    assert find_recipe(tmp_path / "mask.mrc") is None
    recipe_path(tmp_path / "mask.mrc").write_text("steps: []\n")
    assert find_recipe(tmp_path / "mask.mrc") is None


def test_a_run_keeps_the_recipe_of_its_mask(tmp_path: Path) -> None:
    path = saved(tmp_path)
    described = describe_mask(read_map(path), two_blobs(), tmp_path / "inputs" / "mask.mrc")
    assert MaskRecipe.model_validate(described["recipe"]) == RECIPE
    # A mask that was changed in memory is another one.
    other = replace(read_map(path), data=np.ones((24,) * 3, np.float32))
    assert "recipe" not in describe_mask(other, two_blobs(), tmp_path / "inputs" / "mask.mrc")
