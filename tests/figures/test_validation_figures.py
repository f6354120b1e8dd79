"""Figures of half-maps: what is drawn is what was given, and nothing is lost."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.engine.fsc_directional import DirectionalFSC, fibonacci_directions
from locref_widgets.engine.guinier import GuinierPlot
from locref_widgets.figures.fsc import plot_fsc
from locref_widgets.figures.fsc_directional import plot_directional_fsc
from locref_widgets.figures.guinier import plot_guinier
from locref_widgets.figures.local_resolution import plot_local_resolution
from locref_widgets.figures.png import write_png
from locref_widgets.figures.run_data import Curve

FREQUENCY = np.linspace(0, 0.25, 33)


def curve(width: float) -> Curve:
    return Curve(FREQUENCY, np.exp(-((FREQUENCY / width) ** 2)), 1 / (1.4 * width))


def test_every_curve_of_the_suite_is_told_apart_and_quoted() -> None:
    names = ["no mask", "spherical", "loose", "tight", "tight randomised", "tight corrected"]
    names += ["user mask", "user mask randomised", "user mask corrected"]
    curves = {name: curve(0.08 + 0.005 * number) for number, name in enumerate(names)}
    figure = plot_fsc(curves, randomised_from_per_angstrom=0.05)
    lines = figure.axes[0].lines[: len(names)]
    looks = {(line.get_color(), str(line._dash_pattern), line.get_linewidth()) for line in lines}  # pyright: ignore[reportAttributeAccessIssue]
    assert len(looks) == len(names)
    labels = {str(line.get_label()) for line in lines}
    assert "user mask randomised" in labels  # no resolution of a randomised curve
    assert f"tight corrected  {curves['tight corrected'].resolution_angstrom:.2f} Å" in labels
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "phases random from 20 Å" in texts


def test_guinier_plot_draws_the_line_that_was_fitted() -> None:
    x = FREQUENCY**2
    weighted = np.where(np.arange(33) < 25, -8 - 30 * x, np.nan)
    fitted = (np.arange(33) >= 13) & (np.arange(33) < 25)
    figure = plot_guinier(GuinierPlot(x, -8 - 20 * x, weighted, fitted, -30.0, -8.0, -1.0))
    line = figure.axes[0].lines[-1]
    np.testing.assert_allclose(line.get_xdata(), x[[13, 24]])
    np.testing.assert_allclose(line.get_ydata(), -8 - 30 * x[[13, 24]])
    assert line.get_label() == "fit: B = −120 Å²"


def test_directional_figure_marks_the_worst_direction() -> None:
    directions = fibonacci_directions(40)
    falls = 0.06 + 0.05 * np.abs(directions[:, 2])
    cones = DirectionalFSC(directions, np.exp(-((FREQUENCY / falls[:, None]) ** 2)), FREQUENCY)
    figure = plot_directional_fsc(cones)
    left, right = figure.axes[:2]
    assert left.get_title(loc="left") == f"cFAR {cones.area_ratio:.2f}"
    mark = right.lines[0]
    worst = cones.worst_direction
    expected = worst[:2] / np.sqrt(1 + worst[2])
    drawn = [float(np.asarray(values)[0]) for values in (mark.get_xdata(), mark.get_ydata())]
    np.testing.assert_allclose(drawn, expected)


def test_local_resolution_is_drawn_inside_the_mask_only(rng) -> None:
    local = rng.uniform(4, 8, (20, 20, 20)).astype(np.float32)
    mask = np.zeros_like(local)
    mask[5:15, 5:15, 5:15] = 1.0
    figure = plot_local_resolution(local, rng.normal(size=local.shape), mask, 2.0)
    shown = np.ma.asarray(figure.axes[0].images[1].get_array())
    np.testing.assert_array_equal(np.ma.getmaskarray(shown), mask[10] < 0.5)
    (median,) = [t.get_text() for t in figure.axes[-1].texts if "median" in t.get_text()]
    inside = local[mask > 0.5]
    assert median == f"median {np.median(inside):.2f} Å"


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_uniform_local_resolution_and_an_empty_mask_are_drawn(level: float) -> None:
    volume = np.full((8, 8, 8), 5.0, np.float32)
    figure = plot_local_resolution(volume, volume, np.full_like(volume, level), 1.0)
    figure.draw_without_rendering()


def test_png_is_white_and_twice_as_large(tmp_path: Path) -> None:
    import matplotlib.image

    write_png(tmp_path / "a.png", plot_fsc({"no mask": curve(0.1)}))
    picture = matplotlib.image.imread(tmp_path / "a.png")
    assert picture.shape[:2] == (924, 1220)
    np.testing.assert_array_equal(picture[0, 0], 1.0)
