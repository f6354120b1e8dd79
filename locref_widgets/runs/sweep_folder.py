"""The folder of a sweep: its record, the runs in it, and what was found of each setting.

::

    sweep.json          settings, grid, inputs with checksums, status, and the verdict at the end
    events.jsonl        append-only, as that of a run
    control/            requests dropped in by a viewer: pause, continue, stop
    runs/NN/            the run of each setting: run folders like any other
    verdict.html, verdict.md, table.csv
"""

import json
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.runs.durable import write_json
from locref_widgets.runs.events import now_iso
from locref_widgets.runs.folder import LIVE, RunFolder, is_run
from locref_widgets.runs.lock import is_held

SCHEMA = 1
_BEGUN = frozenset({"lock.json", "inputs", "control", "runs", "events.jsonl", "log.txt"})


class SweepFolder:
    """A folder with ``sweep.json``. Reading needs no lock; what is named set_ does."""

    def __init__(self, path: str | Path) -> None:
        """Open an existing sweep. Raises `InputError` when there is none or it cannot be read."""
        self.path = Path(path).resolve()
        self.read_record()

    @property
    def events_path(self) -> Path:
        """Where the events are appended."""
        return self.path / "events.jsonl"

    def read_record(self) -> dict[str, Any]:
        """Read ``sweep.json`` as it is now."""
        path = self.path / "sweep.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(
                f"{self.path}: is not the folder of a sweep (there is no sweep.json in it). Give "
                "the folder that was named as --out."
            ) from None
        except (OSError, ValueError) as error:
            raise InputError(f"{path}: cannot be read ({error}).") from None
        if not isinstance(record, dict) or record.get("schema") != SCHEMA:
            raise InputError(f"{path}: is not a sweep of this version (schema {SCHEMA} expected).")
        return record

    @property
    def status(self) -> str:
        """As that of a run: queued, running, paused, stopped, finished, failed or lost."""
        held = is_held(self.path)
        status = str(self.read_record().get("status"))
        return "lost" if status in LIVE and not held else status

    def run_path(self, number: int) -> Path:
        """Name the folder of a setting's run."""
        return self.path / "runs" / f"{number:02d}"

    def run(self, number: int) -> RunFolder | None:
        """The run of a setting; None before it was begun."""
        path = self.run_path(number)
        return RunFolder(path) if is_run(path) else None

    def set_status(self, status: str, message: str | None = None) -> None:
        """Record the status and, for a failure, its reason."""
        self.set_values(status=status, message=message)

    def set_values(self, **values: Any) -> None:
        """Replace some values of ``sweep.json``."""
        write_json(self.path / "sweep.json", {**self.read_record(), **values, "updated": now_iso()})

    @classmethod
    def create(cls, path: Path, record: dict[str, Any]) -> "SweepFolder":
        """Write the first ``sweep.json`` into a folder that the caller holds the lock of."""
        now = now_iso()
        head = {"schema": SCHEMA, "kind": "sweep", "status": "running", "message": None}
        write_json(
            path / "sweep.json", {**head, "created": now, "updated": now, "verdict": None, **record}
        )
        return cls(path)


def is_sweep(path: Path) -> bool:
    """Tell whether there is a sweep in this folder, readable or not."""
    return (path / "sweep.json").exists()


def check_can_create(path: Path) -> None:
    """Raise `InputError` unless a sweep can be begun at ``path``: absent, empty, hardly begun."""
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError(f"{path}: is a file; give a folder for the sweep (--out).")
    present = {entry.name for entry in path.iterdir()}
    if present and not ("lock.json" in present and present <= _BEGUN):
        raise InputError(
            f"{path}: is not empty and holds no sweep ({', '.join(sorted(present)[:3])} …). "
            "Nothing was touched; give another folder for the sweep (--out)."
        )
