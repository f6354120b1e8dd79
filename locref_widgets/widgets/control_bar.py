"""Status line, progress bars and the buttons.

A button writes a request into the run folder and does nothing else: the process that runs the job
reads it between batches, and its answer comes back as an event.
"""

import html
from collections.abc import Callable

import ipywidgets as widgets

from locref_widgets.errors import InputError, OutputError
from locref_widgets.runs.control import STOP_AFTER
from locref_widgets.runs.run_state import ENDED, RunState
from locref_widgets.widgets.words import progress_words, status_html

RESUME = "resume"
_BUTTONS = {
    "pause": ("Pause", "pause", "Pause after the batch under way"),
    "continue": (
        "Continue",
        "play",
        "Go on with a paused run; takes back a stop after the iteration, too",
    ),
    STOP_AFTER: (
        "Stop after iteration",
        "step-forward",
        "Finish the iteration under way, then end; a paused run goes on until then",
    ),
    "stop": (
        "Stop now",
        "stop",
        (
            "End the run after the batch under way: the iteration under way is lost; the run can be"
            " resumed later"
        ),
    ),
    RESUME: ("Resume", "repeat", "Go on with a run that was stopped, failed or lost"),
}
_BAR_STYLES = {"finished": "success", "failed": "danger", "lost": "danger", "stopped": "warning"}
# What a request waits for, and what the status line says until it comes.
_PENDING = {
    "pause": "pausing",
    "continue": "running",
    "stop": "stopping",
    STOP_AFTER: "stopping later",
    RESUME: "resuming",
}
_ANSWERED = {
    "pause": ("paused",),
    "continue": ("running",),
    "stop": ("stopped",),
    STOP_AFTER: ("stopped",),
    RESUME: ("running", "queued"),
}


class ControlBar:
    """The top of the dashboard. `request` is called with an action: a request, or `resume`.

    ``is_pending`` tells whether a request still waits to be taken by the run; ``more`` are further
    buttons for the same row.
    """

    def __init__(
        self,
        name: str,
        request: Callable[[str], None],
        is_pending: Callable[[str], bool],
        more: tuple[widgets.Widget, ...] = (),
    ) -> None:
        self._request, self._is_pending = request, is_pending
        self._pending = ""
        self._taken_at: tuple[int, str, int] | None = None
        self._is_gone = False
        self._state = RunState()
        self._faults: dict[str, str] = {}
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
            [*self.buttons.values(), *more],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        bars = widgets.HBox(
            [
                _row(self.iteration_bar, self.iteration_words),
                _row(self.particle_bar, self.particle_words),
            ],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )
        bars.add_class("locref-bars")
        head = widgets.HBox(
            [self.title, self.status],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )
        head.add_class("locref-head")
        self.widget = widgets.VBox(
            [head, self.error, bars, buttons, self.warnings], layout=widgets.Layout(min_width="0")
        )
        self.show(self._state)

    def show(self, state: RunState) -> None:
        """Bring words, bars and buttons up to the state."""
        self._state = state
        status = state.status
        if self._pending and (
            status in _ANSWERED[self._pending]
            or (state.ended and self._pending != RESUME)
            or self._is_taken_back()
        ):
            self._await("")
        self.status.value = status_html(self._shown_status(), state)
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
        failed = f"The run failed: {state.message}" if status == "failed" else ""
        self._set_fault("run", failed)
        self.warnings.value = _folded(state.warnings)

    def show_gone(self, words: str) -> None:
        """Say that the run folder is gone, and so is what was asked; no words: it is there."""
        self._is_gone = bool(words)
        self._await("")
        self._set_fault("folder", words)
        self._set_fault("request", "")
        self.show(self._state)

    def show_error(self, text: str, source: str = "view") -> None:
        """Show a fault of the dashboard itself; an empty text takes that source's away."""
        self._set_fault(source, f"The dashboard met a fault: {text}" if text else "")

    def _set_fault(self, source: str, text: str) -> None:
        self._faults[source] = text
        self.error.value = "".join(
            _boxed("error", fault) for fault in self._faults.values() if fault
        )

    def _shown_status(self) -> str:
        if self._is_gone:
            return "gone"
        # A paused run stays paused until it says otherwise, whatever was asked.
        if self._pending and self._state.status != "paused":
            return _PENDING[self._pending]
        return self._state.status

    def _await(self, action: str) -> None:
        self._pending, self._taken_at = action, None

    def _is_taken_back(self) -> bool:
        """Whether the run works on though the request is gone: another view has taken it back."""
        if self._pending == RESUME or self._state.status != "running":
            return False
        if self._is_pending(self._pending):
            return False
        now = (self._state.iteration, self._state.phase, self._state.done)
        # Just after the run has taken it, what came before is shown once more.
        if self._taken_at is None:
            self._taken_at = now
        return now != self._taken_at

    def _enable_buttons(self) -> None:
        for action, button in self.buttons.items():
            why = self._why_not(action)
            button.disabled = bool(why)
            tooltip = why or _BUTTONS[action][2]
            if button.tooltip != tooltip:
                button.tooltip = tooltip

    def _why_not(self, action: str) -> str:
        """Say why an action cannot be taken now; empty when it can."""
        status, pending = self._state.status, self._pending
        if self._is_gone:
            return "The run folder is gone: nothing can be asked of the run"
        if action == RESUME:
            if pending == RESUME:
                return "It is being started"
            if status in ("stopped", "failed", "lost"):
                return ""
            return "The run is finished" if status == "finished" else "The run has not ended"
        if status in ENDED:
            return f"The run has ended ({status}): there is nothing to {_verb(action)}"
        if status == "waiting":
            return "Nothing has come from the run yet"
        if pending == "stop":
            return "The run is being stopped"
        if action == pending:
            return "Asked for already: it is obeyed after the batch under way"
        if action == "pause" and status != "running":
            return f"The run is not running ({status})"
        if action == "continue" and status != "paused" and pending not in ("pause", STOP_AFTER):
            return "The run is not paused"
        return ""

    def _button(self, action: str) -> widgets.Button:
        label, icon, tooltip = _BUTTONS[action]
        button = widgets.Button(
            description=label, icon=icon, tooltip=tooltip, layout=widgets.Layout(width="auto")
        )
        button.add_class(f"locref-{action}")
        button.on_click(lambda _button: self._press(action))
        return button

    def _press(self, action: str) -> None:
        try:
            self._request(action)
        except (InputError, OutputError) as error:
            self._set_fault("request", str(error))
            return
        except Exception as error:
            # An error in a button's handler would only reach the server's log.
            self._set_fault("request", f"{type(error).__name__}: {error}")
            return
        self._set_fault("request", "")
        self._await(action)
        self.show(self._state)


def _verb(action: str) -> str:
    return "stop" if action == STOP_AFTER else action


def _bar(description: str) -> tuple[widgets.IntProgress, widgets.HTML]:
    bar = widgets.IntProgress(
        min=0,
        max=1,
        description=description,
        style={"description_width": "70px"},
        layout=widgets.Layout(width="300px", flex="0 1 300px"),
    )
    return bar, widgets.HTML("")


def _row(bar: widgets.IntProgress, words: widgets.HTML) -> widgets.HBox:
    return widgets.HBox(
        [bar, words],
        layout=widgets.Layout(flex_flow="row wrap", align_items="center", flex="1 1 420px"),
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
