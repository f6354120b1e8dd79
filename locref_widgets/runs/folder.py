"""The run folder: what is in it, reading it from anywhere, writing it from one process."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult
from locref_widgets.runs.durable import disc_errors, whole_folder, write_json
from locref_widgets.runs.events import now_iso
from locref_widgets.runs.iteration_files import (
    read_changes,
    read_iteration_files,
    write_iteration_files,
)
from locref_widgets.runs.lock import is_held

SCHEMA = 1
STATUSES = ("queued", "running", "paused", "stopped", "finished", "failed", "lost")
LIVE = ("queued", "running", "paused")
"""Statuses of a run whose process lives."""
# What a process killed while it created the folder may have left there.
UNFINISHED_RECORD = ".run.json.*.part"
_BEGUN = ("lock.json", "inputs", "control", "iterations", "log.txt", UNFINISHED_RECORD)


@runtime_checkable
class JobFolder(Protocol):
    """The folder of something that computes: of a run, or of a sweep over many."""

    path: Path

    def read_record(self) -> dict[str, Any]:
        """Read the record as it is now."""
        ...

    def set_status(self, status: str, message: str | None = None) -> None:
        """Record the status and, for a failure, its reason."""
        ...

    def set_values(self, **values: Any) -> None:
        """Replace some values of the record."""
        ...


class RunFolder:
    """A folder with ``run.json``. Reading needs no lock; the methods named write_ and set_ do."""

    def __init__(self, path: str | Path) -> None:
        """Open an existing run. Raises `InputError` when there is none or it cannot be read."""
        self.path = Path(path).resolve()
        self.read_record()

    @property
    def events_path(self) -> Path:
        """Where the events are appended."""
        return self.path / "events.jsonl"

    def read_record(self) -> dict[str, Any]:
        """Read ``run.json`` as it is now."""
        path = self.path / "run.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{self.path}: is not a run folder (there is no run.json in it). Give the folder "
                "that was named as --out."
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}).") from None
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise InputError(f"{path}: is not a run of this version (schema {SCHEMA} expected).")
        return record

    @property
    def status(self) -> str:
        """One of `STATUSES`; "lost" when the process that ran it died without a word."""
        # The writer sets the final status before it lets go of the lock: look in reverse order.
        held = is_held(self.path)
        status = str(self.read_record().get("status"))
        return "lost" if status in LIVE and not held else status

    @property
    def settings(self) -> RefinementSettings:
        """The settings the run was begun with (see `locref_widgets.runs.changes`)."""
        return settings_from_json(self.read_record()["settings"])

    @property
    def summary(self) -> dict[str, Any]:
        """Headline numbers of the iterations so far."""
        return dict(self.read_record().get("summary") or {})

    def iterations(self) -> list[int]:
        """List the finished iterations."""
        folders = (self.path / "iterations").glob("[0-9][0-9][0-9]*")
        return sorted(int(folder.name) for folder in folders if folder.name.isdecimal())

    def iteration_folder(self, iteration: int) -> Path:
        """Name the folder of an iteration."""
        return self.path / "iterations" / f"{iteration:03d}"

    def read_iteration(self, iteration: int) -> IterationResult:
        """Read an iteration exactly as it was written."""
        return read_iteration_files(self._existing(iteration))

    def read_changes(self, iteration: int) -> IterationResult:
        """Read what the summary of an iteration needs, without its maps."""
        return read_changes(self._existing(iteration))

    def _existing(self, iteration: int) -> Path:
        if iteration not in self.iterations():
            raise InputError(
                f"{self.path}: has no iteration {iteration} (has {self.iterations()})."
            )
        return self.iteration_folder(iteration)

    def write_iteration(
        self,
        result: IterationResult,
        particles: Particles,
        voxel_size_angstrom: float,
        position: BoxPosition = AT_ZERO,
    ) -> None:
        """Write an iteration; it appears whole or not at all."""
        target = self.iteration_folder(result.iteration)
        with whole_folder(target) as aside, disc_errors(target):
            write_iteration_files(aside, result, particles, voxel_size_angstrom, position)

    def set_status(self, status: str, message: str | None = None) -> None:
        """Record the status and, for a failure, its reason."""
        self.set_values(status=status, message=message)

    def set_values(self, **values: Any) -> None:
        """Replace some values of ``run.json``."""
        write_json(self.path / "run.json", {**self.read_record(), **values, "updated": now_iso()})

    @classmethod
    def create(cls, path: Path, record: dict[str, Any]) -> "RunFolder":
        """Write the first ``run.json`` into a folder that the caller holds the lock of."""
        now = now_iso()
        head = {"schema": SCHEMA, "kind": "local refinement", "status": "running"}
        times = {"created": now, "updated": now}
        write_json(path / "run.json", {**head, **times, "message": None, "summary": {}, **record})
        return cls(path)


def settings_from_json(values: dict[str, Any]) -> RefinementSettings:
    """Read settings as ``run.json`` holds them."""
    return RefinementSettings(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def is_run(path: Path) -> bool:
    """Tell whether there is a run in this folder, readable or not."""
    with _looking_at(path):
        return (path / "run.json").exists()


def check_can_create(path: Path) -> None:
    """Raise `InputError` unless a run can be begun at ``path``: absent, empty, or hardly begun."""
    with _looking_at(path):
        if not path.exists():
            return
        if not path.is_dir():
            raise InputError(f"{path}: is a file; give a folder for the run (--out).")
        present = {entry.name for entry in path.iterdir()}
    begun = all(any(fnmatch(name, pattern) for pattern in _BEGUN) for name in present)
    if present and not ("lock.json" in present and begun):
        raise InputError(
            f"{path}: is not empty and holds no run ({', '.join(sorted(present)[:3])} …). Nothing "
            "was touched; give another folder for the run (--out)."
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
