"""The workbench: steps in order, a state that outlives the kernel, the code that does the same."""

import json

import numpy as np
import pytest

import locref_widgets as lw
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import write_map
from locref_widgets.sample import sample_paths
from locref_widgets.widgets.path_field import PathField, complete
from locref_widgets.widgets.workbench_state import STEPS, WorkbenchState


def test_steps_wait_for_what_they_need_and_say_so(bench):
    waiting = [step for step, button in bench.buttons.items() if button.disabled]
    assert waiting == list(STEPS[1:])
    assert "Choose particles and a map first" in bench.buttons["mask"].tooltip
    bench.go_to("run")
    assert bench.state.step == "data"


def test_the_sample_opens_every_step_up_to_the_run(sampled):
    waiting = [step for step, button in sampled.buttons.items() if button.disabled]
    assert waiting == ["results"]
    assert sampled.buttons["data"].description == "1 Data ✓"
    for step in STEPS[:-1]:
        sampled.buttons[step].click()
        assert sampled.state.step == step
        assert "✖" not in sampled._said.value


def test_another_kernel_goes_on_where_this_one_was(sampled):
    sampled.go_to("fulcrum")
    sampled.step.picker.fulcrum = (40.0, 41.0, 30.0)
    again = lw.Workbench("work")
    assert again.state == sampled.state
    assert again.state.step == "fulcrum"
    assert again.state.settings.fulcrum == (40.0, 41.0, 30.0)
    assert again.state.settings.fulcrum_angstrom is None
    again.close()


def test_the_fulcrum_is_in_the_form_and_the_form_in_the_state(sampled):
    sampled.go_to("fulcrum")
    sampled.step.picker.fulcrum = (40.0, 41.0, 30.0)
    sampled.go_to("settings")
    form = sampled.step.form
    assert form.value.fulcrum == (40.0, 41.0, 30.0)
    form.value = form.value.model_copy(update={"rotation_extent": 0.2})
    assert sampled.state.settings.rotation_extent == 0.2
    sampled.go_to("fulcrum")
    assert sampled.step.picker.rotation_extent == pytest.approx(0.2)


def test_next_takes_the_fulcrum_that_is_shown(sampled):
    sampled.update(settings=lw.RefinementSettings())
    sampled.go_to("fulcrum")
    step = sampled.step
    shown = step.picker.fulcrum
    assert shown != (40.0, 40.0, 40.0), "a proposal that is not the centre of the box"
    assert "No fulcrum is chosen yet" in step._proposed.value
    step.picker.front.rotation_extent = 0.2
    assert sampled.state.settings.rotation_extent == 0.2
    assert sampled.state.settings.fulcrum is None, "an extent chooses no fulcrum"
    sampled.next.click()
    assert sampled.state.step == "settings"
    assert sampled.state.settings.fulcrum == shown
    sampled.go_to("run")
    assert "about the fulcrum" in sampled.step._about.value


def test_a_fulcrum_not_chosen_is_told_and_a_quick_choice_of_it_chooses_it(sampled):
    sampled.update(settings=lw.RefinementSettings())
    sampled.go_to("fulcrum")
    sampled.go_to("run")
    assert "the centre of the box (no fulcrum is chosen)" in sampled.step._about.value
    sampled.go_to("fulcrum")
    shown = sampled.step.picker.fulcrum
    sampled.step.picker.front.choose("mask")
    assert sampled.state.settings.fulcrum == pytest.approx(shown)
    assert not sampled.step._proposed.value


def test_the_picker_follows_a_fulcrum_given_by_a_word(sampled):
    sampled.go_to("fulcrum")
    sampled.update(settings=lw.RefinementSettings(fulcrum="box"))
    assert sampled.step.picker.fulcrum == (40.0, 40.0, 40.0)
    assert sampled.state.settings.fulcrum == "box"


def test_a_file_that_does_not_fit_is_refused_in_words_and_not_taken(sampled, ball):
    volume, _ = ball
    other = sampled.folder / "small.mrc"
    write_map(other, volume.data, volume.voxel_size_angstrom)
    sampled.step.fields["volume"].field.value = str(other)
    assert "the images have a box of" in sampled._said.value
    assert sampled.state.volume == sample_paths()["map"]


def test_an_entry_that_is_not_valid_keeps_the_run_closed_and_its_text(sampled):
    sampled.go_to("settings")
    form, before = sampled.step.form, sampled.state.settings
    entry = form._fields["rotation_extent"].control
    entry.value = "40"
    assert "Rotation extent" in sampled._said.value
    assert sampled.buttons["run"].disabled
    sampled.next.click()
    assert sampled.state.step == "settings"
    assert "Rotation extent: rotation_extent is 40.0 rad" in sampled._said.value
    sampled.go_to("fulcrum")
    sampled.step.picker.fulcrum = (40.0, 41.0, 30.0)
    sampled.go_to("run")
    assert sampled.state.step == "settings"
    assert sampled.step.form is form
    assert entry.value == "40"
    assert "Rotation extent" in sampled._said.value
    assert sampled.state.settings == before.model_copy(
        update={"fulcrum": (40.0, 41.0, 30.0), "fulcrum_angstrom": None}
    )
    entry.value = "40°"
    assert not sampled._said.value
    sampled.next.click()
    assert sampled.state.step == "run"
    assert sampled.state.settings.rotation_extent == pytest.approx(np.radians(40), abs=1e-3)


def test_an_entry_that_is_not_valid_outlives_another_mask(sampled, tmp_path):
    sampled.go_to("settings")
    sampled.step.form._fields["rotation_extent"].control.value = "much"
    own = tmp_path / "own.mrc"
    own.write_bytes(sample_paths()["mask"].read_bytes())
    sampled.update(mask=own)
    assert sampled.step.form._fields["rotation_extent"].control.value == "much"
    sampled.go_to("fulcrum")
    sampled.step.picker.front.rotation_extent = 0.2
    sampled.go_to("settings")
    assert sampled.step.form.valid, "the extent was given elsewhere since then"


def test_one_data_set_is_replaced_by_another_field_by_field(sampled, blob_set):
    volume = sampled.folder / "map.mrc"
    write_map(volume, np.zeros((blob_set.box_px,) * 3, np.float32), blob_set.pixel_size_angstrom)
    fields = sampled.step.fields
    fields["particles"].field.value = str(blob_set.star)
    assert "the images have a box of" in sampled._said.value
    waiting = [step for step, button in sampled.buttons.items() if button.disabled]
    assert waiting == list(STEPS[1:]), "until it all goes together"
    assert "✓" not in sampled.buttons["data"].description
    sampled.next.click()
    assert sampled.state.step == "data"
    assert "the images have a box of" in sampled._said.value
    assert fields["particles"].path == blob_set.star, "the fields stay"
    fields["volume"].field.value = str(volume)
    assert not sampled._said.value
    assert (sampled.state.particles, sampled.state.volume) == (blob_set.star, volume)
    assert not sampled.next.disabled


def test_what_was_chosen_before_can_be_chosen_again(sampled, tmp_path):
    broken = tmp_path / "broken.mrc"
    broken.write_bytes(b"no map")
    before = sampled.state
    field = sampled.step.fields["volume"].field
    field.value = str(broken)
    assert "broken.mrc" in sampled._said.value
    assert (sampled.state, sampled.next.disabled) == (before, True)
    field.value = str(before.volume)
    assert not sampled._said.value, "nothing is being read"
    assert (sampled.state, sampled.next.disabled) == (before, False)
    field.value = str(broken)
    sampled.step.sample.click()
    assert field.value == str(before.volume)
    assert not sampled.next.disabled


def test_data_that_went_away_can_be_replaced_where_they_are_chosen(sampled, tmp_path):
    own = tmp_path / "own.mrc"
    own.write_bytes(sample_paths()["map"].read_bytes())
    sampled.step.fields["volume"].field.value = str(own)
    sampled.go_to("mask")
    own.unlink()
    sampled.go_to("data")
    assert sampled._stage.children == (sampled.step.widget,)
    assert "own.mrc" in sampled.step._map.children[0].value
    sampled.step.fields["volume"].field.value = str(sample_paths()["map"])
    assert sampled.state.volume == sample_paths()["map"]


def test_a_mask_made_in_the_studio_becomes_the_mask_with_its_recipe(sampled):
    sampled.go_to("mask")
    step = sampled.step
    step.make.click()
    assert step.use.disabled
    step.studio.state.do(*_threshold(step.studio))
    step.studio.version += 1
    assert not step.use.disabled
    step.use.click()
    assert sampled.state.mask == sampled.folder / "mask.mrc"
    assert (sampled.folder / "mask.recipe.yaml").exists()
    assert "lw.read_map('work/mask.mrc')" in sampled.code


def _threshold(studio):
    from locref_widgets.masks.volume_steps import SoftPad, Threshold

    level = float(studio.state.volume.data.max()) / 3
    return Threshold(level=level), SoftPad(width_px=4)


def test_only_the_open_step_is_alive_unless_work_would_be_lost(sampled):
    """A page that is loaded anew waits for every part of a view, and shows none that comes late."""
    sampled.go_to("mask")
    view = sampled.step._view.children[0]
    sampled.go_to("settings")
    assert view.comm is None
    sampled.go_to("mask")
    sampled.step.make.click()
    studio = sampled.step.studio
    studio.view.handlers["stroke"]([(20, 20, 20, 4)], False, None)
    sampled.go_to("data")
    sampled.go_to("mask")
    assert sampled.step.studio is studio
    assert len(studio.recipe.steps) == 1
    assert studio.view.comm is not None


def _changed(bench, **settings):
    bench.update(settings=bench.state.settings.model_copy(update=settings))


def test_two_views_of_a_folder_keep_what_either_chose(sampled):
    other = lw.Workbench("work")
    _changed(sampled, iterations=7)
    other.go_to("mask")
    assert "another view" in other._said.value
    assert WorkbenchState.load("work") == other.state
    assert (other.state.step, other.state.settings.iterations) == ("mask", 7)
    _changed(other, fulcrum=(40.0, 41.0, 30.0), fulcrum_angstrom=None)
    _changed(sampled, seed=3)
    assert sampled.state.step == "data", "one does not follow the other's steps"
    kept = WorkbenchState.load("work").settings
    assert (kept.iterations, kept.seed, kept.fulcrum) == (7, 3, (40.0, 41.0, 30.0))
    sampled.go_to("mask")
    assert "another view" not in sampled._said.value, "nothing new"
    other.close()


def test_a_state_that_another_program_broke_is_left_and_told(sampled):
    file = sampled.folder / "workbench.json"
    file.write_text("{")
    sampled.go_to("mask")
    assert "move the file away" in sampled._said.value
    assert file.read_text() == "{"
    assert sampled.state.step == "mask"
    file.unlink()
    sampled.go_to("data")
    assert WorkbenchState.load("work") == sampled.state


def test_a_state_that_cannot_be_read_is_left_as_it_is(tmp_path):
    file = tmp_path / "workbench.json"
    for text in ("{", json.dumps({"step": "lunch"}), json.dumps({"colour": 1})):
        file.write_text(text)
        with pytest.raises(InputError, match=r"workbench.json: .*move the file away"):
            WorkbenchState.load(tmp_path)
        assert file.read_text() == text


def test_paths_are_offered_while_one_types(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.star", "ab.mrc", "abc.txt", ".hidden.mrc"):
        (tmp_path / name).touch()
    (tmp_path / "deep").mkdir()
    assert complete("", (".mrc", ".star")) == ["a.star", "ab.mrc", "deep/"]
    assert complete("ab", (".mrc",)) == ["ab.mrc"]
    assert complete("nowhere/x", (".mrc",)) == []
    chosen = []
    field = PathField("Map", "", (".mrc",), chosen.append)
    field.field.value = "a"
    assert chosen == []
    field.field.value = "ab.mrc"
    assert chosen == [tmp_path / "ab.mrc"]
    field.field.value = "nothing"
    assert "No file or folder begins so" in field._said.value
    field.field.value = ""
    assert chosen[-1] is None


def test_a_path_is_refused_in_the_right_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "notes.txt").touch()
    field = PathField("Map", "", (".mrc", ".map"), lambda path: None)
    field.field.value = "deep/"
    assert "holds no file that ends with .mrc or .map" in field._said.value
    field.field.value = "nowhere/x.mrc"
    assert "There is no folder nowhere" in field._said.value
    field.field.value = "~nobody_of_this_name/x.mrc"
    assert "There is no user nobody_of_this_name" in field._said.value
    assert field.path is None


def test_a_mask_that_is_written_anew_is_read_anew(sampled):
    own = sampled.folder / "own.mrc"
    mask = lw.read_map(sample_paths()["mask"])
    write_map(own, mask.data, mask.voxel_size_angstrom)
    sampled.go_to("mask")
    sampled.step.field.field.value = str(own)
    first = sampled.step._view.children
    sampled.step.refresh()
    assert sampled.step._view.children == first, "nothing has changed"
    write_map(own, np.zeros_like(mask.data), mask.voxel_size_angstrom)
    sampled.go_to("mask")
    assert "✖" in sampled.step._lights.value + sampled._said.value, "an empty mask"
