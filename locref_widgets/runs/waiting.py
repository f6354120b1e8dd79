"""Waiting for a turn on the device, in sight of whoever looks on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from locref_widgets.refinement.state import StopRequested
from locref_widgets.runs.control import take_request
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.job_folder import JobFolder

_POLL_EVERY_SECONDS = 0.5


def wait_for_turn(
    folder: JobFolder,
    ticket: DeviceTicket,
    say: Callable[..., Any],
    stop_asked: Callable[[], bool],
) -> None:
    """Return when no earlier run asks for our device; the run is ``queued`` until then.

    Of the requests only ``stop`` is heeded: a pause counts once the run is under way.

    Raises
    ------
    StopRequested
        When asked to.
    """
    told: list[Path] = []
    while ahead := ticket.ahead():
        if ahead != told:
            told = ahead
            names = [str(run) for run in ahead]
            folder.set_values(status="queued", message=None, waiting_for=names)
            say("queued", waiting_for=names)
        if stop_asked() or take_request(folder.path, ("stop",)):
            raise StopRequested
        time.sleep(_POLL_EVERY_SECONDS)
    if told:
        folder.set_values(waiting_for=[])
        say("turn_came")
