"""Figures of two to six runs side by side."""

from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from locref_widgets.figures.fsc import draw_curves
from locref_widgets.figures.run_data import Curve, RunData, as_array, corrected_curve
from locref_widgets.figures.slices import MASK_COLOUR, draw_scale_bar, mask_centre, mask_window
from locref_widgets.figures.theme import (
    BLUE,
    EMPTY,
    GREEN,
    GREY,
    INK,
    MUTED,
    ORANGE,
    PURPLE,
    SKY,
    new_figure,
    style_axes,
)
from locref_widgets.runs.map_difference import MapDifference

# colour and dash: told apart without the colour, too
STYLES = (
    (BLUE, "-"),
    (ORANGE, (0, (6, 2))),
    (GREEN, (0, (1.5, 1.8))),
    (PURPLE, (0, (7, 2, 1.5, 2))),
    (SKY, (0, (3, 2))),
    (GREY, (0, (9, 2, 1.5, 2, 1.5, 2))),
)
SIGMA_LIMIT = 5.0
_HEATMAPS = {
    "pose_change_deg": ("mean pose change (°)", 1.0),
    "shift_change_px": ("mean shift change (Å)", None),
}


def plot_curves(curves: dict[str, Curve]) -> Figure:
    """Draw an FSC curve for each run, by its name."""
    figure = new_figure(610, 400 + 18 * len(curves))
    axes = figure.add_subplot()
    _draw_curves(axes, curves)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11, labelcolor=INK)
    return figure


def plot_overview(runs: dict[str, RunData]) -> Figure:
    """Draw the curves of all runs, and the pose changes of each, in one picture."""
    figure = new_figure(520 + 300 * len(runs), 360)
    grid = figure.subplots(1, 1 + len(runs), squeeze=False)[0]
    _draw_curves(grid[0], corrected_curves(runs))
    grid[0].legend(frameon=False, fontsize=10, labelcolor=INK)
    limit = heatmap_limits(runs)["pose_change_deg"]
    mesh = _draw_heatmaps(list(grid[1:]), runs, "pose_change_deg", limit)
    if mesh is not None:
        bar = figure.colorbar(mesh, ax=list(grid[1:]), pad=0.02, aspect=24)
        bar.set_label(_HEATMAPS["pose_change_deg"][0], color=INK, fontsize=12)
    return figure


def _draw_curves(axes: Axes, curves: dict[str, Curve]) -> None:
    style_axes(axes, xlabel="resolution (Å)", ylabel="Fourier shell correlation", grid="y")
    styles = {name: (look[0], look[1], 2.0) for name, look in zip(curves, STYLES, strict=False)}
    draw_curves(axes, curves, styles)


def corrected_curves(runs: dict[str, RunData]) -> dict[str, Curve]:
    """The curve that each run's resolution is read from; runs without one are left out."""
    found = {name: corrected_curve(run.last) for name, run in runs.items() if run.iterations}
    return {name: curve for name, curve in found.items() if curve is not None}


def heatmap_limits(runs: dict[str, RunData]) -> dict[str, float]:
    """The largest mean of all runs, for one scale of colours."""
    limits = {}
    for key in _HEATMAPS:
        values = [
            as_array(run.last["heatmap"][key]) * _unit(key, run)
            for run in runs.values()
            if run.iterations and run.last.get("heatmap")
        ]
        finite = [float(np.nanmax(v)) for v in values if np.isfinite(v).any()]
        limits[key] = max(finite, default=0.0) or 1.0
    return limits


def plot_heatmaps(runs: dict[str, RunData], key: str) -> Figure:
    """Draw one heatmap of each run over the views, all on one scale of colours."""
    label, _ = _HEATMAPS[key]
    limit = heatmap_limits(runs)[key]
    columns = min(3, len(runs))
    rows = -(-len(runs) // columns)
    figure = new_figure(360 * columns, 260 * rows)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes in grid.flat[len(runs) :]:
        axes.set_visible(False)
    mesh = _draw_heatmaps(list(grid.flat), runs, key, limit)
    if mesh is not None:
        bar = figure.colorbar(mesh, ax=list(grid.flat), pad=0.02, aspect=24)
        bar.ax.tick_params(colors=MUTED, labelsize=11)
        bar.set_label(label, color=INK, fontsize=12)
    return figure


def _draw_heatmaps(
    places: list[Axes], runs: dict[str, RunData], key: str, limit: float
) -> QuadMesh | None:
    mesh = None
    for axes, (name, run) in zip(places, runs.items(), strict=False):
        style_axes(axes, xlabel="azimuth", ylabel="elevation", grid=None)
        axes.set_facecolor(EMPTY)
        axes.set_title(name, color=INK, fontsize=12)
        heatmap: dict[str, Any] | None = run.last.get("heatmap") if run.iterations else None
        if not heatmap:
            continue
        mesh = axes.pcolormesh(
            np.rad2deg(as_array(heatmap["azimuth_edges_rad"])),
            np.sin(as_array(heatmap["elevation_edges_rad"])),
            np.ma.masked_invalid(as_array(heatmap[key]) * _unit(key, run)),
            cmap="viridis",
            vmin=0.0,
            vmax=limit,
        )
        axes.set_xticks((-180, 0, 180), ("-180°", "0°", "180°"))
        ticks = np.array([-90, -30, 0, 30, 90])
        axes.set_yticks(np.sin(np.deg2rad(ticks)), [f"{tick}°" for tick in ticks])
    return mesh


def plot_pose_pairs(
    turn_deg: Float[np.ndarray, " n"], shift_angstrom: Float[np.ndarray, " n"]
) -> Figure:
    """Draw how far the poses of a pair of runs lie apart, a dot for each particle."""
    figure = new_figure(520, 360)
    axes = figure.add_subplot()
    style_axes(axes, xlabel="turned by (°)", ylabel="region moved by (Å)", grid="both")
    axes.plot(turn_deg, shift_angstrom, ".", color=BLUE, markersize=4, alpha=0.5, rasterized=True)
    for values, draw in ((turn_deg, axes.axvline), (shift_angstrom, axes.axhline)):
        if values.size:
            draw(float(np.median(values)), color=ORANGE, linewidth=1.5, linestyle=(0, (6, 2)))
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    return figure


def plot_difference(found: MapDifference, names: tuple[str, str]) -> Figure:
    """Draw both maps and their difference in sigma, in three planes through the mask's centre."""
    figure = new_figure(960, 900)
    grid = figure.subplots(3, 3, squeeze=False)
    centre = mask_centre(found.mask)
    low, high = mask_window(found.mask)
    inside = found.mask > 0.5
    shown = found.first[inside] if inside.any() else found.first
    grey = {"vmin": float(np.quantile(shown, 0.03)), "vmax": float(np.quantile(shown, 0.998))}
    sigma = {"vmin": -SIGMA_LIMIT, "vmax": SIGMA_LIMIT}
    picture = None
    for row, (across, up, cut) in enumerate(((0, 1, 2), (0, 2, 1), (1, 2, 0))):
        outline = np.take(found.mask, centre[cut], axis=2 - cut)
        for column, volume in enumerate((found.first, found.second, found.sigma)):
            axes = grid[row, column]
            plane = np.take(volume, centre[cut], axis=2 - cut)
            last = column == 2
            drawn = axes.imshow(
                plane,
                cmap="RdBu_r" if last else "gray",
                origin="lower",
                **(sigma if last else grey),
            )
            picture = drawn if last else picture
            if outline.max() > 0.5 > outline.min():
                colour = INK if last else MASK_COLOUR
                axes.contour(outline, levels=[0.5], colors=colour, linewidths=1.2, linestyles="--")
            axes.set_xlim(low[across] - 0.5, high[across] - 0.5)
            axes.set_ylim(low[up] - 0.5, high[up] - 0.5)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                title = (*names, "difference (σ)")[column]
                axes.set_title(title, color=INK, fontsize=13)
            if column == 0:
                axes.set_ylabel(f"{'xyz'[across]}{'xyz'[up]} plane", color=MUTED, fontsize=12)
    draw_scale_bar(grid[-1, 0], found.voxel_size_angstrom)
    assert picture is not None  # noqa: S101
    bar = figure.colorbar(picture, ax=list(grid[:, 2]), pad=0.02, aspect=40, shrink=0.7)
    bar.ax.tick_params(colors=MUTED, labelsize=11)
    return figure


def _unit(key: str, run: RunData) -> float:
    # Runs may differ in pixel size: Å are the same in all.
    return run.pixel_size_angstrom if _HEATMAPS[key][1] is None else 1.0
