"""A new run that goes on from an iteration of another one.

It is a run folder of its own, which can be moved, resumed and branched off like any other. What it
has in common with the first one (the iterations up to there, the run's own copies of inputs) is
linked where the file system can do so, since no file of these is ever written to; else it is
copied. The first run is only read.
"""

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, write_map
from locref_widgets.io.new_folder import check_free, new_folder
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.steering import changed_settings
from locref_widgets.runs.changes import given_map, in_effect, mask_at, placed_mask
from locref_widgets.runs.durable import write_json
from locref_widgets.runs.events import SCHEMA as EVENT_SCHEMA
from locref_widgets.runs.events import now_iso, read_events
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.inputs import check_region
from locref_widgets.runs.iteration_files import iteration_arrays
from locref_widgets.runs.observer import summary_of
from locref_widgets.runs.provenance import command_line, describe_file

_OF_THE_STORY = frozenset({"run_started", "iteration_finished", "settings_changed", "warning"})
"""Kinds of events that hold for the branch, too."""


def make_branch(
    parent: RunFolder,
    iteration: int,
    out: str | os.PathLike,
    changes: dict[str, Any],
    mask: Map | str | os.PathLike | None = None,
) -> tuple[RunFolder, list[str]]:
    """Make the folder of a run that goes on from an iteration of ``parent``, and warn.

    ``changes`` are settings by name; these and the mask hold from the next iteration on.

    Raises
    ------
    InputError
        If there is no such iteration, ``out`` holds something, the changes are wrong, or nothing
        would follow that iteration. Nothing is made by then.
    OutputError
        If the folder cannot be written; then nothing is left behind.
    """
    if iteration not in parent.iterations():
        has = ", ".join(map(str, parent.iterations())) or "none"
        raise InputError(f"{parent.path}: has no iteration {iteration} to go on from (has {has}).")
    check_free(out)
    record = parent.read_record()
    before = in_effect(record, iteration)[0]
    after, differences = changed_settings(before, changes)
    kept = [change for change in record.get("changes", []) if change["iteration"] <= iteration]
    _check_that_something_follows(parent, iteration, after, bool(differences or mask is not None))
    new_mask, warnings = None, []
    if differences or mask is not None:
        volume = given_map(parent)
        new_mask = None if mask is None else placed_mask(mask, volume)
        warnings = check_region(volume, new_mask or mask_at(parent, iteration), after)
    with new_folder(out) as folder:
        target = Path(out).resolve()
        _share(parent, iteration, folder)
        identity = uuid.uuid4().hex
        entry = None if new_mask is None else _keep_mask(new_mask, folder, identity)
        told = {
            name: {"before": before.model_dump(mode="json")[name], "after": value}
            for name, value in differences.items()
        }
        if told or entry:
            new = {"iteration": iteration + 1, "id": identity, "asked": now_iso()}
            kept = [*kept, new | {"settings": told, "mask": entry}]
        events = _story(parent, iteration)
        _write_events(folder / "events.jsonl", events, parent, iteration)
        write_json(
            folder / "run.json",
            {
                **record,
                "status": "stopped",
                "message": None,
                "created": now_iso(),
                "updated": now_iso(),
                "parent": {"path": str(parent.path), "iteration": iteration},
                "changes": kept,
                "command": command_line(),
                "waiting_for": [],
                "inputs": _moved(record["inputs"], parent.path, target),
                "summary": _summary(events),
            },
        )
    return RunFolder(target), warnings


def _check_that_something_follows(
    parent: RunFolder, iteration: int, settings: RefinementSettings, changed: bool
) -> None:
    if settings.iterations <= iteration:
        raise InputError(
            f"{parent.path}: with iterations {settings.iterations} nothing follows iteration "
            f"{iteration}. Give more of them (--iterations {iteration + 3}), or an earlier "
            "iteration."
        )
    with iteration_arrays(parent.iteration_folder(iteration)) as stored:
        converged = bool(stored["converged"])
    if converged and not changed:
        raise InputError(
            f"{parent.path}: had converged at iteration {iteration}, and would again. Change a "
            "setting or the mask, or give an earlier iteration."
        )


def _share(parent: RunFolder, iteration: int, folder: Path) -> None:
    for name in ("control", "iterations"):
        (folder / name).mkdir()
    for number in parent.iterations():
        if number <= iteration:
            source = parent.iteration_folder(number)
            shutil.copytree(source, folder / "iterations" / source.name, copy_function=_link)
    if (parent.path / "inputs").is_dir():
        shutil.copytree(parent.path / "inputs", folder / "inputs", copy_function=_link)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disc, or one that knows no links
        shutil.copyfile(source, target)


def _keep_mask(mask: Map, folder: Path, identity: str) -> dict[str, Any]:
    name = f"inputs/mask_{identity}.mrc"
    (folder / "inputs").mkdir(exist_ok=True)
    write_map(folder / name, mask.data, mask.voxel_size_angstrom, mask.position)
    told = {"path": name, "from": str(mask.path) if mask.path else None}
    return describe_file(folder / name) | told


def _moved(told: Any, old: Path, new: Path) -> Any:
    """Put the branch's folder in place of the parent's in all paths of the inputs."""
    if isinstance(told, dict):
        return {
            name: str(new / Path(value).relative_to(old))
            if name == "path" and Path(value).is_relative_to(old)
            else _moved(value, old, new)
            for name, value in told.items()
        }
    return [_moved(value, old, new) for value in told] if isinstance(told, list) else told


def _story(parent: RunFolder, iteration: int) -> list[dict[str, Any]]:
    """What the events tell of the iterations up to there."""
    events = read_events(parent.events_path)[0]
    return [
        event
        for event in events
        if event["kind"] in _OF_THE_STORY and event.get("iteration", 0) <= iteration
    ]


def _write_events(
    path: Path, events: list[dict[str, Any]], parent: RunFolder, iteration: int
) -> None:
    branched = {"schema": EVENT_SCHEMA, "time": now_iso(), "kind": "branched"}
    branched |= {"parent": str(parent.path), "iteration": iteration}
    lines = [json.dumps(event, ensure_ascii=False) for event in [*events, branched]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _summary(events: list[dict[str, Any]]) -> dict[str, Any]:
    summary: dict[str, Any] = {}
    started = next((event for event in events if event["kind"] == "run_started"), {})
    finished = {e["iteration"]: e for e in events if e["kind"] == "iteration_finished"}
    for number in sorted(finished):
        summary = summary_of(finished[number], summary, started.get("n_particles"))
    return summary
