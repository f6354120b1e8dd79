"""A run in one picture: what stands in place of the dashboard where nothing is alive."""

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from locref_widgets.figures.fsc import angstrom_ticks
from locref_widgets.figures.headline import STATUS_WORDS, fixed
from locref_widgets.figures.run_data import RunData, as_array, corrected_curve, number
from locref_widgets.figures.theme import BLUE, INK, MUTED, ORANGE, bare_figure, style_axes
from locref_widgets.figures.view_map import draw_view_map

_DOTS_PER_INCH = 90


def overview_png(run: RunData) -> bytes:
    """Draw heatmaps, FSC and trends of a run as a PNG picture on white."""
    buffer = io.BytesIO()
    plot_overview(run).savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    return buffer.getvalue()


def overview_text(run: RunData) -> str:
    """Tell the iterations of a run as a table in plain text."""
    words = STATUS_WORDS.get(run.status, ("", run.status))[1]
    lines = [f"Local refinement {run.name}: {words}"]
    if run.iterations:
        lines.append("iteration  resolution (Å)  pose change (°)  shift change (px)  at bound (%)")
    for told in run.iterations:
        share = number(told.get("at_bound_fraction"))
        lines.append(
            f"{told['iteration']:9d}  {fixed(number(told.get('resolution_angstrom'))):>14}"
            f"  {fixed(number((told.get('pose_change') or {}).get('median_deg'))):>15}"
            f"  {fixed(number((told.get('shift_change') or {}).get('median_px'))):>17}"
            f"  {'–' if share is None else f'{100 * share:.1f}':>12}"
        )
    return "\n".join(lines)


def plot_overview(run: RunData) -> Figure:
    """Draw the last iteration's heatmaps, and FSC and trends of all of them."""
    words = STATUS_WORDS.get(run.status, ("", run.status))[1]
    if not run.iterations:
        figure = bare_figure(900, 90)
        figure.text(
            0.02,
            0.5,
            f"{run.name}: {words}. No iteration has finished yet.",
            fontsize=15,
            color=INK,
        )
        return figure
    figure = bare_figure(960, 620)
    places = {"left": 0.07, "right": 0.94, "top": 0.9, "bottom": 0.09, "hspace": 0.35}
    grid = figure.subplots(2, 2, gridspec_kw={**places, "wspace": 0.24})
    last = run.last
    figure.suptitle(
        f"{run.name}: {words}, iteration {last['iteration']},"
        f" {fixed(number(last.get('resolution_angstrom')))} Å",
        fontsize=15,
        color=INK,
    )
    heatmap = last.get("heatmap")
    for axes, key, label in zip(
        grid[0],
        ("pose_change_deg", "shift_change_px"),
        ("mean pose change (°)", "mean shift change (px)"),
        strict=True,
    ):
        if heatmap:
            image = draw_view_map(axes, as_array(heatmap[key]))
            bar = figure.colorbar(image, ax=axes, pad=0.02, aspect=24, fraction=0.06)
            bar.ax.tick_params(colors=MUTED, labelsize=10, length=3)
        axes.set_title(f"{label} by initial view", fontsize=12, color=INK)
    _draw_curves(grid[1, 0], run)
    _draw_trends(grid[1, 1], run)
    return figure


def _draw_curves(axes: Axes, run: RunData) -> None:
    style_axes(axes, xlabel="resolution (Å)", ylabel="Fourier shell correlation")
    highest = 0.0
    steps = np.linspace(0.85, 0.15, len(run.iterations))
    from matplotlib import colormaps

    for told, step in zip(run.iterations, steps, strict=True):
        curve = corrected_curve(told)
        if curve is None:
            continue
        is_last = told is run.last
        axes.plot(
            curve.frequency_per_angstrom,
            curve.values,
            color=ORANGE if is_last else colormaps["viridis"](step),
            linewidth=2.2 if is_last else 1.1,
            label=f"iteration {told['iteration']}" if is_last or told is run.first else None,
        )
        highest = max(highest, float(curve.frequency_per_angstrom[-1]))
    axes.axhline(0.143, color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)))
    axes.set_xlim(0, highest or 1)
    axes.set_ylim(-0.06, 1.04)
    angstrom_ticks(axes.xaxis, highest)
    axes.set_title("corrected FSC, from iteration to iteration", fontsize=12, color=INK)
    axes.legend(frameon=False, fontsize=10, labelcolor=INK)


def _draw_trends(axes: Axes, run: RunData) -> None:
    style_axes(axes, xlabel="iteration", ylabel="resolution (Å)")
    told = [
        (
            entry["iteration"],
            number(entry.get("resolution_angstrom")),
            number((entry.get("pose_change") or {}).get("median_deg")),
        )
        for entry in run.iterations
    ]
    numbers = [n for n, _, _ in told]
    axes.plot(numbers, [v if v is not None else np.nan for _, v, _ in told], "o-", color=ORANGE)
    axes.yaxis.label.set_color(ORANGE)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    other = axes.twinx()
    other.plot(numbers, [v if v is not None else np.nan for _, _, v in told], "s--", color=BLUE)
    other.set_ylabel("median pose change (°)", color=BLUE, fontsize=12)
    other.tick_params(colors=MUTED, labelsize=11)
    other.spines["top"].set_visible(False)
    axes.set_title("resolution and pose change", fontsize=12, color=INK)
