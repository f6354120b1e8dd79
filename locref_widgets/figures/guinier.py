"""The Guinier plot: how the amplitudes fall, and the line that tells the B-factor."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter

from locref_widgets.engine.guinier import GuinierPlot
from locref_widgets.figures.fsc import clear_of_each_other
from locref_widgets.figures.theme import (
    BLUE,
    GREY,
    INK,
    MUTED,
    ORANGE,
    new_figure,
    style_axes,
)

_ANGSTROM = (20, 12, 10, 8, 7, 6, 5, 4.5, 4, 3.5, 3, 2.7, 2.5, 2.2, 2, 1.8, 1.6, 1.5, 1.4, 1.3, 1.2)


def plot_guinier(guinier: GuinierPlot) -> Figure:
    """Draw ln of the mean amplitude against 1/d^2 (d in Å above) with the fitted line."""
    figure = new_figure(610, 462)
    axes = figure.add_subplot()
    style_axes(axes, xlabel="1/d² (Å⁻²)", ylabel="ln of the mean amplitude")
    x = guinier.inverse_squared_angstrom
    axes.plot(
        x,
        guinier.log_amplitude,
        color=GREY,
        linewidth=1.7,
        linestyle=(0, (3, 2)),
        label="average of the half-maps",
    )
    axes.plot(x, guinier.log_weighted, color=BLUE, linewidth=2.2, label="weighted by the FSC")
    ends = x[guinier.fitted][[0, -1]]
    line = guinier.intercept + guinier.slope_angstrom2 * ends
    axes.plot(
        ends,
        line,
        color=ORANGE,
        linewidth=2.0,
        linestyle=(0, (6, 2)),
        zorder=4,
        label=f"fit: B = {guinier.bfactor_angstrom2:.0f} Å²".replace("-", "−"),
    )
    # The first shells hold the particle's shape, far above all that matters here.
    shown = guinier.fitted | (x >= 0.25 * ends[0])
    values = np.concatenate([guinier.log_amplitude[shown], guinier.log_weighted[shown], line])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.08 * (high - low or 1.0)
    axes.set_ylim(low - room, high + room)
    axes.set_xlim(0, float(x[-1]))
    _angstrom_above(axes, float(x[-1]))
    figure.legend(
        loc="outside lower center",
        ncols=3,
        frameon=False,
        fontsize=11,
        labelcolor=INK,
        handlelength=3.0,
        columnspacing=2.0,
    )
    return figure


def _angstrom_above(axes: Axes, highest: float) -> None:
    above = axes.secondary_xaxis("top")
    above.spines["top"].set_visible(False)
    positions = clear_of_each_other([1.0 / angstrom**2 for angstrom in _ANGSTROM], highest, 0.0)
    above.xaxis.set_major_locator(FixedLocator(positions))
    above.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{1 / np.sqrt(v):.3g} Å"))
    above.tick_params(colors=MUTED, labelsize=11, width=0.8, length=3.5)
