"""The mask studio's panels without a browser: regions, checks, models, what is saved."""

import numpy as np

from locref_widgets import MaskStudio
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.masks.volume_steps import SoftPad, Threshold
from locref_widgets.widgets.changed_box import box_bytes, changed_box
from tests.widgets.mask_studios import press, wait_for
from tests.widgets.test_map_view import receive

CUT = Threshold(level="0.3")


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
