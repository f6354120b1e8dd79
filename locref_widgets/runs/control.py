"""Requests to a run: empty files that a viewer drops into its ``control`` folder.

The file's name is the whole request; nothing in it is read, so a request carries no code.
"""

from pathlib import Path

from locref_widgets.errors import InputError, OutputError

REQUESTS = ("pause", "continue", "stop")
_CANCELS = {"pause": "continue", "continue": "pause"}


def request(folder: Path, name: str) -> None:
    """Ask the run in ``folder`` to ``pause``, ``continue`` or ``stop``.

    The latest of pause and continue counts; stop overrides both. Raises `InputError` for another
    name and `OutputError` when the folder cannot be written.
    """
    if name not in REQUESTS:
        raise InputError(f"there is no request {name!r}; known are {', '.join(REQUESTS)}")
    control = folder / "control"
    try:
        control.mkdir(exist_ok=True)
        if name in _CANCELS:
            (control / _CANCELS[name]).unlink(missing_ok=True)
        (control / name).touch()
    except OSError as error:
        raise OutputError(
            f"{control}: cannot leave the request {name!r} ({error.strerror or error}). "
            "The run goes on as it was; mend the folder's permissions or free some space."
        ) from error


def take_request(folder: Path) -> str | None:
    """Take the pending request, stop before pause before continue; None when there is none."""
    for name in ("stop", "pause", "continue"):
        try:
            (folder / "control" / name).unlink()
        except FileNotFoundError:
            continue
        return name
    return None


def clear_requests(folder: Path) -> None:
    """Drop requests meant for an earlier process."""
    while take_request(folder) is not None:
        pass
