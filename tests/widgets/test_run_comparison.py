"""RunComparison over pretended runs, and over runs with maps."""

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.widgets import RunComparison
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
