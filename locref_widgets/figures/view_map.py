"""A map over the view sphere as an image of its cells: small, however fine the grid is."""

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.image import AxesImage

from locref_widgets.figures.theme import EMPTY, GREY, MUTED

_ELEVATION_TICKS_DEG = np.array([-90, -30, 0, 30, 90])


def draw_view_map(
    axes: Axes,
    grid: Float[np.ndarray, "rows columns"],
    *,
    low: float = 0.0,
    high: float | None = None,
    colours: str | Colormap = "viridis",
) -> AxesImage:
    """Draw [elevation, azimuth], equal steps of azimuth across and of sin(elevation) upwards.

    NaN, where no particle looks from, is left in the colour of the ground.
    """
    values = np.ma.masked_invalid(np.asarray(grid, np.float64))
    largest = float(values.max()) if values.count() else 1.0
    image = axes.imshow(
        values,
        origin="lower",
        extent=(-180, 180, -1, 1),
        aspect="auto",
        interpolation="nearest",
        cmap=colours,
        vmin=low,
        vmax=(largest or 1.0) if high is None else high,
    )
    axes.set_facecolor(EMPTY)
    axes.set_xticks(range(-180, 181, 90), [f"{degrees}°" for degrees in range(-180, 181, 90)])
    axes.set_yticks(
        np.sin(np.deg2rad(_ELEVATION_TICKS_DEG)),
        [f"{degrees}°" for degrees in _ELEVATION_TICKS_DEG],
    )
    axes.tick_params(colors=MUTED, labelsize=10, length=3)
    for spine in axes.spines.values():
        spine.set_color(GREY)
        spine.set_linewidth(0.8)
    return image
