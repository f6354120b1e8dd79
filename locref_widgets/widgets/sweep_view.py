"""The live view of a sweep: what is tried, how far it is, and the verdict."""

import base64
import html
import os
import threading
from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError, OutputError
from locref_widgets.figures.sweep_page import HOW, markdown, table_html, verdict_png
from locref_widgets.refinement.settings_export import to_python
from locref_widgets.runs.sweep_handle import Sweep
from locref_widgets.runs.sweep_verdict import words_of
from locref_widgets.widgets.closing import close_parts
from locref_widgets.widgets.code_lines import COPY
from locref_widgets.widgets.dashboard_style import dashboard_style
from locref_widgets.widgets.studio_parts import note
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.sweep_map import SweepMap

_POLL_SECONDS = 0.5
_ENDED = ("stopped", "finished", "failed", "lost")
_BUTTONS = {
    "pause": ("Pause", "pause", "Pause after the batch under way"),
    "continue": ("Continue", "play", "Go on after a pause"),
    "stop": ("Stop", "stop", "Stop at once; settings that are tried stay, and it can be resumed"),
    "resume": ("Resume", "repeat", "Go on with a sweep that was stopped, failed or lost"),
}
_OPEN = {
    "queued": ("stop",),
    "running": ("pause", "stop"),
    "paused": ("continue", "stop"),
    "stopped": ("resume",),
    "failed": ("resume",),
    "lost": ("resume",),
}


class SweepView(widgets.VBox):
    """Progress, the agreement over two of the settings, the table, and the verdict of a sweep.

    It reads the sweep's folder and writes requests into it, like the dashboard of a run.

    Parameters
    ----------
    sweep
        A sweep (from `start_sweep`, `sweep` or `open_sweep`) or the path of its folder.

    Raises
    ------
    InputError
        The folder holds no sweep.
    """

    _closing: threading.Event | None = None

    def __init__(self, sweep: Any) -> None:
        self.sweep = sweep if isinstance(sweep, Sweep) else Sweep(os.fspath(sweep))
        self._closing = threading.Event()
        self._shown: tuple[str, int] | None = None
        # The thread that watches and callers of `update` draw in turn.
        self._drawing = threading.RLock()
        self._faults: dict[str, str] = {}
        self._status = widgets.HTML("")
        self._error = widgets.HTML("")
        self._bar = widgets.IntProgress(
            min=0,
            max=max(1, len(self.sweep.table())),
            description="Settings",
            layout=widgets.Layout(width="min(100%, 420px)"),
        )
        self.buttons = {name: self._button(name) for name in _BUTTONS}
        self._verdict = widgets.HTML("", layout=widgets.Layout(min_width="0"))
        self._table = widgets.HTML("", layout=widgets.Layout(min_width="0"))
        self._code = widgets.HTML("", layout=widgets.Layout(min_width="0"))
        for text in (self._verdict, self._table, self._code):
            text.add_class("locref-wide")
        self.map = SweepMap(self.sweep.names)
        row = widgets.HBox(
            [*self.buttons.values(), self._bar],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        super().__init__(
            [
                style_sheet(),
                dashboard_style(),
                self._status,
                row,
                self._error,
                self._verdict,
                self.map.widget,
                self._table,
                self._code,
            ]
        )
        self.add_class("locref-dashboard")
        self.add_class("locref-sweep")
        self._try_update()
        self._thread = threading.Thread(target=self._follow, name="locref-sweep", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Take the view away and end its thread; the sweep goes on."""
        if self._closing is not None:
            self._closing.set()
            with self._drawing:
                close_parts(self, (self.map.widget, *self.map.parts))
        super().close()

    def update(self) -> bool:
        """Read the folder and show what is new. True when there was something."""
        with self._drawing:
            status, events = self.sweep.status, self.sweep.events()
            if self._shown == (status, len(events)):
                return False
            self._draw(status, events)
            # Last: what failed to be drawn is drawn again.
            self._shown = (status, len(events))
            return True

    def _draw(self, status: str, events: list[dict[str, Any]]) -> None:
        for name, button in self.buttons.items():
            button.disabled = name not in _OPEN.get(status, ())
        done = {
            event["number"]
            for event in events
            if event["kind"] in ("setting_finished", "setting_failed")
        }
        self._bar.value = len(done)
        self._status.value = _status_html(self.sweep, status, events, len(done))
        verdict = self.sweep.verdict
        self._set_fault("sweep", _failures_html(self.sweep.message, events))
        if verdict is None:
            return
        self._bar.value = self._bar.max
        said = "".join(f"<li>{html.escape(text)}</li>" for text in verdict["notes"])
        self._verdict.value = (
            f'<div class="locref-code"><b>{html.escape(verdict["sentence"])}</b>'
            + (f"<ul>{said}</ul>" if said else "")
            + "</div>"
        )
        self.map.show(verdict)
        self._table.value = (
            '<div class="locref-rows locref-short" tabindex="0" role="region" '
            f'aria-label="The settings">{table_html(verdict, self.sweep.names)}</div>'
            f"<details><summary>How it was found</summary>{note(HOW)}</details>"
        )
        self._code.value = _code_html(self.sweep)

    def _set_fault(self, source: str, words: str) -> None:
        self._faults[source] = words
        self._error.value = "".join(self._faults.values())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Bring a picture and the table along, for places where no widget comes alive."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if not isinstance(bundle, dict):
            return bundle
        verdict = self.sweep.verdict
        if verdict is None:
            bundle["text/plain"] = repr(self.sweep)
            return bundle
        bundle["text/plain"] = bundle["text/markdown"] = markdown(verdict, self.sweep.names)
        bundle["image/png"] = base64.b64encode(verdict_png(verdict)).decode("ascii")
        return bundle

    def _button(self, name: str) -> widgets.Button:
        words, icon, tooltip = _BUTTONS[name]
        button = widgets.Button(
            description=words,
            icon=icon,
            tooltip=tooltip,
            disabled=True,
            layout=widgets.Layout(width="auto"),
        )
        button.add_class(f"locref-{name}")
        button.on_click(lambda _button: self._ask(name))
        return button

    def _ask(self, name: str) -> None:
        asked = {
            "pause": self.sweep.pause,
            "continue": self.sweep.continue_,
            "stop": self.sweep.stop,
            "resume": self.sweep.resume,
        }
        try:
            asked[name]()
        except (InputError, OutputError) as error:
            self._set_fault("request", _error_html(str(error)))
        except Exception as error:
            # An error in a button's handler would only reach the server's log.
            self._set_fault("request", _error_html(f"{type(error).__name__}: {error}"))
        else:
            self._set_fault("request", "")
            self.buttons[name].disabled = True

    def _follow(self) -> None:
        assert self._closing is not None  # noqa: S101
        while not self._closing.wait(_POLL_SECONDS):
            self._try_update()

    def _try_update(self) -> None:
        try:
            self.update()
        except Exception as error:
            # A thread's traceback reaches nobody: say it in the view, and go on trying.
            self._set_fault("view", _error_html(f"{type(error).__name__}: {error}"))
        else:
            if self._faults.get("view"):
                self._set_fault("view", "")


def _error_html(words: str) -> str:
    return f'<p class="locref-error" role="alert">{html.escape(words)}</p>'


def _status_html(sweep: Sweep, status: str, events: list[dict[str, Any]], done: int) -> str:
    total = len(sweep.folder.read_record()["candidates"])
    kind = {"finished": "good", "failed": "bad", "lost": "bad", "running": "going"}
    words = f"{done} of {total} settings tried"
    latest = next(
        (e for e in reversed(events) if e["kind"] in ("setting_started", "measuring")), None
    )
    if status == "running" and latest is not None:
        words += (
            "; comparing them"
            if latest["kind"] == "measuring"
            else (f"; now {words_of(latest['values'])}")
        )
    left = _seconds_left(events, total - done)
    if status == "running" and left is not None:
        words += f"; about {max(1, round(left / 60))} min left"
    return (
        f'<div class="locref-status"><span class="locref-badge locref-{kind.get(status, "quiet")}">'
        f"{status.capitalize()}</span><span>{html.escape(sweep.path.name)}: {html.escape(words)}"
        "</span></div>"
    )


def _seconds_left(events: list[dict[str, Any]], settings: int) -> float | None:
    took = [event["seconds"] for event in events if event["kind"] == "setting_finished"]
    return settings * sum(took) / len(took) if took else None


def _failures_html(message: str | None, events: list[dict[str, Any]]) -> str:
    failed = [e for e in events if e["kind"] == "setting_failed"]
    parts = [f'<p class="locref-error">{html.escape(message)}</p>'] if message else []
    parts += [
        f'<p class="locref-warning">Setting {event["number"]} cannot be refined: '
        f"{html.escape(event['message'])}</p>"
        for event in {e["number"]: e for e in failed}.values()
    ]
    return "".join(parts)


def _code_html(sweep: Sweep) -> str:
    folder, mask = str(sweep.path), str(sweep.chosen_mask)
    inputs = sweep.folder.read_record()["inputs"]
    lines = [
        to_python(sweep.chosen),
        f"# the same as: settings = lw.open_sweep({folder!r}).chosen",
        "run = lw.start_refinement(",
        f"    lw.read_particles({inputs['particles']['path']!r}),",
        f"    lw.read_map({inputs['map']['path']!r}),",
        f"    lw.read_map({mask!r}),",
        '    settings, out="runs/full",',
        ")",
    ]
    return (
        f'<div class="locref-code"><b>Start the full run with the chosen settings</b> {COPY}'
        '<pre class="locref-export" tabindex="0" aria-label="The full run as Python">'
        f"{html.escape(chr(10).join(lines))}</pre></div>"
    )
