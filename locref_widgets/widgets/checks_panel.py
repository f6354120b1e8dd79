"""What is wrong with the mask, as lights with the mend beside them, and what it does to the FSC."""

import html
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import ipywidgets as widgets
import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.checks import examine_mask
from locref_widgets.masks.fsc_consequence import FSCConsequence
from locref_widgets.masks.mask_check import MaskCheck, Mend, worst_state
from locref_widgets.widgets.studio_parts import Host, Task, button, column, note, row, said

if TYPE_CHECKING:
    from locref_widgets.widgets.curves_panel import FSCPanel

_PATIENCE_S = 0.4
"""A mask is looked at when nothing has changed for so long."""

_LIGHTS = {
    "ok": ("✔", "locref-good", "in order"),
    "warning": ("⚠", "locref-light-warning", "warning"),
    "fault": ("✖", "locref-bad", "fault"),
}
_CURVE_NAMES = {
    "no mask": "no mask",
    "mask": "user mask",
    "mask randomised": "user mask randomised",
    "mask corrected": "user mask corrected",
}


class ChecksPanel:
    """Lights that follow the mask. ``found`` is told how many there are of each state."""

    def __init__(self, host: Host, found: Callable[[list[MaskCheck]], None]) -> None:
        self._host, self._found = host, found
        self._mask: Map | None = None
        self._timer: threading.Timer | None = None
        self._measured: Map | None = None
        self.checks: list[MaskCheck] = []
        self.consequence: FSCConsequence | None = None
        self.task = Task(host)
        self._lights = column()
        self._lights.add_class("locref-lights")
        self._title = widgets.HTML()
        self.measure_button = button(
            "Measure the FSC",
            "FSC of the half-maps without and with the mask, corrected for the mask's own part",
            self.measure,
        )
        self._sentence = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._mend = row()
        # bqplot takes long to import, and fails at a figure that has no size.
        self.figure: "FSCPanel | None" = None
        self._place = column()
        self.widget = column(
            self._title,
            self._lights,
            row(self.measure_button, self.task.widget),
            self._sentence,
            self._mend,
            self._place,
        )
        self.refresh()

    def refresh(self) -> None:
        """Look at the mask again soon, if it is another."""
        state = self._host.state
        self.measure_button.disabled = state.half_maps is None or not state.has_mask
        if state.half_maps is None:
            self._sentence.value = note(
                "Give the half-maps, MaskStudio(volume, half_maps=(half1, half2)), to see what the "
                "mask does to the FSC."
            )
        elif self._measured is not None and self._measured is not state.mask:
            self._measured = None
            self._sentence.value = said("The curves are those of an earlier mask.", "warning")
            self._mend.children = ()
        if state.mask is self._mask and (self.checks or state.mask is None):
            if state.mask is None:
                self._title.value = note("There is no mask yet.")
            return
        self._mask = state.mask
        if self._timer is not None:
            self._timer.cancel()
        if self._mask is None:
            self._show([])
            return
        self._title.value = note("Looking at the mask…")
        self._timer = threading.Timer(_PATIENCE_S, self.look)
        self._timer.daemon = True
        self._timer.start()

    def look(self) -> None:
        """Examine the mask now."""
        state, mask = self._host.state, self._mask
        if mask is None:
            return
        try:
            checks = examine_mask(mask, state.volume, resolution_angstrom=state.resolution_angstrom)
        except Exception as error:  # in a timer's thread nobody would hear of it
            self._title.value = said(f"{type(error).__name__}: {error}", "error")
            return
        if mask is self._mask:
            self._show(checks)

    def close(self) -> None:
        """Look no further."""
        if self._timer is not None:
            self._timer.cancel()

    def measure(self) -> None:
        """Measure what the mask does to the FSC, in the background."""
        mask = self._host.state.mask

        def take(consequence: FSCConsequence) -> None:
            self.consequence, self._measured = consequence, mask
            kind = "warning" if consequence.is_too_tight else "good"
            words = "".join(said(text, "warning") for text in consequence.warnings)
            self._sentence.value = said(consequence.sentence, kind) + words
            self._mend.children = self._mend_button(consequence.mend)
            if self.figure is None:
                from locref_widgets.widgets.curves_panel import FSCPanel

                self.figure = FSCPanel()
            self.figure.show_curves(
                _payload(consequence), "<b>Fourier shell correlation of the half-maps</b>"
            )
            self._place.children = (self.figure.widget,)

        self.task.run("measuring the FSC…", self._host.state.consequence, take)

    def _show(self, checks: list[MaskCheck]) -> None:
        self.checks = checks
        worst = worst_state(checks)
        words = {
            "ok": "Nothing speaks against this mask.",
            "warning": "The mask can be used; mind the warnings.",
            "fault": "The mask cannot be used as it is.",
        }
        self._title.value = f"<b>{words[worst]}</b>" if checks else note("There is no mask yet.")
        self._lights.children = [self._light(check) for check in checks]
        self._found(checks)

    def _light(self, check: MaskCheck) -> widgets.HBox:
        sign, kind, word = _LIGHTS[check.state]
        text = check.text[:1].upper() + check.text[1:]
        line = widgets.HTML(
            f'<div class="locref-light"><span class="{kind}" role="img" aria-label="{word}">'
            f"{sign}</span><b>{html.escape(check.name)}</b><span>{html.escape(text)}</span></div>",
            layout=widgets.Layout(flex="1 1 320px", min_width="0"),
        )
        return widgets.HBox(
            [line, *self._mend_button(check.mend)],
            layout=widgets.Layout(flex_flow="row", align_items="center", min_width="0"),
        )

    def _mend_button(self, mend: Mend | None) -> list[widgets.Button]:
        if mend is None or not self._host.state.has_mask:
            return []
        try:
            steps = self._host.state.mending_steps(mend)
        except InputError:
            return []
        words = ", then ".join(step.describe() for step in steps)
        return [button("Mend", f"Do it: {words}", lambda: self._do(mend))]

    def _do(self, mend: Mend) -> None:
        self._host.act(lambda: self._host.state.mend(mend))


def _payload(consequence: FSCConsequence) -> dict[str, dict[str, object]]:
    found = {}
    for name, curve in consequence.curves.items():
        resolution = None if name.endswith("randomised") else curve.resolution_angstrom()
        found[_CURVE_NAMES[name]] = {
            "frequency_per_angstrom": np.asarray(curve.frequency_per_angstrom),
            "values": np.asarray(curve.values),
            "resolution_angstrom": resolution,
        }
    return found
