"""RunComparison over pretended runs, and over runs with maps."""

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.widgets import RunComparison
from locref_widgets.widgets.comparison_panels import CurvesPanel, HeatmapRow, PosePairPanel
from tests.widgets.fake_run import FakeRun


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Events of two runs, without maps."""
    base = tmp_path_factory.mktemp("runs")
    for name, seed, iterations in (("one", 7, 2), ("two", 8, 3)):
        run = FakeRun(base / name, iterations=iterations, n_particles=300, seed=seed)
        run.run(seconds=0.01, batches=1)
    return [base / "one", base / "two"]


def test_heatmaps_share_one_scale_of_colours(wire, folders):
    shown = RunComparison(folders)
    assert list(shown._heatmaps.marks) == ["one", "two"]
    scales = {id(mark.scales["color"]) for mark in shown._heatmaps.marks.values()}
    assert len(scales) == 1
    largest = max(np.nanmax(mark.color) for mark in shown._heatmaps.marks.values())
    assert shown._heatmaps.colour.max >= largest
    shown._change.value = "Shift change"
    assert "Å" in shown._heatmaps.words.value
    shown.close()


def test_curves_are_told_apart_by_colour_and_dash(wire, folders):
    shown = RunComparison(folders)
    lines = shown._curves.figure.marks[1:]
    assert len({line.colors[0] for line in lines}) == len({line.line_style for line in lines}) == 2
    assert "one" in shown._curves.legend.value
    shown._which_curves.value = "One mask for all runs"
    assert "no maps on one grid" in shown._curves.legend.value
    shown.close()


def test_what_cannot_be_compared_is_said(wire, folders):
    shown = RunComparison(folders)
    assert "no iteration has finished yet" in shown._pair_words.value
    assert "iterations" not in shown._tables.value.split("Settings that differ")[1]
    shown.close()


def test_a_saved_notebook_has_a_picture_and_words(wire, folders):
    shown = RunComparison(folders)
    bundle = shown._repr_mimebundle_()
    assert bundle["image/png"].startswith("iVBOR")
    assert "one and two" in bundle["text/plain"]
    shown.close()


def test_one_run_alone_is_refused(wire, folders):
    with pytest.raises(InputError, match="2 to 6 can be compared"):
        RunComparison(folders[:1])


def test_each_part_is_drawn_once_and_the_pair_looked_at_stays(wire, folders, tmp_path, monkeypatch):
    third = tmp_path / "R&D"
    FakeRun(third, iterations=1, n_particles=300, seed=9).run(seconds=0.01, batches=1)
    drawn = []
    for panel in (CurvesPanel, HeatmapRow, PosePairPanel):
        show = panel.show
        monkeypatch.setattr(
            panel,
            "show",
            lambda self, *given, show=show: (drawn.append(type(self)), show(self, *given)),
        )
    once = [CurvesPanel, HeatmapRow, PosePairPanel]
    shown = RunComparison([*folders, third])
    assert drawn == once
    shown._pair.index = 2
    assert drawn == [*once, PosePairPanel]
    shown.refresh()
    assert shown._pair.label == "two and R&D"
    assert drawn == [*once, PosePairPanel, *once]
    # Escaped once: plain in the plain text, and never doubly.
    assert "R&D" in shown._repr_mimebundle_()["text/plain"]
    assert "&amp;amp;" not in shown._pair_words.value + shown._tables.value
    shown.close()


def test_a_control_that_fails_says_so(wire, folders, monkeypatch):
    shown = RunComparison(folders)
    monkeypatch.setattr(shown._heatmaps, "show", lambda *given: 1 / 0)
    shown._change.value = "Shift change"
    assert "division by zero" in shown._error.value
    monkeypatch.undo()
    shown._change.value = "Pose change"
    assert shown._error.value == ""
    shown.close()
