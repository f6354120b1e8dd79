"""The run folder: what is in it, reading it from anywhere, writing it from one process."""

import shutil
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.mrc import write_map
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult, MeasuredMaps
from locref_widgets.runs.durable import disc_errors, whole_folder, write_json
from locref_widgets.runs.iteration_files import (
    read_changes,
    read_iteration_files,
    write_iteration_files,
)
from locref_widgets.runs.job_folder import JobFolder, check_free_for, first_record, has_record

# What a process killed while it created the folder may have left there.
UNFINISHED_RECORD = ".run.json.*.part"
_BEGUN = ("lock.json", "inputs", "control", "iterations", "log.txt", UNFINISHED_RECORD)


class RunFolder(JobFolder):
    """A folder with ``run.json``. Reading needs no lock; the methods named write_ and set_ do."""

    NOUN, RECORD, IS_NOT = "run", "run.json", "a run folder"

    @property
    def settings(self) -> RefinementSettings:
        """The settings the run was begun with (see `locref_widgets.runs.changes`)."""
        return settings_from_json(self.read_record()["settings"])

    @property
    def summary(self) -> dict[str, Any]:
        """Headline numbers of the iterations so far."""
        return dict(self.read_record().get("summary") or {})

    def iterations(self) -> list[int]:
        """List the finished iterations."""
        folders = (self.path / "iterations").glob("[0-9][0-9][0-9]*")
        return sorted(int(folder.name) for folder in folders if folder.name.isdecimal())

    def iteration_folder(self, iteration: int) -> Path:
        """Name the folder of an iteration."""
        return self.path / "iterations" / f"{iteration:03d}"

    def read_iteration(self, iteration: int) -> IterationResult:
        """Read an iteration exactly as it was written."""
        return read_iteration_files(self._existing(iteration))

    def read_changes(self, iteration: int) -> IterationResult:
        """Read what the summary of an iteration needs, without its maps."""
        return read_changes(self._existing(iteration))

    def _existing(self, iteration: int) -> Path:
        if iteration not in self.iterations():
            raise InputError(
                f"{self.path}: has no iteration {iteration} (has {self.iterations()})."
            )
        return self.iteration_folder(iteration)

    def write_iteration(
        self,
        result: IterationResult,
        particles: Particles,
        voxel_size_angstrom: float,
        position: BoxPosition = AT_ZERO,
    ) -> None:
        """Write an iteration; it appears whole or not at all."""
        target = self.iteration_folder(result.iteration)
        with whole_folder(target) as aside, disc_errors(target):
            write_iteration_files(aside, result, particles, voxel_size_angstrom, position)

    @property
    def preview_folder(self) -> Path:
        """Where the maps are that the iteration under way has made so far, if it has."""
        return self.path / "preview"

    def write_preview(
        self,
        measured: MeasuredMaps,
        voxel_size_angstrom: float,
        position: BoxPosition = AT_ZERO,
    ) -> None:
        """Write what the iteration under way has made so far, in place of what was there."""
        target = self.preview_folder
        with whole_folder(target) as aside, disc_errors(target):
            for name in ("map", "mask"):
                volume = getattr(measured, name)
                write_map(aside / f"{name}.mrc", volume, voxel_size_angstrom, position)

    def remove_preview(self) -> None:
        """Remove what `write_preview` wrote: the iteration is there."""
        with disc_errors(self.preview_folder):
            if self.preview_folder.exists():
                shutil.rmtree(self.preview_folder)

    @classmethod
    def create(cls, path: Path, record: dict[str, Any]) -> "RunFolder":
        """Write the first ``run.json`` into a folder that the caller holds the lock of."""
        write_json(path / cls.RECORD, first_record("local refinement", summary={}, **record))
        return cls(path)


def settings_from_json(values: dict[str, Any]) -> RefinementSettings:
    """Read settings as ``run.json`` holds them."""
    return RefinementSettings(
        **{
            name: tuple(value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


def is_run(path: Path) -> bool:
    """Tell whether there is a run in this folder, readable or not."""
    return has_record(path, RunFolder.RECORD)


def check_can_create(path: Path) -> None:
    """Raise `InputError` unless a run can be begun at ``path``: absent, empty, or hardly begun."""
    check_free_for(path, RunFolder.NOUN, _BEGUN)
