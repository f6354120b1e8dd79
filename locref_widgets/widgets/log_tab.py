"""The last lines of the run's log."""

import html
import os
from pathlib import Path

import ipywidgets as widgets

from locref_widgets.widgets.studio_parts import column, note

_MOST_BYTES = 24 * 1024
_MOST_LINES = 120


class LogTab:
    """Shows the end of `log.txt`."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "log.txt"
        self._size = -1
        self.text = widgets.HTML(note("No log yet."), layout=widgets.Layout(min_width="0"))
        self.widget = column(self.text)

    def show(self) -> None:
        """Bring the text up to the file."""
        try:
            size = self.path.stat().st_size
        except OSError:
            return
        if size == self._size:
            return
        self._size = size
        lines = last_lines(self.path)
        self.text.value = (
            f"{note(f'The last lines of {self.path}')}"
            '<pre class="locref-log" tabindex="0" role="log" aria-label="Log of the run">'
            f"{html.escape(lines)}</pre>"
        )


def last_lines(path: Path, most: int = _MOST_LINES) -> str:
    """The end of a text file; empty where there is none."""
    try:
        with path.open("rb") as handle:
            size = handle.seek(0, os.SEEK_END)
            handle.seek(max(0, size - _MOST_BYTES))
            content = handle.read().decode("utf-8", errors="replace")
    except OSError:
        return ""
    lines = content.splitlines()
    # The first one may be cut.
    whole = lines if size <= _MOST_BYTES else lines[1:]
    return "\n".join(whole[-most:])
