"""Resolution at each iteration."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from locref_widgets.figures.theme import BLUE, INK, MUTED, new_figure, style_axes


def plot_resolution(iterations: list[int], resolution_angstrom: list[float]) -> Figure:
    """Draw the resolution in Å against the iteration, finer upwards."""
    figure = new_figure(418, 462)
    axes = figure.add_subplot()
    style_axes(axes, xlabel="iteration (0: poses as given)", ylabel="resolution (Å), finer upwards")
    axes.plot(iterations, resolution_angstrom, color=BLUE, linewidth=2.2, zorder=3)
    axes.plot(
        iterations, resolution_angstrom, "o", color=BLUE, markersize=6, clip_on=False, zorder=4
    )
    finest, coarsest = min(resolution_angstrom), max(resolution_angstrom)
    margin = max(0.18 * (coarsest - finest), 0.02 * coarsest)
    axes.set_ylim(coarsest + margin, finest - margin)
    axes.set_xlim(iterations[0] - 0.4, max(iterations[-1], iterations[0] + 1) + 0.4)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    # The label of an end stands on the side that the line does not come from.
    improved = resolution_angstrom[-1] <= resolution_angstrom[0]
    ends = {iterations[0]: -17 if improved else 11, iterations[-1]: 11 if improved else -17}
    for iteration, resolution in zip(iterations, resolution_angstrom, strict=True):
        if iteration in ends:
            axes.annotate(
                f"{resolution:.2f} Å",
                (iteration, resolution),
                xytext=(0, ends[iteration]),
                textcoords="offset points",
                ha="center",
                fontsize=12,
                fontweight="bold" if iteration == iterations[-1] else "normal",
                color=INK if iteration == iterations[-1] else MUTED,
            )
    return figure
