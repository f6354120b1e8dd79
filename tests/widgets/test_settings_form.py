"""The settings form: what it shows, what it gives, and what it says to wrong entries."""

import numpy as np
import pytest

from locref_widgets import RefinementSettings, SettingsForm
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.settings import setting_options

MENDED = {
    "rotation_extent": "0.35",
    "iterations": "10",
    "folds": "4",
    "symmetry": "C1",
    "seed": "0",
}


def control(form, name):
    return form._fields[name].control


def message(form, name):
    return form._fields[name]._message.value


def unit(form, name):
    return form._fields[name]._unit.value


def press(form, words):
    def walk(widget):
        yield widget
        for child in getattr(widget, "children", ()):
            yield from walk(child)

    button = next(w for w in walk(form) if getattr(w, "description", "") == words)
    button.click()


def test_every_setting_has_a_field_with_label_help_and_value():
    form = SettingsForm()
    assert list(form._fields) == [option.name for option in setting_options()]
    for option in setting_options():
        widget = control(form, option.name)
        assert widget.description
        assert widget.tooltip == option.help
    assert form.value == RefinementSettings()
    assert form.valid


def test_it_takes_few_messages_to_make(wire):
    SettingsForm()
    # A server drops what comes faster than 1000 a second; other widgets want their share.
    assert len(wire) < 350


def test_labels_are_short_enough_for_their_column_and_differ():
    labels = [field.label for field in SettingsForm()._fields.values()]
    assert len(set(labels)) == len(labels)
    assert max(map(len, labels)) <= 20


def test_every_setting_goes_in_and_out():
    given = RefinementSettings(
        fulcrum=(12.5, 3, 7),
        rotation_extent=0.3490658503988659,
        prior_rotation=4.25,
        subset=1200,
        subtract=False,
        masking="static",
        symmetry="C4",
        marginalize=False,
    )
    form = SettingsForm(given)
    assert form.value == given
    control(form, "seed").value = "5"
    # The field shows fewer digits than the extent has.
    assert form.value == given.model_copy(update={"seed": 5})


def test_entries_become_settings_and_are_told():
    form, told = SettingsForm(), []
    form.observe(lambda change: told.append(change["new"]), "value")
    control(form, "rotation_extent").value = "0.3"
    control(form, "subset").value = " 500 "
    control(form, "non_uniform").value = False
    control(form, "subtract").value = True
    control(form, "fulcrum").value = "mask"
    expected = RefinementSettings(
        rotation_extent=0.3, subset=500, non_uniform=False, subtract=True, fulcrum="mask"
    )
    assert form.value == expected
    assert told[-1] == expected
    assert len(told) == 5


def test_degrees_are_understood_where_radians_are_asked_for():
    form = SettingsForm()
    control(form, "rotation_extent").value = "30°"
    assert form.value.rotation_extent == pytest.approx(np.radians(30), abs=1e-4)
    assert control(form, "rotation_extent").value == "0.5236"
    assert "30.0°" in unit(form, "rotation_extent")


@pytest.mark.parametrize("degrees", [180, 179.999, 60, 0.001])
def test_degrees_lose_little_and_reach_half_a_turn(degrees):
    form = SettingsForm()
    control(form, "rotation_extent").value = f"{degrees}°"
    assert form.valid
    assert form.value.rotation_extent == pytest.approx(np.radians(degrees), rel=3e-5)
    control(form, "rotation_extent").value = "181°"
    assert "must be" in message(form, "rotation_extent")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("rotation_extent", "four", "is not a number"),
        ("rotation_extent", "-1", "must be &gt; 0, ≤ π"),
        ("rotation_extent", "nan", "must be"),
        ("rotation_extent", "", "the default is 0.35"),
        ("iterations", "2.5", "is not a whole number"),
        ("folds", "99", "must be ≥ 1, ≤ 10"),
        ("symmetry", "Q7", "Q7"),
        ("fulcrum", "1, 2", "Give three numbers"),
        ("fulcrum", "hinge", "or mask, or box"),
        ("fulcrum_angstrom", "mask", "Give three numbers"),
        ("seed", "<b>", "&lt;b&gt;"),
    ],
)
def test_a_wrong_entry_is_told_beside_the_field_and_changes_nothing(name, text, words):
    form = SettingsForm()
    before = form.value
    control(form, name).value = text
    assert form.value == before
    assert not form.valid
    assert words in message(form, name)
    assert 'role="alert"' in message(form, name)
    assert "locref-invalid" in control(form, name)._dom_classes
    assert form.messages[name]
    # Another, valid entry meanwhile changes nothing either; both count once the first is mended.
    control(form, "batch_size").value = "8"
    assert form.value == before
    control(form, name).value = MENDED.get(name, "")
    assert form.valid
    assert form.value.batch_size == 8
    assert not message(form, name)


def test_entries_that_do_not_go_together_are_told_beside_both():
    form = SettingsForm()
    control(form, "dynamic_mask_near").value = "20"
    for name in ("dynamic_mask_near", "dynamic_mask_far"):
        assert "must be larger than" in message(form, name)
    control(form, "dynamic_mask_far").value = "30"
    assert form.valid
    assert form.value.dynamic_mask_near == 20


def test_the_fulcrum_typed_last_counts():
    form = SettingsForm(RefinementSettings(fulcrum=(1, 2, 3)))
    control(form, "fulcrum_angstrom").value = "(4, 5, -6)"
    assert form.value.fulcrum is None
    assert form.value.fulcrum_angstrom == (4, 5, -6)
    assert control(form, "fulcrum").value == ""
    control(form, "fulcrum").value = "box"
    assert (form.value.fulcrum, form.value.fulcrum_angstrom) == ("box", None)


@pytest.mark.parametrize("faulty", ["abc", "1, 2", "90, 12, 12"])
def test_a_fulcrum_that_cannot_be_taken_leaves_the_one_in_the_other_unit(ball, faulty):
    given = RefinementSettings(fulcrum_angstrom=(10, 20, 30))
    form = SettingsForm(given, volume=ball[0])
    control(form, "fulcrum").value = faulty
    assert not form.valid
    assert control(form, "fulcrum_angstrom").value == "10, 20, 30"
    control(form, "fulcrum").value = ""
    assert form.valid
    assert form.value == given
    control(form, "fulcrum").value = faulty
    control(form, "fulcrum_angstrom").value = "none"
    control(form, "seed").value = "x"
    control(form, "fulcrum").value = "8, 9, 10"
    control(form, "seed").value = "3"
    assert form.value == RefinementSettings(fulcrum=(8, 9, 10), seed=3)
    assert control(form, "fulcrum_angstrom").value == ""


def test_a_map_and_mask_give_units_and_warnings(ball):
    form = SettingsForm(volume=ball[0], mask=ball[1])
    assert "= 40&nbsp;Å across" in unit(form, "shift_extent")
    assert "far end" in unit(form, "rotation_extent")
    control(form, "rotation_extent").value = "0.001"
    assert "Too small for this lever arm" in message(form, "rotation_extent")
    assert form.valid, "a warning does not keep anyone from starting"
    control(form, "fulcrum").value = "90, 12, 12"
    assert "lies outside the box" in message(form, "fulcrum")
    assert not form.valid
    assert form.value.fulcrum is None


def test_settings_that_do_not_fit_the_map_are_shown_with_the_fault(ball):
    form = SettingsForm(RefinementSettings(fulcrum=(500, 0, 0)), volume=ball[0])
    assert "outside" in message(form, "fulcrum")
    assert not form.valid


def test_maps_on_two_grids_are_refused(ball):
    with pytest.raises(InputError):
        SettingsForm(volume=Map(np.ones((8, 8, 8), np.float32), 4.0), mask=ball[1])


def test_presets_set_the_search_and_say_why():
    form = SettingsForm(RefinementSettings(seed=3))
    press(form, "Small domain")
    assert form.value.prior_rotation == 3.0
    assert form.value.seed == 3
    assert control(form, "prior_rotation").value == "3"
    assert "50 kDa" in form._reason.value
    press(form, "Usual search")
    assert form.value == RefinementSettings(seed=3)


def test_a_preset_takes_faulty_entries_away():
    form = SettingsForm()
    control(form, "rotation_extent").value = "x"
    press(form, "Usual search")
    assert form.valid
    assert control(form, "rotation_extent").value == "0.35"
    assert not message(form, "rotation_extent")


def test_fields_without_effect_are_disabled():
    form = SettingsForm()
    assert not control(form, "dynamic_mask_near").disabled
    control(form, "masking").value = "static"
    assert control(form, "dynamic_mask_near").disabled
    assert control(form, "shrink_extents").disabled
    assert not control(form, "learn_prior").disabled
    control(form, "recenter_rotations").value = True
    assert control(form, "learn_prior").disabled
    control(form, "recenter_shifts").value = True
    assert not control(form, "shrink_extents").disabled


def test_no_prior_is_learned_where_one_is_given():
    form = SettingsForm(RefinementSettings(prior_rotation=3.0))
    assert control(form, "learn_prior").disabled
    control(form, "prior_rotation").value = ""
    assert not control(form, "learn_prior").disabled


def test_the_text_is_command_python_and_yaml():
    form = SettingsForm(RefinementSettings(seed=3))
    files = form._files
    assert "locref refine particles.star" in files._text.value
    assert "--seed 3" in files._text.value
    files._form.value = "Python"
    assert "lw.RefinementSettings(" in files._text.value
    files._form.value = "YAML"
    assert "seed: 3" in files._text.value
    control(form, "seed").value = "4"
    assert "seed: 4" in files._text.value


def test_yaml_is_written_and_read_back(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    form = SettingsForm(RefinementSettings(rotation_extent=0.21, fulcrum="mask"))
    files = form._files
    press(form, "Save")
    assert "Type the file" in files._said.value
    files._path.value = "a.yaml"
    press(form, "Save")
    assert RefinementSettings.load(tmp_path / "a.yaml") == form.value
    control(form, "seed").value = "9"
    press(form, "Save")  # its own file
    assert RefinementSettings.load(tmp_path / "a.yaml").seed == 9
    other = SettingsForm()
    other._files._path.value = "a.yaml"
    press(other, "Save")
    assert "is there already" in other._files._said.value
    press(other, "Load")
    assert other.value == form.value
    assert control(other, "rotation_extent").value == "0.21"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("rotation_extent: 9", "must be"),
        ("rotaton_extent: 0.3", "did you mean rotation_extent"),
        ("a: [", "not valid YAML"),
        ("7", "name: value"),
    ],
)
def test_wrong_yaml_is_told_and_changes_nothing(text, words):
    form = SettingsForm(RefinementSettings(seed=3))
    form._files._pasted.value = text
    press(form, "Read")
    assert words in form._files._said.value
    assert form.value == RefinementSettings(seed=3)
    form._files._pasted.value = "seed: 8"
    press(form, "Read")
    assert form.value == RefinementSettings(seed=8)


def test_files_that_cannot_be_read_or_written_are_told(tmp_path):
    form = SettingsForm()
    form._files._path.value = str(tmp_path / "absent.yaml")
    press(form, "Load")
    assert "there is no settings file" in form._files._said.value.lower()
    form._files._path.value = str(tmp_path / "absent" / "a.yaml")
    press(form, "Save")
    assert "cannot be written" in form._files._said.value


def test_values_set_from_python_are_shown():
    form = SettingsForm()
    form.value = RefinementSettings(shift_extent=14, masking="none")
    assert control(form, "shift_extent").value == "14"
    assert control(form, "masking").value == "none"
