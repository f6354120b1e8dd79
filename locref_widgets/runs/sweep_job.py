"""A sweep from wherever it stands to its end, in this process.

One run after the other, then the verdict. Programs compiled for one setting serve the next wherever
their shapes are the same.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from locref_widgets.errors import InputError, OutputError
from locref_widgets.refinement.observing import Change
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult, StopRequested
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import EventLog, read_events
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.job import RefineLoop, run_job
from locref_widgets.runs.job_end import run_to_end
from locref_widgets.runs.observer import Listener, RunObserver
from locref_widgets.runs.prepare import begin, check_resumable
from locref_widgets.runs.signals import StopOnSignal
from locref_widgets.runs.sweep_folder import SweepFolder, is_tried
from locref_widgets.runs.sweep_grid import Candidate
from locref_widgets.runs.sweep_plan import SweepPlan
from locref_widgets.runs.sweep_verdict import judge, meter_of
from locref_widgets.runs.viewer_requests import Requests

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput


def run_sweep(
    folder: SweepFolder,
    plan: SweepPlan,
    *,
    listeners: tuple[Listener, ...] = (),
    ticket: DeviceTicket | None = None,
    refine_loop: RefineLoop | None = None,
    make_meter: Callable[..., Any] | None = None,
) -> str:
    """Try all settings that were not tried yet, and compare them; return the status at the end.

    The caller holds the folder's lock and the ticket, and releases them. ``refine_loop`` and
    ``make_meter`` stand in for the real ones in tests.

    Raises
    ------
    Exception
        Whatever made the sweep fail; its message is in ``sweep.json`` and the events by then.
    KeyboardInterrupt
        When a signal asked to stop. The sweep can be resumed.
    """
    log = EventLog(folder.events_path)

    def say(kind: str, **values: Any) -> None:
        event = log.append(kind, **values)
        for listener in listeners:
            listener(event)

    with StopOnSignal() as signals:
        requests = Requests(folder, say, lambda: signals.requested)

        def work() -> None:
            _try_all(folder, plan, requests, say, refine_loop)
            say("measuring", settings=len(plan.candidates))
            meter = (make_meter or meter_of)(plan, lambda _done, _total: requests.obey())
            verdict = judge(folder, plan, meter)
            folder.set_values(verdict=verdict)
            _write_pages(folder)
            say("verdict", **{k: verdict[k] for k in ("chosen", "sureness", "sentence")})
            folder.set_status("finished")
            say("sweep_finished", settings=len(plan.candidates))

        return run_to_end(folder, work, log, say, signals, ticket)


class _Brief:
    """The observer of a run that ends after some iterations, without the last maps and report."""

    def __init__(
        self, observer: RunObserver, requests: Requests, most: int, say: Callable[..., None]
    ) -> None:
        self._observer, self._requests, self._most, self._say = observer, requests, most, say

    def event(self, kind: str, **values: Any) -> None:
        self._observer.event(kind, **values)

    def checkpoint(self) -> None:
        self._requests.obey()
        self._observer.checkpoint()

    def iteration_finished(self, result: IterationResult) -> None:
        self._observer.iteration_finished(result)
        self._say(iteration=result.iteration, resolution_angstrom=result.resolution_angstrom)

    def before_iteration(self, iteration: int) -> Change | None:
        if iteration > self._most:
            raise StopRequested
        return self._observer.before_iteration(iteration)


def _try_all(
    folder: SweepFolder,
    plan: SweepPlan,
    requests: Requests,
    say: Callable[..., None],
    refine_loop: RefineLoop | None,
) -> None:
    names = list(plan.candidates[0].values)
    say("sweep_started", settings=len(plan.candidates), names=names, iterations=plan.iterations)
    for message in plan.warnings:
        say("warning", message=message)
    real = refine_loop or _shared_loop()
    told = {
        e["number"] for e in read_events(folder.events_path)[0] if e["kind"] == "setting_finished"
    }
    for candidate in plan.candidates:
        requests.obey()
        number = candidate.number
        if is_tried(folder, number, plan.iterations):
            run = folder.run(number)
            if number not in told and run is not None:
                # Its process was killed before it could say so.
                say("setting_finished", number=number, **run.summary)
            continue
        say("setting_started", number=number, values=candidate.values)
        started, cpu = time.monotonic(), time.process_time()

        def loop(
            inputs: "RefinementInput",
            settings: RefinementSettings,
            observer: RunObserver,
            resume: IterationResult | None = None,
            number: int = number,
        ) -> IterationResult:
            def tell(**values: Any) -> None:
                say("setting_iteration", number=number, **values)

            brief = _Brief(observer, requests, plan.iterations, tell)
            return real(inputs, settings, brief, resume=resume)

        try:
            run = _refine(folder, candidate, plan, loop)
        except InputError as error:
            # The others may well be possible: a fulcrum outside the box is no fault of theirs.
            say("setting_failed", number=number, message=str(error))
            continue
        if not is_tried(folder, number, plan.iterations):
            raise StopRequested
        seconds = {
            "seconds": round(time.monotonic() - started, 1),
            "cpu_seconds": round(time.process_time() - cpu, 1),
        }
        _add_seconds(folder, number, seconds)
        say("setting_finished", number=number, **(run.summary | seconds))


def _refine(
    folder: SweepFolder, candidate: Candidate, plan: SweepPlan, loop: RefineLoop
) -> RunFolder:
    inputs = plan.inputs_of(candidate)
    existing = folder.run(candidate.number)
    if existing is not None and not existing.iterations():
        existing = existing if existing.status != "failed" else None
    if existing is not None:
        check_resumable(existing, inputs, candidate.settings)
    run, lock = begin(folder.run_path(candidate.number), inputs, candidate.settings, existing)
    try:
        run_job(run, inputs, candidate.settings, refine_loop=loop)
    finally:
        lock.release()
    return run


def _shared_loop() -> RefineLoop:
    from locref_widgets.refinement.executor import LocalExecutor
    from locref_widgets.refinement.refine import refine_loop

    executor = LocalExecutor()

    def loop(
        inputs: "RefinementInput",
        settings: RefinementSettings,
        observer: Any,
        resume: IterationResult | None = None,
    ) -> IterationResult:
        return refine_loop(inputs, settings, observer, resume, executor)

    return loop


def _add_seconds(folder: SweepFolder, number: int, seconds: dict[str, float]) -> None:
    told = folder.read_record().get("seconds") or {}
    before = told.get(str(number)) or {}
    told[str(number)] = {name: before.get(name, 0.0) + value for name, value in seconds.items()}
    folder.set_values(seconds=told)


def _write_pages(folder: SweepFolder) -> None:
    from locref_widgets.figures.sweep_page import write_verdict

    # What was found is in sweep.json: a page that cannot be written does not undo it.
    with suppress(OutputError):
        write_verdict(folder.path)
