"""Sweeps: many settings tried on a random subset, and a verdict which is best and how sure.

What notebooks and the command line call.
"""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import Particles
from locref_widgets.io.placing import place_on_grid
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.job import RefineLoop
from locref_widgets.runs.job_folder import LIVE
from locref_widgets.runs.launch import spawn_worker
from locref_widgets.runs.prepare import gather_inputs
from locref_widgets.runs.sweep_folder import SweepFolder
from locref_widgets.runs.sweep_grid import Grid, expand_grid, read_masks
from locref_widgets.runs.sweep_handle import Sweep, open_sweep
from locref_widgets.runs.sweep_job import run_sweep
from locref_widgets.runs.sweep_plan import SweepPlan, smallest_mask
from locref_widgets.runs.sweep_progress import SweepPrinter
from locref_widgets.runs.sweep_record import begin_sweep, load_plan, open_existing_sweep

__all__ = ["Sweep", "open_sweep", "start_sweep", "sweep"]

SUBSET, ITERATIONS = 500, 3
"""Particles and iterations of each setting, unless told otherwise."""
Subset = int | Literal["usual"] | None
"""A number of particles; ``"usual"`` is `SUBSET`, or all of a smaller set; None takes all."""
WORKER_MODULE = "locref_widgets.runs.sweep_worker"


def plan_sweep(
    particles: Particles,
    volume: Map,
    mask: Map | None,
    settings: RefinementSettings | None,
    grid: Grid,
    *,
    subset: Subset = "usual",
    seed: int | None = None,
    iterations: int = ITERATIONS,
    evaluation_mask: Map | None = None,
    half_maps: tuple[Map, Map] | None = None,
) -> SweepPlan:
    """Check everything that a sweep will need, before anything is computed or written.

    Raises
    ------
    InputError
        For unfit inputs, a subset larger than the set, or a grid that cannot be (`expand_grid`).
    """
    settings = settings or RefinementSettings()
    if subset == "usual":
        subset = min(SUBSET, len(particles))
    if subset is not None and subset > len(particles):
        raise InputError(
            f"{particles.path}: subset is {subset}, but there are {len(particles)} particles. Give "
            f"at most {len(particles)}, or none to take them all."
        )
    if iterations < 1:
        raise InputError(f"iterations is {iterations}; each setting needs at least 1.")
    candidates = expand_grid(settings, grid, subset, settings.seed if seed is None else seed)
    masks = [place_on_grid(volume, m, "the mask") for m in read_masks(grid)]
    if mask is None and not masks:
        raise InputError(
            "the mask is missing: give the mask of the region (--mask), or masks to try in the "
            "grid (mask: [a.mrc, b.mrc])."
        )
    inputs = gather_inputs(particles, volume, masks[0] if mask is None else mask, half_maps)
    if evaluation_mask is None:
        evaluation_mask = smallest_mask(masks or [inputs.mask])
    else:
        evaluation_mask = place_on_grid(volume, evaluation_mask, "the mask of the comparison")
    return SweepPlan(inputs, settings, candidates, masks, evaluation_mask, iterations).checked()


def sweep(
    particles: Particles,
    volume: Map,
    mask: Map | None,
    settings: RefinementSettings | None = None,
    grid: Grid | None = None,
    out: str | os.PathLike = "sweep",
    *,
    subset: Subset = "usual",
    seed: int | None = None,
    iterations: int = ITERATIONS,
    evaluation_mask: Map | None = None,
    half_maps: tuple[Map, Map] | None = None,
    progress: bool = True,
    wait_for_device: bool = True,
    refine_loop: RefineLoop | None = None,
    make_meter: Any = None,
) -> Sweep:
    """Try every combination of a grid on a random subset, in this process; return when it is done.

    Calling it again with the same arguments goes on where it was stopped.

    Parameters
    ----------
    particles, volume, mask, half_maps
        As for `refine`. The mask may be None where the grid names masks.
    settings
        Those that the grid leaves as they are. Their ``iterations`` and ``subset`` are kept for the
        refinement that follows (`Sweep.chosen`).
    grid
        Settings by name, each with the values to try: ``{"rotation_extent": [0.1, 0.2, 0.35]}``.
        Besides the fields of `RefinementSettings` it may name ``mask`` (maps or files).
    out
        Folder for it, new or empty, or that of the same sweep.
    subset, seed
        So many particles, drawn from both half-sets in proportion: the same for every setting.
        "usual" are 500, or all of a smaller set; None takes all. The seed is that of the settings
        unless given.
    iterations
        After which each run stops.
    evaluation_mask
        In which all settings are compared. Unset: the least of all masks tried.
    progress
        Whether to print lines on the way.

    Raises
    ------
    InputError
        See `plan_sweep`; or ``out`` holds something else, or a sweep of other settings.
    OutputError
        When the disc fails; what is finished is safe.
    """
    plan = plan_sweep(
        particles,
        volume,
        mask,
        settings,
        grid or {},
        subset=subset,
        seed=seed,
        iterations=iterations,
        evaluation_mask=evaluation_mask,
        half_maps=half_maps,
    )
    existing = open_existing_sweep(Path(out), plan)
    stand_ins = {"refine_loop": refine_loop, "make_meter": make_meter}
    return _sweep_here(Path(out), plan, existing, progress, wait_for_device, stand_ins)


def go_on_with_sweep(
    out: str | os.PathLike, *, progress: bool = True, wait_for_device: bool = True
) -> Sweep:
    """Go on with a sweep that was stopped, failed or lost, in this process.

    Raises `InputError` when there is none, or an input is no longer what it began with.
    """
    folder = SweepFolder(Path(out))
    return _sweep_here(folder.path, load_plan(folder), folder, progress, wait_for_device, {})


def _sweep_here(
    out: Path,
    plan: SweepPlan,
    existing: SweepFolder | None,
    progress: bool,
    wait_for_device: bool,
    stand_ins: dict[str, Any],
) -> Sweep:
    if existing is not None and existing.status == "finished":
        return Sweep(existing.path)
    with ExitStack() as held:
        ticket = None
        if wait_for_device:
            ticket = DeviceTicket.draw(out.resolve())
            held.callback(ticket.release)
        folder, lock = begin_sweep(out, plan, existing)
        held.callback(lock.release)
        listeners = (SweepPrinter(),) if progress else ()
        run_sweep(folder, plan, listeners=listeners, ticket=ticket, **stand_ins)
    return Sweep(folder.path)


def start_sweep(
    particles: Particles,
    volume: Map,
    mask: Map | None,
    settings: RefinementSettings | None = None,
    grid: Grid | None = None,
    out: str | os.PathLike = "sweep",
    *,
    wait_for_device: bool = True,
    **options: Any,
) -> Sweep:
    """Run a `sweep` in a process of its own, which outlives this one; return at once.

    Called again with the same arguments it attaches to the sweep, and resumes one that was stopped.
    """
    plan = plan_sweep(particles, volume, mask, settings, grid or {}, **options)
    existing = open_existing_sweep(Path(out), plan)
    if existing is None or existing.status not in (*LIVE, "finished"):
        spawn_sweep(Path(out), plan, existing, wait_for_device=wait_for_device)
    return Sweep(out)


def spawn_sweep(
    out: Path, plan: SweepPlan | None, existing: SweepFolder | None, *, wait_for_device: bool
) -> None:
    """Begin a sweep, or go on with an existing one (which needs no ``plan``), in a process."""
    ticket = DeviceTicket.draw(out.resolve()) if wait_for_device else None
    try:
        folder, lock = begin_sweep(out, plan, existing)
    except BaseException:
        if ticket is not None:
            ticket.release()
        raise
    spawn_worker(folder, lock, ticket, module=WORKER_MODULE)
