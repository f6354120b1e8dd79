"""A sweep seen from outside."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs import control
from locref_widgets.runs.events import follow_events, read_events
from locref_widgets.runs.folder import LIVE
from locref_widgets.runs.run import Run
from locref_widgets.runs.sweep_folder import SweepFolder
from locref_widgets.runs.sweep_verdict import row_of

_ENDED = ("stopped", "finished", "failed", "lost")


class Sweep:
    """A sweep seen from outside: from any process, at any time."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.folder = SweepFolder(Path(path))

    def __repr__(self) -> str:
        return f"Sweep({str(self.path)!r}, {self.status})"

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
        """Why the sweep failed; None if it did not."""
        return self.folder.read_record().get("message")

    @property
    def names(self) -> list[str]:
        """The settings that differ, the one that changes slowest first."""
        return list(self.folder.read_record()["grid"])

    @property
    def verdict(self) -> dict[str, Any] | None:
        """What came of it (see `locref_widgets.runs.sweep_verdict.judge`); None before its end."""
        return self.folder.read_record().get("verdict")

    @property
    def chosen(self) -> RefinementSettings:
        """The settings of the verdict, for all particles and as many iterations as were given.

        Raises `InputError` before the sweep has ended.
        """
        verdict = self.verdict
        if verdict is None:
            raise InputError(f"{self.path}: there is no verdict yet ({self.status}).")
        run = self.run(verdict["chosen"])
        subset = self.folder.read_record()["settings"]["subset"]
        return run.settings.model_copy(update={"subset": subset})

    @property
    def chosen_mask(self) -> Path:
        """The mask of the chosen settings."""
        verdict = self.verdict
        if verdict is None:
            raise InputError(f"{self.path}: there is no verdict yet ({self.status}).")
        return Path(self.run(verdict["chosen"]).folder.read_record()["inputs"]["mask"]["path"])

    def run(self, number: int) -> Run:
        """The run of a setting, by its number. Raises `InputError` when it was not begun."""
        return Run(self.folder.run_path(number))

    def runs(self) -> dict[int, Run]:
        """The runs begun so far, by the numbers of their settings."""
        numbers = [row["number"] for row in self.folder.read_record()["candidates"]]
        return {n: self.run(n) for n in numbers if self.folder.run(n) is not None}

    def table(self) -> list[dict[str, Any]]:
        """The settings with what is known of each, the best first once there is a verdict."""
        verdict, rows = self.verdict, self.folder.read_record()["candidates"]
        if verdict is None:
            return [dict(row) for row in rows]
        told = {row["number"] for row in verdict["settings"]}
        found = [row_of(verdict, row["number"]) for row in rows if row["number"] in told]
        return sorted(found, key=lambda row: -row["criterion"])

    def events(self) -> list[dict[str, Any]]:
        """Read all events so far."""
        return read_events(self.folder.events_path)[0]

    def follow(self) -> Iterator[dict[str, Any]]:
        """Yield all events so far, then new ones as they come, until the sweep ends."""
        return follow_events(self.folder.events_path, ended=lambda: self.status in _ENDED)

    def pause(self) -> None:
        """Ask it to pause after the batch under way."""
        self._ask("pause")

    def continue_(self) -> None:
        """Ask it to go on after a pause."""
        self._ask("continue")

    def stop(self) -> None:
        """Ask it to stop at once. What is finished stays, and it can be resumed."""
        self._ask("stop")

    def resume(self, *, wait_for_device: bool = True) -> None:
        """Go on with a sweep that was stopped, failed or lost, in a process of its own."""
        if self.status in (*LIVE, "finished"):
            return
        from locref_widgets.runs.sweep import spawn_sweep

        spawn_sweep(self.path, None, wait_for_device=wait_for_device)

    def wait(self, timeout: float | int | None = None) -> str:
        """Wait until the sweep ends, or `timeout` seconds have passed; return the status then."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.status) not in _ENDED:
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(0.2)
        return status

    def _ask(self, request: str) -> None:
        status = self.status
        if status in _ENDED:
            raise InputError(f"{self.path}: is not running ({status}), so it cannot {request}.")
        control.request(self.path, request)


def open_sweep(path: str | os.PathLike) -> Sweep:
    """Open the folder of a sweep. Raises `InputError` when there is none."""
    return Sweep(path)
