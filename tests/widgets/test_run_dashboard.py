import json
import threading
from itertools import pairwise

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.control import take_request
from locref_widgets.widgets import RunDashboard
from locref_widgets.widgets.heatmap_layers import told_by_event
from locref_widgets.widgets.heatmap_panel import HeatmapPanel, degree_ranges
from locref_widgets.widgets.style import HIDDEN_CURVES
from tests.widgets.dashboards import open_tab, rotation_map, wait_for
from tests.widgets.fake_run import FakeRun


def test_each_iteration_changes_the_heatmaps(run, dashboard):
    mark = rotation_map(dashboard).mark
    seen = []
    for iteration in range(4):
        payload = run.finish_iteration(iteration)
        expected = np.array(payload["heatmap"]["pose_change_deg"], dtype=float)
        wait_for(lambda value=expected: np.array_equal(mark.color, value, equal_nan=True))
        seen.append(np.array(mark.color))
    assert np.isnan(seen[-1]).any(), "views along the poles have no particles"
    assert all(not np.array_equal(a, b, equal_nan=True) for a, b in pairwise(seen))
    assert mark.row[0].startswith("-90°")
    assert len(mark.column) == seen[-1].shape[1]


def test_the_colour_range_never_shrinks(run, dashboard):
    panel = rotation_map(dashboard)
    run.finish_iteration(3)
    wait_for(lambda: panel.colour_range[1] > 1)
    largest = panel.colour_range[1]
    run.finish_iteration(0)
    wait_for(lambda: dashboard.state.latest["iteration"] == 0)
    wait_for(lambda: np.nanmax(panel.mark.color) < 0.5)
    assert panel.colour_range[1] == largest
    dashboard._maps.reach.value = True
    assert panel.colour_range[1] == pytest.approx(np.rad2deg(0.35), abs=1e-3)


def test_histograms_curves_and_resolution(run, dashboard):
    run.finish_iteration(0)
    payload = run.finish_iteration(1)
    # Plots are drawn one after the other, by a thread of the dashboard's own.
    wait_for(lambda: len(dashboard._resolution.line.x) == 2)
    wait_for(lambda: dashboard._rotations.bars.y.sum() == run.n_particles)
    assert dashboard._rotations.limit.x[0] == pytest.approx(20.05, abs=0.01)
    assert dashboard._shifts.limit.x[0] == 5.0
    assert "Å" in dashboard._shifts.heading.value
    open_tab(dashboard, "FSC")
    shown = set(payload["fsc"]) - set(HIDDEN_CURVES)
    assert len(dashboard._fsc.figure.marks) == 1 + len(shown)
    colours = {line.colors[0] for line in dashboard._fsc.figure.marks[1:]}
    assert len(colours) == len(shown)
    assert all(name in dashboard._fsc.legend.value for name in shown)
    assert "tight corrected" not in dashboard._fsc.legend.value
    assert dashboard._resolution.line.y[1] == pytest.approx(payload["resolution_angstrom"])
    assert "at the edge" in dashboard._at_bound.value


def test_buttons_write_requests_and_nothing_else(run, dashboard):
    buttons = dashboard._controls.buttons
    run.finish_iteration(0)
    wait_for(lambda: not buttons["pause"].disabled)
    assert buttons["continue"].disabled
    buttons["pause"].click()
    assert "Pausing" in dashboard._controls.status.value
    assert take_request(run.folder) == "pause"
    run.events.append("paused")
    wait_for(lambda: "Paused" in dashboard._controls.status.value)
    assert buttons["pause"].disabled
    buttons["continue"].click()
    assert take_request(run.folder) == "continue"
    run.events.append("continued")
    wait_for(lambda: not buttons["pause"].disabled)
    buttons["stop"].click()
    assert take_request(run.folder) == "stop"
    run.end("stopped")
    wait_for(lambda: "Stopped" in dashboard._controls.status.value)
    enabled = [action for action, button in buttons.items() if not button.disabled]
    assert enabled == ["resume"]
    assert all("ended" in buttons[action].tooltip for action in ("pause", "continue", "stop"))


def test_the_thread_ends_with_the_run_and_with_the_view(run, wire):
    watching, closed = RunDashboard(run.folder), RunDashboard(run.folder)
    closed.close()
    assert closed._watcher.join()
    run.finish_iteration(0)
    run.end("finished")
    assert watching._watcher.join(20)
    assert "Finished" in watching._controls.status.value
    watching.close()


def test_a_finished_run_is_shown_whole(tmp_path, wire):
    FakeRun(tmp_path / "run", iterations=2).run(seconds=0.01, batches=2)
    shown = RunDashboard(tmp_path / "run")
    wait_for(lambda: "Finished" in shown._controls.status.value)
    wait_for(lambda: list(shown._resolution.line.x) == [0, 1, 2])
    shown.close()


def test_a_lost_run_is_called_lost(run, wire):
    run.finish_iteration(0)
    run.release()
    shown = RunDashboard(run.folder)
    wait_for(lambda: "Lost" in shown._controls.status.value)
    shown.close()


def test_a_folder_that_is_moved_away_and_back_loses_nothing(run, dashboard):
    controls = dashboard._controls
    run.finish_iteration(0)
    wait_for(lambda: dashboard._choice.value == 0)
    wait_for(lambda: not controls.buttons["pause"].disabled)
    controls.buttons["pause"].click()
    elsewhere = run.folder.with_name("elsewhere")
    run.folder.rename(elsewhere)
    wait_for(lambda: "gone" in controls.status.value)
    assert f"{run.folder}: is gone (moved or deleted" in controls.error.value
    assert "fault" not in controls.error.value
    assert all(button.disabled for button in controls.buttons.values())
    assert list(dashboard.state.iterations) == [0]
    assert dashboard._choice.value == 0
    dashboard._watcher.poll()
    assert list(dashboard.state.iterations) == [0], "it stays so"
    elsewhere.rename(run.folder)
    wait_for(lambda: "Running" in controls.status.value)
    assert controls.error.value == ""
    assert not controls.buttons["pause"].disabled, "what was asked before has gone"
    run.finish_iteration(1)
    wait_for(lambda: 1 in dashboard.state.iterations)


def test_events_begun_anew_are_shown_alone(run, dashboard):
    for iteration in range(2):
        run.finish_iteration(iteration)
    wait_for(lambda: 1 in dashboard.state.iterations)
    run.events.path.write_text("")
    run.finish_iteration(0)
    wait_for(lambda: list(dashboard.state.iterations) == [0])
    assert dashboard._controls.error.value == ""


def test_faults_are_shown_in_words_and_mended(run, dashboard, monkeypatch):
    monkeypatch.setattr(dashboard._maps, "show", lambda shown: 1 / 0)
    run.finish_iteration(0)
    wait_for(lambda: "division" in dashboard._controls.error.value)
    monkeypatch.undo()
    run.finish_iteration(1)
    wait_for(lambda: dashboard._controls.error.value == "")


def test_failure_and_warnings_are_shown_as_text(run, dashboard):
    run.events.append("warning", message="mask is <binary>")
    run.events.append("failed", message="disc full")
    wait_for(lambda: "disc full" in dashboard._controls.error.value)
    assert "&lt;binary&gt;" in dashboard._controls.warnings.value


def test_torn_lines_are_waited_for(run, dashboard):
    payload = json.dumps({"schema": 1, "time": "", "kind": "warning", "message": "whole"})
    with run.events.path.open("a") as handle:
        handle.write(payload[:20])
        handle.flush()
        dashboard._watcher.poll()
        handle.write(payload[20:] + "\n")
    wait_for(lambda: "whole" in dashboard._controls.warnings.value)


def test_updates_are_few_and_the_latest_wins(run, dashboard, wire):
    dashboard._watcher.stop()
    assert dashboard._watcher.join()
    for done in range(500):
        run.events.append("progress", iteration=1, phase="search", done=done, total=500)
    wire.clear()
    dashboard._watcher.poll()
    assert dashboard._controls.particle_bar.value == 499
    assert len(wire) < 30, "one drawing, however many events came"


def test_nothing_is_printed(run, dashboard, capfd):
    run.finish_iteration(0)
    wait_for(lambda: dashboard.state.iterations)
    assert capfd.readouterr() == ("", "")


def test_several_views_and_no_thread_left(run, wire):
    views = [RunDashboard(run.folder) for _ in range(3)]
    run.finish_iteration(0)
    for view in views:
        wait_for(lambda view=view: len(view._resolution.line.x) == 1)
        view.close()
    wait_for(lambda: not any(t.name == "locref-events" for t in threading.enumerate()))


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(InputError, match="not a run"):
        RunDashboard(tmp_path)


def test_cell_words_tell_empty_from_zero():
    panel = HeatmapPanel("shift change", "px", lambda cell: None)
    heatmap = {
        "azimuth_edges_rad": [-np.pi, 0, np.pi],
        "elevation_edges_rad": [-np.pi / 2, 0, np.pi / 2],
        "count": [[0, 4], [1, 0]],
        "shift_change_px": [[None, 0.0], [2.5, None]],
    }
    panel.show(told_by_event(heatmap, "shift_change_px", 5.0, 2.0))
    assert "no particle" in panel.cell_words(0, 0)
    assert "1 particle, mean <b>2.50 px = 5.00 Å" in panel.cell_words(1, 0)
    assert "4 particles" in panel.cell_words(0, 1)
    assert "0.00 px = 0.00 Å" in panel.cell_words(0, 1)
    assert "azimuth 0° to 180°" in panel.cell_words(0, 1)


def test_degree_ranges():
    assert degree_ranges(np.deg2rad([-90, -0.01, 30])) == ["-90° to 0°", "0° to 30°"]
