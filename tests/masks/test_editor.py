"""The editor: undo and redo are exact, whatever memory it may keep."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.masks import volume_steps as steps
from locref_widgets.masks.editor import MaskEditor
from locref_widgets.masks.recipe import MaskRecipe
from tests.masks.test_recipe import mask_steps, two_blobs

actions = st.lists(st.one_of(mask_steps, st.sampled_from(["undo", "redo"])), max_size=10)
FIRST = steps.Threshold(level="0.2max")


@given(actions, st.sampled_from([0, 30_000, 1 << 30]))
@settings(max_examples=50, deadline=None)
def test_undo_and_redo_lead_to_the_very_masks_that_were(
    done: list[steps.Step | str], kept_bytes: int
) -> None:
    editor = MaskEditor(two_blobs(), kept_bytes=kept_bytes)
    past, future = [editor.current.data], []
    past.append(editor.do(FIRST).data)
    for action in done:
        if isinstance(action, steps.Step):
            try:
                result = editor.do(action)
            except InputError:
                assert editor.current.data is past[-1] or (editor.current.data == past[-1]).all()
                continue
            past, future = [*past, result.data], []
        elif action == "undo" and len(past) > 1:
            future = [past.pop(), *future]
            editor.undo()
        elif action == "redo" and future:
            past = [*past, future.pop(0)]
            editor.redo()
        np.testing.assert_array_equal(editor.current.data, past[-1])
    assert len(editor.recipe.steps) == len(past) - 1
    assert len(editor.recipe.undone) == len(future)
    np.testing.assert_array_equal(editor.recipe.apply(two_blobs()).data, past[-1])
    resumed = MaskEditor(two_blobs(), MaskRecipe.from_yaml(editor.recipe.to_yaml()))
    np.testing.assert_array_equal(resumed.current.data, past[-1])
    for expected in future:
        np.testing.assert_array_equal(resumed.redo().data, expected)


def test_a_preview_changes_nothing() -> None:
    editor = MaskEditor(two_blobs())
    editor.do(FIRST)
    shown = editor.preview(steps.SoftPad(width_px=3))
    assert editor.recipe.steps == (FIRST,)
    np.testing.assert_array_equal(editor.do(steps.SoftPad(width_px=3)).data, shown.data)


def test_undo_at_the_start_and_redo_at_the_end_are_told() -> None:
    editor = MaskEditor(two_blobs())
    with pytest.raises(InputError, match="no step to undo"):
        editor.undo()
    with pytest.raises(InputError, match="no step to do again"):
        editor.redo()


def test_masks_without_an_edge_are_kept_in_a_bit_a_voxel() -> None:
    editor = MaskEditor(two_blobs(), kept_bytes=20_000)  # a box of float32 takes 55,296
    editor.do(FIRST)
    for radius in (1.0, 2.0, 3.0):
        editor.do(steps.Dilate(radius_px=radius))
    assert set(editor._kept) == {0, 1, 2, 3, 4}
