"""Cells of the view sphere whose particles are selected, by clicks or by numbers typed."""

import math
from collections.abc import Callable

import ipywidgets as widgets
import numpy as np

from locref_widgets.widgets.heatmap_layers import HeatmapData
from locref_widgets.widgets.heatmap_panel import Cell, degree_ranges


class ViewSelection:
    """The selection, the line that tells it, and its controls. `changed` is told every change."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.cells: frozenset[Cell] = frozenset()
        self._changed = changed
        self._data: HeatmapData | None = None
        self.words = widgets.HTML(layout=widgets.Layout(min_width="0", flex="1 1 260px"))
        self.clear_button = widgets.Button(
            description="Clear selection",
            layout=widgets.Layout(width="auto"),
            disabled=True,
        )
        self.clear_button.on_click(lambda _button: self._set(frozenset()))
        self.azimuth = _angle("Azimuth (°)", "Azimuth of a viewing direction, -180 to 180", 180)
        self.elevation = _angle("Elevation (°)", "Elevation of a direction, -90 to 90", 90)
        self.toggle_button = widgets.Button(
            description="Select cell",
            tooltip="Select the cell of this viewing direction, or take it out: what a click does",
            layout=widgets.Layout(width="auto"),
            disabled=True,
        )
        self.toggle_button.on_click(lambda _button: self.toggle(self.cell_at()))
        self.widget = widgets.HBox(
            [
                self.words,
                self.azimuth,
                self.elevation,
                self.toggle_button,
                self.clear_button,
            ],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )
        self._say()

    @property
    def count(self) -> int:
        """Particles in the cells, as the heatmap counts them."""
        if self._data is None:
            return 0
        counts = self._data.layers["count"]
        return int(np.nansum([counts[cell] for cell in self.cells])) if self.cells else 0

    def show(self, data: HeatmapData) -> None:
        """Take in the heatmap shown; on another grid the cells mean nothing any more."""
        old = self._data
        self._data = data
        self.toggle_button.disabled = False
        if old is not None and old.layers["count"].shape != data.layers["count"].shape:
            self._set(frozenset())
        self._say()

    def toggle(self, cell: Cell | None) -> None:
        """Select a cell, or take it out of the selection."""
        if cell is not None:
            self._set(self.cells ^ {cell})

    def cell_at(self) -> Cell | None:
        """The cell of the direction typed."""
        if self._data is None:
            return None
        n_elevation, n_azimuth = self._data.layers["count"].shape
        column = math.floor((self.azimuth.value + 180) / 360 * n_azimuth)
        height = (math.sin(math.radians(self.elevation.value)) + 1) / 2
        row = math.floor(height * n_elevation)
        return min(max(row, 0), n_elevation - 1), min(max(column, 0), n_azimuth - 1)

    def _set(self, cells: frozenset[Cell]) -> None:
        if cells == self.cells:
            return
        self.cells = cells
        self._say()
        self._changed()

    def _say(self) -> None:
        self.clear_button.disabled = not self.cells
        self.clear_button.tooltip = (
            "Select nothing any more" if self.cells else "Nothing is selected"
        )
        self.words.value = f'<span role="status" aria-live="polite">{self._told()}</span>'

    def _told(self) -> str:
        if not self.cells or self._data is None:
            return (
                '<span class="locref-note">No cell selected: click cells of the maps, or type a'
                " direction.</span>"
            )
        cells = "1 cell" if len(self.cells) == 1 else f"{len(self.cells)} cells"
        text = f"<b>{self.count:,} particles</b> in {cells} selected"
        if len(self.cells) == 1:
            row, column = next(iter(self.cells))
            azimuth = degree_ranges(self._data.azimuth_edges_rad)[column]
            elevation = degree_ranges(self._data.elevation_edges_rad)[row]
            text += f" (azimuth {azimuth}, elevation {elevation})"
        return text + ": see Particles"


def _angle(label: str, tooltip: str, most: float) -> widgets.BoundedFloatText:
    return widgets.BoundedFloatText(
        value=0.0,
        min=-most,
        max=most,
        step=5.0,
        description=label,
        tooltip=tooltip,
        layout=widgets.Layout(width="150px"),
        style={"description_width": "86px"},
    )
