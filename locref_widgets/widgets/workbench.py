"""The whole job as one app: data, mask, fulcrum, settings, run, results."""

import html
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError, OutputError
from locref_widgets.widgets.closing import close_parts, close_whole
from locref_widgets.widgets.same_cell import close_earlier
from locref_widgets.widgets.studio_parts import column, said
from locref_widgets.widgets.studio_style import studio_style
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.workbench_code import code_of, step_code
from locref_widgets.widgets.workbench_data_step import DataStep
from locref_widgets.widgets.workbench_files import WorkbenchFiles
from locref_widgets.widgets.workbench_input_steps import FulcrumStep, MaskStep, SettingsStep
from locref_widgets.widgets.workbench_run_steps import ResultsStep, RunStep, runs_of
from locref_widgets.widgets.workbench_state import FILE_NAME, STEPS, Step, WorkbenchState

_STEPS: dict[Step, tuple[str, str, Callable[[Any], Any]]] = {
    "data": ("Data", "Particles, map and half-maps", DataStep),
    "mask": ("Mask", "The region that moves", MaskStep),
    "fulcrum": ("Fulcrum", "The point about which it turns", FulcrumStep),
    "settings": ("Settings", "How far to search, and how", SettingsStep),
    "run": ("Run", "Start it and watch", RunStep),
    "results": ("Results", "Maps, report, comparison", ResultsStep),
}
_INPUTS: frozenset[Step] = frozenset(("data", "mask", "fulcrum", "settings"))
_STYLE = """<style>
.locref-steps { border-bottom: 1px solid var(--jp-border-color1); padding-bottom: 6px;
  margin-bottom: 8px; }
.locref-steps .jupyter-button { border-radius: 16px; }
.locref-steps .jupyter-button:disabled { cursor: default; }
.locref-code { margin-top: 12px; }
.locref-code summary { cursor: pointer; }
.locref-code mark { background: var(--jp-layout-color3); color: inherit; }
</style>"""


class Workbench(widgets.VBox):
    """The steps of a local refinement in order, from the files to the results.

    Everything chosen is kept in ``workbench.json`` in the folder, masks and runs beside it: run
    the cell again, in this kernel or another, and you are where you were. The Python lines that do
    the same stand at the foot.

    Parameters
    ----------
    folder
        Where it is kept; it is made if need be.

    Raises
    ------
    InputError
        The folder's ``workbench.json`` cannot be read as one; it is left as it is.
    OutputError
        The folder cannot be made or written.
    """

    def __init__(self, folder: str | os.PathLike[str] = "workbench") -> None:
        self.folder = Path(folder).absolute()
        self.state = self._known = WorkbenchState.load(self.folder)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: cannot be made ({error.strerror}). Give another folder."
            ) from error
        self.files = WorkbenchFiles()
        self._panels: dict[Step, Any] = {}
        self._changed: Step | None = None
        self._said = widgets.HTML(layout=widgets.Layout(min_height="28px", min_width="0"))
        self._stage = column()
        self._code = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.next = widgets.Button(
            icon="arrow-right", layout=widgets.Layout(width="auto", align_self="flex-end")
        )
        self.next.on_click(lambda _button: self._go_on())
        self.buttons: dict[Step, widgets.Button] = {step: self._button(step) for step in _STEPS}
        steps = widgets.HBox(
            list(self.buttons.values()),
            layout=widgets.Layout(flex_flow="row wrap", min_width="0"),
        )
        steps.add_class("locref-steps")
        hidden = widgets.HTML(_STYLE, layout=widgets.Layout(height="0", margin="0"))
        title = widgets.HTML(
            f"<b>Local refinement</b> <code>{html.escape(self.folder.name)}</code>"
        )
        super().__init__(
            [
                style_sheet(),
                studio_style(),
                hidden,
                title,
                steps,
                self._said,
                self._stage,
                self._code,
            ]
        )
        for name in ("locref-form", "locref-keys", "locref-workbench"):
            self.add_class(name)
        self.go_to(self.state.step)
        close_earlier(self)

    def __repr__(self) -> str:
        return f"Workbench({str(self.folder)!r}, step {self.state.step!r})"

    @property
    def code(self) -> str:
        """The Python lines that do what was clicked so far."""
        return "\n".join(lines for _, lines in code_of(self.state, self.folder))

    @property
    def step(self) -> Any:
        """The step that is open: its controls, for programs and tests."""
        return self._panels[self.state.step]

    def go_to(self, step: Step) -> None:
        """Open a step; where it waits for an earlier one, the first that is missing is opened."""
        faulty = self._faulty_before(step)
        if faulty is not None:
            step = faulty
        elif self.state.why_not(step, len(runs_of(self.folder))):
            step = "data" if not self.state.is_done("data") else "mask"
        self.say("")
        if step != self.state.step:
            self.update(step=step)
        if not self.attempt(lambda: self._show(step)):
            self._stage.children = ()
        elif self.step.fault:
            self.say(self.step.fault, "error")
        self.refresh_frame()

    def update(self, **changes: Any) -> None:
        """Change the state, keep it on the disc, and show what depends on it."""
        before, self.state = self.state, self.state.with_(**changes)
        try:
            self._merge()
            if self.state == before:
                return
            self.state.save(self.folder)
            self._known = self.state
        except (InputError, OutputError) as error:
            self.say(str(error), "error")
        self._changed = self.state.step if "step" not in changes else None
        if "step" not in changes:
            self.attempt(lambda: self._show(self.state.step))
            self.refresh_frame()

    def say(self, words: str, kind: str = "note") -> None:
        """Say something in words above the step: a note, a warning or an error."""
        self._said.value = said(words, kind)

    def attempt(self, work: Callable[[], Any]) -> bool:
        """Do something that may fail; say in words why it did; whether it went well."""
        try:
            work()
        except (InputError, OutputError) as error:
            self.say(str(error), "error")
            return False
        except Exception as error:
            # An error in a button's handler would only reach the server's log.
            self.say(f"{type(error).__name__}: {error}", "error")
            raise
        return True

    def refresh_frame(self) -> None:
        """Show anew which steps are open, and the code."""
        runs = len(runs_of(self.folder))
        for number, (step, control) in enumerate(self.buttons.items(), start=1):
            words, tooltip, _ = _STEPS[step]
            faulty = step in self._panels and self._panels[step].fault
            done = " ✓" if self.state.is_done(step, runs) and not faulty else ""
            waits = self._why_not(step, runs)
            control.description = f"{number} {words}{done}"
            control.disabled = waits is not None
            control.tooltip = f"{tooltip}. {waits}." if waits else tooltip
            control.button_style = "primary" if step == self.state.step else ""
        following = _following(self.state.step)
        self.next.layout.display = "none" if following is None else ""
        if following is not None:
            waits = self._why_not(following, runs)
            self.next.description = f"Next: {_STEPS[following][0]}"
            self.next.disabled = waits is not None
            self.next.tooltip = f"{waits}." if waits else _STEPS[following][1]
        self._code.value = self._code_html()

    def close(self) -> None:
        """Take the view away; runs go on, and the state is on the disc."""
        for panel in getattr(self, "_panels", {}).values():
            close_whole(panel.widget)
        close_parts(self, (self.next,))
        super().close()

    def _merge(self) -> None:
        """Take in what another view of the folder has written since this one last did."""
        if not (self.folder / FILE_NAME).exists():
            return
        theirs = WorkbenchState.load(self.folder)
        if theirs == self._known:
            return
        merged = self.state.merged(self._known, theirs)
        if merged != self.state:
            self.say("What another view of this folder has chosen is shown here, too.", "warning")
        self.state, self._known = merged, theirs

    def _faulty_before(self, step: Step) -> Step | None:
        """The earlier step whose entries are wrong; results do not depend on them."""
        earlier = () if step == "results" else STEPS[: STEPS.index(step)]
        panels = self._panels
        return next((one for one in earlier if one in panels and panels[one].fault), None)

    def _why_not(self, step: Step, runs: int) -> str | None:
        faulty = self._faulty_before(step)
        if faulty is not None:
            return f"{_STEPS[faulty][0]}: {self._panels[faulty].fault.removesuffix('.')}"
        return self.state.why_not(step, runs)

    def _show(self, step: Step) -> None:
        if step not in self._panels:
            self._panels[step] = _STEPS[step][2](self)
        panel = self._panels[step]
        panel.refresh()
        if self._stage.children != (panel.widget,):
            self._stage.children = (panel.widget,)
            self._drop_inputs(step)
        if self._said.value and "Reading" in self._said.value:
            self.say("")

    def _drop_inputs(self, step: Step) -> None:
        """Close the input steps that were left: all they hold is in the state.

        Each part of a view waits for its turn when the page is loaded anew, and those that come
        late are not shown by JupyterLab.
        """
        for other in _INPUTS - {step}:
            panel = self._panels.get(other)
            if panel is not None and not panel.holds_work:
                del self._panels[other]
                close_whole(panel.widget)

    def _go_on(self) -> None:
        following = _following(self.state.step)
        panel = self._panels.get(self.state.step)
        if following is None or panel is None or not self.attempt(panel.confirm):
            return
        self.go_to(following)

    def _code_html(self) -> str:
        parts = []
        for step, lines in code_of(self.state, self.folder):
            escaped = html.escape(lines)
            parts.append(f"<mark>{escaped}</mark>" if step == self._changed else escaped)
        extra = step_code(self.state, self.state.step)
        if extra:
            parts.append(html.escape(extra) + "  # this step")
        body = "\n".join(parts)
        return (
            '<details class="locref-code"><summary>The same in Python</summary>'
            f'<pre class="locref-export" tabindex="0" aria-label="The same in Python">{body}</pre>'
            "</details>"
        )

    def _button(self, step: Step) -> widgets.Button:
        made = widgets.Button(layout=widgets.Layout(width="auto", flex="0 0 auto"))
        made.add_class(f"locref-step-{step}")
        made.on_click(lambda _button: self.go_to(step))
        return made


def _following(step: Step) -> Step | None:
    steps = list(_STEPS)
    place = steps.index(step) + 1
    return steps[place] if place < len(steps) else None
