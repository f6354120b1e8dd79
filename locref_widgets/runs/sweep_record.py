"""The record of a sweep: what was asked for, so that another process can go on with it."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.runs.control import clear_requests
from locref_widgets.runs.durable import disc_errors
from locref_widgets.runs.folder import settings_from_json
from locref_widgets.runs.inputs import (
    describe_map,
    describe_mask,
    find_differences,
    load_inputs,
    load_mask,
    record_inputs,
)
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.provenance import command_line, versions
from locref_widgets.runs.sweep_folder import SweepFolder, check_can_create, is_sweep
from locref_widgets.runs.sweep_grid import MASK, expand_grid
from locref_widgets.runs.sweep_plan import SweepPlan


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
    differences += _mask_differences(record, plan)
    if differences:
        raise InputError(
            f"{folder.path}: this sweep was begun with other inputs or settings: "
            + "; ".join(differences)
            + ". Give the same, or another folder."
        )
    return folder


def _mask_differences(record: dict[str, Any], plan: SweepPlan) -> list[str]:
    """The masks that the grid names and that of the comparison, by their content."""
    names = [f"mask {number} of the grid" for number in range(1, len(plan.masks) + 1)]
    masks = [*zip(names, plan.masks, record["masks"], strict=False)]
    masks.append(("mask of the comparison", plan.evaluation_mask, record["evaluation_mask"]))
    found = []
    with tempfile.TemporaryDirectory() as aside:
        for number, (name, mask, then) in enumerate(masks):
            now = describe_map(mask, Path(aside) / f"{number}.mrc")
            if now["sha256"] != then["sha256"]:
                told = mask.path or "an array"
                found.append(f"{name}: {then['path']} then, {told} of another content now")
    return found


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
    grid, masks = recorded_grid(folder)
    candidates = expand_grid(settings, grid, record["subset"], record["seed"])
    evaluation = load_mask(record["evaluation_mask"])
    plan = SweepPlan(inputs, settings, candidates, masks, evaluation, record["iterations"])
    return plan.checked()


def recorded_grid(folder: SweepFolder) -> tuple[dict[str, list[Any]], list[Map]]:
    """The grid of a sweep as it was given, and the masks that it names.

    Raises `InputError` when a mask is missing or its content is another one by now.
    """
    record, own = folder.read_record(), folder.path / "inputs"
    masks = [
        # What never was a file goes by its number again.
        replace(load_mask(entry), path=None)
        if Path(entry["path"]).is_relative_to(own)
        else load_mask(entry)
        for entry in record["masks"]
    ]
    grid: dict[str, list[Any]] = {
        name: [tuple(v) if isinstance(v, list) else v for v in values]
        for name, values in record["grid"].items()
    }
    return (grid | {MASK: list(masks)} if MASK in grid else grid), masks


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
    own, volume = out / "inputs", plan.inputs.volume
    return {
        "settings": plan.settings.model_dump(mode="json"),
        "inputs": record_inputs(plan.inputs, own),
        "masks": [
            describe_mask(mask, volume, own / f"mask_{number}.mrc")
            for number, mask in enumerate(plan.masks, start=1)
        ],
        "evaluation_mask": describe_mask(plan.evaluation_mask, volume, own / "evaluation.mrc"),
        **_asked(plan),
        "candidates": [{"number": c.number, "values": c.values} for c in plan.candidates],
        "command": command_line(),
        "versions": versions(),
        "seconds": {},
    }
