"""FSC curves over spatial frequency, read off in Å, with their resolutions in words below."""

import html
from collections.abc import Sequence
from typing import NamedTuple

import bqplot as bq
import ipywidgets as widgets
import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD
from locref_widgets.widgets.held import held
from locref_widgets.widgets.plain_plot import plain_plot
from locref_widgets.widgets.ticks import tick_labels

# What bqplot draws, in the words of CSS.
_BORDERS = {"solid": "solid", "dashed": "dashed", "dotted": "dotted", "dash_dotted": "dotted"}


class DrawnCurve(NamedTuple):
    """A curve and how it looks; values that are not finite are left out."""

    name: str
    frequency_per_angstrom: Float[np.ndarray, " n"]
    values: Float[np.ndarray, " n"]
    resolution_angstrom: float | None
    colour: str
    dash: str = "solid"
    width: float = 2.5


class FSCPlot:
    """Curves with the line at 0.143, and a legend. Lines are kept, and changed, by place."""

    def __init__(self) -> None:
        x, y = bq.LinearScale(min=0.0, max=0.25), bq.LinearScale(min=-0.1, max=1.02)
        self._x, self._scales = x, {"x": x, "y": y}
        self._lines: list[bq.Lines] = []
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
        self.figure = plain_plot(
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
            height="260px",
        )
        self.legend = widgets.HTML("")
        self.widget = widgets.VBox([self.figure, self.legend], layout=widgets.Layout(min_width="0"))

    def draw(self, curves: Sequence[DrawnCurve], nothing: str = "") -> None:
        """Draw these; `nothing` is said where there is none."""
        kept = [_finite(curve) for curve in curves]
        while len(self._lines) < len(kept):
            self._lines.append(bq.Lines(scales=self._scales))
        for line, curve in zip(self._lines, kept, strict=False):
            with line.hold_sync():
                line.x, line.y = curve.frequency_per_angstrom, curve.values
                line.colors, line.line_style = [curve.colour], curve.dash
                line.stroke_width = curve.width
        largest = max(
            (float(curve.frequency_per_angstrom.max(initial=0.0)) for curve in kept), default=0.0
        )
        if largest > 0:
            with held(self._x, self._axis, self.threshold):
                self._x.max = largest
                self._axis.tick_values, self._axis.tick_labels = resolution_ticks(largest)
                self.threshold.x = np.array([0.0, largest])
        marks = [self.threshold, *self._lines[: len(kept)]]
        if marks != self.figure.marks:
            self.figure.marks = marks
        while len(self._lines) > len(kept):
            self._lines.pop().close()
        text = "".join(map(_named, kept)) or html.escape(nothing)
        self.legend.value = f'<div class="locref-legend locref-note">{text}</div>'


def resolution_ticks(largest_per_angstrom: float) -> tuple[np.ndarray, dict[str, str]]:
    """Places on the frequency axis, evenly spread, and their names in Å."""
    places = np.round(np.linspace(0.2, 1.0, 5) * largest_per_angstrom, 9)
    return places, tick_labels(places, [f"{1 / place:.3g}" for place in places])


def _finite(curve: DrawnCurve) -> DrawnCurve:
    frequency, values = curve.frequency_per_angstrom, curve.values
    keep = np.isfinite(frequency) & np.isfinite(values)
    return curve._replace(frequency_per_angstrom=frequency[keep], values=values[keep])


def _named(curve: DrawnCurve) -> str:
    at = f": {curve.resolution_angstrom:.2f} Å" if curve.resolution_angstrom else ""
    return (
        f'<span><span class="locref-line" style="border-color:{curve.colour};'
        f'border-top-style:{_BORDERS[curve.dash]}"></span> {html.escape(curve.name)}{at}</span>'
    )
