"""A job seen from outside: what the handles of runs and of sweeps have in common."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.runs import control
from locref_widgets.runs.events import afollow_events, follow_events, read_events
from locref_widgets.runs.job_folder import ENDED, JobFolder


class JobHandle:
    """Works from any process and at any time: it only reads, and leaves requests."""

    folder: JobFolder

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}, {self.status})"

    @property
    def path(self) -> Path:
        """The folder."""
        return self.folder.path

    @property
    def status(self) -> str:
        """One of "queued", "running", "paused", "stopped", "finished", "failed" and "lost"."""
        return self.folder.status

    @property
    def message(self) -> str | None:
        """Why it failed; None if it did not."""
        return self.folder.read_record().get("message")

    def events(self) -> list[dict[str, Any]]:
        """Read all events so far."""
        return read_events(self.folder.events_path)[0]

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield all events so far, then new ones as they come, until it ends."""
        return follow_events(self.folder.events_path, ended=lambda: self.status in ENDED)

    def afollow(self) -> AsyncIterator[dict[str, Any]]:
        """`follow` for ``async for``: the event loop is free between the events."""
        return afollow_events(self.folder.events_path, ended=lambda: self.status in ENDED)

    def pause(self) -> None:
        """Ask it to pause after the batch under way."""
        self._ask("pause")

    def continue_(self) -> None:
        """Ask it to go on after a pause."""
        self._ask("continue")

    def wait(self, timeout: float | int | None = None) -> str:
        """Wait until it ends, or `timeout` seconds have passed; return the status then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.status) not in ENDED:
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return status

    def _ask(self, request: str) -> None:
        status = self.status
        if status in ENDED:
            word = "stop" if request == control.STOP_AFTER else request
            raise InputError(f"{self.path}: is not running ({status}), so it cannot {word}.")
        control.request(self.path, request)
