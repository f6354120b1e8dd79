"""The mask studio without a browser: messages of the pointer, panels, what is sent and said."""

import json

import numpy as np
import pytest

from locref_widgets import MaskStudio
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.volume_steps import SoftPad, Threshold
from tests.widgets.mask_studios import boxes, follow, in_whole, press, stroke
from tests.widgets.test_map_view import receive, sent

CUT = Threshold(level="0.3")


def test_a_browser_that_follows_the_boxes_has_the_mask(wire, lumps):
    studio = MaskStudio(lumps)
    shown = np.zeros((32, 32, 32), np.uint8)
    wire.clear()
    stroke(studio, 1, [[12, 16, 14, 4.5]])
    ((content, data),) = boxes(wire)
    assert content["stroke"] == 1
    assert len(data) < 12**3
    follow(shown, wire)
    np.testing.assert_array_equal(shown, 255 * studio.mask.data)
    stroke(studio, 2, [[15, 16, 14, 2.5], [16, 16, 14, 2.5]], remove=True)
    studio.do(SoftPad(width_px=4))
    follow(shown, wire)
    np.testing.assert_array_equal(shown, np.rint(255 * studio.mask.data))
    studio.undo()
    studio.undo()
    follow(shown, wire)
    np.testing.assert_array_equal(shown, 255 * studio.mask.data)
    studio.undo()
    follow(shown, wire)
    assert not shown.any()
    with pytest.raises(InputError, match="no mask yet"):
        studio.mask  # noqa: B018
    # A browser that comes later asks for the whole.
    studio.redo()
    wire.clear()
    receive(studio.view, kind="need_volumes", ids=["mask1"])
    whole = np.frombuffer(sent(wire)[0][1][0], np.uint8).reshape(32, 32, 32)
    np.testing.assert_array_equal(whole, 255 * studio.mask.data)


def test_a_stroke_that_fails_is_taken_back_in_the_browser(wire, lumps):
    studio = MaskStudio(lumps)
    wire.clear()
    stroke(studio, 7, [[12, 16, 14, 3]], remove=True)
    ((content, data),) = boxes(wire)
    assert content["stroke"] == 7
    assert not data.any()
    assert len(data) >= 7**3
    assert "no mask yet" in studio._said.value


@pytest.mark.parametrize(
    "spheres", [None, [], [[1, 2, 3]], [[1, 2, 3, "x"]], [[1, 2, float("nan"), 4]]]
)
def test_strokes_that_mean_nothing_change_nothing(wire, lumps, spheres):
    studio = MaskStudio(lumps)
    try:
        stroke(studio, 1, spheres)
    except ValueError:
        assert spheres == [[1, 2, 3, "x"]]
    assert not studio.recipe.steps


def test_the_state_that_a_notebook_saves_is_small(lumps):
    studio = MaskStudio(lumps)
    studio.do(CUT)
    state = studio.view.get_state()
    state.pop("_esm")
    assert len(json.dumps(state, default=str)) < 4000


def test_the_gate_and_the_eraser(wire, lumps):
    studio = MaskStudio(lumps)
    stroke(studio, 1, [[12, 16, 14, 8]], at_least=0.5)
    z, y, x = np.mgrid[:32, :32, :32]
    away = np.sqrt((x - 12) ** 2 + (y - 16) ** 2 + (z - 14) ** 2)
    np.testing.assert_array_equal(studio.mask.data, (away <= 8) & (lumps.data >= 0.5))
    receive(studio.view, kind="erase", spheres=[[12, 16, 14, 3]], outside=True)
    np.testing.assert_array_equal(studio.mask.data, (away <= 3) & (lumps.data >= 0.5))
    receive(studio.view, kind="undo")
    receive(studio.view, kind="erase", spheres=[[12, 16, 14, 3]])
    assert studio.recipe.steps[-1].tool == "erase"
    np.testing.assert_array_equal(studio.mask.data, (away <= 8) & (away > 3) & (lumps.data >= 0.5))
    assert studio.view.undo_words.startswith("erase inside")


def test_a_moved_slider_previews_and_apply_does_the_same(wire, lumps):
    studio = MaskStudio(lumps)
    tools = studio._panels["tools"]
    assert tools.dilate.disabled
    wire.clear()
    tools.threshold.value = 0.35
    content, buffers = next(m for m in sent(wire) if m[0]["kind"] == "preview")
    previewed = in_whole(content, buffers[0])
    assert studio.view.previewing == "threshold at 0.35"
    assert studio.version == 0
    tools.apply["threshold"].click()
    np.testing.assert_array_equal(previewed, 255 * studio.mask.data)
    # Only what is not empty travels: a slider waits for it.
    assert np.prod(content["size"]) < previewed.size / 2
    assert not studio.view.previewing
    assert studio.version == 1
    assert not tools.dilate.disabled
    tools.dilate.value = 2
    tools.soft.value = 5  # one at a time
    assert tools.dilate.value == 0
    assert studio.view.previewing == "soft edge of 5 voxels"
    tools.apply["soft"].click()
    assert [step.tool for step in studio.recipe.steps] == ["threshold", "soft-pad"]
    assert tools.soft.value == 0


def test_levels_are_typed_in_words_and_faults_are_told(lumps):
    studio = MaskStudio(lumps)
    tools = studio._panels["tools"]
    tools.level.value = "0.5max"
    assert abs(tools.threshold.value - 0.5 * lumps.data.max()) < 0.01
    tools.apply["threshold"].click()
    assert studio.recipe.steps[0].level == "0.5max"
    tools.level.value = "much"
    assert "expected a number, 0.2max" in studio._said.value
    assert 'role="alert"' in studio._said.value
    press(tools.widget, "Apply")
    assert len(studio.recipe.steps) == 1


def test_a_soft_edge_for_the_resolution_says_which_one_was_taken(lumps):
    studio = MaskStudio(lumps)
    studio.do(CUT)
    tools = studio._panels["tools"]
    for _ in range(2):  # the second time nothing moves
        press(tools.widget, "5 × resolution")
        assert tools.soft.value == 10
        assert studio.view.previewing == "soft edge of 10 voxels"
        assert "so Nyquist (8 Å) is taken" in studio._said.value
    told = MaskStudio(lumps, resolution_angstrom=16.0)
    told.do(CUT)
    press(told._panels["tools"].widget, "5 × resolution")
    assert told._panels["tools"].soft.value == 20
    assert not told._said.value


def test_another_threshold_starts_anew_or_joins_the_mask(lumps):
    studio = MaskStudio(lumps)
    studio.do(CUT)
    tools = studio._panels["tools"]
    tools._how.value = "without"
    tools.threshold.value = 0.8
    tools.apply["threshold"].click()
    found = studio.mask.data
    level = float(studio.recipe.steps[-1].steps[0].level)
    np.testing.assert_array_equal(
        found, (lumps.data >= np.float32(0.3)) & ~(lumps.data >= np.float32(level))
    )


def test_a_filter_of_the_map_is_shown_in_its_place(wire, lumps):
    studio = MaskStudio(lumps)
    tools = studio._panels["tools"]
    wire.clear()
    tools.lowpass.value = 20.0
    assert [m[0]["id"] for m in sent(wire) if m[0]["kind"] == "volume"] == ["map0"]
    assert studio.view.map is not lumps
    tools.lowpass.value = 0.0
    assert studio.view.map is lumps
    tools.lowpass.value = 20.0
    press(studio._panels["tools"].widget.children[2], "Apply")
    assert studio.recipe.steps[0].tool == "lowpass"
    assert studio.view.map is studio.state.density
    studio.undo()
    assert studio.view.map is lumps


def test_a_filter_of_a_large_map_is_shown_on_fewer_voxels(wire):
    z, y, x = np.ogrid[:176, :176, :176]
    away = (x - 101.0) ** 2 + (y - 90.0) ** 2 + (z - 70.0) ** 2
    volume = Map(np.exp(-away / (2 * 20.0**2)).astype(np.float32), 1.0)
    studio = MaskStudio(volume)
    tools = studio._panels["tools"]
    wire.clear()
    for resolution in (30.0, 40.0):
        tools.lowpass.value = resolution
    volumes = [(told, data) for told, data in sent(wire) if told["kind"] == "volume"]
    # One small message for each move.
    assert [told["shape"] for told, _ in volumes] == [[88, 88, 88]] * 2
    told, (data,) = volumes[-1]
    assert studio.view.previewing == "low-pass to 40 Å"
    assert (told["id"], told["scale"], told["offset"]) == ("map0", 2, [0.5, 0.5, 0.5])
    shown = np.frombuffer(data, np.uint8).reshape(88, 88, 88).astype(float) / 255
    shown = told["low"] + shown * (told["high"] - told["low"])
    exact = studio.state.preview_exact(*tools.steps_of("lowpass")).data
    means = exact.reshape(88, 2, 88, 2, 88, 2).mean(axis=(1, 3, 5))
    np.testing.assert_allclose(shown, np.clip(means, told["low"], told["high"]), atol=0.01)
    # A page that is opened now gets the same.
    wire.clear()
    receive(studio.view, kind="need_volumes", ids=["map0"])
    assert sent(wire)[0][1] == [data]
    wire.clear()
    tools.lowpass.value = 0.0
    assert [m[0]["shape"] for m in sent(wire) if m[0]["kind"] == "volume"] == [[176, 176, 176]]
    assert studio.view.map is volume
