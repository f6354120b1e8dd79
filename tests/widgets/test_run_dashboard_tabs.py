"""What a run's dashboard shows of one iteration: layers, tabs, particles, slices."""

import base64
import re
import threading

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.diagnostics import viewing_directions
from locref_widgets.runs.particle_columns import ParticleColumns
from locref_widgets.widgets import MapView, RunDashboard
from tests.widgets.dashboards import open_tab, rotation_map, wait_for
from tests.widgets.fake_run import FakeRun, small_particles


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
