"""The mask studio without a browser: messages of the pointer, panels, what is sent and said."""

import json
import time

import numpy as np
import pytest

from locref_widgets import MaskStudio
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.masks.volume_steps import SoftPad, Threshold
from locref_widgets.widgets.changed_box import box_bytes, changed_box
from tests.widgets.test_map_view import receive, sent

CUT = Threshold(level="0.3")


@pytest.fixture
def lumps():
    """Three blobs; 32 voxels of 4 Å."""
    z, y, x = np.mgrid[:32, :32, :32].astype(np.float32)

    def blob(cx, cy, cz, sd):
        return np.exp(-((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2) / (2 * sd**2))

    return Map(blob(12, 16, 14, 4) + 0.9 * blob(22, 18, 18, 3) + 0.7 * blob(18, 9, 11, 2.5), 4.0)


def stroke(studio, number, spheres, **more):
    receive(studio.view, kind="stroke", stroke=number, spheres=spheres, **more)


def press(widget, words):
    def walk(inner):
        yield inner
        for child in getattr(inner, "children", ()):
            yield from walk(child)

    next(w for w in walk(widget) if getattr(w, "description", "") == words).click()


def wait_for(done):
    for _ in range(600):
        if done():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to an end")


def in_whole(content, buffer):
    """A volume of which a box was sent, the rest 0."""
    whole = np.zeros(content["shape"][::-1], np.uint8)
    (x, y, z), (nx, ny, nz) = content["low"], content["size"]
    whole[z : z + nz, y : y + ny, x : x + nx] = np.frombuffer(buffer, np.uint8).reshape(nz, ny, nx)
    return whole


def boxes(wire):
    """Boxes of the mask that were sent, and their bytes."""
    return [
        (content, np.frombuffer(buffers[0], np.uint8))
        for content, buffers in sent(wire)
        if content["kind"] == "box"
    ]


def follow(shown, wire):
    """What a browser makes of the boxes."""
    for content, data in boxes(wire):
        (x, y, z), (nx, ny, nz) = content["low"], content["size"]
        shown[z : z + nz, y : y + ny, x : x + nx] = data.reshape(nz, ny, nx)
    wire.clear()


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


def test_regions_are_chosen_merged_split_and_taken_by_places(wire, lumps):
    studio = MaskStudio(lumps)
    panel = studio._panels["regions"]
    panel.level.value = "0.2"
    press(panel.widget, "Segment")
    wait_for(lambda: studio.state.regions is not None and not panel.task.is_running)
    assert studio.view.tool == "regions"
    panel.grouping.value = 0
    assert len(panel.table.rows) == 3
    at = lambda *voxel: {"voxel": list(voxel)}  # noqa: E731
    receive(studio.view, kind="regions", places=[at(12, 16, 14)], split=False)
    assert studio.view.previewing == "1 region chosen"
    assert studio.view.chosen_ranks == [1]
    one = studio.state.regions
    receive(studio.view, kind="regions", places=[at(12, 16, 14), at(22, 18, 18)], split=False)
    assert len(panel.table.rows) == 2
    merged = studio.state.regions.mask(lumps).data
    receive(studio.view, kind="regions", places=[at(12, 16, 14)], split=True)
    assert len(panel.table.rows) == 3
    studio.undo()
    assert len(panel.table.rows) == 2
    press(panel.widget, "Take into the mask")
    np.testing.assert_array_equal(studio.mask.data, merged)
    assert studio.recipe.steps[-1].tool == "segment"
    again = MaskRecipe.from_yaml(studio.recipe.to_yaml()).apply(lumps)
    np.testing.assert_array_equal(again.data, merged)
    studio.undo()
    studio.undo()
    assert studio.state.regions is one
    studio.undo()
    assert not studio.state.regions.chosen
    receive(panel.table, kind="toggle", id=panel.table.rows[2]["id"])
    assert panel.table.rows[2]["chosen"]
    receive(panel.table, kind="find", id=panel.table.rows[1]["id"])
    assert studio.view.cursor == [22, 18, 18]
    receive(panel.table, kind="hide", id=panel.table.rows[1]["id"])
    assert studio.view.hidden_ranks == [2]


def test_regions_of_a_map_that_was_changed_since_are_not_taken(wire, lumps):
    studio = MaskStudio(lumps)
    panel, tools = studio._panels["regions"], studio._panels["tools"]
    take = panel._buttons["take"]
    assert "Segment the map first" in panel.count.value
    panel.level.value = "0.2"
    panel.segment()
    wait_for(lambda: studio.state.regions is not None and not panel.task.is_running)
    receive(panel.table, kind="toggle", id=panel.table.rows[0]["id"])
    shown = studio.state.regions
    assert not take.disabled
    tools.lowpass.value = 20.0
    tools.apply["lowpass"].click()
    assert "segment it again" in panel.count.value
    assert take.disabled
    assert not panel.table.rows
    assert not studio.view.previewing
    panel._take()
    assert "segment it again" in studio._said.value
    assert not studio.state.has_mask
    receive(studio.view, kind="regions", places=[{"voxel": [12, 16, 14]}], split=False)
    assert "segment it again" in studio._said.value
    # With the map come its regions.
    studio.undo()
    assert studio.state.regions is shown
    assert studio.view.previewing == "1 region chosen"
    panel._take()
    np.testing.assert_array_equal(studio.mask.data, shown.mask(lumps).data)


def test_lights_follow_the_mask_and_a_click_mends(lumps):
    studio = MaskStudio(lumps, resolution_angstrom=10.0)
    checks = studio._panels["checks"]
    studio.do(Threshold(level="0.6"))
    wait_for(lambda: checks.checks)
    found = {check.name: check for check in checks.checks}
    assert found["binary"].state == "warning"
    wait_for(lambda: studio._tabs.get_title(3) == "Checks ⚠")
    checks.checks = []
    press(checks._lights, "Mend")
    assert len(studio.recipe.steps) > 1
    wait_for(lambda: checks.checks)
    studio.undo()
    assert len(studio.recipe.steps) == 1


def test_the_consequence_for_the_fsc_is_measured_and_drawn(lumps):
    rng = np.random.default_rng(0)
    halves = tuple(
        Map((lumps.data + 0.05 * rng.standard_normal(lumps.data.shape)).astype(np.float32), 4.0)
        for _ in range(2)
    )
    studio = MaskStudio(lumps, half_maps=halves)
    checks = studio._panels["checks"]
    assert checks.measure_button.disabled
    studio.do(CUT)
    press(checks.widget, "Measure the FSC")
    wait_for(lambda: checks.consequence is not None and not checks.task.is_running)
    assert "With this mask the half-maps agree to" in checks._sentence.value
    assert set(checks.figure._lines) == {
        "no mask",
        "user mask",
        "user mask randomised",
        "user mask corrected",
    }
    studio.do(SoftPad(width_px=4))
    assert "earlier mask" in checks._sentence.value


ATOM = "ATOM  {n:5d}  CA  ALA A{n:4d}    {x:8.3f}{y:8.3f}{z:8.3f}  1.00  0.00           C\n"


def test_a_model_makes_a_mask_and_is_fitted(tmp_path, monkeypatch, lumps):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    places = 4 * (np.array([12, 16, 14]) + rng.normal(0, 2, (40, 3)))
    lines = [ATOM.format(n=n, x=x, y=y, z=z) for n, (x, y, z) in enumerate(places + 6, start=1)]
    (tmp_path / "m.pdb").write_text("".join(lines) + "END\n")
    studio = MaskStudio(lumps, model="m.pdb")
    panel = studio._panels["model"]
    panel.fit_resolution.value = "10"
    press(panel.widget, "Fit in the map")
    wait_for(lambda: not panel.task.is_running)
    assert panel.path.value == "m_fitted.cif", studio._said.value
    assert (tmp_path / "m_fitted.cif").is_file()
    press(panel.widget, "Preview")
    assert "within 6 Å" in studio.view.previewing
    press(panel.widget, "Take into the mask")
    near = studio.mask.data
    assert near[14, 16, 12] == 1
    panel.kind.value = panel.kind.options[0]
    studio._panels["tools"]._how.value = "and"
    press(panel.widget, "Take into the mask")
    assert studio.recipe.steps[-1].describe().startswith("keep only what is also in this: density")
    assert 0 < studio.mask.data.sum() <= near.sum()
    panel.path.value = "nowhere.pdb"
    press(panel.widget, "Take into the mask")
    assert "nowhere.pdb" in studio._said.value


def test_mask_and_recipe_are_saved_and_nothing_else_is_overwritten(tmp_path, lumps):
    studio = MaskStudio(lumps)
    panel = studio._panels["recipe"]
    assert panel.save_button.disabled
    studio.do(CUT, SoftPad(width_px=4))
    panel.mask_path.value = str(tmp_path / "m.mrc")
    panel.save_mask()
    np.testing.assert_array_equal(read_map(tmp_path / "m.mrc").data, studio.mask.data)
    assert "Wrote" in studio._said.value
    studio.undo()
    studio.do(CUT)
    panel.save_mask()  # its own file may be written again
    assert set(np.unique(read_map(tmp_path / "m.mrc").data)) == {0, 1}
    write_map(tmp_path / "other.mrc", lumps.data, 4.0)
    panel.mask_path.value = str(tmp_path / "other.mrc")
    panel.save_mask()
    assert "is there already" in studio._said.value
    panel.recipe_path.value = str(tmp_path / "r.yaml")
    panel.save_recipe()
    resumed = MaskStudio(lumps, recipe=tmp_path / "r.yaml")
    np.testing.assert_array_equal(resumed.mask.data, studio.mask.data)
    panel._shown.value = True
    assert "tool: threshold" in panel._yaml.value


def test_every_control_has_a_name_and_a_tooltip(lumps):
    def walk(inner):
        yield inner
        for child in getattr(inner, "children", ()):
            yield from walk(child)

    studio = MaskStudio(lumps)
    for control in walk(studio):
        if (
            hasattr(control, "description")
            and hasattr(control, "tooltip")
            and hasattr(control, "disabled")
        ):
            assert control.description, control
            assert control.tooltip or getattr(control, "tooltips", None), control.description


def test_changed_boxes_hold_all_that_differs_also_when_binned():
    rng = np.random.default_rng(0)
    before = rng.random((9, 10, 11)).astype(np.float32)
    after = before.copy()
    after[2:5, 3, 7:9] = 0.25
    box = changed_box(before, after)
    assert box == (slice(2, 5), slice(3, 4), slice(7, 9))
    assert changed_box(before, before.copy()) is None
    part = box_bytes(after, box, 2)
    assert part is not None
    assert part.low == (3, 1, 1)
    blocks = after[:8, :10, :10].reshape(4, 2, 5, 2, 5, 2).mean(axis=(1, 3, 5))
    np.testing.assert_array_equal(part.data, np.rint(255 * blocks[1:3, 1:2, 3:5]))
    assert box_bytes(after, (slice(8, 9), slice(0, 1), slice(0, 1)), 2) is None
