import base64
import json
import re
import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.diagnostics import viewing_directions
from locref_widgets.runs.control import take_request
from locref_widgets.runs.particle_columns import ParticleColumns
from locref_widgets.widgets import MapView, RunDashboard
from locref_widgets.widgets.heatmap_layers import told_by_event
from locref_widgets.widgets.heatmap_panel import HeatmapPanel, degree_ranges
from locref_widgets.widgets.style import HIDDEN_CURVES
from tests.widgets.fake_run import FakeRun, small_particles


def rotation_map(dashboard):
    return dashboard._maps.panels["pose_change_deg"]


def open_tab(dashboard, title):
    dashboard._tabs.selected_index = dashboard._titles.index(title)


def wait_for(condition, seconds=20.0):
    """Wait for what another thread brings; generous, for a busy machine."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


@pytest.fixture
def dashboard(wire, run):
    shown = RunDashboard(run.folder)
    yield shown
    shown.close()
    assert shown._watcher.join()


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


@pytest.fixture
def whole(tmp_path, wire):
    """A run of 40 particles with its iterations on the disc, and its dashboard."""
    particles = small_particles(tmp_path / "data")
    fake = FakeRun(tmp_path / "run", iterations=2, particles=particles)
    fake.run(seconds=0.01, batches=2)
    shown = RunDashboard(tmp_path / "run")
    wait_for(lambda: "Finished" in shown._controls.status.value)
    wait_for(lambda: list(shown._pose_trend.chosen.x) == [2])
    yield shown
    shown.close()


def test_layers_beyond_the_events_come_from_the_particles(whole):
    panel = rotation_map(whole)
    for layer in ("median", "at_bound", "direction", "count"):
        whole._maps.layer.value = layer
        wait_for(lambda layer=layer: panel.layer.name == layer)
    columns = ParticleColumns(whole.run.folder, 2)
    data = panel.data
    rows, given = columns.n_particles, columns.given_rotations
    azimuth, elevation = viewing_directions(given)
    degrees = np.rad2deg(columns.column("pose_change_rad"))
    row, column = np.argwhere(np.nan_to_num(data.layers["count"]) >= 1)[0].tolist()
    inside = [
        i
        for i in range(rows)
        if data.elevation_edges_rad[row] <= elevation[i] < data.elevation_edges_rad[row + 1]
        and data.azimuth_edges_rad[column] <= azimuth[i] < data.azimuth_edges_rad[column + 1]
    ]
    assert data.value("median", row, column) == pytest.approx(np.median(degrees[inside]))
    # The pretended turns are about the map's z axis.
    assert data.value("direction_elevation", row, column) == pytest.approx(90, abs=1e-3)
    assert "agreement 1.00" in panel.cell_words(row, column)


def test_an_earlier_iteration_stays_in_sight_until_the_newest_is_wanted(run, dashboard):
    for iteration in range(3):
        run.finish_iteration(iteration)
    wait_for(lambda: dashboard._choice.value == 2)
    dashboard._choice.choose(1)
    assert not dashboard._choice.follow.value
    one = np.array(rotation_map(dashboard).values)
    run.finish_iteration(3)
    wait_for(lambda: len(dashboard._resolution.line.x) == 4)
    assert np.array_equal(rotation_map(dashboard).values, one, equal_nan=True)
    assert list(dashboard._resolution.chosen.x) == [1]
    dashboard._choice.follow.value = True
    assert dashboard._choice.value == 3
    assert not np.array_equal(rotation_map(dashboard).values, one, equal_nan=True)


def test_the_prior_is_drawn_where_there_is_one(run, dashboard):
    run.finish_iteration(0)
    run.events.append(
        "settings_changed",
        iteration=1,
        mask=None,
        rotation_extent=0.5,
        shift_extent=8.0,
        settings={"prior_rotation": 10.0, "prior_shift": None, "iterations": 4},
    )
    run.finish_iteration(1)
    wait_for(lambda: dashboard._rotations.prior.visible)
    curve = dashboard._rotations.prior
    assert curve.y[0] == dashboard._rotations.bars.y.max()
    assert np.interp(10.0, curve.x, curve.y) == pytest.approx(np.exp(-0.5) * curve.y[0], rel=0.01)
    assert "σ = 10.0°" in dashboard._rotations.note.value
    assert "learned" not in dashboard._rotations.note.value
    dashboard._choice.choose(0)
    assert not dashboard._rotations.prior.visible
    assert not dashboard._shifts.prior.visible


def test_a_prior_that_was_learned_is_drawn_and_named(run, dashboard):
    run.finish_iteration(0)
    run.prior_deg = 3.31
    run.finish_iteration(1)
    wait_for(lambda: dashboard._rotations.prior.visible)
    assert "weight by the learned prior, σ = 3.3°" in dashboard._rotations.note.value


def test_selected_cells_give_rows_images_and_a_new_star_file(whole, tmp_path):
    maps, tab = whole._maps, whole._particles
    data = rotation_map(whole).data
    cells = [tuple(int(i) for i in cell) for cell in np.argwhere(data.layers["count"] > 0)[:3]]
    for cell in cells:
        rotation_map(whole)._on_click(None, {"data": {"rowNum": cell[0], "columnNum": cell[1]}})
    assert np.array(rotation_map(whole).mark.selected).tolist() == sorted(map(list, cells))
    maps.selection.toggle(cells[2])
    open_tab(whole, "Particles")
    wait_for(lambda: len(tab.rows) == maps.selection.count > 0)
    tab.with_images.value = True
    wait_for(lambda: tab.images.value.count("<img") == len(tab.rows))
    assert "pose change" in tab.table.value
    tab.path.value = str(tmp_path / "data" / "some.star")
    tab.write_button.click()
    wait_for(lambda: "Wrote" in tab.said.value)
    written = read_particles(tmp_path / "data" / "some.star")
    source = read_particles(whole.folder / "iterations" / "002" / "particles.star")
    assert list(written.table.columns) == list(source.table.columns)
    kept = [source.table.strings("rlnOwnNote")[row] for row in tab.rows]
    assert list(written.table.strings("rlnOwnNote")) == kept
    np.testing.assert_array_equal(written.images(np.arange(1)), source.images(tab.rows[:1]))
    before = (tmp_path / "data" / "some.star").read_bytes()
    tab.write_button.click()
    wait_for(lambda: "is there already" in tab.said.value)
    assert (tmp_path / "data" / "some.star").read_bytes() == before
    assert "write_star" in whole._code.lines[0]
    maps.selection.clear_button.click()
    wait_for(lambda: tab.write_button.disabled)


def test_particles_written_twice_stay_well_written(whole, tmp_path, monkeypatch):
    tab, go_on = whole._particles, threading.Event()
    data = rotation_map(whole).data
    cells = [tuple(int(i) for i in cell) for cell in np.argwhere(data.layers["count"] > 0)[:2]]
    whole._maps.selection.toggle(cells[0])
    open_tab(whole, "Particles")
    wait_for(lambda: len(tab.rows))
    tab.path.value = str(tmp_path / "some.star")
    real = type(whole._data).particles

    def slow(data, iteration):
        assert go_on.wait(20)
        return real(data, iteration)

    monkeypatch.setattr(type(whole._data), "particles", slow)
    tab.write_button.click()
    assert tab.write_button.disabled
    tab.write_button.click()
    go_on.set()
    assert whole._tasks.wait()
    assert "Wrote" in tab.said.value
    assert not tab.write_button.disabled
    tab.write_button.click()
    assert "some.star is there already: it was written for these" in tab.said.value
    assert 'role="alert"' not in tab.said.value
    whole._maps.selection.toggle(cells[1])
    before = len(tab.rows)
    wait_for(lambda: len(tab.rows) > before)
    tab.write_button.click()
    assert whole._tasks.wait()
    assert 'role="alert"' in tab.said.value, "the file holds other particles"


def test_a_direction_typed_selects_its_cell(whole):
    selection = whole._maps.selection
    selection.azimuth.value, selection.elevation.value = -179.0, 89.0
    selection.toggle_button.click()
    rows, _columns = rotation_map(whole).data.layers["count"].shape
    assert selection.cells == {(rows - 1, 0)}


def test_slices_noise_and_log_of_the_iteration(whole):
    (whole.folder / "log.txt").write_text("<first>\nlast line\n")
    open_tab(whole, "Maps")
    wait_for(lambda: "<svg" in whole._map_tab.slices.value, 60)
    whole._choice.choose(1)
    wait_for(lambda: "Iteration 1" in whole._map_tab.words.value, 60)
    open_tab(whole, "Noise and scale")
    wait_for(lambda: whole._noise.plots.value.count("<svg") >= 2, 60)
    open_tab(whole, "Log")
    assert "&lt;first&gt;" in whole._log.text.value
    whole._map_tab.show_in_3d()
    assert isinstance(whole._map_tab.view.children[1], MapView)


def test_a_change_is_asked_for_and_shown_until_it_is_taken_up(run, dashboard, monkeypatch):
    run.finish_iteration(0)
    open_tab(dashboard, "Settings")
    tab = dashboard._settings
    wait_for(lambda: tab.iteration.options == (0,))
    assert tab.change_button.disabled
    assert "Nothing to ask for" in tab.change_button.tooltip
    tab.fields["rotation_extent"].control.value = "30°"
    assert not tab.change_button.disabled
    assert "rotation_extent=0.5236" in tab.line.value
    asked = []
    monkeypatch.setattr(
        type(dashboard.run), "change", lambda self, **edits: asked.append(edits) or []
    )
    tab.change_button.click()
    assert asked == [{"mask": None, "rotation_extent": 0.5236}]
    assert dashboard._code.lines == ["run.change(rotation_extent=0.5236)"]
    tab.fields["rotation_extent"].control.value = "180°"
    assert f"rotation_extent={np.pi}" in tab.line.value, "it is within the limit"
    tab.fields["shift_extent"].control.value = "many"
    assert tab.change_button.disabled
    assert "not a number" in tab.change_button.tooltip


def test_a_fulcrum_that_cannot_be_read_leaves_the_one_in_the_other_unit(run, dashboard):
    run.finish_iteration(0)
    open_tab(dashboard, "Settings")
    tab = dashboard._settings
    wait_for(lambda: tab.iteration.options == (0,))
    tab.fields["fulcrum_angstrom"].control.value = "10, 20, 30"
    tab.fields["fulcrum"].control.value = "xx"
    assert tab.fields["fulcrum_angstrom"].control.value == "10, 20, 30"
    assert tab.change_button.disabled
    tab.fields["fulcrum"].control.value = ""
    assert tab.edits == {"fulcrum_angstrom": (10.0, 20.0, 30.0)}
    tab.fields["fulcrum"].control.value = "64, 60, 62"
    assert tab.edits == {"fulcrum": (64.0, 60.0, 62.0)}


def test_the_page_needs_nothing_from_elsewhere(whole, tmp_path):
    page = whole.save_html(tmp_path / "page.html").read_text()
    targets = re.findall(r"(?:src|href)\s*=\s*[\"']([^\"']*)", page) + re.findall(
        r"url\(([^)]*)", page
    )
    assert all(target.strip("\"'").startswith(("#", "data:")) for target in targets)
    assert "<script" not in page
    assert page.count('class="iteration"') == 3
    whole.save_html(tmp_path / "page.html")
    (tmp_path / "mine.html").write_text("mine")
    with pytest.raises(InputError, match="no saved dashboard"):
        whole.save_html(tmp_path / "mine.html")
    assert (tmp_path / "mine.html").read_text() == "mine"


def test_a_picture_and_a_table_stand_in_where_no_widget_lives(whole):
    bundle = whole._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "finished" in bundle["text/plain"]
    assert len(bundle["text/plain"].splitlines()) == 5
