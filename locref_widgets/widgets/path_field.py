"""A field for the path of a file, which offers what lies there while one types."""

import os
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets

from locref_widgets.widgets.studio_parts import note

_MOST = 60
"""So many names are offered; a folder of stacks may hold thousands."""


def complete(text: str, suffixes: tuple[str, ...]) -> list[str]:
    """List folders and files with one of the suffixes that begin as the text does, at most 60.

    Hidden ones are left out. What cannot be listed offers nothing.
    """
    folder, begin = os.path.split(text)
    start = text.removesuffix(begin)
    try:
        entries = sorted(os.scandir(Path(folder).expanduser()), key=lambda one: one.name)
    except (OSError, RuntimeError, ValueError):
        # Of `~name` where there is no such user, the second; of a zero byte, the third.
        return []
    found = []
    for entry in entries:
        if entry.name.startswith(".") or not entry.name.startswith(begin):
            continue
        if entry.is_dir():
            found.append(f"{start}{entry.name}/")
        elif entry.name.endswith(suffixes):
            found.append(f"{start}{entry.name}")
        if len(found) == _MOST:
            break
    return found


class PathField:
    """A line for a path. ``chosen`` is called with it once it names a file, or None once emptied.

    What names no file is said in words below, and nothing is called.
    """

    def __init__(
        self,
        label: str,
        tooltip: str,
        suffixes: tuple[str, ...],
        chosen: Callable[[Path | None], None],
        *,
        placeholder: str = "",
    ) -> None:
        self._suffixes, self._chosen = suffixes, chosen
        self._quiet = False
        self.field = widgets.Combobox(
            description=label,
            tooltip=tooltip,
            placeholder=placeholder,
            ensure_option=False,
            options=complete("", suffixes),
            style={"description_width": "116px"},
            layout=widgets.Layout(width="min(100%, 620px)", min_width="0"),
        )
        self._said = widgets.HTML()
        self.widget = widgets.VBox([self.field, self._said], layout=widgets.Layout(min_width="0"))
        self.field.observe(self._on_text, "value")

    @property
    def path(self) -> Path | None:
        """The file named, absolute; None where the text names none."""
        text = self.field.value.strip()
        try:
            path = Path(text).expanduser()
            return path.absolute() if text and path.is_file() else None
        except (OSError, RuntimeError, ValueError):
            return None

    def show(self, path: Path | None) -> None:
        """Show a path without telling anyone."""
        self._quiet = True
        try:
            self.field.value = "" if path is None else shown_path(path)
        finally:
            self._quiet = False
        self._said.value = ""

    def _on_text(self, change: dict) -> None:
        text = change["new"].strip()
        self.field.options = complete(text, self._suffixes)
        if self._quiet:
            return
        self._said.value = ""
        if not text:
            self._chosen(None)
        elif (path := self.path) is not None:
            self._chosen(path)
        elif not self.field.options:
            self._said.value = note(why_none(text, self._suffixes))


def why_none(text: str, suffixes: tuple[str, ...]) -> str:
    """Say why a path names no file and nothing can be offered for it."""
    try:
        path = Path(text).expanduser()
        if path.is_dir():
            # Raises where it may not be looked into.
            os.scandir(path).close()
            return f"This folder holds no file that ends with {' or '.join(suffixes)}."
        if not path.parent.is_dir():
            return f"There is no folder {path.parent}."
    except RuntimeError:
        return f"There is no user {text.split('/', maxsplit=1)[0].removeprefix('~')}."
    except (OSError, ValueError) as error:
        return f"It cannot be read ({getattr(error, 'strerror', None) or error})."
    return "No file or folder begins so."


def shown_path(path: Path) -> str:
    """Write a path as a user would: relative where it lies below the working directory."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative
