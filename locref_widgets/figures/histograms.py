"""How far the particles moved, against how far they were allowed to."""

import math

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from locref_widgets.figures.theme import (
    BLUE,
    GREY,
    INK,
    MUTED,
    ORANGE,
    new_figure,
    style_axes,
)


def share_at_limit(counts: Float[np.ndarray, " bins"]) -> float:
    """Share of the particles in the outermost bin, the one that ends at the search's limit."""
    total = float(np.sum(counts))
    return float(counts[-1]) / total if total else 0.0


def plot_pose_histogram(
    edges_deg: Float[np.ndarray, " edges"],
    counts: Float[np.ndarray, " bins"],
    limit_deg: float,
    median_deg: float | None,
) -> Figure:
    """Draw the pose changes in degrees (radians above) with the rotation extent marked."""
    return _plot(
        edges_deg,
        counts,
        limit=limit_deg,
        median=median_deg,
        xlabel="pose change (°)",
        unit="°",
        other_label="rad",
        other_factor=math.pi / 180,
    )


def plot_shift_histogram(
    edges_px: Float[np.ndarray, " edges"],
    counts: Float[np.ndarray, " bins"],
    limit_px: float,
    median_px: float | None,
    pixel_size_angstrom: float,
) -> Figure:
    """Draw the shift changes in pixels (Å above) with half the shift extent marked."""
    return _plot(
        edges_px,
        counts,
        limit=limit_px,
        median=median_px,
        xlabel="shift change (px)",
        unit=" px",
        other_label="Å",
        other_factor=pixel_size_angstrom,
    )


def _plot(
    edges: Float[np.ndarray, " edges"],
    counts: Float[np.ndarray, " bins"],
    *,
    limit: float,
    median: float | None,
    xlabel: str,
    unit: str,
    other_label: str,
    other_factor: float,
) -> Figure:
    figure = new_figure(560, 350)
    axes = figure.add_subplot()
    style_axes(axes, xlabel=xlabel, ylabel="particles")
    colours = [BLUE] * (len(counts) - 1) + [ORANGE]
    axes.bar(edges[:-1], counts, width=np.diff(edges) * 0.9, align="edge", color=colours)
    axes.axvline(limit, color=ORANGE, linewidth=1.6)
    # Head room for the two lines of text.
    axes.set_ylim(0, 1.28 * max(float(np.max(counts, initial=0)), 1.0))
    axes.set_xlim(0, 1.02 * float(edges[-1]))
    axes.annotate(
        f"search limit {limit:.3g}{unit}\n{100 * share_at_limit(counts):.1f} % in the last bin",
        (limit, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(-7, -3),
        textcoords="offset points",
        ha="right",
        va="top",
        fontsize=11,
        color=INK,
        linespacing=1.45,
    )
    if median is not None:
        axes.axvline(median, color=INK, linewidth=1.2, linestyle=(0, (3, 2)), ymax=0.84)
        axes.annotate(
            f"median {median:.3g}{unit}",
            (median, 0.85),
            xycoords=("data", "axes fraction"),
            xytext=(4 if median < 0.08 * limit else 0, 2),
            textcoords="offset points",
            ha="left" if median < 0.08 * limit else "center",
            va="bottom",
            fontsize=11,
            color=INK,
        )
    other = axes.secondary_xaxis(
        "top",
        functions=(
            lambda x: np.asarray(x) * other_factor,
            lambda x: np.asarray(x) / other_factor,
        ),
    )
    other.tick_params(colors=MUTED, labelsize=10.5, length=3)
    other.spines["top"].set_color(GREY)
    other.set_xlabel(other_label, color=MUTED, fontsize=11)
    return figure
