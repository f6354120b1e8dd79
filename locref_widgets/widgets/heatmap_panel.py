"""One heatmap over the view sphere, of the directions that the particles were given.

Azimuth runs across, elevation up. All cells stand for equal areas of the sphere.
"""

import itertools
import math
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np
from jaxtyping import Float

from locref_widgets.widgets.style import EMPTY_COLOUR, TOOLTIP_STYLE
from locref_widgets.widgets.ticks import nice_maximum, round_ticks, tick_labels

_AZIMUTH_TICKS_DEG = (-180, -90, 0, 90, 180)
_ELEVATION_TICKS_DEG = (-90, -45, -30, -15, 0, 15, 30, 45, 90)


def degree_ranges(edges_rad: Float[np.ndarray, " n"]) -> list[str]:
    """Name each bin by its edges, in whole degrees: `-90° to -80°`."""
    edges = [f"{math.degrees(edge):.0f}°".replace("-0°", "0°") for edge in edges_rad]
    return [f"{low} to {high}" for low, high in itertools.pairwise(edges)]


class HeatmapPanel:
    """Heading, heatmap, and a line that tells the numbers of the cell under the pointer.

    Parameters
    ----------
    title
        What the colours mean, e.g. `Mean pose change`.
    key
        Which array of the heatmap to show: `pose_change_deg` or `shift_change_px`.
    unit
        The values' unit as written after a number.
    """

    def __init__(self, title: str, key: str, unit: str) -> None:
        self.title, self.key, self.unit = title, key, unit
        self.pixel_size_angstrom = math.nan
        self._payload: dict[str, Any] | None = None
        self._largest = 0.0
        self._limit = math.nan
        self._whole_extent = False
        self._colour = bq.ColorScale(scheme="viridis", min=0.0, max=1.0)
        self._column, self._row = bq.OrdinalScale(), bq.OrdinalScale()
        azimuth = np.linspace(-math.pi, math.pi, 19)
        elevation = np.arcsin(np.linspace(-1, 1, 10))
        self.mark = bq.GridHeatMap(
            color=np.full((9, 18), np.nan),
            row=degree_ranges(elevation),
            column=degree_ranges(azimuth),
            scales={"row": self._row, "column": self._column, "color": self._colour},
            stroke="transparent",
            interactions={"hover": "tooltip"},
            tooltip=bq.Tooltip(
                fields=["column", "row", "color"],
                labels=["azimuth", "elevation", f"{title.lower()} ({unit})"],
                formats=["", "", ".3f"],
            ),
            tooltip_style=TOOLTIP_STYLE,
        )
        self.mark.on_hover(self._on_hover)
        self.figure = bq.Figure(
            marks=[self.mark],
            axes=_axes(),
            fig_margin={"top": 12, "bottom": 50, "left": 62, "right": 24},
            padding_x=0.0,
            padding_y=0.0,
            display_toolbar=False,
            layout=widgets.Layout(width="auto", height="290px", min_width="0"),
        )
        self.figure.add_class("locref-heatmap")
        self.heading = widgets.HTML(f"<b>{title}</b>")
        self.colour_bar = widgets.HTML("")
        self.detail = widgets.HTML(self._hint())
        self.widget = widgets.VBox(
            [self.heading, self.figure, self.colour_bar, self.detail],
            layout=widgets.Layout(min_width="0"),
        )

    def show(self, heatmap: dict[str, Any], limit: float, pixel_size_angstrom: float) -> None:
        """Draw the payload's `heatmap`; `limit` is the largest value the search allows."""
        if heatmap is self._payload:
            return
        self._payload, self._limit = heatmap, limit
        self.pixel_size_angstrom = pixel_size_angstrom
        values = as_grid(heatmap[self.key])
        self._largest = max(self._largest, float(np.nanmax(values, initial=0.0)))
        self._set_colour_range()
        rows = degree_ranges(np.asarray(heatmap["elevation_edges_rad"], dtype=np.float64))
        columns = degree_ranges(np.asarray(heatmap["azimuth_edges_rad"], dtype=np.float64))
        with self.mark.hold_sync():
            if rows != list(self.mark.row) or columns != list(self.mark.column):
                # The mark checks each against the other: without names it takes any shape.
                self.mark.row = self.mark.column = None
                self.mark.color = values
                self.mark.row, self.mark.column = rows, columns
            else:
                self.mark.color = values
        self.detail.value = self._hint()

    def use_whole_extent(self, whole_extent: bool) -> None:
        """Let the colours reach to the extent searched, or only to the largest mean so far."""
        self._whole_extent = whole_extent
        self._set_colour_range()

    def cell_words(self, row: int, column: int) -> str:
        """Say what one cell holds."""
        payload = self._payload
        if payload is None:
            return ""
        count = as_grid(payload["count"])[row, column]
        value = as_grid(payload[self.key])[row, column]
        place = f"azimuth {self.mark.column[column]}, elevation {self.mark.row[row]}: "
        if not count or not math.isfinite(value):
            return place + "no particle looks from here"
        noun = "particle" if count == 1 else "particles"
        return f"{place}{count:.0f} {noun}, mean <b>{self._value_words(value)}</b>"

    def _value_words(self, value: float) -> str:
        if self.unit != "px":
            return f"{value:.2f}{self.unit}"
        angstrom = value * self.pixel_size_angstrom
        return f"{value:.2f} px" + (f" = {angstrom:.2f} Å" if math.isfinite(angstrom) else "")

    def _set_colour_range(self) -> None:
        whole = self._whole_extent and math.isfinite(self._limit)
        # The range only ever grows, so that one colour keeps its meaning while it lasts.
        self._colour.max = self._limit if whole else nice_maximum(self._largest)
        self.colour_bar.value = self._colour_bar_html()

    def _colour_bar_html(self) -> str:
        """Draw the bar in HTML: bqplot's own keeps old ticks when the range grows, and no Å."""
        top = self._colour.max
        rows = [self._tick_row(round_ticks(0.0, top, 4), top, 1.0, self.unit)]
        if self.unit == "px" and math.isfinite(self.pixel_size_angstrom):
            size = self.pixel_size_angstrom
            rows.append(self._tick_row(round_ticks(0.0, top * size, 4), top, size, "Å"))
        return f'<div class="locref-colour-bar"><div></div>{"".join(rows)}</div>'

    def _tick_row(self, ticks: Float[np.ndarray, " n"], top: float, scale: float, unit: str) -> str:
        gap = "" if unit == "°" else " "
        spans = [
            f'<span style="left:{100 * tick / scale / top:.2f}%">{tick:g}{gap}{unit}</span>'
            for tick in ticks
        ]
        return f"<p>{''.join(spans)}</p>"

    def _hint(self) -> str:
        return (
            f'<span class="locref-note"><span class="locref-swatch" '
            f'style="background:{EMPTY_COLOUR}"></span> grey: no particle looks from there. '
            "Point at a cell for its numbers.</span>"
        )

    def _on_hover(self, _mark: Any, message: dict[str, Any]) -> None:
        data = message.get("data") or {}
        row, column = data.get("rowNum"), data.get("columnNum")
        if isinstance(row, int) and isinstance(column, int):
            self.detail.value = self.cell_words(row, column)


def as_grid(values: Any) -> Float[np.ndarray, "e a"]:
    """Turn nested lists into an array; None, where no particle looks from, becomes NaN."""
    return np.asarray(values, dtype=np.float64)


def _axes() -> list[bq.Axis]:
    # The cells' own scales are ordinal (equal sizes, named ranges); these carry the ticks.
    azimuth = bq.LinearScale(min=-180.0, max=180.0)
    elevation = bq.LinearScale(min=-1.0, max=1.0)
    heights = np.round(np.sin(np.deg2rad(_ELEVATION_TICKS_DEG)), 12)
    return [
        bq.Axis(
            scale=azimuth,
            label="Azimuth of the initial view (°)",
            label_offset="32px",
            tick_values=np.array(_AZIMUTH_TICKS_DEG, dtype=float),
            tick_format=".0f",
            grid_lines="none",
        ),
        bq.Axis(
            scale=elevation,
            side="left",
            label="Elevation (°)",
            label_offset="40px",
            tick_values=heights,
            tick_labels=tick_labels(heights, [str(angle) for angle in _ELEVATION_TICKS_DEG]),
            grid_lines="none",
        ),
    ]
