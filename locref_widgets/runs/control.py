"""Requests to a run: files that a viewer drops into its ``control`` folder.

Pause, continue and stop are empty files: the name is the whole request. A change of settings is a
small JSON file (`locref_widgets.runs.changes`). None carries code.
"""

import os
import stat
from pathlib import Path

from locref_widgets.errors import InputError, OutputError

STOP_AFTER = "stop-after-iteration"
REQUESTS = ("pause", "continue", "stop", STOP_AFTER)
_CANCELS = {"pause": ("continue",), "continue": ("pause", STOP_AFTER), STOP_AFTER: ("pause",)}
MOST_BYTES = 64 * 1024
"""A larger request is none of ours."""


def request(folder: Path, name: str) -> None:
    """Ask the run in ``folder`` to ``pause``, ``continue``, ``stop`` or stop after the iteration.

    The latest of pause and continue counts; continue also takes back ``stop-after-iteration``, for
    which a paused run goes on until the iteration is finished; stop overrides all. Raises
    `InputError` for another name and `OutputError` when the folder cannot be written.
    """
    if name not in REQUESTS:
        raise InputError(f"there is no request {name!r}; known are {', '.join(REQUESTS)}")
    control = folder / "control"
    try:
        control.mkdir(exist_ok=True)
        for cancelled in _CANCELS.get(name, ()):
            (control / cancelled).unlink(missing_ok=True)
        (control / name).touch()
        if name == STOP_AFTER:
            # Paused, it would never come to the iteration's end.
            (control / "continue").touch()
    except OSError as error:
        raise OutputError(
            f"{control}: cannot leave the request {name!r} ({error.strerror or error}). "
            "The run goes on as it was; mend the folder's permissions or free some space."
        ) from error


def is_pending(folder: Path, name: str) -> bool:
    """Tell whether a request was neither taken by the run nor taken back."""
    return (folder / "control" / name).exists()


def take_request(
    folder: Path, names: tuple[str, ...] = ("stop", "pause", "continue")
) -> str | None:
    """Take the first of these requests that is pending; None when there is none.

    ``stop-after-iteration`` waits for the end of the iteration (`take_stop_after`).
    """
    return next((name for name in names if _take(folder, name)), None)


def take_stop_after(folder: Path) -> bool:
    """Take the request to stop between two iterations; whether there was one."""
    taken = _take(folder, STOP_AFTER)
    if taken:
        # What was asked for its sake, where no batch has come upon it since.
        _take(folder, "continue")
    return taken


def clear_requests(folder: Path) -> None:
    """Drop requests meant for an earlier process; changes of settings wait for the next one."""
    for name in REQUESTS:
        _take(folder, name)


def read_small_file(path: Path) -> bytes:
    """Read a request. Raises `InputError` unless it is a plain file of at most `MOST_BYTES`."""
    try:
        # A link might lead anywhere, a pipe would keep the reader waiting.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                raise InputError(f"{path}: is no plain file.")
            content = os.read(descriptor, MOST_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
    if len(content) > MOST_BYTES:
        raise InputError(f"{path}: is larger than a request may be ({MOST_BYTES} bytes).")
    return content


def _take(folder: Path, name: str) -> bool:
    path = folder / "control" / name
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError:
        # A disc that is read-only by now says so whether or not there is such a file.
        return path.exists()
    return True
