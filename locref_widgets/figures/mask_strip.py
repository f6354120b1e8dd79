"""The mask of every iteration, over a slice of that iteration's map."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from locref_widgets.figures.slices import MASK_COLOUR, finer, mask_centre, mask_window
from locref_widgets.figures.theme import INK, new_figure

MOST_SHOWN = 12
_COLUMNS = 6


@dataclass(frozen=True)
class MaskedSlice:
    """The plane through the centre of the last mask, of one iteration's map and mask."""

    iteration: int
    density: Float[np.ndarray, "rows columns"]
    mask: Float[np.ndarray, "rows columns"]
    resolution_angstrom: float | None


def shown_iterations(iterations: Sequence[int]) -> list[int]:
    """All iterations, or so many of them, evenly spaced with the first and the last."""
    if len(iterations) <= MOST_SHOWN:
        return list(iterations)
    places = np.linspace(0, len(iterations) - 1, MOST_SHOWN).round().astype(int)
    return [iterations[place] for place in places]


def slice_at_mask(
    volume: Float[np.ndarray, "z y x"],
    mask: Float[np.ndarray, "z y x"],
    last_mask: Float[np.ndarray, "z y x"],
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]]:
    """The xy planes of a map and a mask through the centre of the last mask, cut to its window."""
    z = mask_centre(last_mask)[2]
    low, high = mask_window(last_mask)
    window = np.s_[z, low[1] : high[1], low[0] : high[0]]
    return volume[window], mask[window]


def plot_masks(slices: Sequence[MaskedSlice]) -> Figure:
    """Draw one picture for each iteration, the mask's value 0.5 as an outline."""
    columns = min(_COLUMNS, max(len(slices), 1))
    rows = -(-len(slices) // columns)
    figure = new_figure(1080, 40 + int(rows * (1080 / columns + 34)))
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, shown in zip(grid, slices, strict=False):
        inside = shown.density[shown.mask > 0.5]
        values = inside if inside.size else shown.density
        dark, light = (float(v) for v in np.quantile(values, [0.03, 0.998]))
        up, across = shown.density.shape
        axes.imshow(
            finer(shown.density),
            cmap="gray",
            origin="lower",
            vmin=dark,
            vmax=light,
            extent=(-0.5, across - 0.5, -0.5, up - 0.5),
            interpolation="none",
        )
        if shown.mask.max() > 0.5 > shown.mask.min():
            axes.contour(
                shown.mask, levels=[0.5], colors=MASK_COLOUR, linewidths=1.6, linestyles="--"
            )
        resolution = shown.resolution_angstrom
        quoted = "" if resolution is None else f", {resolution:.2f} Å"
        axes.set_title(f"iteration {shown.iteration}{quoted}", color=INK, fontsize=12, pad=6)
    return figure
