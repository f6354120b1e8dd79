"""The record of a sweep: what was asked for, so that another process can go on with it."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.runs.control import clear_requests
from locref_widgets.runs.durable import disc_errors
from locref_widgets.runs.folder import settings_from_json
from locref_widgets.runs.inputs import find_differences, load_inputs, record_inputs
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.provenance import command_line, describe_file, versions
from locref_widgets.runs.sweep_folder import SweepFolder, check_can_create, is_sweep
from locref_widgets.runs.sweep_grid import MASK, expand_grid
from locref_widgets.runs.sweep_job import SweepPlan


def open_existing_sweep(out: Path, plan: SweepPlan) -> SweepFolder | None:
    """Open the sweep at ``out``; None when one can be begun there.

    Raises `InputError` when it was begun with something else, or ``out`` holds another thing.
    """
    if not is_sweep(out):
        check_can_create(out)
        return None
    folder = SweepFolder(out)
    record = folder.read_record()
    differences = find_differences(record, plan.inputs, plan.settings)
    asked = _asked(plan)
    differences += [
        f"{name}: {record.get(name)} then, {value} now"
        for name, value in asked.items()
        if record.get(name) != value
    ]
    if differences:
        raise InputError(
            f"{folder.path}: this sweep was begun with other inputs or settings: "
            + "; ".join(differences)
            + ". Give the same, or another folder."
        )
    return folder


def begin_sweep(
    out: Path, plan: SweepPlan | None, existing: SweepFolder | None
) -> tuple[SweepFolder, WriterLock]:
    """Take the lock and make the folder, or mark an existing sweep as running again.

    Raises `InputError` when another process writes there, `OutputError` when the disc fails.
    """
    with disc_errors(out, begun=False):
        out.mkdir(parents=True, exist_ok=True)
    lock = WriterLock.acquire(out)
    try:
        with disc_errors(out, begun=existing is not None):
            (out / "control").mkdir(exist_ok=True)
        clear_requests(out)
        if existing is not None:
            existing.set_status("running")
            return existing, lock
        assert plan is not None  # noqa: S101
        return SweepFolder.create(out, _record(out, plan)), lock
    except BaseException:
        lock.release()
        raise


def load_plan(folder: SweepFolder) -> SweepPlan:
    """Read the plan of a sweep from its record.

    Raises `InputError` when an input is missing or its content is not what the sweep began with.
    """
    record = folder.read_record()
    inputs = load_inputs(record["inputs"])
    settings = settings_from_json(record["settings"])
    masks = [_load_mask(entry) for entry in record["masks"]]
    grid: dict[str, list[Any]] = {
        name: [tuple(v) if isinstance(v, list) else v for v in values]
        for name, values in record["grid"].items()
    }
    if MASK in grid:
        grid[MASK] = list(masks)
    candidates = expand_grid(settings, grid, record["subset"], record["seed"])
    evaluation = _load_mask(record["evaluation_mask"])
    return SweepPlan(inputs, settings, candidates, masks, evaluation, record["iterations"])


def _asked(plan: SweepPlan) -> dict[str, Any]:
    """What a sweep is beside its inputs and settings, as JSON has it."""
    first = plan.candidates[0]
    grid: dict[str, list[Any]] = {name: [] for name in first.values}
    for candidate in plan.candidates:
        for name, value in candidate.values.items():
            if value not in grid[name]:
                grid[name].append(value)
    return {
        "grid": grid,
        "subset": first.settings.subset,
        "seed": first.settings.seed,
        "iterations": plan.iterations,
    }


def _record(out: Path, plan: SweepPlan) -> dict[str, Any]:
    own = out / "inputs"

    def describe(mask: Map, name: str) -> dict[str, Any]:
        return record_inputs(replace(plan.inputs, mask=mask), own / name)["mask"]

    return {
        "settings": plan.settings.model_dump(mode="json"),
        "inputs": record_inputs(plan.inputs, own),
        "masks": [describe(m, f"mask_{k}") for k, m in enumerate(plan.masks, start=1)],
        "evaluation_mask": describe(plan.evaluation_mask, "evaluation"),
        **_asked(plan),
        "candidates": [{"number": c.number, "values": c.values} for c in plan.candidates],
        "command": command_line(),
        "versions": versions(),
        "seconds": {},
    }


def _load_mask(entry: dict[str, Any]) -> Map:
    path = Path(entry["path"])
    with suppress(InputError):
        if describe_file(path)["sha256"] == entry["sha256"]:
            return read_map(path)
    raise InputError(
        f"{path}: was changed since the sweep began. Put the old file back, or begin a new sweep "
        "in another folder."
    )
