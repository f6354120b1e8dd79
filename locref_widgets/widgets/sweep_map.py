"""The agreement over two of a sweep's settings."""

import html
import math
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np

from locref_widgets.figures.sweep_page import plot_behind
from locref_widgets.figures.theme import to_svg
from locref_widgets.runs.sweep_grid import value_words
from locref_widgets.runs.sweep_verdict import row_of
from locref_widgets.widgets.plain_plot import plain_plot
from locref_widgets.widgets.style import TOOLTIP_STYLE

_LAYERS = {
    "Agreement": ("criterion", "Agreement of the half-maps", 1.0, ".4f"),
    "Best in (%)": ("share_best", "Share of the resamples in which it is the best", 100.0, ".0f"),
    "CPU time (s)": ("cpu_seconds", "Processor time that the setting took", 1.0, ".0f"),
}


class SweepMap:
    """A heatmap of what was found, over two settings; of others the best value is taken."""

    def __init__(self, names: list[str]) -> None:
        self._verdict: dict[str, Any] | None = None
        self._layer = widgets.ToggleButtons(
            options=list(_LAYERS),
            tooltips=[words for _, words, _, _ in _LAYERS.values()],
            style={"button_width": "auto"},
        )
        across, up = names[-1], names[0] if len(names) > 1 else None
        style = {"description_width": "60px"}
        self._across = widgets.Dropdown(
            options=names, value=across, description="Across", tooltip="Setting across", style=style
        )
        self._up = widgets.Dropdown(
            options=[("–", None), *[(name, name) for name in names]],
            value=up,
            description="Upwards",
            tooltip="Setting upwards",
            style=style,
        )
        self.colour = bq.ColorScale(scheme="viridis")
        self.mark = bq.GridHeatMap(
            color=np.zeros((2, 2)),
            scales={"row": bq.OrdinalScale(), "column": bq.OrdinalScale(), "color": self.colour},
            stroke="transparent",
            display_format=".4f",
            # White with a dark rim: read on every colour of the scale.
            font_style={
                "font-size": "13px",
                "font-weight": "600",
                "fill": "white",
                "stroke": "black",
                "stroke-width": "2.5px",
                "paint-order": "stroke",
            },
            interactions={"hover": "tooltip"},
            tooltip=bq.Tooltip(fields=["column", "row", "color"], formats=["", "", ".4f"]),
            tooltip_style=TOOLTIP_STYLE,
        )
        self._axes = [
            bq.Axis(scale=self.mark.scales["column"], label_offset="34px", grid_lines="none"),
            bq.Axis(
                scale=self.mark.scales["row"], side="left", label_offset="62px", grid_lines="none"
            ),
        ]
        self.figure = plain_plot(
            marks=[self.mark],
            axes=self._axes,
            height="300px",
            margin={"top": 10, "bottom": 52, "left": 90, "right": 20},
            width="min(100%, 560px)",
        )
        self.words = widgets.HTML("")
        self._behind = widgets.HTML("", layout=widgets.Layout(min_width="0"))
        self._behind.add_class("locref-figures")
        for control in (self._layer, self._across, self._up):
            control.observe(lambda _change: self._draw(), "value")
        self._choices = widgets.HBox(
            [self._layer, self._up, self._across],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        self.widget = widgets.VBox([], layout=widgets.Layout(min_width="0"))

    @property
    def parts(self) -> tuple[widgets.Widget, ...]:
        """What is in the view once there is a verdict."""
        return self._choices, self.figure, self.words, self._behind

    def show(self, verdict: dict[str, Any]) -> None:
        """Draw a verdict."""
        self._verdict = verdict
        svg = to_svg(plot_behind(verdict), "behind", "How far each setting is behind the best")
        words = "Agreement less that of the best setting; bars: 95 % of the resamples, in pairs."
        self._behind.value = f'{svg}<span class="locref-note">{words}</span>'
        self.widget.children = self.parts
        self._draw()

    def _draw(self) -> None:
        verdict, across, up = self._verdict, str(self._across.value), self._up.value
        if verdict is None:
            return
        key, words, factor, digits = _LAYERS[str(self._layer.value)]
        rows = verdict["settings"]
        columns = _values(rows, across)
        lines = _values(rows, up) if up not in (None, across) else [None]
        grid = np.full((len(lines), len(columns)), math.nan)
        for row in rows:
            value = row.get(key)
            i = lines.index(row["values"][up]) if lines != [None] else 0
            j = columns.index(row["values"][across])
            if value is not None:
                grid[i, j] = np.fmax(grid[i, j], factor * value)
        # A single row of cells is a list to bqplot, which it does not draw.
        drawn = min(grid.shape) > 1
        self.figure.layout.display = None if drawn else "none"
        self.words.layout.display = None if drawn else "none"
        if not drawn:
            return
        with self.mark.hold_sync():
            # The mark checks each against the other: without names it takes any shape.
            self.mark.row = self.mark.column = None
            self.mark.color = grid
            self.mark.display_format = digits
            self.mark.row = [value_words(value) for value in lines]
            self.mark.column = [value_words(value) for value in columns]
        # Whole lists: a list that is changed in place is not told to the browser.
        self.mark.tooltip.labels = [across, up or "", str(self._layer.value)]
        self.mark.tooltip.formats = ["", "", digits]
        low, high = float(np.nanmin(grid)), float(np.nanmax(grid))
        self.colour.min, self.colour.max = low, high if high > low else low + 1.0
        self._axes[0].label, self._axes[1].label = across, up or ""
        best = row_of(verdict, verdict["chosen"])["values"]
        chosen = ", ".join(f"{name} {value_words(value)}" for name, value in best.items())
        others = [name for name in best if name not in (across, up)]
        more = f" Of {', '.join(others)} the best value is shown." if others else ""
        self.words.value = (
            f'<span class="locref-note">{html.escape(words)}; bright is high. Chosen: '
            f"{html.escape(chosen)}.{html.escape(more)}</span>"
        )


def _values(rows: list[dict[str, Any]], name: str | None) -> list[Any]:
    values = []
    for row in rows:
        if row["values"][name] not in values:
            values.append(row["values"][name])
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    return sorted(values) if numbers else values
