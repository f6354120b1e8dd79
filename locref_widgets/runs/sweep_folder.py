"""The folder of a sweep: its record, the runs in it, and what was found of each setting.

::

    sweep.json          settings, grid, inputs with checksums, status, and the verdict at the end
    events.jsonl        append-only, as that of a run
    control/            requests dropped in by a viewer: pause, continue, stop
    runs/NN/            the run of each setting: run folders like any other
    verdict.html, verdict.md, table.csv
"""

from pathlib import Path
from typing import Any

from locref_widgets.runs.durable import write_json
from locref_widgets.runs.folder import RunFolder, is_run
from locref_widgets.runs.job_folder import JobFolder, check_free_for, first_record, has_record

_BEGUN = ("lock.json", "inputs", "control", "runs", "events.jsonl", "log.txt", ".sweep.json.*.part")


class SweepFolder(JobFolder):
    """A folder with ``sweep.json``. Reading needs no lock; what is named set_ does."""

    NOUN, RECORD, IS_NOT = "sweep", "sweep.json", "the folder of a sweep"

    def run_path(self, number: int) -> Path:
        """Name the folder of a setting's run."""
        return self.path / "runs" / f"{number:02d}"

    def run(self, number: int) -> RunFolder | None:
        """The run of a setting; None before it was begun."""
        path = self.run_path(number)
        return RunFolder(path) if is_run(path) else None

    @classmethod
    def create(cls, path: Path, record: dict[str, Any]) -> "SweepFolder":
        """Write the first ``sweep.json`` into a folder that the caller holds the lock of."""
        write_json(path / cls.RECORD, first_record("sweep", verdict=None, **record))
        return cls(path)


def is_sweep(path: Path) -> bool:
    """Tell whether there is a sweep in this folder, readable or not."""
    return has_record(path, SweepFolder.RECORD)


def check_can_create(path: Path) -> None:
    """Raise `InputError` unless a sweep can be begun at ``path``: absent, empty, hardly begun."""
    check_free_for(path, SweepFolder.NOUN, _BEGUN)


def is_tried(folder: SweepFolder, number: int, iterations: int) -> bool:
    """Whether a setting's run has come as far as it is to."""
    run = folder.run(number)
    if run is None:
        return False
    done = run.iterations()
    return bool(done) and (done[-1] >= iterations or run.status == "finished")
