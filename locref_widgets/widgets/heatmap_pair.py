"""The two heatmaps of the dashboard, what they show, and the cells selected on them."""

import html
import threading
import time
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np

from locref_widgets.widgets.dashboard_data import ROTATION, SHIFT, DashboardData, Shown
from locref_widgets.widgets.heatmap_layers import LAYERS, HeatmapData
from locref_widgets.widgets.heatmap_panel import HeatmapPanel, degree_ranges
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.view_selection import ViewSelection

_LISTED = 12
_SETTLE_SECONDS = 0.3
"""The cells' numbers follow once the maps stand still for so long: both are seen before."""


class HeatmapPair:
    """Pose change and shift change side by side. `changed` is told another selection.

    Several threads draw: each holds `drawing` while it does. `tasks` work out layers, `later` takes
    what the eyes do not wait for.
    """

    def __init__(
        self,
        data: DashboardData,
        tasks: LatestTasks,
        later: LatestTasks,
        changed: Callable[[], None],
        drawing: threading.RLock,
    ) -> None:
        self._data, self._drawing = data, drawing
        self._tasks, self._later = tasks, later
        self._drawn_at = 0.0
        self._changed = changed
        self._shown: Shown | None = None
        self._drawn: tuple[dict[str, Any], str] | None = None
        self.selection = ViewSelection(self._on_selection)
        self.panels = {
            ROTATION: HeatmapPanel("pose change", "°", self.selection.toggle),
            SHIFT: HeatmapPanel("shift change", "px", self.selection.toggle),
        }
        self.layer = widgets.Dropdown(
            options=[(_menu_words(name), name) for name in LAYERS],
            value="mean",
            description="Colours show",
            tooltip="What the colours of both maps show; pointing at a cell tells its numbers",
            layout=widgets.Layout(width="290px"),
            style={"description_width": "92px"},
        )
        self.layer.observe(lambda _change: self._draw(), "value")
        self.reach = widgets.ToggleButtons(
            options=[("Largest so far", False), ("Whole extent", True)],
            tooltips=[
                "The colours end at the largest mean seen in this run; they never shrink",
                "The colours end at the largest change that the search allows",
            ],
            style={"button_width": "auto"},
        )
        self.reach.observe(lambda change: self._choose_reach(change["new"]), "value")
        reach = widgets.HBox(
            [widgets.HTML("and reach to"), self.reach],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        self.controls = widgets.HBox(
            [self.layer, reach],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )
        self.maps = side_by_side(*(panel.widget for panel in self.panels.values()))
        self._listed: HeatmapData | None = None
        self.cell_table = widgets.HTML(layout=widgets.Layout(min_width="0"))

    def show(self, shown: Shown) -> None:
        """Draw the iteration looked at."""
        self._shown = shown
        drawn = self._drawn
        # Progress comes some times a second; what is drawn stays until its event or layer changes.
        if drawn is None or drawn[0] is not shown.finished or drawn[1] != self.layer.value:
            self._draw()

    def show_table(self) -> None:
        """List the cells with the largest changes: the maps in words."""
        rotation, shift = (self.panels[key].data for key in (ROTATION, SHIFT))
        if rotation is not None and shift is not None and rotation is not self._listed:
            self.cell_table.value = _table_html(rotation, shift)
            self._listed = rotation

    def data_of(self, key: str) -> HeatmapData | None:
        """What one of the maps shows."""
        return self.panels[key].data

    def _draw(self) -> None:
        shown, layer = self._shown, str(self.layer.value)
        if shown is None:
            return
        missing = False
        with self._drawing:
            for key, panel in self.panels.items():
                told = self._data.told(shown, key)
                if told is None:
                    continue
                panel.show(told, layer)
                missing |= not told.has(layer)
            first = self.panels[ROTATION].data
            if first is not None:
                self.selection.show(first)
            self._drawn = (shown.finished, layer)
        if missing or self._wants_all():
            self._tasks.submit("layers", lambda: self._work_out(shown))
        self._settle_soon()

    def _wants_all(self) -> bool:
        # Numbers of cells are told whole once a layer beyond the event's was asked for.
        return str(self.layer.value) not in ("mean", "count")

    def _work_out(self, shown: Shown) -> None:
        for key, panel in self.panels.items():
            told = self._data.work_out(shown, key)
            with self._drawing:
                now = self._shown
                if told is not None and now is not None and now.finished is shown.finished:
                    panel.show(told, str(self.layer.value))
        self._settle_soon()

    def _settle_soon(self) -> None:
        self._drawn_at = time.monotonic()
        self._later.submit("numbers", self._settle)

    def _settle(self) -> None:
        while (wait := self._drawn_at + _SETTLE_SECONDS - time.monotonic()) > 0:
            time.sleep(wait)
        with self._drawing:
            for panel in self.panels.values():
                panel.settle()

    def _choose_reach(self, whole: bool) -> None:
        with self._drawing:
            for panel in self.panels.values():
                panel.use_whole_extent(whole)

    def _on_selection(self) -> None:
        with self._drawing:
            for panel in self.panels.values():
                panel.mark_cells(self.selection.cells)
        self._changed()


def side_by_side(left: widgets.Widget, right: widgets.Widget) -> widgets.GridBox:
    """Two panels; one below the other where there is no room for both."""
    box = widgets.GridBox(
        [left, right],
        layout=widgets.Layout(
            grid_template_columns="repeat(auto-fit, minmax(min(100%, 330px), 1fr))", width="auto"
        ),
    )
    box.add_class("locref-panels")
    return box


def _menu_words(name: str) -> str:
    words = LAYERS[name].words.format(what="change")
    return words[:1].upper() + words[1:]


def _table_html(rotation: HeatmapData, shift: HeatmapData) -> str:
    mean = rotation.layers["mean"]
    order = np.argsort(np.nan_to_num(mean, nan=-1.0), axis=None)[::-1][:_LISTED]
    azimuths = degree_ranges(rotation.azimuth_edges_rad)
    elevations = degree_ranges(rotation.elevation_edges_rad)
    lines = []
    for flat in order.tolist():
        row, column = divmod(flat, mean.shape[1])
        if not np.isfinite(mean[row, column]):
            continue
        cells = [
            f"{azimuths[column]}",
            elevations[row],
            f"{rotation.value('count', row, column):.0f}",
            f"{mean[row, column]:.2f}",
            f"{shift.value('mean', row, column):.2f}",
        ]
        first, *rest = (html.escape(cell) for cell in cells)
        lines.append(
            f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        )
    head = ("Azimuth", "Elevation", "Particles", "Mean pose change (°)", "Mean shift change (px)")
    return (
        '<details class="locref-cells"><summary>The directions that moved most, as a table'
        '</summary><div class="locref-rows" tabindex="0" role="region" aria-label="Directions that'
        ' moved most"><table><thead><tr>'
        + "".join(f'<th scope="col">{name}</th>' for name in head)
        + f"</tr></thead><tbody>{''.join(lines)}</tbody></table></div></details>"
    )
