"""Recipes: written and read, followed, carried to another grid, refused where they are wrong."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, write_map
from locref_widgets.masks import volume_steps as steps
from locref_widgets.masks.edges import soft_pad
from locref_widgets.masks.recipe import Grid, MaskRecipe, follow
from locref_widgets.masks.recipe_step import Step
from locref_widgets.masks.source_steps import Combine, File, OnGrid, Segment, SegmentRegion

BOX_PX, VOXEL_ANGSTROM = 24, 3.0


def two_blobs(box_px: int = BOX_PX, voxel_angstrom: float = VOXEL_ANGSTROM) -> Map:
    """Two Gaussian blobs, one higher than the other, each at the same place in Å on every grid."""
    axis = (np.arange(box_px) - box_px // 2) * voxel_angstrom
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    first = 2.0 * np.exp(-((x - 13) ** 2 + y**2 + z**2) / 72)
    second = np.exp(-((x + 14) ** 2 + (y - 3) ** 2 + z**2) / 72)
    return Map((first + second).astype(np.float32), voxel_angstrom)


GRID = Grid.of(two_blobs())

lengths = st.floats(0, 4, allow_nan=False)
points = st.tuples(*[st.floats(2, BOX_PX - 3)] * 3)
round_spheres = st.lists(
    st.tuples(*[st.floats(4, BOX_PX - 5)] * 3, st.floats(1.5, 6)), min_size=1, max_size=3
).map(tuple)
mask_steps = st.one_of(
    st.just(steps.FillHoles()),
    st.builds(steps.Dilate, radius_px=st.floats(-1, 3)),
    st.builds(steps.SoftPad, width_px=lengths, dilate_px=lengths),
    st.builds(steps.SoftPad, resolution_angstrom=st.floats(0, 3), two_stage=st.booleans()),
    st.just(steps.Invert()),
    st.builds(steps.Erase, spheres=round_spheres, outside=st.booleans(), soft_px=lengths),
    st.builds(
        steps.Paint,
        spheres=round_spheres,
        remove=st.booleans(),
        at_least=st.sampled_from([None, "0.1max", "1sigma"]),
    ),
)
recipes = st.builds(
    lambda first, rest, undone: MaskRecipe(
        made_on=GRID, undone=tuple(undone), steps=(*first, *rest)
    ),
    st.tuples(
        st.builds(steps.LowPass, resolution_angstrom=st.floats(6, 20)),
        st.builds(steps.Threshold, level=st.sampled_from(["0.3max", "0.4", "60%", "2sigma"])),
    ),
    st.lists(mask_steps, max_size=4),
    st.lists(mask_steps, max_size=2),
)


def outcome(recipe: MaskRecipe) -> np.ndarray | str:
    """What a recipe makes of the two blobs, or why it cannot."""
    try:
        return recipe.apply(two_blobs()).data
    except InputError as error:
        return str(error)


@given(recipes)
@settings(max_examples=50, deadline=None)
def test_a_recipe_read_again_is_the_same_and_makes_the_same_mask_bit_by_bit(
    recipe: MaskRecipe,
) -> None:
    again = MaskRecipe.from_yaml(recipe.to_yaml())
    assert again == recipe
    first, second = outcome(recipe), outcome(again)
    if isinstance(first, str):  # nothing was left to erase from, for example
        assert second == first
    else:
        np.testing.assert_array_equal(second, first)


def test_steps_are_done_in_order_and_told() -> None:
    recipe = MaskRecipe().add(
        steps.Threshold(level="0.3max"), steps.Islands(count=1), steps.SoftPad(width_px=4)
    )
    mask = recipe.apply(two_blobs())
    volume = two_blobs().data
    above = volume >= 0.3 * volume.max()
    above[..., : BOX_PX // 2] = False  # the smaller blob
    np.testing.assert_array_equal(mask.data, soft_pad(above, 4.0))
    said = " | ".join(mask.remarks)
    assert "0.3 of the map's maximum" in said
    assert "keep of the islands the largest" in said
    assert "soft edge of 4 voxels" in said


def test_growing_and_softening_in_one_step_is_one_distance() -> None:
    binary = steps.Threshold(level="0.5max")
    together = follow(two_blobs(), [binary, steps.SoftPad(width_px=5, dilate_px=2)])
    inside = follow(two_blobs(), [binary]).data > 0
    np.testing.assert_array_equal(together.data, soft_pad(inside, 5.0, dilate_px=2.0))


def test_lengths_in_angstrom_are_those_in_voxels() -> None:
    binary = steps.Threshold(level="0.5max")
    in_px = follow(two_blobs(), [binary, steps.SoftPad(width_px=5, dilate_px=2)])
    in_angstrom = steps.SoftPad(width_angstrom=15, dilate_angstrom=6)
    by_resolution = steps.SoftPad(resolution_angstrom=3, dilate_px=2)
    for step in (in_angstrom, by_resolution):
        np.testing.assert_array_equal(follow(two_blobs(), [binary, step]).data, in_px.data)


def test_a_segment_is_found_by_its_point() -> None:
    region = SegmentRegion(point=(7, 13, 12), steps=2)
    mask = follow(two_blobs(), [Segment(level="0.1max", regions=(region,))])
    volume = two_blobs().data
    assert set(np.unique(mask.data)) == {0, 1}
    assert mask.data[12, 13, 7] == 1
    assert mask.data[12, 12, 16] == 0
    assert not mask.data[volume < 0.1 * volume.max()].any()


def test_masks_are_combined_and_brought_on_grids(tmp_path: Path) -> None:
    volume = two_blobs()
    half = np.zeros_like(volume.data)
    half[..., BOX_PX // 2 :] = 1
    write_map(tmp_path / "half.mrc", half, VOXEL_ANGSTROM)
    start = steps.Threshold(level="0.2max")
    whole = follow(volume, [start]).data
    file = File(path="half.mrc")
    for how, expected in (
        ("and", whole * half),
        ("or", np.maximum(whole, half)),
        ("without", whole * (1 - half)),
    ):
        recipe = MaskRecipe().add(start, Combine.model_validate({"how": how, "mask": file}))
        np.testing.assert_array_equal(recipe.apply(volume, folder=tmp_path).data, expected)
    write_map(tmp_path / "larger.mrc", np.zeros((36,) * 3, np.float32), 2.0)
    on_grid = MaskRecipe().add(start, OnGrid(grid=File(path="larger.mrc")))
    assert on_grid.apply(volume, folder=tmp_path).size_xyz == (36, 36, 36)


def test_a_soft_mask_and_what_is_left_without_it_add_up_to_the_whole(tmp_path: Path) -> None:
    volume = two_blobs()
    whole = follow(volume, [steps.Threshold(level="0.1max"), steps.SoftPad(width_px=3)])
    ball = steps.Erase(spheres=((16, 12, 12, 4),), outside=True, soft_px=4)
    part = follow(whole, [ball])
    write_map(tmp_path / "part.mrc", part.data, VOXEL_ANGSTROM)
    rest = follow(whole, [Combine(how="without", mask=File.of(tmp_path / "part.mrc"))])
    # float32 rounds the difference and the sum, by half a unit in the last place each.
    np.testing.assert_allclose(part.data + rest.data, whole.data, rtol=0, atol=2**-23)


def test_a_file_changed_since_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mask.mrc"
    write_map(path, np.ones((BOX_PX,) * 3, np.float32), VOXEL_ANGSTROM)
    step = Combine(how="and", mask=File.of(path))
    write_map(path, np.zeros((BOX_PX,) * 3, np.float32), VOXEL_ANGSTROM)
    with pytest.raises(InputError, match=r"step 2 \(combine\).*was changed since"):
        follow(two_blobs(), [steps.Threshold(level="0.5max"), step])


def test_a_recipe_for_another_grid_is_refused_and_can_be_converted() -> None:
    sphere = (16.3, 12.0, 12.0, 6.0)
    made = MaskRecipe().made_for(two_blobs())
    recipe = made.add(
        steps.Threshold(level="0.1max"), steps.Erase(spheres=(sphere,)), steps.Dilate(radius_px=1)
    )
    finer = two_blobs(48, 1.5)
    with pytest.raises(InputError, match=r"48 x 48 x 48 voxels of 1.5 Å.*24 x 24 x 24.*--rescale"):
        recipe.apply(finer)
    converted = recipe.rescaled_to(finer)
    assert converted.steps[1] == steps.Erase(spheres=((32.6, 24.0, 24.0, 12.0),))
    mask, finer_mask = recipe.apply(two_blobs()), converted.apply(finer)
    # The same volume, but for the voxels of the surface: about a tenth here.
    volumes = mask.data.sum() * 3.0**3, finer_mask.data.sum() * 1.5**3
    assert volumes[1] == pytest.approx(volumes[0], rel=0.1)
    assert converted.rescaled_to(two_blobs()) == recipe


def test_a_crop_cannot_be_converted() -> None:
    recipe = MaskRecipe().made_for(two_blobs()).add(steps.Crop(size_px=16))
    with pytest.raises(InputError, match="crop to 16 voxels belongs to the grid"):
        recipe.rescaled_to(two_blobs(48, 1.5))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no list of steps"),
        ("steps: [", "not valid YAML"),
        ("steps: [{tool: melt}]", r"step 1 \(melt\)"),
        ("steps: [{tool: dilate}]", r"step 1 \(dilate\): give radius_px or radius_angstrom"),
        ("steps: [{tool: dilate, radius: 3}]", "radius"),
        (
            "steps: [{tool: invert}, {tool: lowpass, resolution_angstrom: -3}]",
            r"step 2 \(lowpass\)",
        ),
        ("steps: [{tool: threshold, level: high}]", r"level.*expected a number, 0.2max"),
        ("steps: [{tool: islands}]", "give count, at_points or least_voxels"),
        ("steps: [{tool: soft-pad, width_px: .nan}]", "width_px"),
        ("steps: [{tool: erase, spheres: []}]", "spheres"),
        ("version: 2\nsteps: []", "version"),
        ("steps: [!!python/object/apply:os.system [ls]]", "not valid YAML"),
    ],
)
def test_wrong_recipes_are_refused_with_step_and_field(text: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        MaskRecipe.from_yaml(text, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")


@pytest.mark.parametrize("step", [steps.FillHoles(), steps.Invert(), steps.Dilate(radius_px=2)])
def test_steps_for_masks_say_that_a_map_is_none(step: Step) -> None:
    with pytest.raises(InputError, match=rf"step 1 \({step.tool}\).*threshold the map first"):
        follow(two_blobs(), [step])
