"""Everything that must be right before a run begins or goes on; until then nothing is touched."""

from pathlib import Path
from typing import TYPE_CHECKING

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import Particles, check_particles_match_map
from locref_widgets.io.placing import place_on_grid
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.control import clear_requests
from locref_widgets.runs.durable import disc_errors
from locref_widgets.runs.executors import LOCAL, ExecutorChoice
from locref_widgets.runs.folder import (
    UNFINISHED_RECORD,
    RunFolder,
    check_can_create,
    is_run,
)
from locref_widgets.runs.inputs import check_inputs, find_differences, record_inputs
from locref_widgets.runs.job import job_record
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.provenance import command_line

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput


def gather_inputs(
    particles: Particles, volume: Map, mask: Map, half_maps: tuple[Map, Map] | None
) -> "RefinementInput":
    """Bring the inputs together, each looked at for itself. Raises `InputError`.

    A mask that was cut out of the map's box, or moved by whole voxels, is put back into it.
    """
    from locref_widgets.refinement.problem import RefinementInput

    check_particles_match_map(particles, volume)
    return RefinementInput(particles, volume, place_on_grid(volume, mask, "the mask"), half_maps)


def checked_inputs(
    particles: Particles,
    volume: Map,
    mask: Map,
    settings: RefinementSettings,
    half_maps: tuple[Map, Map] | None,
) -> tuple["RefinementInput", list[str]]:
    """`gather_inputs`, then check them together; return them with warnings. Raises `InputError`."""
    inputs = gather_inputs(particles, volume, mask, half_maps)
    return inputs, check_inputs(inputs, settings)


def open_existing(out: Path) -> RunFolder | None:
    """Open the run at ``out``; None when one can be begun there, else `InputError`.

    One can also be begun in place of a run that failed before its first iteration: it holds nothing
    but what was wrong, and the message said how to mend it.
    """
    if is_run(out):
        folder = RunFolder(out)
        return None if folder.status == "failed" and not folder.iterations() else folder
    check_can_create(out)
    return None


def check_resumable(
    folder: RunFolder, inputs: "RefinementInput", settings: RefinementSettings
) -> None:
    """Raise `InputError` listing every difference to what the run was begun with."""
    differences = find_differences(folder.read_record(), inputs, settings)
    if differences:
        raise InputError(
            f"{folder.path}: this run was begun with other inputs or settings: "
            + "; ".join(differences)
            + ". Give the same, or another folder."
        )


def go_on(folder: RunFolder, executor: ExecutorChoice | None = None) -> WriterLock:
    """Take the lock of a run that goes on, where it was computed before or on an ``executor``.

    Raises `InputError` when another process has it.
    """
    lock = WriterLock.acquire(folder.path)
    try:
        # What a killed process was just writing.
        for part in (*folder.path.glob(UNFINISHED_RECORD), *folder.path.glob("final/.*.part")):
            part.unlink(missing_ok=True)
        clear_requests(folder.path)
        if executor is not None:
            folder.set_values(executor=executor.record())
        folder.set_status("running")
    except BaseException:
        lock.release()
        raise
    return lock


def begin(
    out: Path,
    inputs: "RefinementInput",
    settings: RefinementSettings,
    existing: RunFolder | None,
    executor: ExecutorChoice | None = None,
) -> tuple[RunFolder, WriterLock]:
    """Take the lock and make the run folder, or mark an existing one as running again.

    ``executor`` says where it is computed; None leaves an existing run with its own.

    Raises `InputError` when another process writes there, `OutputError` when the disc fails.
    """
    if existing is not None:
        return existing, go_on(existing, executor)
    with disc_errors(out, begun=False):
        out.mkdir(parents=True, exist_ok=True)
    lock = WriterLock.acquire(out)
    try:
        with disc_errors(out, begun=False):
            for name in ("control", "iterations"):
                (out / name).mkdir(exist_ok=True)
            left_behind = (
                *out.glob(UNFINISHED_RECORD),
                *(out / "control").glob("change-*"),
                out / "events.jsonl",
            )
            for path in left_behind:
                path.unlink(missing_ok=True)
        clear_requests(out)
        record = job_record(
            record_inputs(inputs, out / "inputs"),
            settings,
            command_line(),
            (executor or ExecutorChoice(LOCAL)).record(),
        )
        return RunFolder.create(out, record), lock
    except BaseException:
        lock.release()
        raise
