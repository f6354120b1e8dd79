import json

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.fulcrum_choices import interface_with_rest
from locref_widgets.masks.sightline import value_at
from locref_widgets.refinement.region_reach import measure_region
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.widgets import FulcrumPicker
from tests.widgets.fake_run import FakeRun


def receive(picker, **content):
    """Deliver a message as the browser sends it."""
    message = {"content": {"data": {"method": "custom", "content": content}}, "buffers": []}
    picker.front.comm.handle_msg(message)


def receive_state(picker, **state):
    message = {
        "content": {"data": {"method": "update", "state": state, "buffer_paths": []}},
        "buffers": [],
    }
    picker.front.comm.handle_msg(message)


@pytest.fixture
def bodies():
    """Two balls that touch, and a mask over the one at larger x; 32 voxels of 2 Å."""
    z, y, x = np.mgrid[:32, :32, :32].astype(np.float32)
    balls = [np.sqrt((x - c) ** 2 + (y - 16) ** 2 + (z - 14) ** 2) for c in (10.0, 21.0)]
    density = np.clip(6.6 - np.minimum(*balls), 0, 1).astype(np.float32)
    mask = np.clip(9.5 - balls[1], 0, 1) * (x > 15.5)
    return Map(density, 2.0), Map(mask.astype(np.float32), 2.0)


@pytest.fixture
def picker(wire, bodies):
    return FulcrumPicker(*bodies)


def test_it_begins_at_the_middle_of_the_mask_or_where_it_is_told_to(wire, bodies):
    volume, mask = bodies
    centre = measure_region(mask).centre_angstrom
    assert FulcrumPicker(volume, mask).fulcrum_angstrom == pytest.approx(tuple(centre))
    assert FulcrumPicker(volume).fulcrum == (16, 16, 16)
    assert FulcrumPicker(volume, mask, (3, 4.5, 5)).fulcrum == (3, 4.5, 5)
    assert FulcrumPicker(volume, mask, "box").fulcrum_angstrom == (0, 0, 0)
    settings = RefinementSettings(fulcrum_angstrom=(2, 4, -6), rotation_extent=0.2, shift_extent=6)
    picker = FulcrumPicker(volume, mask, settings=settings)
    assert picker.fulcrum == pytest.approx((17, 18, 13))
    assert (picker.rotation_extent, picker.shift_extent) == (0.2, 6)
    with pytest.raises(InputError, match="outside"):
        FulcrumPicker(volume, mask, (40, 1, 1))
    with pytest.raises(InputError, match="cubic"):
        FulcrumPicker(Map(volume.data[:20], 2.0))


def test_both_units_follow_each_other_and_the_front_end(picker):
    seen = []
    picker.observe(lambda change: seen.append((change["name"], change["new"])), ["fulcrum"])
    picker.fulcrum = (10, 11, 12.5)
    assert picker.fulcrum_angstrom == (-12, -10, -7)
    assert picker.front.fulcrum == [10, 11, 12.5]
    picker.fulcrum_angstrom = (0, 2, 4)
    assert picker.fulcrum == (16, 17, 18)
    receive_state(picker, fulcrum=[5.25, 6, 7], found="Dragged in the xy slice.")
    assert picker.fulcrum == (5.25, 6, 7)
    assert picker.fulcrum_angstrom == (-21.5, -20, -18)
    assert seen == [
        ("fulcrum", (10, 11, 12.5)),
        ("fulcrum", (16, 17, 18)),
        ("fulcrum", (5.25, 6, 7)),
    ]


@pytest.mark.parametrize("wrong", [(40, 1, 1), (-2, 3, 3), (float("nan"), 1, 1)])
def test_a_place_outside_the_box_is_refused_and_changes_nothing(picker, wrong):
    before = picker.fulcrum, picker.fulcrum_angstrom
    with pytest.raises(InputError):
        picker.fulcrum = wrong
    assert (picker.fulcrum, picker.fulcrum_angstrom) == before
    assert picker.front.fulcrum == list(before[0])


def test_the_values_make_settings(picker):
    picker.fulcrum = (10, 11, 12.5)
    receive_state(picker, rotation_extent=0.25, shift_extent=8.0)
    settings = RefinementSettings(**picker.settings_values())
    assert settings.fulcrum == (10, 11, 12.5)
    assert (settings.rotation_extent, settings.shift_extent) == (0.25, 8.0)


def test_quick_choices(picker, bodies):
    volume, mask = bodies
    receive(picker, kind="choose", choice="box")
    assert picker.fulcrum == (16, 16, 16)
    assert "centre of the box" in picker.front.found
    receive(picker, kind="choose", choice="mask")
    assert picker.fulcrum_angstrom == pytest.approx(tuple(measure_region(mask).centre_angstrom))
    receive(picker, kind="choose", choice="interface")
    found = interface_with_rest(mask.data, volume.data, picker.front.level, 2.0)
    assert picker.fulcrum_angstrom == pytest.approx(tuple(found.point_angstrom))
    assert picker.fulcrum == pytest.approx((15.5, 16, 14))
    assert f"{found.contacts} faces" in picker.front.found
    assert picker.front.advice == ""


def test_a_choice_that_cannot_be_is_told_in_words(wire, picker, bodies):
    picker.front.level = 2.0
    receive(picker, kind="choose", choice="interface")
    assert "no density" in picker.front.advice
    alone = FulcrumPicker(bodies[0])
    assert [item["reason"] == "" for item in alone.front.choices] == [True, False, False]
    receive(alone, kind="choose", choice="mask")
    assert "no mask" in alone.front.advice


def test_far_from_the_mask_is_warned_of(picker):
    picker.fulcrum = (0, 0, 31)
    assert "far beyond the mask" in picker.front.advice
    picker.fulcrum = (16, 16, 14)
    assert picker.front.advice == ""


def test_a_click_on_the_surface_puts_it_on_the_surface_of_the_map_itself(picker, bodies):
    picker.front.level = 0.4
    receive(picker, kind="pick_fulcrum", id="map0", voxel=[10, 16, 20.5], direction=[0, 0, -1])
    assert value_at(bodies[0].data, np.array([picker.fulcrum]))[0] == pytest.approx(0.4, abs=1e-6)
    assert picker.fulcrum[:2] == (10, 16)
    assert "surface" in picker.front.found


def test_the_region_is_sent_as_its_hull(wire, picker, bodies):
    wire.clear()
    receive(picker, kind="need_region")
    content, buffers = next((m[1]["content"], m[2]) for m in wire if m[1].get("method") == "custom")
    corners = np.frombuffer(buffers[0], np.float32).reshape(-1, 3).astype(np.float64)
    inside = np.argwhere(bodies[1].data >= 0.5)[:, ::-1]
    rng = np.random.default_rng(1)
    for point in rng.uniform(0, 31, (20, 3)):
        expected = np.linalg.norm(inside - point, axis=1).max()
        assert np.linalg.norm(corners - point, axis=1).max() == pytest.approx(expected, abs=1e-5)
    assert content["centre"] == pytest.approx(measure_region(bodies[1]).centre_angstrom / 2 + 16)


ESTIMATE = {
    "is_offered": True,
    "reason": "",
    "point_angstrom": [-2.0, 3.0, -4.0],
    "point_voxels": [15.0, 17.5, 14.0],
    "standard_error_angstrom": [1.0, 1.5, 2.0],
    "worst_error_angstrom": 2.4,
    "used_angstrom": [0.0, 0.0, 0.0],
    "used_voxels": [16.0, 16.0, 16.0],
    "distance_angstrom": 5.4,
    "agrees": False,
    "systematic_error_angstrom": 0.5,
    "halves_agree": True,
}


def finished_run(tmp_path, estimate):
    fake = FakeRun(tmp_path / "run", iterations=1)
    fake.run(seconds=0.01, batches=1)
    path = tmp_path / "run" / "run.json"
    record = json.loads(path.read_text())
    if estimate is not None:
        record["summary"] = (record.get("summary") or {}) | {"fulcrum_estimate": estimate}
    path.write_text(json.dumps(record))
    return tmp_path / "run"


def test_the_fit_of_an_earlier_run_is_taken_with_its_uncertainty(wire, bodies, tmp_path):
    folder = finished_run(tmp_path, ESTIMATE)
    picker = FulcrumPicker(*bodies, run=folder)
    assert picker.front.run_path == str(folder)
    receive(picker, kind="use_run", path=str(folder))
    assert picker.fulcrum_angstrom == (-2, 3, -4)
    assert "± (1.0, 1.5, 2.0) Å" in picker.front.found
    assert "± 2.4 Å" in picker.front.found


@pytest.mark.parametrize(
    ("estimate", "words"),
    [
        (None, "no fitted fulcrum"),
        ({"is_offered": False, "reason": "the turns are too small"}, "turns are too small"),
        (ESTIMATE | {"point_angstrom": [400.0, 0.0, 0.0]}, "outside"),
    ],
)
def test_runs_that_offer_none_are_told_in_words(wire, bodies, tmp_path, estimate, words):
    picker = FulcrumPicker(*bodies)
    before = picker.fulcrum
    receive(picker, kind="use_run", path=str(finished_run(tmp_path, estimate)))
    assert words in picker.front.advice
    assert picker.fulcrum == before


def test_a_folder_that_is_no_run_is_told_in_words(wire, bodies, tmp_path):
    picker = FulcrumPicker(*bodies)
    receive(picker, kind="use_run", path=str(tmp_path / "none"))
    assert str(tmp_path / "none") in picker.front.advice
    receive(picker, kind="use_run", path="")
    assert "runs/a" in picker.front.advice
