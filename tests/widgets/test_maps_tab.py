"""The dashboard's Maps tab on its own: what it shows of a search that has only begun."""

import time

import pytest

from locref_widgets.runs.events import read_events
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.dashboard_data import DashboardData, Shown
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.maps_tab import MapsTab
from tests.widgets.fake_run import FakeRun, small_particles


@pytest.fixture
def folder(tmp_path):
    """A run of two iterations, both on the disc."""
    particles = small_particles(tmp_path / "data")
    FakeRun(tmp_path / "run", iterations=2, particles=particles).run(seconds=0.01, batches=2)
    return RunFolder(tmp_path / "run")


def _wait_for(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def test_it_shows_what_the_first_search_has_made_so_far(wire, folder):
    """And goes on to the iteration once that is there."""
    state, ends = RunState(), []
    for event in read_events(folder.events_path)[0]:
        if event["kind"] == "iteration_finished":
            ends.append(event)
        if len(ends) < 2:
            state.add(event)
    folder.write_preview(folder.read_iteration(0).measured, state.pixel_size_angstrom)
    state.add({"kind": "preview", "iteration": 1, "resolution_angstrom": 8.64, "done": 1500})
    failed: list[str] = []
    tab = MapsTab(DashboardData(folder), LatestTasks(failed.append))
    tab.show(Shown(state, 0, ends[0]))
    _wait_for(lambda: "Iteration 1, first 1,500 particles" in tab.words.value)
    assert "low-passed to 8.64 Å" in tab.words.value
    assert "<svg" in tab.slices.value
    tab.show_in_3d()
    assert "first 1,500 particles" in tab.view.children[0].value
    tab.close_3d()
    folder.remove_preview()
    assert not folder.preview_folder.exists()
    state.add(ends[1])
    assert state.preview is None
    tab.show(Shown(state, 1, ends[1]))
    _wait_for(lambda: "<b>Iteration 1</b>" in tab.words.value)
    assert not any(failed)
