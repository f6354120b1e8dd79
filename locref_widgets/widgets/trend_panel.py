"""How resolution and changes of pose went from iteration to iteration."""

import math
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.held import held
from locref_widgets.widgets.plain_plot import plain_plot
from locref_widgets.widgets.style import BAR_COLOUR, LIMIT_COLOUR, TOOLTIP_STYLE
from locref_widgets.widgets.ticks import nice_maximum, round_ticks


class TrendPanel:
    """A line over the iterations, the one shown elsewhere marked."""

    def __init__(self, title: str, unit: str, colour: str) -> None:
        self._x, self._y = bq.LinearScale(min=-0.3, max=3.3), bq.LinearScale()
        scales = {"x": self._x, "y": self._y}
        self.line = bq.Lines(
            x=np.zeros(0), y=np.zeros(0), scales=scales, colors=[colour], stroke_width=2.5
        )
        self.points = bq.Scatter(
            x=np.zeros(0),
            y=np.zeros(0),
            scales=scales,
            colors=[colour],
            default_size=50,
            tooltip=bq.Tooltip(
                fields=["x", "y"], labels=["iteration", title.lower()], formats=["d", ".3f"]
            ),
            tooltip_style=TOOLTIP_STYLE,
            interactions={"hover": "tooltip"},
        )
        self.chosen = bq.Scatter(
            x=np.zeros(0),
            y=np.zeros(0),
            scales=scales,
            colors=[colour],
            fill=False,
            stroke_width=2,
            default_size=260,
            enable_hover=False,
        )
        self._axis = bq.Axis(
            scale=self._x,
            label="Iteration",
            label_offset="32px",
            tick_format="d",
            grid_lines="none",
        )
        self._y_axis = bq.Axis(
            scale=self._y,
            side="left",
            label=f"{title} ({unit})",
            label_offset="42px",
            tick_format="~g",
        )
        self.figure = plain_plot(
            marks=[self.line, self.points, self.chosen],
            axes=[self._axis, self._y_axis],
            height="190px",
        )
        self.heading = widgets.HTML(f"<b>{title} by iteration</b>")
        self.widget = widgets.VBox(
            [self.heading, self.figure], layout=widgets.Layout(min_width="0")
        )

    def draw(self, numbers: list[int], values: Float[np.ndarray, " n"], chosen: int | None) -> None:
        """Draw one point per finished iteration."""
        if not np.isfinite(values).any():
            return
        x = np.array(numbers, dtype=np.float64)
        if not (np.array_equal(self.line.x, x) and np.array_equal(self.line.y, values)):
            last = max(numbers[-1], 3)
            parts = (self._x, self._y, self._axis, self._y_axis, self.line, self.points)
            with held(*parts):
                self._x.max = last + 0.3
                self._axis.tick_values = np.arange(0, last + 1, max(1, last // 10))
                self._set_height(float(np.nanmin(values)), float(np.nanmax(values)))
                for mark in (self.line, self.points):
                    mark.x, mark.y = x, values
        place = numbers.index(chosen) if chosen in numbers else len(numbers) - 1
        if not np.array_equal(self.chosen.x, x[place : place + 1]) or not np.array_equal(
            self.chosen.y, values[place : place + 1]
        ):
            with self.chosen.hold_sync():
                self.chosen.x, self.chosen.y = x[place : place + 1], values[place : place + 1]

    def _set_height(self, low: float, high: float) -> None:
        room = max(0.12 * (high - low), 0.02 * high)
        self._y.min, self._y.max = low - room, high + room
        self._y_axis.tick_values = round_ticks(self._y.min, self._y.max)


class ResolutionPanel(TrendPanel):
    """The resolution after each iteration; iteration 0 is the map at the given poses."""

    def __init__(self) -> None:
        super().__init__("Resolution", "Å", LIMIT_COLOUR)

    def show(self, state: RunState, chosen: int | None = None) -> None:
        """Draw one point per finished iteration."""
        numbers = sorted(state.iterations)
        if not numbers:
            return
        values = _values(state, numbers, lambda told: told.get("resolution_angstrom"))
        self.draw(numbers, values, chosen)
        known = values[np.isfinite(values)]
        if len(known):
            self.heading.value = (
                f"<b>Resolution by iteration</b>: {known[0]:.2f} Å at first, now {known[-1]:.2f} Å"
                f' <span class="locref-note">(FSC = {FSC_THRESHOLD})</span>'
            )


class PoseTrendPanel(TrendPanel):
    """The median pose change after each iteration; it levels off as poses settle."""

    def __init__(self) -> None:
        super().__init__("Pose change", "°", BAR_COLOUR)

    def show(self, state: RunState, chosen: int | None = None) -> None:
        """Draw one point per finished iteration."""
        numbers = sorted(state.iterations)
        if not numbers:
            return
        values = _values(
            state, numbers, lambda told: (told.get("pose_change") or {}).get("median_deg")
        )
        shifts = _values(
            state, numbers, lambda told: (told.get("shift_change") or {}).get("median_px")
        )
        self.draw(numbers, values, chosen)
        self.heading.value = (
            f"<b>Median change by iteration</b>: now {values[-1]:.2f}° and {shifts[-1]:.2f} px"
        )

    def _set_height(self, low: float, high: float) -> None:
        self._y.min, self._y.max = min(0.0, low), nice_maximum(high * 1.05)
        self._y_axis.tick_values = round_ticks(0.0, self._y.max)


def _values(state: RunState, numbers: list[int], read: Any) -> Float[np.ndarray, " n"]:
    told = [read(state.iterations[number]) for number in numbers]
    return np.array([math.nan if value is None else value for value in told])
