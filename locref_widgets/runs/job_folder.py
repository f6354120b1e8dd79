"""What the folders of runs and of sweeps have in common: a record, a status, and events."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, ClassVar

from locref_widgets.errors import InputError
from locref_widgets.runs.durable import write_json
from locref_widgets.runs.events import now_iso
from locref_widgets.runs.lock import is_held

SCHEMA = 1
STATUSES = ("queued", "running", "paused", "stopped", "finished", "failed", "lost")
LIVE = ("queued", "running", "paused")
"""Statuses of a job whose process lives."""
ENDED = tuple(status for status in STATUSES if status not in LIVE)


class JobFolder:
    """The folder of something that computes. Reading needs no lock; what is named set_ does."""

    NOUN: ClassVar[str]
    """What the job is called in messages."""
    RECORD: ClassVar[str]
    """Name of the file that holds its record."""
    IS_NOT: ClassVar[str]
    """What a folder without that file is not."""

    def __init__(self, path: str | Path) -> None:
        """Open an existing one. Raises `InputError` when there is none or it cannot be read."""
        self.path = Path(path).resolve()
        self.read_record()

    @property
    def events_path(self) -> Path:
        """Where the events are appended."""
        return self.path / "events.jsonl"

    def read_record(self) -> dict[str, Any]:
        """Read the record as it is now."""
        path = self.path / self.RECORD
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{self.path}: is not {self.IS_NOT} (there is no {self.RECORD} in it). Give the "
                "folder that was named as --out."
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}).") from None
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise InputError(
                f"{path}: is not a {self.NOUN} of this version (schema {SCHEMA} expected)."
            )
        return record

    @property
    def status(self) -> str:
        """One of `STATUSES`; "lost" when the process that ran it died without a word."""
        # The writer sets the final status before it lets go of the lock: look in reverse order.
        held = is_held(self.path)
        status = str(self.read_record().get("status"))
        return "lost" if status in LIVE and not held else status

    def set_status(self, status: str, message: str | None = None) -> None:
        """Record the status and, for a failure, its reason."""
        self.set_values(status=status, message=message)

    def set_values(self, **values: Any) -> None:
        """Replace some values of the record."""
        write_json(self.path / self.RECORD, {**self.read_record(), **values, "updated": now_iso()})


def first_record(kind: str, **values: Any) -> dict[str, Any]:
    """What a new record begins with, and the values given."""
    now = now_iso()
    head = {"schema": SCHEMA, "kind": kind, "status": "running", "message": None}
    return {**head, "created": now, "updated": now, **values}


def has_record(path: Path, name: str) -> bool:
    """Tell whether there is such a job in this folder, readable or not."""
    with _looking_at(path):
        return (path / name).exists()


def check_free_for(path: Path, noun: str, begun: Collection[str]) -> None:
    """Raise `InputError` unless a job can be begun at ``path``: absent, empty, or hardly begun.

    ``begun`` are patterns of names that a process killed at its very start may have left there.
    """
    with _looking_at(path):
        if not path.exists():
            return
        if not path.is_dir():
            raise InputError(f"{path}: is a file; give a folder for the {noun} (--out).")
        present = {entry.name for entry in path.iterdir()}
    known = all(any(fnmatch(name, pattern) for pattern in begun) for name in present)
    if present and not ("lock.json" in present and known):
        raise InputError(
            f"{path}: is not empty and holds no {noun} ({', '.join(sorted(present)[:3])} …). "
            f"Nothing was touched; give another folder for the {noun} (--out)."
        )


@contextmanager
def _looking_at(path: Path) -> Iterator[None]:
    """Say in words that a folder cannot be looked at."""
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be looked at ({error.strerror or error}). Mend the permissions of the "
            "folder, or give another one (--out)."
        ) from None
