"""Local resolution in slices through the map, and how it is spread."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from locref_widgets.figures.slices import draw_scale_bar, mask_centre, mask_window
from locref_widgets.figures.theme import BLUE, INK, MUTED, ORANGE, new_figure, style_axes

# (axes across and up the picture as indices of (x, y, z), axis cut)
_VIEWS = ((0, 1, 2), (0, 2, 1), (1, 2, 0))
_NAMES = "xyz"
_COLOURS = "viridis_r"


def plot_local_resolution(
    local_resolution_angstrom: Float[np.ndarray, "z y x"],
    volume: Float[np.ndarray, "z y x"],
    mask: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    quantity: str = "local resolution",
) -> Figure:
    """Draw three slices of the map, coloured by local resolution inside the mask; a histogram.

    ``volume`` is drawn as it is: low-passed to its resolution it shows the particle. ``quantity``
    is what the values are called.
    """
    inside = local_resolution_angstrom[mask >= 0.5]
    if not inside.size:
        inside = local_resolution_angstrom.ravel()
    low, median, high = (float(v) for v in np.percentile(inside, [2, 50, 98]))
    high = max(high, low * 1.01)
    centre, (first, last) = mask_centre(mask), mask_window(mask)
    figure = new_figure(1080, 640)
    grid = figure.add_gridspec(2, 3, height_ratios=(1.7, 1.0))
    slices = [figure.add_subplot(grid[0, column]) for column in range(3)]
    for axes, view in zip(slices, _VIEWS, strict=True):
        _draw_slice(axes, local_resolution_angstrom, volume, mask, view, centre, (low, high))
        axes.set_xlim(first[view[0]] - 0.5, last[view[0]] - 0.5)
        axes.set_ylim(first[view[1]] - 0.5, last[view[1]] - 0.5)
        title = f"{_NAMES[view[0]]}{_NAMES[view[1]]} plane, {_NAMES[view[2]]} = {centre[view[2]]}"
        axes.set_title(f"{title} voxels", color=MUTED, fontsize=13, pad=8)
    draw_scale_bar(slices[0], voxel_size_angstrom)
    bar = figure.colorbar(
        ScalarMappable(Normalize(low, high), _COLOURS), ax=slices, pad=0.015, aspect=24
    )
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue]
    bar.ax.tick_params(colors=MUTED, labelsize=11, length=3)
    bar.ax.invert_yaxis()  # the better resolution above
    bar.set_label(f"{quantity} (Å)", color=INK, fontsize=12, labelpad=8)
    _draw_histogram(figure.add_subplot(grid[1, :]), inside, (low, median, high), quantity)
    return figure


def _draw_slice(
    axes: Axes,
    local: Float[np.ndarray, "z y x"],
    volume: Float[np.ndarray, "z y x"],
    mask: Float[np.ndarray, "z y x"],
    view: tuple[int, int, int],
    centre: np.ndarray,
    limits: tuple[float, float],
) -> None:
    cut = view[2]
    density, where, colours = (
        np.take(values, centre[cut], axis=2 - cut) for values in (volume, mask, local)
    )
    dark, light = np.percentile(volume[mask >= 0.5] if (mask >= 0.5).any() else volume, [3, 99.5])
    axes.imshow(density, cmap="gray", origin="lower", vmin=dark, vmax=light)
    axes.imshow(
        np.ma.masked_where(where < 0.5, colours),
        cmap=_COLOURS,
        origin="lower",
        vmin=limits[0],
        vmax=limits[1],
        # The density shows through the colour.
        alpha=np.clip(0.35 + 0.5 * (density - dark) / max(light - dark, 1e-30), 0.35, 0.85),
    )
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def _draw_histogram(
    axes: Axes, inside: Float[np.ndarray, " n"], limits: tuple[float, float, float], quantity: str
) -> None:
    low, median, high = limits
    style_axes(axes, xlabel=f"{quantity} in the mask (Å)", ylabel="share of voxels")
    margin = 0.05 * (high - low)
    counts, edges = np.histogram(np.clip(inside, low - margin, high + margin), bins=48)
    axes.stairs(counts / counts.sum(), edges, fill=True, color=BLUE, alpha=0.85)
    axes.axvline(median, color=ORANGE, linewidth=2.0, linestyle=(0, (6, 2)))
    axes.annotate(
        f"median {median:.2f} Å",
        (median, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(6, -4),
        textcoords="offset points",
        va="top",
        fontsize=11,
        color=INK,
    )
    axes.set_xlim(edges[0], edges[-1])
