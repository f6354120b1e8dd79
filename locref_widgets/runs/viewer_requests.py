"""Requests of viewers, obeyed by the process that computes, between its batches."""

import time
from collections.abc import Callable

from locref_widgets.refinement.state import StopRequested
from locref_widgets.runs.control import take_request
from locref_widgets.runs.job_folder import JobFolder

_POLL_EVERY_SECONDS = 0.2


class Requests:
    """What is asked of a job by files in its folder, or of this process by a signal.

    ``say`` logs an event; ``stop_asked`` tells whether a signal asked this process to end.
    """

    def __init__(
        self, folder: JobFolder, say: Callable[..., None], stop_asked: Callable[[], bool]
    ) -> None:
        self._folder, self.say, self._stop_asked = folder, say, stop_asked
        self._next_poll = 0.0

    def obey(self) -> None:
        """Wait while paused; raise `StopRequested` to end. The disc is looked at now and then."""
        if self._stop_asked():
            raise StopRequested
        now = time.monotonic()
        if now < self._next_poll:
            return
        self._next_poll = now + _POLL_EVERY_SECONDS
        request = take_request(self._folder.path)
        if request == "stop":
            raise StopRequested
        if request == "pause":
            self._wait_while_paused()

    def _wait_while_paused(self) -> None:
        self._folder.set_status("paused")
        self.say("paused")
        while (request := take_request(self._folder.path)) != "continue":
            if self._stop_asked() or request == "stop":
                raise StopRequested
            time.sleep(_POLL_EVERY_SECONDS)
        self._folder.set_status("running")
        self.say("continued")
