"""The dashboard's line and bar plots: two histograms, the FSC curves, the resolution."""

import html
import math
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np

from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.style import (
    BAR_COLOUR,
    HIDDEN_CURVES,
    LIMIT_COLOUR,
    TOOLTIP_STYLE,
    curve_colour,
)
from locref_widgets.widgets.ticks import nice_maximum, round_ticks, tick_labels
from locref_widgets.widgets.words import change_words

FSC_THRESHOLD = 0.143
_MARGIN = {"top": 12, "bottom": 52, "left": 62, "right": 24}


class HistogramPanel:
    """Histogram of one change, with the largest value that the search allows marked."""

    def __init__(self, title: str, key: str, unit: str, unit_words: str) -> None:
        self.title, self.key, self.unit = title, key, unit
        x, y = bq.LinearScale(min=0.0, max=1.0), bq.LinearScale(min=0.0, max=1.0)
        self._x, self._y = x, y
        self.bars = bq.Bars(
            # As many bins as there will be: bqplot leaves room for the width of the first bars.
            x=np.linspace(0.0, 1.0, 40),
            y=np.zeros(40),
            scales={"x": x, "y": y},
            colors=[BAR_COLOUR],
            padding=0.05,
            tooltip=bq.Tooltip(
                fields=["x", "y"],
                labels=[f"around ({unit_words})", "particles"],
                formats=[".2f", ".0f"],
            ),
            tooltip_style=TOOLTIP_STYLE,
            interactions={"hover": "tooltip"},
        )
        self.limit = bq.Lines(
            x=np.zeros(2),
            y=np.array([0.0, 1.0]),
            scales={"x": x, "y": bq.LinearScale(min=0.0, max=1.0)},
            colors=[LIMIT_COLOUR],
            stroke_width=3,
            line_style="dashed",
            visible=False,
        )
        self._x_axis = bq.Axis(
            scale=x,
            label=f"{title} ({unit_words})",
            label_offset="32px",
            tick_format="~g",
            grid_lines="none",
        )
        self._y_axis = bq.Axis(
            scale=y, side="left", label="Particles", label_offset="46px", tick_format="~s"
        )
        self.figure = bq.Figure(
            marks=[self.bars, self.limit],
            axes=[self._x_axis, self._y_axis],
            fig_margin=_MARGIN,
            padding_x=0.0,
            padding_y=0.0,
            display_toolbar=False,
            layout=widgets.Layout(width="auto", height="240px", min_width="0"),
        )
        self.heading = widgets.HTML(f"<b>{title}</b>")
        self.note = widgets.HTML("")
        self.widget = widgets.VBox(
            [self.heading, self.figure, self.note], layout=widgets.Layout(min_width="0")
        )
        self._payload: dict[str, Any] | None = None

    def show(self, state: RunState) -> None:
        """Draw the latest iteration's histogram."""
        payload = (state.latest or {}).get(self.key)
        if not payload or payload is self._payload:
            return
        self._payload = payload
        edges = np.asarray(payload[f"edges_{self.unit}"], dtype=np.float64)
        limit = state.rotation_extent_deg if self.unit == "deg" else state.shift_radius_px
        with self.bars.hold_sync():
            self.bars.x = (edges[:-1] + edges[1:]) / 2
            self.bars.y = np.asarray(payload["counts"], dtype=np.float64)
        self._x.max = float(np.nanmax([edges[-1], limit])) * 1.03
        self._y.max = nice_maximum(float(self.bars.y.max()) * 1.05)
        self._x_axis.tick_values = round_ticks(0.0, self._x.max)
        self._y_axis.tick_values = round_ticks(0.0, self._y.max)
        if math.isfinite(limit):
            self.limit.x = np.full(2, limit)
            self.limit.visible = True
        self.heading.value = change_words(self.title, state, self.key)
        self.note.value = self._limit_words(limit, state.pixel_size_angstrom)

    def _limit_words(self, limit: float, pixel_size_angstrom: float) -> str:
        if not math.isfinite(limit):
            return ""
        if self.unit == "deg":
            words = f"rotation extent: {limit:.1f}° ({math.radians(limit):.2f} rad)"
        else:
            words = f"half the shift extent: {limit:.1f} px ({limit * pixel_size_angstrom:.1f} Å)"
        return (
            f'<span class="locref-note"><span class="locref-line" '
            f'style="border-color:{LIMIT_COLOUR};border-top-style:dashed"></span> {words}</span>'
        )


class FSCPanel:
    """FSC curves of the latest iteration over spatial frequency, with a legend beside."""

    def __init__(self) -> None:
        x, y = bq.LinearScale(min=0.0), bq.LinearScale(min=-0.1, max=1.02)
        self._scales = {"x": x, "y": y}
        self._lines: dict[str, bq.Lines] = {}
        self._payload: dict[str, Any] | None = None
        self.threshold = bq.Lines(
            x=np.array([0.0, 1.0]),
            y=np.full(2, FSC_THRESHOLD),
            scales=self._scales,
            colors=["#888888"],
            line_style="dashed",
            stroke_width=1.5,
        )
        self._axis = bq.Axis(
            scale=x,
            label="Resolution (Å)",
            label_offset="32px",
            tick_format="~g",
            grid_lines="none",
        )
        self.figure = bq.Figure(
            marks=[self.threshold],
            axes=[
                self._axis,
                bq.Axis(
                    scale=y,
                    side="left",
                    label="FSC",
                    label_offset="40px",
                    tick_values=np.array([0.0, FSC_THRESHOLD, 0.5, 1.0]),
                    tick_format="~g",
                ),
            ],
            fig_margin=_MARGIN,
            padding_x=0.0,
            padding_y=0.0,
            display_toolbar=False,
            layout=widgets.Layout(width="auto", height="260px", min_width="0"),
        )
        self.heading = widgets.HTML("<b>Fourier shell correlation of the half-maps</b>")
        self.legend = widgets.HTML("")
        self.widget = widgets.VBox(
            [self.heading, self.figure, self.legend], layout=widgets.Layout(min_width="0")
        )

    def show(self, state: RunState) -> None:
        """Draw the curves of the latest iteration."""
        payload = (state.latest or {}).get("fsc")
        if not payload or payload is self._payload:
            return
        self._payload = payload
        iteration = (state.latest or {}).get("iteration")
        self.show_curves(
            {name: curve for name, curve in payload.items() if name not in HIDDEN_CURVES},
            f"<b>Fourier shell correlation of the half-maps</b>, iteration {iteration}",
        )

    def show_curves(self, payload: dict[str, Any], heading: str) -> None:
        """Draw curves: ``frequency_per_angstrom``, ``values``, ``resolution_angstrom`` each."""
        largest = 0.0
        for position, (name, curve) in enumerate(payload.items()):
            frequency = np.asarray(curve["frequency_per_angstrom"], dtype=np.float64)
            values = np.asarray(curve["values"], dtype=np.float64)
            keep = np.isfinite(frequency) & np.isfinite(values)
            largest = max(largest, float(frequency[keep].max(initial=0.0)))
            self._draw(name, position, frequency[keep], values[keep])
        if largest > 0:
            self._scales["x"].max = largest
            self.threshold.x = np.array([0.0, largest])
            self._axis.tick_values, self._axis.tick_labels = resolution_ticks(largest)
        self.figure.marks = [self.threshold, *(self._lines[name] for name in payload)]
        self.heading.value = heading
        self.legend.value = _legend(payload)

    def _draw(self, name: str, position: int, frequency: np.ndarray, values: np.ndarray) -> None:
        line = self._lines.get(name)
        if line is None:
            line = self._lines[name] = bq.Lines(
                scales=self._scales,
                colors=[curve_colour(name, position)],
                stroke_width=3 if name == "dynamic mask corrected" else 1.8,
                line_style="dashed" if "randomised" in name else "solid",
            )
        with line.hold_sync():
            line.x, line.y = frequency, values


class ResolutionPanel:
    """The resolution after each iteration; iteration 0 is the map at the given poses."""

    def __init__(self) -> None:
        self._x, self._y = bq.LinearScale(min=-0.3, max=3.3), bq.LinearScale()
        self.line = bq.Lines(
            x=np.zeros(0),
            y=np.zeros(0),
            scales={"x": self._x, "y": self._y},
            colors=[LIMIT_COLOUR],
            marker="circle",
            marker_size=60,
            stroke_width=2.5,
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
            label="Resolution (Å)",
            label_offset="46px",
            tick_format="~g",
        )
        self.figure = bq.Figure(
            marks=[self.line],
            axes=[self._axis, self._y_axis],
            fig_margin=_MARGIN,
            padding_x=0.0,
            padding_y=0.0,
            display_toolbar=False,
            layout=widgets.Layout(width="auto", height="260px", min_width="0"),
        )
        self.heading = widgets.HTML("<b>Resolution by iteration</b>")
        self.note = widgets.HTML("")
        self.widget = widgets.VBox(
            [self.heading, self.figure, self.note], layout=widgets.Layout(min_width="0")
        )
        self._shown = 0

    def show(self, state: RunState) -> None:
        """Draw one point per finished iteration."""
        numbers = sorted(state.iterations)
        if not numbers or (len(numbers) == self._shown and len(self.line.x) == len(numbers)):
            return
        self._shown = len(numbers)
        values = [state.iterations[number].get("resolution_angstrom") for number in numbers]
        if all(value is None for value in values):
            return
        resolution = np.array([math.nan if value is None else value for value in values])
        last = max(numbers[-1], 3)
        self._x.max = last + 0.3
        self._axis.tick_values = np.arange(0, last + 1, max(1, last // 10))
        low, high = np.nanmin(resolution), np.nanmax(resolution)
        room = max(0.1 * (high - low), 0.02 * high)
        self._y.min, self._y.max = float(low - room), float(high + room)
        self._y_axis.tick_values = round_ticks(self._y.min, self._y.max)
        with self.line.hold_sync():
            self.line.x, self.line.y = np.array(numbers, dtype=np.float64), resolution
        self.heading.value = (
            f"<b>Resolution by iteration</b>: {resolution[0]:.2f} Å at the given poses, "
            f"now {resolution[-1]:.2f} Å"
        )
        self.note.value = (
            f'<span class="locref-note">Where the FSC falls below {FSC_THRESHOLD}; '
            "lower is finer. Iteration 0 is the map before any search.</span>"
        )


def resolution_ticks(largest_per_angstrom: float) -> tuple[np.ndarray, dict[str, str]]:
    """Places on the frequency axis, evenly spread, and their names in Å."""
    places = np.round(np.linspace(0.2, 1.0, 5) * largest_per_angstrom, 9)
    return places, tick_labels(places, [f"{1 / place:.3g}" for place in places])


def _legend(payload: dict[str, Any]) -> str:
    parts = []
    for position, (name, curve) in enumerate(payload.items()):
        resolution = curve.get("resolution_angstrom")
        words = "" if resolution is None else f": {resolution:.2f} Å"
        style = "dashed" if "randomised" in name else "solid"
        parts.append(
            f'<span><span class="locref-line" style="border-color:{curve_colour(name, position)};'
            f'border-top-style:{style}"></span> {html.escape(name)}{words}</span>'
        )
    return f'<div class="locref-legend locref-note">{"".join(parts)}</div>'
