"""How a job comes to its end: done, stopped, or failed with its reason written down."""

import traceback
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from locref_widgets.errors import InputError, OutputError
from locref_widgets.refinement.state import StopRequested
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.job_folder import JobFolder
from locref_widgets.runs.signals import StopOnSignal
from locref_widgets.runs.waiting import wait_for_turn


def run_to_end(
    folder: JobFolder,
    work: Callable[[], None],
    log: EventLog,
    say: Callable[..., Any],
    signals: StopOnSignal,
    ticket: DeviceTicket | None,
) -> str:
    """Wait for the turn on the device, then do the work; return "finished" or "stopped".

    ``work`` sets the status "finished" itself, last of all.

    Raises
    ------
    Exception
        Whatever made the work fail; its message is in the record and the events by then.
    KeyboardInterrupt
        When a signal asked to stop, here or in a job within this one. It is marked as stopped.
    """
    try:
        if ticket is not None:
            wait_for_turn(folder, ticket, say, lambda: signals.requested)
        folder.set_status("running")
        work()
    except (StopRequested, KeyboardInterrupt) as stop:
        say("stopped")
        folder.set_status("stopped")
        if signals.requested or isinstance(stop, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        return "stopped"
    except Exception as error:
        record_failure(folder, log, error)
        raise
    return "finished"


def record_failure(folder: JobFolder, log: EventLog, error: Exception) -> None:
    """Write why a job failed into its record and the events, a fault of ours into the log.

    Listeners are not told: the error itself goes on to whoever started the job.
    """
    said = isinstance(error, InputError | OutputError)
    message = str(error) if said else f"{type(error).__name__}: {error}{_advice(error)}"
    # On a full disc the failure itself may not be writable: the run then shows as lost. The status
    # comes last: whoever waits for it finds everything else written.
    with suppress(OutputError, OSError):
        if not said:
            with (folder.path / "log.txt").open("a") as text:
                traceback.print_exception(error, file=text)
    with suppress(OutputError, OSError):
        log.append("failed", message=message)
    with suppress(OutputError, OSError):
        folder.set_status("failed", message)


def _advice(error: Exception) -> str:
    """What to do about a fault that is not ours."""
    if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
        return (
            ". The memory is too small even for the least that can be done at once. Free it (other "
            "programs on the same device), give a smaller rotation extent, shift extent or batch "
            "size, or bin the particles; every iteration finished before is safe, and the run can "
            "be resumed."
        )
    return ""
