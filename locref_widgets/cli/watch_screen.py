"""A run on a terminal: a small screen, redrawn in place.

`screen_lines` says what stands on it, `Screen` puts it there. Nothing is drawn that did not come
from the run's events, but its name and the time.
"""

import math
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from locref_widgets.runs.events import read_events
from locref_widgets.runs.run_state import ENDED, PHASE_WORDS, RunState
from locref_widgets.runs.time_left import duration_words, left_words

_WORDS = {
    "waiting": "waiting for the first event",
    "queued": "waiting for the device",
    "running": "running",
    "paused": "paused (go on with: locref continue)",
    "stopped": "stopped; it can be resumed",
    "finished": "finished",
    "failed": "failed",
    "lost": "lost: its process is gone; it can be resumed",
}
_MOST_WARNINGS = 3
_REDRAW_SECONDS = 0.5
_BELIEVED_AFTER = 2
"""Times that the folder must say that a run has ended, while no event comes, to be believed."""


def screen_lines(
    name: str, state: RunState, *, width: int, height: int, idle_seconds: float = 0.0
) -> list[str]:
    """What the screen shows of a run: at most ``height`` lines of at most ``width`` characters.

    ``idle_seconds`` have passed since the last event; the time left is that much less.
    """
    words = _WORDS.get(state.status, state.status)
    room = max(8, width - len(words) - 2)
    if len(name) > room:
        name = "…" + name[1 - room :]
    head = [f"{name}: {words}"]
    if state.waiting_for:
        head.append(f"  first comes {', then '.join(state.waiting_for)}")
    if state.n_particles:
        head.append(
            f"  {state.n_particles:,} particles; rotations to {state.rotation_extent_deg:.1f}°, "
            f"shifts to {state.shift_radius_px:g} px"
        )
    if not state.ended and state.maximum_iterations:
        head += _progress(state, width, idle_seconds)
    if state.message:
        head.append(f"  {state.message}")
    tail = [f"! {text}" for text in state.warnings[-_MOST_WARNINGS:]]
    if len(state.warnings) > _MOST_WARNINGS:
        tail.insert(0, f"! {len(state.warnings) - _MOST_WARNINGS} earlier warnings")
    table = _table(state)
    room = height - len(head) - len(tail)
    if table and room >= 3:
        # The title, and as many of the last iterations as there is room for.
        head += ["", table[0], *table[1:][-(room - 2) :]]
    return [_cut(line, width) for line in [*head, *tail][:height]]


class Screen:
    """A terminal's own second page while it is entered; on leaving, the last picture stays."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last: list[str] = []

    def __enter__(self) -> "Screen":
        """Turn the page and hide the cursor."""
        self._write("\x1b[?1049h\x1b[?25l\x1b[2J")
        return self

    def __exit__(self, *_: object) -> None:
        """Turn back, and print the last picture there."""
        self._write("\x1b[?25h\x1b[?1049l" + "".join(f"{line}\n" for line in self._last))

    def show(self, lines: list[str]) -> None:
        """Draw over what was there, line by line, so that nothing flickers."""
        self._last = lines
        self._write("\x1b[H" + "".join(f"{line}\x1b[K\r\n" for line in lines) + "\x1b[J")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def watch_on_screen(
    path: Path, read_status: Callable[[], str], stream: TextIO, *, name: str
) -> RunState:
    """Show a run until it ends; Ctrl-C leaves it alone. Returns what is known of it by then."""
    state, offset, silent_ends = RunState(), 0, 0
    last_event = time.monotonic()
    with Screen(stream) as screen:
        while True:
            events, new_offset = read_events(path, offset)
            if new_offset < offset:
                state = RunState()
            offset = new_offset
            for event in events:
                state.add(event)
            if events:
                last_event, silent_ends = time.monotonic(), 0
            elif not state.ended:
                # A killed process leaves no event.
                status = read_status()
                silent_ends = silent_ends + 1 if status in ENDED else 0
                if silent_ends >= _BELIEVED_AFTER:
                    state.status = status
            width, height = shutil.get_terminal_size()
            idle = time.monotonic() - last_event
            # The last line is left free: writing there scrolls.
            screen.show(
                screen_lines(name, state, width=width, height=height - 1, idle_seconds=idle)
            )
            if state.ended:
                return state
            time.sleep(_REDRAW_SECONDS)


def _progress(state: RunState, width: int, idle_seconds: float) -> list[str]:
    finished = max(state.iterations, default=0)
    whole = f"  iteration {state.iteration} of at most {state.maximum_iterations}"
    left = state.seconds_left()
    if left is not None and state.status == "running":
        whole += f", {duration_words(max(0.0, left - idle_seconds))} left at most"
    if not state.phase:
        return [whole]
    if state.iteration > finished:
        whole += f" ({finished} done)"
    phase = f"  {PHASE_WORDS.get(state.phase, state.phase)}"
    if not state.total:
        return [whole, f"{phase} …"]
    words = f" {state.done:,} of {state.total:,}"
    if state.status == "running":
        seconds = state.phase_seconds_left()
        words += ", " + left_words(None if seconds is None else max(0.0, seconds - idle_seconds))
    room = max(5, min(40, width - len(words) - 6))
    full = round(room * min(1.0, state.done / state.total))
    return [whole, phase, f"  [{'#' * full}{'.' * (room - full)}]{words}"]


def _table(state: RunState) -> list[str]:
    rows = [_row(told) for _, told in sorted(state.iterations.items())]
    if not rows:
        return []
    title = f"  {'iteration':>9}  {'resolution':>10}  {'turn':>7}  {'shift':>8}  {'at bound':>8}"
    return [f"{title}  {'time':>10}", *rows]


def _row(told: dict[str, Any]) -> str:
    pose, shift = told.get("pose_change") or {}, told.get("shift_change") or {}
    cells = [
        f"{told['iteration']:>9}",
        _number(told.get("resolution_angstrom"), "{:.2f} Å", 10),
    ]
    searched = told["iteration"] > 0
    share = told.get("at_bound_fraction")
    cells += [
        _number(pose.get("median_deg") if searched else None, "{:.2f}°", 7),
        _number(shift.get("median_px") if searched else None, "{:.2f} px", 8),
        _number(None if share is None or not searched else 100 * share, "{:.1f} %", 8),
    ]
    seconds = told.get("seconds")
    cells.append(f"{duration_words(seconds) if isinstance(seconds, int | float) else '–':>10}")
    return "  " + "  ".join(cells) + ("  converged" if told.get("converged") else "")


def _number(value: Any, form: str, width: int) -> str:
    known = isinstance(value, int | float) and math.isfinite(value)
    return (form.format(value) if known else "–").rjust(width)


def _cut(line: str, width: int) -> str:
    # What a file says must not steer the terminal.
    line = "".join(character if character.isprintable() else "?" for character in line)
    return line if len(line) <= width else line[: max(0, width - 1)] + "…"
