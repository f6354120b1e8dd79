"""What the steps of a workbench have in common."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import ipywidgets as widgets

from locref_widgets.widgets.closing import close_whole
from locref_widgets.widgets.workbench_files import WorkbenchFiles
from locref_widgets.widgets.workbench_state import WorkbenchState

MAPS = tuple(f".{kind}{end}" for kind in ("mrc", "map", "ccp4") for end in ("", ".gz", ".bz2"))
"""What the names of maps and masks end with."""


@runtime_checkable
class Bench(Protocol):
    """What a step may ask of its workbench."""

    state: WorkbenchState
    folder: Path
    files: WorkbenchFiles

    def update(self, **changes: Any) -> None:
        """Change the state, keep it on the disc, and show what depends on it."""
        ...

    def say(self, words: str, kind: str = "note") -> None:
        """Say something in words above the step: a note, a warning or an error."""
        ...

    def attempt(self, work: Callable[[], Any]) -> bool:
        """Do something that may fail; say in words why it did; whether it went well."""
        ...

    def refresh_frame(self) -> None:
        """Show anew which steps are open, and the code."""
        ...


class BenchStep:
    """What a workbench asks of each of its steps, beside `widget` and `refresh`."""

    @property
    def fault(self) -> str:
        """What is wrong with its entries, in words: the steps that need them are closed."""
        return ""

    @property
    def holds_work(self) -> bool:
        """Whether something would be lost if this were closed."""
        return bool(self.fault)

    def confirm(self) -> None:
        """Take what is shown: the user goes on by Next."""


def empty(box: widgets.Box) -> None:
    """Close what a box holds: its memory and drawing contexts go with it."""
    children, box.children = box.children, ()
    for child in children:
        close_whole(child)


def free_name(folder: Path, stem: str, suffix: str = "") -> Path:
    """Name what is not there yet: stem, stem_2, stem_3 and so on."""
    number, path = 1, folder / f"{stem}{suffix}"
    while path.exists():
        number += 1
        path = folder / f"{stem}_{number}{suffix}"
    return path
