"""Mean change of pose or shift over the sphere of initial viewing directions.

Drawn as Lambert's equal-area cylinder: the height is the sine of the elevation, so that every bin
covers the same share of the sphere and of the picture.
"""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter

from locref_widgets.figures.theme import EMPTY, HATCH, INK, MUTED, new_figure, style_axes

_ELEVATION_TICKS_DEG = np.array([-90, -45, -20, 0, 20, 45, 90])


def plot_pose_heatmap(
    azimuth_edges_rad: Float[np.ndarray, " azimuths"],
    elevation_edges_rad: Float[np.ndarray, " elevations"],
    pose_change_deg: Float[np.ndarray, "rows columns"],
) -> Figure:
    """Draw the mean pose change in degrees; NaN marks bins without particles."""
    return _plot(
        azimuth_edges_rad,
        elevation_edges_rad,
        pose_change_deg,
        label="mean pose change (°)",
        tick=FuncFormatter(lambda v, _: f"{v:g}°"),
    )


def plot_shift_heatmap(
    azimuth_edges_rad: Float[np.ndarray, " azimuths"],
    elevation_edges_rad: Float[np.ndarray, " elevations"],
    shift_change_px: Float[np.ndarray, "rows columns"],
    pixel_size_angstrom: float,
) -> Figure:
    """Draw the mean shift change in pixels, with Å beside; NaN marks bins without particles."""
    return _plot(
        azimuth_edges_rad,
        elevation_edges_rad,
        shift_change_px,
        label="mean shift change, px (Å)",
        tick=FuncFormatter(lambda v, _: f"{v:g} ({v * pixel_size_angstrom:.1f} Å)"),
    )


def _plot(
    azimuth_edges_rad: Float[np.ndarray, " azimuths"],
    elevation_edges_rad: Float[np.ndarray, " elevations"],
    mean: Float[np.ndarray, "rows columns"],
    *,
    label: str,
    tick: FuncFormatter,
) -> Figure:
    figure = new_figure(560, 350)
    axes = figure.add_subplot()
    style_axes(
        axes, xlabel="azimuth of the initial view", ylabel="elevation (equal area)", grid=None
    )
    axes.add_patch(
        Rectangle(
            (0, 0),
            1,
            1,
            transform=axes.transAxes,
            facecolor=EMPTY,
            edgecolor=HATCH,
            hatch="////",
            linewidth=0,
            zorder=0,
        )
    )
    values = np.ma.masked_invalid(np.asarray(mean, dtype=np.float64))
    highest = float(values.max()) if values.count() else 0.0
    mesh = axes.pcolormesh(
        np.rad2deg(azimuth_edges_rad),
        np.sin(elevation_edges_rad),
        values,
        cmap="viridis",
        vmin=0.0,
        vmax=highest or 1.0,
        edgecolors="face",
        linewidth=0.3,
        zorder=1,
    )
    axes.set_xlim(-180, 180)
    axes.set_ylim(-1, 1)
    axes.set_xticks(range(-180, 181, 60), [f"{degrees}°" for degrees in range(-180, 181, 60)])
    axes.set_yticks(
        np.sin(np.deg2rad(_ELEVATION_TICKS_DEG)),
        [f"{degrees}°" for degrees in _ELEVATION_TICKS_DEG],
    )
    bar = figure.colorbar(mesh, ax=axes, format=tick, pad=0.02, aspect=24)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(colors=MUTED, labelsize=11, length=3)
    bar.set_label(label, color=INK, fontsize=12, labelpad=8)
    if np.ma.getmaskarray(values).any():
        figure.legend(
            handles=[Patch(facecolor=EMPTY, edgecolor=HATCH, hatch="////", label="no particles")],
            loc="outside lower right",
            frameon=False,
            fontsize=11,
            labelcolor=INK,
        )
    return figure
