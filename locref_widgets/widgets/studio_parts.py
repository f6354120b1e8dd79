"""Pieces that the panels of a mask studio have in common."""

import html
import threading
from collections.abc import Callable
from typing import Any, Protocol, cast, runtime_checkable

import ipywidgets as widgets

from locref_widgets.errors import InputError, OutputError
from locref_widgets.masks.join_step import How
from locref_widgets.masks.recipe_step import Step
from locref_widgets.widgets.mask_studio_state import StudioState
from locref_widgets.widgets.number_slider import NumberSlider

LABEL_WIDTH = "116px"

HOW: dict[str, tuple[How, str]] = {
    "Start anew": ("replace", "What is made takes the place of the mask at hand"),
    "Add": ("or", "What is made is added to the mask at hand"),
    "Keep overlap": ("and", "Of the mask at hand only what is also in this is kept"),
    "Take away": ("without", "What is made is taken away from the mask at hand"),
}


@runtime_checkable
class Host(Protocol):
    """What a panel may ask of its studio."""

    state: StudioState

    def act(self, work: Callable[[], None]) -> bool:
        """Do something that may fail, then show everything anew; whether it went well."""
        ...

    def preview(self, steps: list[Step], words: str) -> None:
        """Show what steps would give; no steps: nothing any more."""
        ...

    def say(self, text: str, kind: str = "note") -> None:
        """Say something in words under the pictures: a note, a warning or an error."""
        ...


def chosen_how(switch: widgets.ToggleButtons) -> How:
    """Read the switch that says how what is made joins the mask."""
    return cast("How", switch.value)


def button(
    words: str, tooltip: str, press: Callable[[], None], *, primary: bool = False
) -> widgets.Button:
    """Make a button that is as wide as its words."""
    made = widgets.Button(
        description=words,
        tooltip=tooltip,
        layout=widgets.Layout(width="auto", min_width="64px", flex="0 0 auto"),
        button_style="primary" if primary else "",
    )
    made.on_click(lambda _button: press())
    return made


def row(*children: widgets.Widget) -> widgets.HBox:
    """Put widgets side by side; they wrap where there is no room."""
    layout = widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0")
    return widgets.HBox(list(children), layout=layout)


def column(*children: widgets.Widget) -> widgets.VBox:
    """Put widgets one under the other."""
    return widgets.VBox(list(children), layout=widgets.Layout(min_width="0"))


def text(
    label: str, tooltip: str, value: str = "", *, placeholder: str = "", width: str = "260px"
) -> widgets.Text:
    """Make a field for a line of text, told when it is finished."""
    return widgets.Text(
        value=value,
        description=label,
        tooltip=tooltip,
        placeholder=placeholder,
        continuous_update=False,
        style={"description_width": LABEL_WIDTH},
        layout=widgets.Layout(width=width, max_width="100%", min_width="0"),
    )


def slider(
    label: str, tooltip: str, low: float, high: float, step: float, value: float, unit: str = ""
) -> NumberSlider:
    """Make a slider that tells every move."""
    return NumberSlider(
        min=low,
        max=high,
        step=step,
        value=value,
        description=label,
        tooltip=tooltip,
        unit=unit,
    )


def note(words: str) -> str:
    """Quiet words, as HTML."""
    return f'<span class="locref-unit">{html.escape(words)}</span>'


def said(words: str, kind: str = "note") -> str:
    """Words with a sign of what they are, as HTML; empty for none."""
    if not words:
        return ""
    sign = {"note": "", "good": "✔ ", "warning": "⚠ ", "error": "✖ "}[kind]
    role = "alert" if kind == "error" else "status"
    name = "note" if kind == "good" else kind
    # A file's name stays as it is.
    first = words.split(maxsplit=1)[0]
    begun = html.escape(words[:1].upper() + words[1:] if first.isalpha() else words)
    return (
        f'<div class="locref-{name}" role="{role}"><span aria-hidden="true">{sign}</span>'
        f"{begun}</div>"
    )


class Task:
    """Long work in a thread of its own: one at a time, with a bar, given up by Cancel."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ticket = 0
        self._bar = widgets.IntProgress(
            value=1, max=1, bar_style="info", layout=widgets.Layout(width="120px", height="14px")
        )
        self._words = widgets.HTML()
        self._cancel = button("Cancel", "Give this work up", self.cancel)
        self.widget = row(self._bar, self._words, self._cancel)
        self.widget.layout.visibility = "hidden"  # nothing jumps when it comes

    @property
    def is_running(self) -> bool:
        """Whether there is work that was not given up."""
        return self.widget.layout.visibility == "visible"

    def run(self, words: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """Do work, then call ``done`` with what it gave, unless it was given up by then."""
        self._ticket += 1
        ticket = self._ticket
        self._words.value = note(words)
        self.widget.layout.visibility = "visible"

        def body() -> None:
            failure = ""
            result = None
            try:
                result = work()
            except (InputError, OutputError) as error:
                failure = str(error)
            except Exception as error:  # a thread's traceback would go to a log nobody reads
                failure = f"{type(error).__name__}: {error}"
            if ticket != self._ticket:
                return
            if failure:
                self._host.say(failure, "error")
            else:
                self._host.act(lambda: done(result))
            if ticket == self._ticket:
                self.widget.layout.visibility = "hidden"

        threading.Thread(target=body, daemon=True).start()

    def cancel(self) -> None:
        """Give the work up; what it still brings is not taken."""
        self._ticket += 1
        self.widget.layout.visibility = "hidden"
        self._host.say("Given up.")
