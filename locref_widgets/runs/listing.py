"""The runs under a folder, with state and headline numbers."""

import os
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.runs.changes import latest_settings
from locref_widgets.runs.folder import RunFolder

_NEVER_RUNS = frozenset({"iterations", "final", "inputs", "control"})


def find_runs(folder: str | os.PathLike) -> list[Path]:
    """Find the run folders at and below a folder, by name; links to folders are not followed.

    Raises `InputError` when there is no such folder.
    """
    top = Path(folder)
    if not top.is_dir():
        raise InputError(f"{folder}: is no folder. Give the folder that holds the runs.")
    found = []
    for place, names, files in os.walk(top):
        if "run.json" in files:
            found.append(Path(place))
            names[:] = [name for name in names if name not in _NEVER_RUNS]
        names[:] = sorted(name for name in names if not name.startswith("."))
    return sorted(found)


def list_runs(folder: str | os.PathLike) -> list[dict[str, Any]]:
    """Describe the runs at and below a folder, the latest first.

    Each has what `describe_run` gives. One that cannot be read has the status ``unreadable`` and
    the reason as its ``message``. Raises `InputError` when there is no such folder.
    """
    described = []
    for path in find_runs(folder):
        try:
            described.append(describe_run(RunFolder(path)))
        except InputError as error:
            unknown = {"updated": "", "iterations": [], "summary": {}}
            described.append(
                {"folder": str(path), "status": "unreadable", "message": str(error)} | unknown
            )
    return sorted(described, key=lambda run: run["updated"], reverse=True)


def describe_run(folder: RunFolder) -> dict[str, Any]:
    """Tell how a run stands, ready for JSON.

    ``folder``, ``status`` (``lost`` when its process is gone), ``message`` (why it failed),
    ``created``, ``updated``, ``iterations`` (finished ones), ``maximum_iterations``, ``summary``
    (headline numbers), ``waiting_for`` (runs that come first on the device), ``changes`` (of
    settings, taken up by now), ``parent`` (for a branch) and ``executor`` (where it is computed).
    """
    status = folder.status
    record = folder.read_record()
    return {
        "folder": str(folder.path),
        "status": status,
        "message": record["message"],
        "created": record["created"],
        "updated": record["updated"],
        "iterations": folder.iterations(),
        "maximum_iterations": latest_settings(record).iterations,
        "summary": record["summary"],
        "waiting_for": record.get("waiting_for", []) if status == "queued" else [],
        "changes": record.get("changes", []),
        "parent": record.get("parent"),
        "executor": record.get("executor"),
    }
