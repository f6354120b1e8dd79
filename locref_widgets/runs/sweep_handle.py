"""A sweep seen from outside."""

import os
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.job_folder import LIVE
from locref_widgets.runs.job_handle import JobHandle
from locref_widgets.runs.run import Run
from locref_widgets.runs.sweep_folder import SweepFolder, is_tried
from locref_widgets.runs.sweep_verdict import row_of


class Sweep(JobHandle):
    """A sweep seen from outside: from any process, at any time."""

    folder: SweepFolder

    def __init__(self, path: str | os.PathLike) -> None:
        self.folder = SweepFolder(Path(path))

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

    def count_tried(self) -> int:
        """How many settings' runs have come as far as they are to."""
        record = self.folder.read_record()
        numbers = [row["number"] for row in record["candidates"]]
        return sum(is_tried(self.folder, number, record["iterations"]) for number in numbers)

    def stop(self) -> None:
        """Ask it to stop at once. What is finished stays, and it can be resumed."""
        self._ask("stop")

    def resume(self, *, wait_for_device: bool = True) -> None:
        """Go on with a sweep that was stopped, failed or lost, in a process of its own."""
        if self.status in (*LIVE, "finished"):
            return
        from locref_widgets.runs.sweep import spawn_sweep

        spawn_sweep(self.path, None, self.folder, wait_for_device=wait_for_device)


def open_sweep(path: str | os.PathLike) -> Sweep:
    """Open the folder of a sweep. Raises `InputError` when there is none."""
    return Sweep(path)
