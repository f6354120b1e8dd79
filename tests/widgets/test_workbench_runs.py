"""The workbench's runs: started once, found again, shown with their results."""

import threading

import numpy as np
import pytest

import locref_widgets as lw
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import write_map
from locref_widgets.sample import sample_paths
from locref_widgets.widgets import same_cell, workbench_run_steps
from locref_widgets.widgets.display_volume import first_level
from tests.widgets.fake_run import FakeRun


def test_the_code_makes_what_the_workbench_holds(sampled, monkeypatch):
    monkeypatch.setattr(workbench_run_steps, "start_refinement", _begin_fake)
    sampled.go_to("run")
    sampled.step.start.click()
    asked = {}
    monkeypatch.setattr(
        lw, "start_refinement", lambda *given, **names: asked.update(names, given=given)
    )
    monkeypatch.setattr(lw, "RunDashboard", lambda run: None)
    monkeypatch.setattr(lw, "MapView", lambda *given: None)
    monkeypatch.setattr(lw, "read_map", lambda path: path)
    exec(sampled.code, {})  # noqa: S102 - the code is ours
    particles, volume, mask, settings = asked["given"]
    assert len(particles) == 800
    assert (volume, mask) == (str(sample_paths()["map"]), str(sample_paths()["mask"]))
    assert settings == sampled.state.settings
    assert asked["out"] == "work/runs/run"


def _begin_fake(_particles, _volume, _mask, _settings, out, **_names):
    FakeRun(out, iterations=2).begin()


def test_a_run_is_started_shown_and_found_again(sampled, monkeypatch):
    monkeypatch.setattr(workbench_run_steps, "start_refinement", _begin_fake)
    sampled.go_to("run")
    assert sampled.step.name.value == "run"
    sampled.step.start.click()
    assert sampled.state.run == "run"
    assert sampled.step.dashboard.folder == sampled.folder / "runs" / "run"
    assert sampled.step.name.value == "run_2"
    again = lw.Workbench("work")
    assert again.step.dashboard.folder == sampled.folder / "runs" / "run"
    again.close()


def test_a_double_click_starts_one_run(sampled, monkeypatch):
    started = []

    def begin(*given, **names):
        started.append(given[4].name)
        if len(started) == 1:
            # The other click, served by another thread meanwhile.
            other = threading.Thread(target=sampled.step.start.click)
            other.start()
            other.join()
        _begin_fake(*given, **names)

    monkeypatch.setattr(workbench_run_steps, "start_refinement", begin)
    sampled.go_to("run")
    sampled.step.start.click()
    sampled.step.start.click()
    assert started == ["run"]
    monkeypatch.setattr(workbench_run_steps, "_CLICK_SECONDS", 0)
    sampled.step.start.click()
    assert started == ["run", "run_2"], "a click of its own"


def test_a_cell_that_is_run_again_ends_the_threads_of_its_workbench(bench, wire, monkeypatch):
    FakeRun(bench.folder / "runs" / "run", iterations=1).begin()
    monkeypatch.setattr(same_cell, "_cell_and_run", lambda: ("a", "1"))
    first = lw.Workbench("work")
    first.step.sample.click()
    first.go_to("run")
    watcher = first.step.dashboard._watcher
    first.go_to("data")
    monkeypatch.setattr(same_cell, "_cell_and_run", lambda: ("a", "2"))
    again = lw.Workbench("work")
    assert first.comm is None
    assert watcher.join(10)
    assert again.comm is not None
    again.close()


@pytest.mark.parametrize("name", ["", "a/b", "..", "taken"])
def test_a_run_needs_a_name_of_its_own(sampled, name):
    (sampled.folder / "runs" / "taken").mkdir(parents=True)
    sampled.go_to("run")
    sampled.step.name.value = name
    sampled.step.start.click()
    assert "✖" in sampled._said.value
    assert sampled.state.run is None


def test_a_step_that_failed_to_open_is_tried_again(sampled, monkeypatch):
    monkeypatch.setattr(workbench_run_steps, "start_refinement", _begin_fake)
    sampled.go_to("run")
    with monkeypatch.context() as broken:

        def fail(_folder):
            raise InputError("the disc is away")

        broken.setattr(workbench_run_steps, "RunDashboard", fail)
        sampled.step.start.click()
        assert "disc is away" in sampled._said.value
    sampled.go_to("run")
    assert sampled.step.dashboard.folder == sampled.folder / "runs" / "run"


def test_a_new_run_does_not_take_the_place_of_the_one_looked_at(sampled, monkeypatch):
    FakeRun(sampled.folder / "runs" / "mine", iterations=1).run(seconds=0.01, batches=1)
    sampled.go_to("run")
    assert sampled.state.run == "mine", "what is shown is what is told"
    sampled.go_to("settings")
    FakeRun(sampled.folder / "runs" / "new", iterations=1).run(seconds=0.01, batches=1)
    dashboard, made, told = workbench_run_steps.RunDashboard, [], []
    monkeypatch.setattr(
        workbench_run_steps,
        "RunDashboard",
        lambda folder: (made.append(folder.name), dashboard(folder))[1],
    )
    update = sampled.update
    monkeypatch.setattr(sampled, "update", lambda **new: (told.append(new), update(**new)))
    sampled.go_to("run")
    assert tuple(sampled.step.runs.options) == ("new", "mine")
    sampled.go_to("results")
    assert sampled.step.runs.value == "mine"
    assert made == []
    assert {"run": "new"} not in told
    sampled.step.runs.value = "new"
    assert sampled.state.run == "new"
    sampled.go_to("run")
    assert made == ["new"]


def test_results_are_shown_inside_the_mask_of_their_own_run(sampled, ball, monkeypatch):
    given = []
    view = workbench_run_steps.MapView
    monkeypatch.setattr(
        workbench_run_steps,
        "MapView",
        lambda *maps, level: (given.append((*maps, level)), view(*maps, level=level))[1],
    )
    volume, mask = ball
    run = FakeRun(sampled.folder / "runs" / "run", iterations=1)
    run.run(seconds=0.01, batches=1)
    final = run.folder / "final"
    final.mkdir()
    write_map(final / "map.mrc", volume.data, volume.voxel_size_angstrom)
    write_map(final / "mask.mrc", mask.data, mask.voxel_size_angstrom)
    sampled.update(run="run")
    sampled.go_to("results")
    ((_, shown, level),) = given
    assert np.array_equal(shown.data, mask.data)
    # Noise outside of the mask says nothing about a level.
    assert level == first_level(volume.data * mask.data, volume.voxel_size_angstrom)
