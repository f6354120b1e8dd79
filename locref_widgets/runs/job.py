"""The refinement of a run folder, from wherever it stands to its end, in this process."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from locref_widgets.io.duplicates import with_copies_together
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import read_events
from locref_widgets.runs.executors import executor_for, open_executor
from locref_widgets.runs.finish import (
    tell_fulcrum,
    tell_post_processing,
    write_final,
    write_report_of,
)
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.job_end import run_to_end
from locref_widgets.runs.observer import Listener, RunObserver
from locref_widgets.runs.provenance import (
    describe_device,
    describe_host,
    slow_device_warning,
    versions,
)
from locref_widgets.runs.signals import StopOnSignal
from locref_widgets.runs.steward import Steward

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput

RefineLoop = Callable[..., IterationResult]


def run_job(
    folder: RunFolder,
    inputs: "RefinementInput",
    settings: RefinementSettings,
    *,
    warnings: list[str] | None = None,
    listeners: tuple[Listener, ...] = (),
    ticket: DeviceTicket | None = None,
    refine_loop: RefineLoop | None = None,
) -> str:
    """Refine from the last iteration on the disc to the end; return the status it ended with.

    The caller holds the folder's lock, and the ticket by which the run waits for its turn on the
    device, and releases them. JAX must not be started by then. ``refine_loop`` stands in for
    `locref_widgets.refinement.refine.refine_loop` in tests.

    Raises
    ------
    Exception
        Whatever made the run fail; its message is in ``run.json`` and the events by then.
    KeyboardInterrupt
        When a signal asked to stop. The run is marked as stopped and can be resumed.
    """
    # So that the half-sets in the tables that are written are those of the half-maps.
    inputs = replace(inputs, particles=with_copies_together(inputs.particles))
    with StopOnSignal() as signals:
        observer = RunObserver(
            folder,
            Steward(folder, inputs, settings),
            stop_asked=lambda: signals.requested,
            listeners=listeners,
        )

        def refine() -> None:
            _refine(folder, observer, warnings or [], refine_loop)

        return run_to_end(folder, refine, observer.log, observer.say, signals, ticket)


def _refine(
    folder: RunFolder,
    observer: RunObserver,
    warnings: list[str],
    refine_loop: RefineLoop | None,
) -> None:
    device, found = describe_device(), versions()
    folder.set_values(host=describe_host(), device=device, versions=found, message=None)
    slow_device = slow_device_warning(device, found)
    for message in [*warnings, *filter(None, [slow_device])]:
        observer.say("warning", message=message)
    done = folder.iterations()
    result = folder.read_iteration(done[-1]) if done else None
    steward = observer.steward
    steward.go_on_from(result)
    if result is not None:
        _tell_untold(folder, observer)
    if result is None or not steward.is_complete:
        loop = refine_loop or _real_loop()
        result = loop(steward.inputs, steward.settings, observer, resume=result)
    inputs = steward.inputs
    sharpened = write_final(folder, result, inputs.particles, inputs.volume.position, observer)
    tell_post_processing(sharpened, folder, observer)
    tell_fulcrum(folder, result, inputs, steward.settings, observer)
    write_report_of(folder, observer)
    observer.say(
        "run_finished",
        resolution_angstrom=result.resolution_angstrom,
        iterations=result.iteration,
    )
    folder.set_status("finished")


def _real_loop() -> RefineLoop:
    return _refine_on_executor


def _refine_on_executor(
    inputs: "RefinementInput",
    settings: RefinementSettings,
    observer: RunObserver,
    resume: IterationResult | None = None,
) -> IterationResult:
    """Refine where ``run.json`` says that it is computed."""
    from locref_widgets.refinement.refine import refine_loop

    folder = observer.folder
    choice = executor_for(None, folder)

    def say(kind: str, **values: Any) -> None:
        if kind == "executor":
            folder.set_values(executor=choice.record() | values)
        observer.say(kind, **values)

    with open_executor(choice, folder.path, say) as executor:
        return refine_loop(inputs, settings, observer, resume, executor)


def _tell_untold(folder: RunFolder, observer: RunObserver) -> None:
    """Log the iterations that a kill left on the disc but not in the events."""
    events, _ = read_events(folder.events_path)
    told = {event.get("iteration") for event in events if event["kind"] == "iteration_finished"}
    for iteration in folder.iterations():
        if iteration not in told:
            observer.tell_iteration(folder.read_iteration(iteration))


def job_record(
    inputs: dict[str, Any],
    settings: RefinementSettings,
    command: list[str],
    executor: dict[str, Any],
) -> dict[str, Any]:
    """Return what ``run.json`` holds before the run begins."""
    return {
        "settings": settings.model_dump(mode="json"),
        "changes": [],
        "inputs": inputs,
        "command": command,
        "executor": executor,
        "versions": versions(),
        "host": describe_host(),
        "device": None,
    }
