"""Starting, opening and steering runs: what notebooks and the command line call."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult
from locref_widgets.runs import control
from locref_widgets.runs.branch import make_branch
from locref_widgets.runs.changes import ask_change, latest_settings
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.executors import executor_for
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.job import RefineLoop, run_job
from locref_widgets.runs.job_folder import LIVE
from locref_widgets.runs.job_handle import JobHandle
from locref_widgets.runs.launch import spawn_worker
from locref_widgets.runs.observer import Listener, summary_from_files
from locref_widgets.runs.prepare import (
    begin,
    check_resumable,
    checked_inputs,
    go_on,
    open_existing,
)


class Run(JobHandle):
    """A run seen from outside: from any process, at any time. It only reads and leaves requests."""

    folder: RunFolder

    def __init__(self, path: str | os.PathLike) -> None:
        self.folder = RunFolder(Path(path))

    @property
    def waiting_for(self) -> list[Path]:
        """Runs that come first on the device, while it is queued; the next one first."""
        if self.status != "queued":
            return []
        return [Path(path) for path in self.folder.read_record().get("waiting_for", [])]

    @property
    def settings(self) -> RefinementSettings:
        """The settings in effect: those it was given, with all changes taken up since."""
        return latest_settings(self.folder.read_record())

    @property
    def summary(self) -> dict[str, Any]:
        """Headline numbers of the iterations so far."""
        return self.folder.summary

    def iterations(self) -> list[int]:
        """List the finished iterations."""
        return self.folder.iterations()

    def iteration(self, iteration: int) -> IterationResult:
        """Read the maps, poses and curves of an iteration."""
        return self.folder.read_iteration(iteration)

    def summarise(self, iteration: int) -> dict[str, Any]:
        """Histograms, heatmaps and curves of an iteration, made anew from its files.

        The same as its event ``iteration_finished`` holds (``docs/events.md``). The poses given
        are those of iteration 0, so that the table of particles is not read.
        """
        return summary_from_files(self.folder, iteration)

    def stop(self, *, after_iteration: bool = False) -> None:
        """Ask it to stop; the run can be resumed.

        At once, so that the iteration under way is lost, or once that is finished.
        """
        self._ask(control.STOP_AFTER if after_iteration else "stop")

    def change(self, *, mask: Map | str | os.PathLike | None = None, **settings: Any) -> list[str]:
        """Ask it to go on with other settings, or another mask, from its next iteration on.

        What may be changed is `locref_widgets.refinement.steering.STEERABLE`. A run that does not
        go on now takes it up when it is resumed. Returns warnings, each a sentence.

        Raises
        ------
        InputError
            If the settings or the mask are wrong, or the run is finished. Nothing is asked by then.
        OutputError
            If the request cannot be written.
        """
        if self.status == "finished":
            raise InputError(
                f"{self.path}: is finished, so nothing of it can be changed. Go on from one of its "
                f"iterations in another folder: locref branch {self.path} --from-iteration K "
                "--out NEW"
            )
        return ask_change(self.folder, settings, mask)

    def resume(self, *, wait_for_device: bool = True) -> None:
        """Go on with a run that was stopped, failed or lost, in a process of its own.

        Raises
        ------
        InputError
            If another process writes into it. A run that is under way or finished is left alone.
        """
        if self.status in (*LIVE, "finished"):
            return
        waits = wait_for_device and executor_for(None, self.folder).is_local
        ticket = DeviceTicket.draw(self.path) if waits else None
        try:
            lock = go_on(self.folder)
        except BaseException:
            if ticket is not None:
                ticket.release()
            raise
        spawn_worker(self.folder, lock, ticket)

    def branch(
        self,
        iteration: int,
        out: str | os.PathLike,
        *,
        mask: Map | str | os.PathLike | None = None,
        wait_for_device: bool = True,
        **settings: Any,
    ) -> "Run":
        """Go on from one of its iterations in a run of its own, with some settings changed.

        The iterations up to there are shared. This run stays as it is, whatever state it is in.

        Raises
        ------
        InputError
            If there is no such iteration, ``out`` holds something, or settings or mask are wrong.
        OutputError
            If the new folder cannot be written.
        """
        folder, _ = make_branch(self.folder, iteration, out, settings, mask)
        branch = Run(folder.path)
        branch.resume(wait_for_device=wait_for_device)
        return branch

    def write_report(self) -> Path:
        """Write ``report.html`` from what the folder holds so far, and return where it is."""
        from locref_widgets.figures.report import write_report

        return write_report(self.path)


def open_run(path: str | os.PathLike) -> Run:
    """Open a run folder, whether its process is running, has ended or was killed.

    Raises `InputError` when there is no run, or it cannot be read.
    """
    return Run(path)


def start_refinement(
    particles: Particles,
    volume: Map,
    mask: Map,
    settings: RefinementSettings | None = None,
    out: str | os.PathLike = "run",
    *,
    half_maps: tuple[Map, Map] | None = None,
    wait_for_device: bool = True,
    executor: str | None = None,
) -> Run:
    """Refine in a process of its own, which outlives this one; return at once.

    ``executor`` is where it is computed: "local" (all devices of this machine), "dask:ADDRESS" or
    "slurm:FILE.yaml". Unset: as the run had it, which is local for a new one.

    Runs of one user on one machine take turns on its devices, in the order in which they were
    started; ``wait_for_device=False`` begins at once.

    Calling it again with the same inputs, settings and folder attaches to the run when it is
    alive or finished and resumes it when it was stopped, failed or lost: a notebook's cell can be
    run any number of times.

    Raises
    ------
    InputError
        For unfit inputs, a folder with something else in it, or a run that was begun with other
        inputs or settings (the message lists the differences).
    """
    settings = settings or RefinementSettings()
    inputs, _ = checked_inputs(particles, volume, mask, settings, half_maps)
    existing = open_existing(Path(out))
    if existing is not None:
        check_resumable(existing, inputs, settings)
        if existing.status in (*LIVE, "finished"):
            return Run(existing.path)
    where = executor_for(executor, existing)
    waits = wait_for_device and where.is_local
    ticket = DeviceTicket.draw(Path(out).resolve()) if waits else None
    try:
        folder, lock = begin(Path(out), inputs, settings, existing, where)
    except BaseException:
        if ticket is not None:
            ticket.release()
        raise
    spawn_worker(folder, lock, ticket)
    return Run(folder.path)


def refine(
    particles: Particles,
    volume: Map,
    mask: Map,
    settings: RefinementSettings | None = None,
    out: str | os.PathLike = "run",
    *,
    half_maps: tuple[Map, Map] | None = None,
    progress: bool = True,
    resume: bool = False,
    wait_for_device: bool = True,
    executor: str | None = None,
    refine_loop: RefineLoop | None = None,
) -> Run:
    """Refine in this process, with a progress bar; return when it is finished or stopped.

    Ctrl-C stops it after the batch under way, leaves a run that can be resumed, and raises
    KeyboardInterrupt. ``resume`` goes on with the run in ``out``, if there is one.
    Runs of one user on one machine take turns on its devices; ``wait_for_device=False`` begins at
    once. ``executor`` is where it is computed (see `start_refinement`). ``refine_loop`` stands in
    for the real one in tests.

    Raises
    ------
    InputError
        For unfit inputs, a folder with something else in it, a run already there (without
        ``resume``) or one that was begun with other inputs or settings.
    OutputError
        When the disc fails or is full; what is finished is safe, and the run can be resumed.
    """
    from locref_widgets.runs.progress import ProgressPrinter

    settings = settings or RefinementSettings()
    inputs, warnings = checked_inputs(particles, volume, mask, settings, half_maps)
    existing = open_existing(Path(out))
    if existing is not None:
        if not resume:
            raise InputError(
                f"{existing.path}: holds a run already ({existing.status}). Go on with it by "
                "--resume (in Python: resume=True), or give another folder."
            )
        check_resumable(existing, inputs, settings)
        if existing.status == "finished":
            return Run(existing.path)
    where = executor_for(executor, existing)
    with ExitStack() as held:
        ticket = None
        if wait_for_device and where.is_local:
            ticket = DeviceTicket.draw(Path(out).resolve())
            held.callback(ticket.release)
        folder, lock = begin(Path(out), inputs, settings, existing, where)
        held.callback(lock.release)
        printer = ProgressPrinter() if progress else None
        if printer:
            held.callback(printer.close)
        listeners: tuple[Listener, ...] = (printer,) if printer else ()
        run_job(
            folder,
            inputs,
            folder.settings,
            warnings=warnings,
            listeners=listeners,
            ticket=ticket,
            refine_loop=refine_loop,
        )
    return Run(folder.path)
