"""The FSC curves of an iteration."""

import html
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np

from locref_widgets.widgets.style import HIDDEN_CURVES, curve_colour
from locref_widgets.widgets.ticks import tick_labels

FSC_THRESHOLD = 0.143
MARGIN = {"top": 12, "bottom": 48, "left": 58, "right": 20}


class FSCPanel:
    """FSC curves of an iteration over spatial frequency, with a legend beside."""

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
            fig_margin=MARGIN,
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

    def show(self, finished: dict[str, Any]) -> None:
        """Draw the curves of an iteration, as its event told them."""
        payload = finished.get("fsc")
        if not payload or payload is self._payload:
            return
        self._payload = payload
        iteration = finished.get("iteration")
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
