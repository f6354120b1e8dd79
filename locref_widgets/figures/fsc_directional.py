"""The FSC in cones: how far the curves spread, and in which direction the map is worse."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from locref_widgets.engine.fsc_directional import DirectionalFSC
from locref_widgets.figures.fsc import angstrom_ticks
from locref_widgets.figures.theme import BLUE, GREY, INK, MUTED, ORANGE, new_figure, style_axes


def plot_directional_fsc(directional: DirectionalFSC) -> Figure:
    """Draw mean, spread and extremes of the cones' curves, and the resolution by direction."""
    figure = new_figure(980, 440)
    left, right = figure.subplots(1, 2, width_ratios=(1.35, 1.0))
    _draw_curves(left, directional)
    _draw_directions(figure, right, directional)
    return figure


def _draw_curves(axes: Axes, directional: DirectionalFSC) -> None:
    style_axes(axes, xlabel="resolution (Å)", ylabel="FSC in cones")
    frequency, curves = directional.frequency_per_angstrom, directional.curves
    mean, spread = curves.mean(axis=0), curves.std(axis=0)
    smallest, largest = directional.smallest.values, directional.largest.values
    axes.fill_between(
        frequency,
        smallest,
        largest,
        color=GREY,
        alpha=0.18,
        linewidth=0,
        label="smallest to largest",
    )
    axes.fill_between(
        frequency,
        mean - spread,
        mean + spread,
        color=BLUE,
        alpha=0.22,
        linewidth=0,
        label="mean ± standard deviation",
    )
    axes.plot(frequency, mean, color=BLUE, linewidth=2.4, label="mean")
    worst = int(np.argmin(directional.areas))
    axes.plot(
        frequency,
        curves[worst],
        color=ORANGE,
        linewidth=1.7,
        linestyle=(0, (6, 2)),
        label="the worst direction",
    )
    axes.axhline(directional.threshold, color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)), zorder=2)
    axes.set_xlim(0, float(frequency[-1]))
    axes.set_ylim(-0.12, 1.04)
    angstrom_ticks(axes.xaxis, float(frequency[-1]))
    axes.set_title(f"cFAR {directional.area_ratio:.2f}", color=INK, fontsize=13, loc="left", pad=8)
    axes.legend(frameon=False, fontsize=10.5, labelcolor=INK, loc="upper right")


def _draw_directions(figure: Figure, axes: Axes, directional: DirectionalFSC) -> None:
    """Directions on the half-sphere z >= 0 seen along z, areas kept (Lambert)."""
    directions = directional.directions
    upward = np.where(directions[:, 2:] < 0, -directions, directions)
    flat = upward[:, :2] / np.sqrt(1.0 + upward[:, 2:])
    resolutions = directional.resolutions_angstrom
    # Outliers would take all the colours: one cone may end in its first shells.
    low, high = np.percentile(resolutions, [2, 98])
    marks = axes.scatter(
        flat[:, 0],
        flat[:, 1],
        c=resolutions,
        cmap="viridis_r",
        s=46,
        vmin=low,
        vmax=max(high, low * 1.001),
        linewidths=0,
        zorder=3,
    )
    worst = int(np.argmin(directional.areas))
    axes.plot(*flat[worst], "o", ms=11, mfc="none", mec=ORANGE, mew=2.0, zorder=4)
    for elevation in (0, 30, 60):
        radius = np.sqrt(1.0 - np.sin(np.deg2rad(elevation)))
        axes.add_patch(Circle((0, 0), radius, fill=False, ec=GREY, lw=0.6, zorder=1))
    for x, y, name in ((1.07, 0, "x"), (0, 1.07, "y"), (-0.03, -0.09, "z")):
        axes.annotate(name, (x, y), ha="center", va="center", color=MUTED, fontsize=11, zorder=5)
    axes.set_xlim(-1.15, 1.15)
    axes.set_ylim(-1.15, 1.15)
    axes.set_aspect("equal")
    axes.axis("off")
    bar = figure.colorbar(marks, ax=axes, pad=0.02, aspect=24, shrink=0.86)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(colors=MUTED, labelsize=11, length=3)
    bar.ax.invert_yaxis()  # the better resolution above
    bar.set_label("resolution by direction (Å)", color=INK, fontsize=12, labelpad=8)
