"""Parts of the dashboard on their own: its faults in words, its picture, its place in a cell."""

import base64
import io
import time
from dataclasses import replace
from functools import partial

import ipywidgets as widgets
import matplotlib.image
import numpy as np
from matplotlib.colors import LinearSegmentedColormap

import locref_widgets as lw
from locref_widgets.errors import InputError
from locref_widgets.figures.png import png_bytes
from locref_widgets.io.particles import read_particles
from locref_widgets.runs import control
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets import RunDashboard, same_cell
from locref_widgets.widgets.cell_picture import coloured_cells
from locref_widgets.widgets.control_bar import ControlBar
from locref_widgets.widgets.dashboard_picture import picture_png
from locref_widgets.widgets.heatmap_layers import HeatmapData
from locref_widgets.widgets.heatmap_panel import HeatmapPanel
from locref_widgets.widgets.held import held
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.particles_tab import subset_code
from locref_widgets.widgets.style import EMPTY_COLOUR, VIRIDIS
from tests.widgets.fake_run import small_particles

AZIMUTH, ELEVATION = np.linspace(-np.pi, np.pi, 4), np.arcsin(np.linspace(-1, 1, 3))


def test_a_refused_request_stays_in_words_while_events_come(wire):
    def refuse(action):
        raise InputError("the folder is <read-only>")

    bar = ControlBar("run", refuse, lambda action: False)
    state = RunState(status="running")
    bar.show(state)
    bar.buttons["pause"].click()
    bar.show(state)
    bar.show_error("")
    assert "&lt;read-only&gt;" in bar.error.value
    bar.show_error("maps", source="work")
    assert "maps" in bar.error.value
    assert "read-only" in bar.error.value


def test_an_error_of_the_system_is_said_beside_the_buttons(wire, run, monkeypatch):
    def fail(*given, **edits):
        raise BlockingIOError(11, "no process can be started")

    run.finish_iteration(0)
    run.end("stopped")
    dashboard = RunDashboard(run.folder)
    monkeypatch.setattr(type(dashboard.run), "resume", fail)
    dashboard._controls.buttons["resume"].click()
    assert "BlockingIOError: [Errno 11] no process" in dashboard._controls.error.value
    assert "Stopped" in dashboard._controls.status.value
    dashboard._tabs.selected_index = dashboard._titles.index("Settings")
    monkeypatch.setattr(type(dashboard.run), "branch", fail)
    dashboard._settings.branch_button.click()
    assert "BlockingIOError: [Errno 11] no process" in dashboard._settings.said.value
    (run.folder / "run.json").unlink()
    dashboard._settings.reset_button.click()
    assert "is not a run folder" in dashboard._settings.said.value
    dashboard.close()


def test_a_paused_run_is_called_paused_whatever_it_was_asked(wire, tmp_path):
    bar = ControlBar("run", partial(control.request, tmp_path), lambda action: True)
    state = RunState(status="paused")
    bar.show(state)
    for action in (control.STOP_AFTER, "continue", "stop"):
        assert not bar.buttons[action].disabled
        bar.buttons[action].click()
        assert "Paused" in bar.status.value
    bar = ControlBar("run", partial(control.request, tmp_path), lambda action: True)
    bar.show(state)
    bar.buttons[control.STOP_AFTER].click()
    state.add({"kind": "continued"})
    bar.show(state)
    assert "Stopping after this iteration" in bar.status.value


def test_a_request_taken_back_elsewhere_is_not_waited_for(wire, tmp_path):
    is_pending = partial(control.is_pending, tmp_path)
    bar = ControlBar("run", partial(control.request, tmp_path), is_pending)
    state, done = RunState(), iter(range(100))

    def work():
        state.add({"kind": "progress", "iteration": 1, "done": next(done), "total": 100})
        bar.show(state)
        return bar.status.value

    for action, words in (("pause", "Pausing"), (control.STOP_AFTER, "Stopping")):
        work()
        bar.buttons[action].click()
        assert words in work()
        assert words in work(), "the batch under way may take long"
        control.request(tmp_path, "continue")
        assert words in work(), "the run may have taken it, and be about to say so"
        assert "Running" in work()
        assert not bar.buttons[action].disabled


def test_the_words_of_failed_work_go_once_it_succeeds():
    said = []
    tasks = LatestTasks(said.append)
    tasks.submit("maps", lambda: 1 / 0)
    assert tasks.wait(10)
    tasks.submit("rows", lambda: None)
    assert tasks.wait(10)
    assert said == ["ZeroDivisionError: division by zero"], "other work says nothing of it"
    tasks.submit("maps", lambda: None)
    assert tasks.wait(10)
    assert said[-1] == ""
    tasks.close()


def test_a_cell_that_is_run_again_closes_the_view_that_it_made(wire, monkeypatch):
    def show(cell, run):
        monkeypatch.setattr(same_cell, "_cell_and_run", lambda: (cell, run))
        view = widgets.VBox()
        same_cell.close_earlier(view)
        return view

    first, second = show("a", "1"), show("a", "1")
    other = show("b", "2")
    assert [view.comm is None for view in (first, second, other)] == [False, False, False]
    again = show("a", "3")
    assert [view.comm is None for view in (first, second, other, again)] == [
        True,
        True,
        False,
        False,
    ]


def test_png_bytes_are_read_back_as_the_same_pixels():
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)
    read = matplotlib.image.imread(io.BytesIO(png_bytes(pixels)), format="png")
    assert np.array_equal(np.round(read * 255).astype(np.uint8), pixels)


def test_cells_are_coloured_as_by_another_library_and_rows_go_upwards():
    values = np.random.default_rng(1).uniform(-1.0, 4.0, (6, 9))
    values[2, 3] = np.nan
    plain = LinearSegmentedColormap.from_list("ours", VIRIDIS, N=4096)
    colours = plain.with_extremes(bad=EMPTY_COLOUR)
    expected = 255 * colours(np.ma.masked_invalid(values / 3.0))[::-1, :, :3]
    # Half a step of rounding and that of the other's table, of which a colour spans 512 entries.
    np.testing.assert_allclose(coloured_cells(values, VIRIDIS, 0.0, 3.0), expected, atol=0.75)


def test_a_picture_is_seen_before_its_cells_know_their_numbers(wire):
    panel = HeatmapPanel("pose change", "°", lambda cell: None)
    first = HeatmapData(AZIMUTH, ELEVATION, {"mean": np.ones((2, 3))}, 9.0)
    panel.show(first)
    assert np.array_equal(panel.mark.color, np.ones((2, 3))), "drawn for the first time, once"
    wire.clear()
    values = np.array([[0.0, 1.0, np.nan], [2.0, 0.5, 4.0]])
    panel.show(replace(first, layers={"mean": values}))
    assert np.array_equal(panel.mark.color, np.ones((2, 3)))
    address = bytes(panel.picture.mark.image.value)
    pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(address.split(b",")[1])))
    assert np.array_equal(np.round(255 * pixels), coloured_cells(values, VIRIDIS, 0.0, 4.0))
    panel.settle()
    assert np.array_equal(panel.mark.color, values, equal_nan=True)
    wire.clear()
    panel.settle()
    assert not wire, "nothing is told twice"


def test_pictures_change_without_models_that_come_and_go(wire):
    """A page that is being loaded would be told of the end of models that it never knew."""
    panel = HeatmapPanel("pose change", "°", lambda cell: None)
    first = HeatmapData(AZIMUTH, ELEVATION, {"mean": np.ones((2, 3))}, 9.0)
    panel.show(first)
    seen = []
    for iteration in range(3):
        wire.clear()
        panel.show(replace(first, layers={"mean": np.full((2, 3), 0.1 * iteration)}))
        assert {kind for kind, *_ in wire} == {"comm_msg"}
        # The page draws what the image holds when it is told of another image.
        told = [
            {*data["state"], *(path[0] for path in data["buffer_paths"])} for _, data, _ in wire
        ]
        assert told.index({"value"}) < told.index({"image"})
        seen.append(bytes(panel.picture.mark.image.value))
    assert len(set(seen)) == 3


def test_models_held_together_tell_the_browser_once_each_and_in_order(wire):
    first, second = widgets.IntSlider(), widgets.IntSlider()
    wire.clear()
    with held(first, second):
        second.value, first.value, second.max = 5, 3, 7
    states = [data["state"] for kind, data, _ in wire if kind == "comm_msg"]
    assert states == [{"value": 3}, {"value": 5, "max": 7}]


def test_the_picture_is_as_wide_for_coarse_maps_as_for_fine_ones():
    state = RunState()
    for rows, columns in ((9, 18), (36, 72)):
        values = np.linspace(0, 3, rows * columns).reshape(rows, columns)
        values[0] = np.nan
        heatmap = {"pose_change_deg": values, "shift_change_px": values[:, ::-1]}
        state.iterations[1] = {"heatmap": heatmap}
        pixels = matplotlib.image.imread(io.BytesIO(picture_png(state)), format="png")
        assert pixels.shape == (432 * rows // columns, 2 * 432 + 24, 3)
        # Rows go upwards: the one without particles is at the bottom.
        np.testing.assert_allclose(pixels[-1, 0] * 255, [154, 160, 166])


def test_progress_sends_no_heatmap_again(wire, run):
    run.finish_iteration(0)
    run.finish_iteration(1)
    shown = RunDashboard(run.folder)
    shown._watcher.stop()
    assert shown._watcher.join()
    wire.clear()
    run.events.append("progress", iteration=2, phase="search", done=5, total=300)
    shown._watcher.poll()
    assert shown._controls.particle_bar.value == 5
    sent = [buffers for _, _, buffers in wire if buffers]
    assert sent == [], "only words and bars have changed"
    shown.close()


def test_a_run_resumed_from_elsewhere_is_followed_on(wire, run):
    shown = RunDashboard(run.folder)
    run.finish_iteration(0)
    run.end("stopped")
    end = time.monotonic() + 20
    while "Stopped" not in shown._controls.status.value:
        assert time.monotonic() < end
        time.sleep(0.02)
    run.events.append("run_resumed", iteration=0)
    run.finish_iteration(1)
    while 1 not in shown.state.iterations:
        assert time.monotonic() < end
        time.sleep(0.02)
    shown.close()


def test_warnings_are_told_before_a_change_and_after_a_branch(wire, run, monkeypatch):
    run.finish_iteration(0)
    dashboard = RunDashboard(run.folder)
    dashboard._tabs.selected_index = dashboard._titles.index("Settings")
    tab = dashboard._settings
    assert tab.iteration.options == (0,)
    tab.fields["rotation_extent"].control.value = "50°"
    tab.fields["prior_rotation"].control.value = "2"
    words = (
        tab.fields["rotation_extent"]._message.value + tab.fields["prior_rotation"]._message.value
    )
    assert "⚠" in words
    monkeypatch.setattr(type(dashboard.run), "branch", lambda self, *given, **edits: self)
    tab.branch_button.click()
    assert "goes on from iteration 0" in tab.said.value
    assert "⚠" in tab.said.value
    dashboard.close()


def test_the_code_of_a_subset_holds_every_row(tmp_path):
    particles = small_particles(tmp_path)
    rows = np.arange(3, 37)
    code = subset_code(tmp_path / "particles.star", rows, str(tmp_path / "new.star"))
    exec(code, {"lw": lw})  # noqa: S102 - the code is ours
    written = read_particles(tmp_path / "new.star").table.strings("rlnOwnNote")
    assert list(written) == [particles.table.strings("rlnOwnNote")[row] for row in rows]
    many = subset_code(tmp_path / "particles.star", np.arange(200_000), "new.star")
    assert len(many) < 300
    assert "200,000 rows" in many
