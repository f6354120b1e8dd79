"""Histogram of how far the particles moved, with what the search allowed and the prior drawn."""

import math
from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np
from jaxtyping import Float

from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.held import held
from locref_widgets.widgets.plain_plot import plain_plot
from locref_widgets.widgets.style import BAR_COLOUR, LIMIT_COLOUR, TOOLTIP_STYLE
from locref_widgets.widgets.ticks import nice_maximum, round_ticks
from locref_widgets.widgets.words import change_words

PRIOR_COLOUR = "#009e73"


class HistogramPanel:
    """Histogram of one change, with the largest value that the search allowed and the prior."""

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
        self.prior = bq.Lines(
            x=np.zeros(2),
            y=np.zeros(2),
            scales={"x": x, "y": y},
            colors=[PRIOR_COLOUR],
            stroke_width=2.5,
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
            scale=y, side="left", label="Particles", label_offset="42px", tick_format="~s"
        )
        self.figure = plain_plot(
            marks=[self.bars, self.prior, self.limit],
            axes=[self._x_axis, self._y_axis],
            height="240px",
        )
        self.heading = widgets.HTML(f"<b>{title}</b>")
        self.note = widgets.HTML("")
        self.widget = widgets.VBox(
            [self.heading, self.figure, self.note], layout=widgets.Layout(min_width="0")
        )
        self._payload: dict[str, Any] | None = None

    def show(self, state: RunState, finished: dict[str, Any]) -> None:
        """Draw the histogram that the event of an iteration holds."""
        payload = finished.get(self.key)
        if not payload or payload is self._payload:
            return
        edges = np.asarray(payload[f"edges_{self.unit}"], dtype=np.float64)
        told = payload.get(f"limit_{self.unit}")
        limit = math.nan if told is None else float(told)
        sigma, learned = prior_sigma(state, finished, self.unit)
        self.heading.value = change_words(self.title, state, self.key, finished)
        self.note.value = self._words(limit, sigma, learned, state.pixel_size_angstrom)
        marks = (self.bars, self.prior, self.limit)
        with held(self._x, self._y, self._x_axis, self._y_axis, *marks):
            self.bars.x = (edges[:-1] + edges[1:]) / 2
            self.bars.y = np.asarray(payload["counts"], dtype=np.float64)
            self._x.max = float(np.nanmax([edges[-1], limit])) * 1.03
            highest = float(self.bars.y.max())
            self._y.max = nice_maximum(highest * 1.05)
            self._x_axis.tick_values = round_ticks(0.0, self._x.max)
            self._y_axis.tick_values = round_ticks(0.0, self._y.max)
            if math.isfinite(limit):
                self.limit.x = np.full(2, limit)
                self.limit.visible = True
            self._draw_prior(sigma, highest)
        self._payload = payload

    def _draw_prior(self, sigma: float | None, highest: float) -> None:
        if sigma is None:
            self.prior.visible = False
            return
        x = np.linspace(0.0, self._x.max, 80)
        self.prior.x, self.prior.y = x, prior_weight(x, sigma) * highest
        self.prior.visible = True

    def _words(
        self, limit: float, sigma: float | None, learned: bool, pixel_size_angstrom: float
    ) -> str:
        parts = []
        if math.isfinite(limit) and self.unit == "deg":
            words = f"rotation extent: {limit:.1f}° ({math.radians(limit):.2f} rad)"
            parts.append(_legend(LIMIT_COLOUR, "dashed", words))
        elif math.isfinite(limit):
            words = f"half the shift extent: {limit:.1f} px ({limit * pixel_size_angstrom:.1f} Å)"
            parts.append(_legend(LIMIT_COLOUR, "dashed", words))
        if sigma is None:
            parts.append("no prior")
        else:
            width = (
                f"{sigma:.1f}°"
                if self.unit == "deg"
                else f"{sigma:.1f} px ({sigma * pixel_size_angstrom:.1f} Å)"
            )
            prior = "learned prior" if learned else "prior"
            parts.append(_legend(PRIOR_COLOUR, "solid", f"weight by the {prior}, σ = {width}"))
        return f'<div class="locref-legend locref-note">{" ".join(parts)}</div>'


def prior_sigma(state: RunState, finished: dict[str, Any], unit: str) -> tuple[float | None, bool]:
    """Width of the prior in an iteration, in degrees or pixels, and whether it was learned.

    The width is None where there is no prior.
    """
    settings = state.in_effect(int(finished.get("iteration") or 0)).get("settings") or {}
    if unit == "deg":
        given = settings.get("prior_rotation")
        learned = (finished.get("pose_change") or {}).get("prior_deg")
        return given or learned, given is None
    width = settings.get("prior_shift")
    known = math.isfinite(state.pixel_size_angstrom)
    return (width / state.pixel_size_angstrom if width and known else None), False


def prior_weight(x: Float[np.ndarray, " n"], sigma: float) -> Float[np.ndarray, " n"]:
    """Weight of a motion of that size by its Gaussian prior, 1 at rest."""
    return np.exp(-0.5 * (x / sigma) ** 2)


def _legend(colour: str, style: str, words: str) -> str:
    return (
        f'<span><span class="locref-line" style="border-color:{colour};border-top-style:{style}">'
        f"</span> {words}</span>"
    )
