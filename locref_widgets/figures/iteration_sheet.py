"""One iteration on one sheet: heatmaps, histograms and FSC curves, drawn quickly.

Places are fixed: matplotlib's search for a layout takes longer than all the drawing, and a page may
hold some dozens of these.
"""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD
from locref_widgets.figures.fsc import curve_styles, draw_curves
from locref_widgets.figures.run_data import as_array, curves_of, number
from locref_widgets.figures.theme import (
    BLUE,
    INK,
    MUTED,
    ORANGE,
    bare_figure,
    style_axes,
)
from locref_widgets.figures.view_map import draw_view_map

# The last is drawn on top.
_CURVES = (
    "spherical",
    "no mask",
    "user mask",
    "dynamic mask randomised",
    "dynamic mask",
    "dynamic mask corrected",
)
_CHANGES = (
    ("pose_change", "pose_change_deg", "deg", "pose change (°)"),
    ("shift_change", "shift_change_px", "px", "shift change (px)"),
)


def plot_iteration(told: dict[str, Any]) -> Figure:
    """Draw what the event ``iteration_finished`` holds; without a search only the curves."""
    searched = told["iteration"] > 0 and bool(told.get("heatmap"))
    figure = bare_figure(1080, 760 if searched else 330)
    grid = figure.add_gridspec(
        3 if searched else 1,
        2,
        left=0.07,
        right=0.98,
        top=0.96 if searched else 0.93,
        bottom=0.07 if searched else 0.17,
        hspace=0.5,
        wspace=0.2,
    )
    if searched:
        for column, (change, key, unit, words) in enumerate(_CHANGES):
            axes = figure.add_subplot(grid[0, column])
            image = draw_view_map(axes, as_array(told["heatmap"][key]))
            bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=22, fraction=0.06)
            bar.ax.tick_params(colors=MUTED, labelsize=10, length=3)
            axes.set_title(f"mean {words} by initial view", color=INK, fontsize=12)
            _histogram(figure.add_subplot(grid[1, column]), told.get(change) or {}, unit, words)
    _curves(figure.add_subplot(grid[-1, :]), told)
    return figure


def _histogram(axes: Axes, change: dict[str, Any], unit: str, words: str) -> None:
    style_axes(axes, xlabel=words, ylabel="particles")
    if not change:
        return
    edges, counts = as_array(change[f"edges_{unit}"]), as_array(change["counts"])
    axes.stairs(counts, edges, fill=True, color=BLUE)
    limit, median = number(change.get(f"limit_{unit}")), number(change.get(f"median_{unit}"))
    if limit is not None:
        axes.axvline(limit, color=ORANGE, linewidth=1.6)
    if median is not None:
        axes.axvline(median, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
    axes.set_xlim(0, 1.02 * float(edges[-1]))


def _curves(axes: Axes, told: dict[str, Any]) -> None:
    style_axes(axes, xlabel="resolution (Å)", ylabel="FSC")
    told_curves = curves_of(told)
    curves = {name: told_curves[name] for name in _CURVES if name in told_curves}
    draw_curves(axes, curves, curve_styles(curves), (FSC_THRESHOLD,))
    if curves:
        axes.legend(frameon=False, fontsize=10.5, labelcolor=INK)
