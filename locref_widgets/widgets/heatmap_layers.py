"""What a heatmap can show, in which colours and words.

Each map is told apart by eyes that see few colours: viridis and cividis (van der Walt & Smith 2015;
Nuñez, Anderton & Renslow 2018), and for directions a circle of colours whose lightness goes up on
one half and down on the other.
"""

import math
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from locref_widgets.widgets.style import VIRIDIS

CIVIDIS = (
    "#00224e",
    "#123570",
    "#3b496c",
    "#575d6d",
    "#707173",
    "#8a8678",
    "#a59c74",
    "#c3b369",
    "#e1cc55",
    "#fee838",
)
# Steps of matplotlib's cyclic map twilight_shifted: 0° is light, ±180° dark.
CIRCLE = (
    "#301437",
    "#541e7e",
    "#5f59b1",
    "#6e91c0",
    "#a7c0cb",
    "#e2d9e2",
    "#d0b29c",
    "#c0745d",
    "#9e3b50",
    "#63184b",
    "#2f1436",
)


@dataclass(frozen=True)
class Layer:
    """One way to colour the cells. `kind`: magnitude, count, share or direction."""

    name: str
    kind: str
    words: str
    """With {what}: pose change or shift change."""
    tooltip: str
    colours: tuple[str, ...] = VIRIDIS


LAYERS = {
    layer.name: layer
    for layer in (
        Layer("mean", "magnitude", "Mean {what}", "Mean over the particles of each direction"),
        Layer("median", "magnitude", "Median {what}", "Median: half of the particles moved less"),
        Layer("count", "count", "Particles", "Particles that look from each direction", CIVIDIS),
        Layer(
            "at_bound",
            "share",
            "Share at the bound",
            "Share of the particles that ended at the edge of what was searched",
            CIVIDIS,
        ),
        Layer(
            "direction",
            "direction",
            "Direction of the {what}",
            "Azimuth in the map's frame of the mean turn's axis, and of the mean shift",
            CIRCLE,
        ),
    )
}


@dataclass(frozen=True)
class HeatmapData:
    """Layers of one quantity over the view sphere, each [elevation, azimuth].

    `limit` is the largest value that the search allowed, in the quantity's unit.
    """

    azimuth_edges_rad: Float[np.ndarray, " a"]
    elevation_edges_rad: Float[np.ndarray, " e"]
    layers: dict[str, Float[np.ndarray, "rows columns"]] = field(default_factory=dict)
    limit: float = math.nan
    pixel_size_angstrom: float = math.nan

    def has(self, layer: str) -> bool:
        """Whether the layer is known."""
        return layer in self.layers

    def value(self, layer: str, row: int, column: int) -> float:
        """Value of a cell; NaN where it is not known."""
        grid = self.layers.get(layer)
        return math.nan if grid is None else float(grid[row, column])


def as_grid(values: object) -> Float[np.ndarray, "e a"]:
    """Turn nested lists into an array; None, where no particle looks from, becomes NaN."""
    return np.asarray(values, dtype=np.float64)


def told_by_event(heatmap: dict, key: str, limit: float, pixel_size_angstrom: float) -> HeatmapData:
    """The layers that the event of an iteration holds: mean and count."""
    count = as_grid(heatmap["count"])
    return HeatmapData(
        np.asarray(heatmap["azimuth_edges_rad"], dtype=np.float64),
        np.asarray(heatmap["elevation_edges_rad"], dtype=np.float64),
        {"mean": as_grid(heatmap[key]), "count": np.where(count > 0, count, np.nan)},
        limit,
        pixel_size_angstrom,
    )
