"""One heatmap over the view sphere, of the directions that the particles were given.

Azimuth runs across, elevation up. All cells stand for equal areas of the sphere.
"""

import itertools
import math
from collections.abc import Callable, Iterable
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np
from jaxtyping import Float

from locref_widgets.widgets.cell_picture import CellPicture
from locref_widgets.widgets.heatmap_layers import LAYERS, HeatmapData
from locref_widgets.widgets.plain_plot import VIEW_MARGIN, plain_plot
from locref_widgets.widgets.style import EMPTY_COLOUR, TOOLTIP_STYLE
from locref_widgets.widgets.ticks import nice_maximum, round_ticks, tick_labels

Cell = tuple[int, int]
"""Row and column: elevation upwards, azimuth to the right."""

_AZIMUTH_TICKS_DEG = (-180, -90, 0, 90, 180)
_ELEVATION_TICKS_DEG = (-90, -45, -30, -15, 0, 15, 30, 45, 90)
_SELECTED = {"stroke": "#ff3d9a", "stroke-width": "2.5px"}


def degree_ranges(edges_rad: Float[np.ndarray, " n"]) -> list[str]:
    """Name each bin by its edges, in whole degrees: `-90° to -80°`."""
    edges = [f"{math.degrees(edge):.0f}°".replace("-0°", "0°") for edge in edges_rad]
    return [f"{low} to {high}" for low, high in itertools.pairwise(edges)]


class HeatmapPanel:
    """Heading, heatmap, and a line that tells the numbers of the cell under the pointer.

    Parameters
    ----------
    what
        What is shown, e.g. `pose change`.
    unit
        The values' unit as written after a number: `°` or `px`.
    clicked
        Called with the cell that was clicked.
    """

    def __init__(self, what: str, unit: str, clicked: Callable[[Cell], None]) -> None:
        self.what, self.unit = what, unit
        self.data: HeatmapData | None = None
        self.layer = LAYERS["mean"]
        self._clicked = clicked
        self._largest: dict[str, float] = {}
        self._whole_extent = False
        self.colour_range = (0.0, 1.0)
        axes = view_axes()
        self.picture = CellPicture(*(axis.scale for axis in axes))
        azimuth = np.linspace(-math.pi, math.pi, 19)
        elevation = np.arcsin(np.linspace(-1, 1, 10))
        self.values = np.full((9, 18), np.nan)
        self.mark = bq.GridHeatMap(
            color=self.values,
            row=degree_ranges(elevation),
            column=degree_ranges(azimuth),
            # The cells are there to point at: what is seen is the picture under them.
            scales={
                "row": bq.OrdinalScale(),
                "column": bq.OrdinalScale(),
                "color": bq.ColorScale(colors=["transparent"] * 2, min=0.0, max=1.0),
            },
            stroke="transparent",
            interactions={"hover": "tooltip"},
            tooltip=bq.Tooltip(
                fields=["column", "row", "color"],
                labels=["azimuth", "elevation", "value"],
                formats=["", "", ".3f"],
            ),
            tooltip_style=TOOLTIP_STYLE,
            # Set while cells are selected: bqplot takes each key off all cells at each drawing.
            selected_style={},
        )
        self.mark.on_hover(self._on_hover)
        self.mark.on_element_click(self._on_click)
        self.figure = plain_plot(
            marks=[self.picture.mark, self.mark],
            axes=axes,
            height="256px",
            margin=VIEW_MARGIN,
        )
        self.figure.add_class("locref-heatmap")
        self.figure.add_class("locref-pictured")
        self.heading = widgets.HTML(f"<b>{self.title}</b>")
        self.colour_bar = widgets.HTML("")
        self.detail = widgets.HTML(self._hint())
        self.widget = widgets.VBox(
            [self.heading, self.figure, self.colour_bar, self.detail],
            layout=widgets.Layout(min_width="0"),
        )
        self._paint()

    @property
    def title(self) -> str:
        """What the colours mean."""
        return self.layer.words.format(what=self.what)

    def show(self, data: HeatmapData, layer: str = "mean") -> None:
        """Draw a layer, or the mean while that layer is not known."""
        if data is self.data and layer == self.layer.name:
            return
        is_first, self.data = self.data is None, data
        shown = LAYERS[layer if data.has(layer) else "mean"]
        values = data.layers[shown.name]
        largest = max(self._largest.get(shown.kind, 0.0), float(np.nanmax(values, initial=0.0)))
        self._largest[shown.kind] = largest
        rows, columns = (
            degree_ranges(data.elevation_edges_rad),
            degree_ranges(data.azimuth_edges_rad),
        )
        self.layer, self.values = shown, values
        self._paint()
        if is_first or rows != list(self.mark.row) or columns != list(self.mark.column):
            with self.mark.hold_sync():
                # The mark checks each against the other: without names it takes any shape.
                self.mark.row = self.mark.column = None
                self.mark.color = values
                self.mark.row, self.mark.column = rows, columns
        unit = {"count": "", "share": " (0 to 1)", "direction": " (°)"}.get(
            shown.kind, f" ({self.unit})"
        )
        labels = ["azimuth", "elevation", f"{self.title.lower()}{unit}"]
        if labels != list(self.mark.tooltip.labels):
            self.mark.tooltip.labels = labels
        self.heading.value = f"<b>{self.title}</b>" + (
            "" if data.has(layer) else ' <span class="locref-note">(being worked out …)</span>'
        )

    def settle(self) -> None:
        """Tell the cells their numbers, which the page says where it is pointed at one.

        This keeps the page busy for longer than all the rest; the picture tells the colours before.
        """
        if not np.array_equal(self.mark.color, self.values, equal_nan=True):
            self.mark.color = self.values

    def use_whole_extent(self, whole_extent: bool) -> None:
        """Let the colours reach to the extent searched, or only to the largest mean so far."""
        self._whole_extent = whole_extent
        self._paint()

    def mark_cells(self, cells: Iterable[Cell]) -> None:
        """Outline these cells."""
        places = sorted(cells)
        with self.mark.hold_sync():
            self.mark.selected_style = _SELECTED if places else {}
            self.mark.selected = [list(place) for place in places] if places else None

    def cell_words(self, row: int, column: int) -> str:
        """Say what one cell holds."""
        data = self.data
        if data is None:
            return ""
        azimuths = degree_ranges(data.azimuth_edges_rad)
        elevations = degree_ranges(data.elevation_edges_rad)
        place = f"azimuth {azimuths[column]}, elevation {elevations[row]}: "
        count, mean = data.value("count", row, column), data.value("mean", row, column)
        if not count > 0 or not math.isfinite(mean):
            return place + "no particle looks from here"
        noun = "particle" if count == 1 else "particles"
        words = [f"{count:.0f} {noun}", f"mean <b>{self._value_words(mean)}</b>"]
        median, share = data.value("median", row, column), data.value("at_bound", row, column)
        if math.isfinite(median):
            words.append(f"median {self._value_words(median)}")
        if math.isfinite(share):
            words.append(f"{100 * share:.0f} % at the bound")
        direction = data.value("direction", row, column)
        if math.isfinite(direction):
            up = data.value("direction_elevation", row, column)
            agreement = data.value("agreement", row, column)
            words.append(
                f"towards azimuth {direction:.0f}°, elevation {up:.0f}° (agreement {agreement:.2f})"
            )
        return place + ", ".join(words)

    def _value_words(self, value: float) -> str:
        if self.unit != "px" or self.data is None:
            return f"{value:.2f}{self.unit}"
        angstrom = value * self.data.pixel_size_angstrom
        return f"{value:.2f} px" + (f" = {angstrom:.2f} Å" if math.isfinite(angstrom) else "")

    def _paint(self) -> None:
        kind = self.layer.kind
        limit = math.nan if self.data is None else self.data.limit
        # The range only ever grows, so that one colour keeps its meaning while it lasts.
        low, high = 0.0, nice_maximum(self._largest.get(kind, 0.0))
        if kind == "direction":
            low, high = -180.0, 180.0
        elif kind == "magnitude" and self._whole_extent and math.isfinite(limit):
            high = limit
        elif kind == "share":
            high = min(1.0, max(high, 0.05))
        self.colour_range = low, high
        self.picture.show(self.values, self.layer.colours, low, high)
        self.colour_bar.value = self._colour_bar_html(low, high)

    def _colour_bar_html(self, low: float, high: float) -> str:
        """Draw the bar in HTML: bqplot's own keeps old ticks when the range grows, and no Å."""
        kind, unit = self.layer.kind, self.unit
        size = math.nan if self.data is None else self.data.pixel_size_angstrom
        if kind == "magnitude":
            rows = [_ticks(round_ticks(low, high, 4), low, high, 1.0, unit)]
            if unit == "px" and math.isfinite(size):
                rows.append(_ticks(round_ticks(low, high * size, 4), low, high, size, "Å"))
            elif unit == "°":
                radian = math.radians(1.0)
                rows.append(_ticks(round_ticks(low, high * radian, 4), low, high, radian, "rad"))
        elif kind == "direction":
            rows = [_ticks(np.array([-180.0, -90.0, 0.0, 90.0, 180.0]), low, high, 1.0, "°")]
        elif kind == "share":
            rows = [_ticks(round_ticks(0.0, 100 * high, 4), 0.0, high, 100.0, "%")]
        else:
            rows = [_ticks(round_ticks(low, high, 4), low, high, 1.0, "")]
        colours = ", ".join(self.layer.colours)
        return (
            '<div class="locref-colour-bar">'
            f'<div style="background: linear-gradient(to right, {colours})"></div>'
            f"{''.join(rows)}{'<p></p>' if len(rows) == 1 else ''}</div>"
        )

    def _hint(self) -> str:
        return (
            f'<span class="locref-note"><span class="locref-swatch" '
            f'style="background:{EMPTY_COLOUR}"></span> no particle. '
            "Point at a cell for its numbers, click to select it.</span>"
        )

    def _on_hover(self, _mark: Any, message: dict[str, Any]) -> None:
        cell = _cell_of(message)
        if cell is not None:
            self.detail.value = self.cell_words(*cell)

    def _on_click(self, _mark: Any, message: dict[str, Any]) -> None:
        cell = _cell_of(message)
        if cell is not None:
            self._clicked(cell)


def _cell_of(message: dict[str, Any]) -> Cell | None:
    data = message.get("data") or {}
    row, column = data.get("rowNum"), data.get("columnNum")
    return (row, column) if isinstance(row, int) and isinstance(column, int) else None


def _ticks(ticks: Float[np.ndarray, " n"], low: float, high: float, scale: float, unit: str) -> str:
    """A row of labels under the bar; `scale` is the labels' unit over the colours' one."""
    gap = "" if unit in ("°", "") else " "
    spans = [
        f'<span style="left:{100 * (tick / scale - low) / (high - low):.2f}%">'
        f"{tick:g}{gap}{unit}</span>"
        for tick in ticks
    ]
    return f"<p>{''.join(spans)}</p>"


def view_axes() -> list[bq.Axis]:
    """Axes of a heatmap over the views: azimuth across, elevation upwards in equal areas."""
    # The cells' own scales are ordinal (equal sizes, named ranges); these carry the ticks.
    azimuth = bq.LinearScale(min=-180.0, max=180.0)
    elevation = bq.LinearScale(min=-1.0, max=1.0)
    heights = np.round(np.sin(np.deg2rad(_ELEVATION_TICKS_DEG)), 12)
    return [
        bq.Axis(
            scale=azimuth,
            label="Azimuth of the initial view (°)",
            label_offset="30px",
            tick_values=np.array(_AZIMUTH_TICKS_DEG, dtype=float),
            tick_format=".0f",
            grid_lines="none",
        ),
        bq.Axis(
            scale=elevation,
            side="left",
            label="Elevation (°)",
            label_offset="36px",
            tick_values=heights,
            tick_labels=tick_labels(heights, [str(angle) for angle in _ELEVATION_TICKS_DEG]),
            grid_lines="none",
        ),
    ]
