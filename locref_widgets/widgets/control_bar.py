"""Status line, progress bars and the three buttons.

A button writes a request into the run folder and does nothing else: the process that runs the job
reads it between batches, and its answer comes back as an event.
"""

import html
from collections.abc import Callable

import ipywidgets as widgets

from locref_widgets.errors import OutputError
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.words import progress_words, status_html

_BUTTONS = {
    "pause": ("Pause", "pause", "Pause after the batch under way"),
    "continue": ("Continue", "play", "Go on with a paused run"),
    "stop": ("Stop", "stop", "End the run after the batch under way; it can be resumed later"),
}
_BAR_STYLES = {"finished": "success", "failed": "danger", "lost": "danger", "stopped": "warning"}
# What a request waits for, and what the status line says until it comes.
_PENDING = {"pause": "pausing", "continue": "running", "stop": "stopping"}


class ControlBar:
    """The top of the dashboard. `request` is called with `pause`, `continue` or `stop`."""

    def __init__(self, name: str, request: Callable[[str], None]) -> None:
        self._request = request
        self._pending = ""
        self._state = RunState()
        self.title = widgets.HTML(
            f"<b>Local refinement</b> <code>{html.escape(name)}</code>",
            layout=widgets.Layout(min_width="0"),
        )
        self.status = widgets.HTML("")
        self.error = widgets.HTML("")
        self.warnings = widgets.HTML("")
        self.iteration_bar, self.iteration_words = _bar("Iterations")
        self.particle_bar, self.particle_words = _bar("Particles")
        self.buttons = {action: self._button(action) for action in _BUTTONS}
        buttons = widgets.HBox(
            list(self.buttons.values()), layout=widgets.Layout(flex_flow="row wrap")
        )
        self.widget = widgets.VBox(
            [
                self.title,
                self.status,
                self.error,
                _row(self.iteration_bar, self.iteration_words),
                _row(self.particle_bar, self.particle_words),
                buttons,
                self.warnings,
            ],
            layout=widgets.Layout(min_width="0"),
        )
        self.show(self._state)

    def show(self, state: RunState) -> None:
        """Bring words, bars and buttons up to the state."""
        self._state = state
        status = state.status
        answered = {"pause": "paused", "continue": "running", "stop": "stopped"}
        if self._pending and (state.ended or status == answered[self._pending]):
            self._pending = ""
        shown = _PENDING[self._pending] if self._pending else status
        self.status.value = status_html(shown, state)
        self.iteration_words.value, self.particle_words.value = progress_words(state)
        maximum = max(1, state.maximum_iterations)
        done = min(max(state.iterations, default=0), maximum)
        # A run that converged early is done as a whole.
        self.iteration_bar.max = maximum
        self.iteration_bar.value = maximum if status == "finished" else done
        self.particle_bar.max = max(1, state.total)
        whole = status == "finished"
        self.particle_bar.value = self.particle_bar.max if whole else min(state.done, state.total)
        for bar in (self.iteration_bar, self.particle_bar):
            bar.bar_style = _BAR_STYLES.get(status, "")
        self._enable_buttons()
        if state.message:
            self.error.value = _boxed("error", f"The run failed: {state.message}")
        self.warnings.value = _folded(state.warnings)

    def show_error(self, text: str) -> None:
        """Show a fault of the dashboard itself; an empty text takes it away."""
        self.error.value = _boxed("error", f"The dashboard met a fault: {text}") if text else ""

    def _enable_buttons(self) -> None:
        status = self._state.status
        stopping = self._pending == "stop"
        running = status == "running" and not stopping
        self.buttons["pause"].disabled = not running or self._pending == "pause"
        waiting = status == "paused" or self._pending == "pause"
        self.buttons["continue"].disabled = not waiting or stopping
        self.buttons["stop"].disabled = status not in ("queued", "running", "paused") or stopping

    def _button(self, action: str) -> widgets.Button:
        label, icon, tooltip = _BUTTONS[action]
        button = widgets.Button(
            description=label, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="110px")
        )
        button.add_class(f"locref-{action}")
        button.on_click(lambda _button: self._press(action))
        return button

    def _press(self, action: str) -> None:
        try:
            self._request(action)
        except OutputError as error:
            self.error.value = _boxed("error", str(error))
            return
        self._pending = action
        self.show(self._state)


def _bar(description: str) -> tuple[widgets.IntProgress, widgets.HTML]:
    bar = widgets.IntProgress(
        min=0,
        max=1,
        description=description,
        style={"description_width": "80px"},
        layout=widgets.Layout(width="360px", flex="0 1 360px"),
    )
    return bar, widgets.HTML("")


def _row(bar: widgets.IntProgress, words: widgets.HTML) -> widgets.HBox:
    return widgets.HBox(
        [bar, words], layout=widgets.Layout(flex_flow="row wrap", align_items="center")
    )


def _boxed(kind: str, text: str) -> str:
    role = ' role="alert"' if kind == "error" else ""
    return f'<div class="locref-{kind}"{role}>{html.escape(text)}</div>'


def _folded(warnings: list[str]) -> str:
    """One line that opens to the texts: warnings are long, and the plots should stay in sight."""
    if not warnings:
        return ""
    count = "1 warning" if len(warnings) == 1 else f"{len(warnings)} warnings"
    texts = "".join(f"<p>{html.escape(text)}</p>" for text in warnings)
    return (
        f'<details class="locref-warning"><summary>'
        f'<span aria-hidden="true">⚠</span> {count} (click to read)</summary>{texts}</details>'
    )
