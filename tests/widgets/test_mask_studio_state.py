"""The studio's state: every action is a step, and every one is undone and done again."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks import volume_steps as steps
from locref_widgets.masks.checks import examine_mask
from locref_widgets.masks.mask_check import Mend
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.masks.source_steps import File, NearAtoms
from locref_widgets.widgets.mask_studio_state import StudioState
from locref_widgets.widgets.region_choice import segment_map
from tests.masks.test_recipe import two_blobs

BALL = (12.0, 11.0, 13.0, 4.0)
CUT = steps.Threshold(level="0.3")


def brute_ball(shape, x, y, z, radius):
    """Voxels no farther from the centre than the radius, one by one."""
    inside = np.zeros(shape, np.float32)
    for k, j, i in np.ndindex(*shape):
        inside[k, j, i] = (k - z) ** 2 + (j - y) ** 2 + (i - x) ** 2 <= radius**2
    return inside


def test_the_first_stroke_begins_an_empty_mask():
    state = StudioState(two_blobs())
    assert state.mask is None
    state.stroke([BALL])
    np.testing.assert_array_equal(state.finished().data, brute_ball((24, 24, 24), *BALL))
    state.stroke([(12, 11, 16, 3)], remove=True)
    expected = brute_ball((24, 24, 24), *BALL)
    expected[brute_ball((24, 24, 24), 12, 11, 16, 3) == 1] = 0
    np.testing.assert_array_equal(state.finished().data, expected)
    assert len(state.recipe.steps) == 2


def test_a_gated_stroke_touches_only_density_that_reaches_the_level():
    volume = two_blobs()
    state = StudioState(volume)
    state.stroke([BALL], at_least=0.5)
    expected = brute_ball((24, 24, 24), *BALL) * (volume.data >= 0.5)
    np.testing.assert_array_equal(state.finished().data, expected)


def test_without_a_mask_there_is_nothing_to_take_out_of_or_to_save(tmp_path):
    state = StudioState(two_blobs())
    with pytest.raises(InputError, match="no mask yet"):
        state.stroke([BALL], remove=True)
    with pytest.raises(InputError, match="no mask yet"):
        state.save(tmp_path / "mask.mrc")
    assert not list(tmp_path.iterdir())
    assert not state.recipe.steps


def test_a_filtered_map_is_what_thresholds_and_regions_are_taken_of():
    state = StudioState(two_blobs())
    state.do(*state.smoothing_steps(12.0))
    assert not state.has_mask
    assert state.density is not state.volume
    smooth = state.density.data
    state.do(state.source("or", CUT))
    state.do(state.source("replace", steps.Threshold(level="0.6")))
    np.testing.assert_array_equal(state.finished().data, smooth >= np.float32(0.6))
    # Of a mask it is cut at a half again.
    state.do(*state.smoothing_steps(12.0))
    assert set(np.unique(state.finished().data)) == {0, 1}
    for _ in range(4):
        state.undo()
    assert state.density is state.volume


def test_regions_belong_to_the_density_that_was_cut_up():
    state = StudioState(two_blobs())
    of_volume = segment_map(state.density, 0.2)
    state.do(*state.smoothing_steps(12.0))
    # Done in the background, and too late.
    with pytest.raises(InputError, match="segment it again"):
        state.work_on_regions(of_volume, "segment")
    smooth = segment_map(state.density, 0.2, made_by=state.density_steps)
    state.work_on_regions(smooth.toggle(smooth.tree.ids[:1]), "segment")
    chosen = state.regions
    state.undo()
    state.undo()
    assert state.regions is None
    state.redo()
    state.redo()
    assert state.regions is chosen
    state.take_regions("replace")
    np.testing.assert_array_equal(state.finished().data, chosen.mask(state.density).data)
    # A mask leaves the density as it is.
    state.do(steps.Dilate(radius_px=1))
    assert state.regions is chosen


def test_steps_of_one_action_are_done_and_undone_together_or_not_at_all():
    state = StudioState(two_blobs())
    state.do(CUT, steps.Islands(count=1))
    assert len(state.recipe.steps) == 2
    state.undo()
    assert not state.recipe.steps
    state.redo()
    assert len(state.recipe.steps) == 2
    before = state.finished().data
    with pytest.raises(InputError):
        state.do(steps.FillHoles(), steps.Threshold(level="7"))
    assert len(state.recipe.steps) == 2
    np.testing.assert_array_equal(state.finished().data, before)


def test_an_action_that_fails_leaves_what_was_undone():
    state = StudioState(two_blobs())
    state.do(CUT)
    state.do(steps.Dilate(radius_px=1))
    grown = state.finished().data
    state.undo()
    with pytest.raises(InputError):
        state.do(steps.FillHoles(), steps.Threshold(level="7"))
    assert state.redo_words == "dilate by 1 voxels"
    state.redo()
    assert state.recipe.steps[-1].tool == "dilate"
    np.testing.assert_array_equal(state.finished().data, grown)


ATOM = "ATOM      1  CA  ALA A   1      30.000  33.000  36.000  1.00 20.00           C\nEND\n"


def test_undo_and_redo_that_fail_move_nothing(tmp_path):
    """Results of early steps were let go of, and the model that makes them anew is gone."""
    model, away = tmp_path / "m.pdb", tmp_path / "away.pdb"
    model.write_text(ATOM)
    state = StudioState(two_blobs())
    state.do(NearAtoms(model=File.of(model), radius_angstrom=12.0))
    state.do(steps.Dilate(radius_px=2), steps.SoftPad(width_px=3), words="dilate and soften")
    soft = state.finished().data
    del state._editor._kept[1]
    model.rename(away)
    # The soft edge could be taken back, what was dilated could not.
    with pytest.raises(InputError, match=r"m\.pdb"):
        state.undo()
    assert state.undo_words == "dilate and soften"
    assert not state.redo_words
    assert len(state.recipe.steps) == 3
    assert not state.recipe.undone
    np.testing.assert_array_equal(state.finished().data, soft)
    away.rename(model)
    state.undo()
    state.undo()
    assert not state.recipe.steps
    for number in (1, 2, 3):
        state._editor._kept.pop(number, None)
    model.rename(away)
    with pytest.raises(InputError, match=r"m\.pdb"):
        state.redo()
    assert not state.undo_words
    assert state.redo_words.startswith("within 12")
    assert not state.recipe.steps
    away.rename(model)
    state.redo()
    state.redo()
    np.testing.assert_array_equal(state.finished().data, soft)


actions = st.lists(
    st.sampled_from(["paint", "remove", "dilate", "soft", "regions", "take", "undo", "redo"]),
    max_size=14,
)


@given(actions)
@settings(max_examples=20, deadline=None)
def test_undo_and_redo_follow_a_list_of_all_that_was(done):
    state = StudioState(two_blobs())
    state.do(CUT)

    def now():
        return state.finished().data.copy(), state.regions

    past, future = [now()], []
    for action in done:
        if action == "undo":
            if len(past) == 1:
                continue
            state.undo()
            future.append(past.pop())
        elif action == "redo":
            if not future:
                with pytest.raises(InputError):
                    state.redo()
                continue
            state.redo()
            past.append(future.pop())
        else:
            try:
                _do(state, action)
            except InputError:
                pass
            else:
                past, future = [*past, now()], []
        found, expected = now(), past[-1]
        np.testing.assert_array_equal(found[0], expected[0])
        assert found[1] is expected[1]
    again = state.recipe.apply(two_blobs())
    np.testing.assert_array_equal(again.data, state.finished().data)


def _do(state, action):
    if action in ("paint", "remove"):
        state.stroke([BALL], remove=action == "remove")
    elif action == "dilate":
        state.do(steps.Dilate(radius_px=1))
    elif action == "soft":
        state.do(steps.SoftPad(width_px=2))
    elif action == "take":
        state.take_regions("or")
    elif state.regions is None:
        state.work_on_regions(segment_map(state.density, 0.2), "segment")
    else:
        state.work_on_regions(state.regions.toggle(state.regions.tree.ids[:1]), "choose")


def test_a_recipe_is_gone_on_with_step_by_step():
    first = StudioState(two_blobs())
    first.do(CUT)
    first.stroke([BALL])
    first.do(steps.Dilate(radius_px=2))
    first.undo()
    state = StudioState(two_blobs(), MaskRecipe.from_yaml(first.recipe.to_yaml()))
    np.testing.assert_array_equal(state.finished().data, first.finished().data)
    state.redo()
    assert state.recipe.steps[-1].tool == "dilate"
    for _ in range(3):
        state.undo()
    assert state.mask is None
    with pytest.raises(InputError, match="nothing to undo"):
        state.undo()


def test_a_mend_does_what_the_check_advises():
    state = StudioState(two_blobs(), resolution_angstrom=6.0)
    state.do(steps.Threshold(level="0.9"))
    state.stroke([(4, 4, 4, 1.5)])
    checks = {
        check.name: check
        for check in examine_mask(state.finished(), state.volume, resolution_angstrom=6.0)
    }
    assert checks["islands"].mend is not None
    state.mend(checks["islands"].mend)
    assert checks["binary"].mend is not None
    state.mend(checks["binary"].mend)
    after = examine_mask(state.finished(), state.volume, resolution_angstrom=6.0)
    states = {check.name: check.state for check in after}
    assert states["islands"] == states["binary"] == states["soft edge"] == "ok"
    with pytest.raises(InputError, match="mended elsewhere"):
        state.mend(Mend("--fulcrum 1,2,3", "refine", {"fulcrum": (1, 2, 3)}))


def test_a_preview_of_a_large_map_is_the_same_on_fewer_voxels():
    fine = two_blobs(192, 0.375)
    state = StudioState(fine)
    state.do(CUT)
    step = steps.Dilate(radius_px=8)
    shown = state.preview(step)
    assert shown.data.shape == (96, 96, 96)
    exact = state.preview_exact(step).data
    blocks = exact.reshape(96, 2, 96, 2, 96, 2).mean(axis=(1, 3, 5)) >= 0.5
    # It differs by no more than one of its own voxels.
    around = np.ones((3, 3, 3), bool)
    assert not np.any((shown.data >= 0.5) & ~ndimage.binary_dilation(blocks, around))
    assert not np.any((shown.data < 0.5) & ndimage.binary_erosion(blocks, around))


def test_half_maps_and_recipes_of_another_grid_are_refused():
    volume = two_blobs()
    other = Map(volume.data[:20, :20, :20].copy(), 3.0)
    with pytest.raises(InputError, match="half-map"):
        StudioState(volume, half_maps=(other, other))
    with pytest.raises(InputError, match=r"grid|box|voxels"):
        StudioState(volume, MaskRecipe().add(CUT, steps.Crop(size_px=12)))
    with pytest.raises(InputError, match="resolution"):
        StudioState(volume, resolution_angstrom=-1.0)
    with pytest.raises(InputError, match="half-maps"):
        StudioState(volume).consequence()


def test_the_saved_mask_and_recipe_make_each_other(tmp_path):
    state = StudioState(two_blobs())
    state.do(CUT, steps.SoftPad(width_px=3))
    beside = state.save(tmp_path / "m.mrc")
    from locref_widgets.io.mrc import read_map

    saved = read_map(tmp_path / "m.mrc")
    np.testing.assert_array_equal(saved.data, state.finished().data)
    np.testing.assert_array_equal(MaskRecipe.load(beside).apply(two_blobs()).data, saved.data)
