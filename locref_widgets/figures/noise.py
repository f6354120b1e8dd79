"""The noise that the images are weighed by, shell by shell."""

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from locref_widgets.figures.fsc import angstrom_ticks
from locref_widgets.figures.theme import BLUE, ORANGE, new_figure, style_axes

_STYLES = ((BLUE, "-", 2.0), (ORANGE, (0, (5, 2)), 1.8))


def plot_noise(
    spectra: dict[str, Float[np.ndarray, " shells"]], box_px: int, pixel_size_angstrom: float
) -> Figure:
    """Draw the variance of the noise in each Fourier shell, one line for each half-set."""
    figure = new_figure(560, 350)
    axes = figure.add_subplot()
    style_axes(axes, xlabel="resolution (Å)", ylabel="variance of the noise")
    highest = 0.0
    for (name, values), (colour, dash, width) in zip(spectra.items(), _STYLES, strict=False):
        frequency = np.arange(len(values)) / (box_px * pixel_size_angstrom)
        known = np.isfinite(values) & (values > 0) & (frequency > 0)
        axes.plot(
            frequency[known],
            values[known],
            color=colour,
            linestyle=dash,
            linewidth=width,
            label=name,
        )
        highest = max(highest, float(frequency[-1]))
    axes.set_yscale("log")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(0, highest or 1)
    angstrom_ticks(axes.xaxis, highest)
    if spectra:
        axes.legend(frameon=False, fontsize=11, labelcolor="linecolor")
    return figure
