"""FSC curves against frequency, read off in Å."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD
from locref_widgets.figures.run_data import Curve
from locref_widgets.figures.theme import (
    BLUE,
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

THRESHOLDS = (0.5, FSC_THRESHOLD)
BEFORE = "before refinement"
# The figure grows by a row of the legend for every two curves over six.
_ROWS_OF_LEGEND, _ROW_PX = 3, 20

CurveStyle = tuple[str, Any, float]
"""Colour, dash as matplotlib has it, width."""
_STYLES: dict[str, CurveStyle] = {
    "dynamic mask corrected": (BLUE, "-", 2.6),
    "dynamic mask": (ORANGE, (0, (6, 2)), 1.7),
    "dynamic mask randomised": (PURPLE, (0, (1.2, 1.6)), 1.7),
    "user mask corrected": (GREEN, "-", 2.6),
    "user mask": (GREEN, (0, (9, 2, 1.5, 2, 1.5, 2)), 1.7),
    "user mask randomised": (GREEN, (0, (1.2, 1.6)), 1.7),
    "tight corrected": (BLUE, "-", 2.2),
    "tight": (ORANGE, (0, (6, 2)), 1.7),
    "tight randomised": (PURPLE, (0, (1.2, 1.6)), 1.7),
    "loose": (INK, (0, (4, 2, 1.2, 2)), 1.3),
    "spherical": (SKY, (0, (7, 2, 1.5, 2)), 1.7),
    "no mask": (GREY, (0, (3, 2)), 1.7),
    BEFORE: (INK, (0, (4, 3)), 1.3),
}
# The tight mask is the quoted one only where there is no dynamic one.
_TIGHT_BESIDE_DYNAMIC = {
    "tight corrected": (INK, "-", 1.4),
    "tight": (INK, (0, (6, 2)), 1.2),
    "tight randomised": (INK, (0, (1.2, 1.6)), 1.2),
}
# For curves of other names, in their order.
_MORE_STYLES = (
    (ORANGE, (0, (6, 2)), 1.9),
    (PURPLE, (0, (7, 2, 1.5, 2)), 1.9),
    (SKY, (0, (3, 2)), 1.9),
    (INK, (0, (9, 2, 1.5, 2, 1.5, 2)), 1.4),
    (MUTED, "-", 1.4),
)
_NICE_ANGSTROM = (100, 50, 30, 20, 15, 12, 10, 8, 7, 6, 5, 4.5, 4, 3.5, 3, 2.5, 2.2, 2, 1.8, 1.5)


def plot_fsc(
    curves: dict[str, Curve],
    before: Curve | None = None,
    *,
    randomised_from_per_angstrom: float | None = None,
) -> Figure:
    """Draw every curve with its resolution in the legend.

    ``before`` is the corrected curve of the poses given to the job, drawn for comparison.
    ``randomised_from_per_angstrom`` marks the frequency from which phases were randomised.
    """
    more_rows = max(0, (len(curves) + 1) // 2 - _ROWS_OF_LEGEND)
    figure = new_figure(610, 462 + _ROW_PX * more_rows)
    axes = figure.add_subplot()
    style_axes(axes, xlabel="resolution (Å)", ylabel="Fourier shell correlation", grid="y")
    drawn = dict(curves) if before is None else {**curves, BEFORE: before}
    styles = curve_styles(drawn)
    draw_curves(axes, {name: drawn[name] for name in sorted(drawn, key=_rank)}, styles)
    for threshold in THRESHOLDS:
        axes.annotate(
            f"{threshold:g}",
            (1.0, threshold),
            xycoords=("axes fraction", "data"),
            xytext=(-2, 3),
            textcoords="offset points",
            ha="right",
            fontsize=10.5,
            color=MUTED,
        )
    if randomised_from_per_angstrom is not None:
        axes.axvline(randomised_from_per_angstrom, color=MUTED, linewidth=0.8, zorder=1)
        axes.annotate(
            f"phases random from {1 / randomised_from_per_angstrom:.3g} Å",
            (randomised_from_per_angstrom, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(-3, 3),
            textcoords="offset points",
            fontsize=10.5,
            color=MUTED,
        )
    figure.legend(
        loc="outside lower center",
        ncols=2,
        frameon=False,
        fontsize=11,
        labelcolor=INK,
        handlelength=3.2,
        columnspacing=2.2,
    )
    return figure


def curve_styles(names: Iterable[str]) -> dict[str, CurveStyle]:
    """How each curve of a run looks, in every figure: (colour, dash, width) by its name."""
    given = list(names)
    others = [name for name in given if name not in _STYLES]
    styles = _STYLES | dict(zip(others, cycle(_MORE_STYLES), strict=False))
    if "dynamic mask" in given:
        styles |= _TIGHT_BESIDE_DYNAMIC
    return {name: styles[name] for name in given}


def draw_curves(
    axes: Axes,
    curves: Mapping[str, Curve],
    styles: Mapping[str, CurveStyle],
    thresholds: Sequence[float] = THRESHOLDS,
) -> None:
    """Draw curves in their order, named with their resolutions, in a frame that is read in Å."""
    highest = 0.0
    for name, curve in curves.items():
        colour, dash, width = styles[name]
        resolution = curve.resolution_angstrom
        quoted = f"{resolution:.2f} Å" if resolution and not name.endswith("randomised") else ""
        axes.plot(
            curve.frequency_per_angstrom,
            curve.values,
            color=colour,
            linestyle=dash,
            linewidth=width,
            label=f"{name}  {quoted}".strip(),
            zorder=4 if name.endswith("corrected") else 3,
        )
        highest = max(highest, float(np.max(curve.frequency_per_angstrom, initial=0.0)))
    for threshold in thresholds:
        axes.axhline(threshold, color=MUTED, linewidth=1.0, linestyle=(0, (2, 3)), zorder=2)
    axes.set_xlim(0, highest or 1)
    axes.set_ylim(-0.06, 1.04)
    angstrom_ticks(axes.xaxis, highest)


def _rank(name: str) -> int:
    order = list(_STYLES)
    return order.index(name) if name in order else len(order)


def clear_of_each_other(positions: Sequence[float], highest: float, least: float) -> list[float]:
    """Those of ascending positions from ``least`` to ``highest`` whose labels have room."""
    chosen: list[float] = []
    for position in positions:
        # 7 % of the width keeps two labels apart.
        apart = not chosen or position - chosen[-1] > 0.07 * highest
        if least < position <= highest and apart:
            chosen.append(position)
    return chosen


def angstrom_ticks(axis: Axis, highest: float) -> None:
    """Ticks at round Å, far enough apart to read."""
    # 4 % of the width keeps labels clear of the one at the axis' end.
    nice = [1 / angstrom for angstrom in _NICE_ANGSTROM]
    positions = clear_of_each_other(nice, highest, 0.04 * highest)
    axis.set_major_locator(FixedLocator([0.0, *positions]))
    axis.set_major_formatter(
        FuncFormatter(lambda x, _: "∞" if x <= 0 else f"{np.round(1 / x, 2):g}")
    )
