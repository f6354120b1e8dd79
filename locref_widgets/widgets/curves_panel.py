"""The FSC curves of an iteration."""

from typing import Any

import bqplot as bq
import ipywidgets as widgets
import numpy as np

from locref_widgets.widgets.fsc_plot import DrawnCurve, FSCPlot
from locref_widgets.widgets.style import HIDDEN_CURVES, curve_colour

_HEADING = "<b>Fourier shell correlation of the half-maps</b>"


class FSCPanel:
    """FSC curves of an iteration, as its event tells them, under a heading."""

    def __init__(self) -> None:
        self._payload: dict[str, Any] | None = None
        self._plot = FSCPlot()
        self._lines: dict[str, bq.Lines] = {}
        self.figure, self.legend = self._plot.figure, self._plot.legend
        self.heading = widgets.HTML(_HEADING)
        self.widget = widgets.VBox(
            [self.heading, self._plot.widget], layout=widgets.Layout(min_width="0")
        )

    def show(self, finished: dict[str, Any]) -> None:
        """Draw the curves of an iteration, as its event told them."""
        payload = finished.get("fsc")
        if not payload or payload is self._payload:
            return
        shown = {name: curve for name, curve in payload.items() if name not in HIDDEN_CURVES}
        self.show_curves(shown, f"{_HEADING}, iteration {finished.get('iteration')}")
        self._payload = payload

    def show_curves(self, payload: dict[str, Any], heading: str = _HEADING) -> None:
        """Draw curves: ``frequency_per_angstrom``, ``values``, ``resolution_angstrom`` each."""
        self._plot.draw([_drawn(name, curve, i) for i, (name, curve) in enumerate(payload.items())])
        self._lines = dict(zip(payload, self.figure.marks[1:], strict=True))
        self.heading.value = heading


def _drawn(name: str, curve: dict[str, Any], position: int) -> DrawnCurve:
    return DrawnCurve(
        name,
        np.asarray(curve["frequency_per_angstrom"], dtype=np.float64),
        np.asarray(curve["values"], dtype=np.float64),
        curve.get("resolution_angstrom"),
        curve_colour(name, position),
        "dashed" if "randomised" in name else "solid",
        3.0 if name == "dynamic mask corrected" else 1.8,
    )
