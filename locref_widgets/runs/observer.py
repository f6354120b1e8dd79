"""What the refinement reports to: persists iterations, logs events, obeys requests."""

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from locref_widgets.io.mrc import header_voxel_size_angstrom
from locref_widgets.io.mrc_header import read_header
from locref_widgets.refinement.diagnostics import summarise_iteration
from locref_widgets.refinement.observing import Change
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult, MeasuredMaps
from locref_widgets.runs.changes import in_effect
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.steward import Steward
from locref_widgets.runs.viewer_requests import Requests

_PROGRESS_EVERY_SECONDS = 0.25
# Said by the run once their results are on the disc, not by the loop before.
_SAID_BY_THE_RUN = frozenset({"iteration_finished", "run_finished"})

Listener = Callable[[dict[str, Any]], None]


class RunObserver:
    """The `Observer` and `Steering` of a run folder, held by the process that has its lock.

    Maps are written where the given map lies. ``steward`` says what is in effect; ``stop_asked``
    tells whether a signal asked this process to end; ``listeners`` are called with every event
    once it is written.
    """

    def __init__(
        self,
        folder: RunFolder,
        steward: Steward,
        *,
        stop_asked: Callable[[], bool] = lambda: False,
        listeners: tuple[Listener, ...] = (),
    ) -> None:
        self.folder, self.steward = folder, steward
        self.particles = steward.inputs.particles
        self._position = steward.inputs.volume.position
        self.log = EventLog(folder.events_path)
        self._requests = Requests(folder, self.say, stop_asked)
        self._listeners = listeners
        self._next_progress = 0.0

    def event(self, kind: str, **values: Any) -> None:
        """Log an event of the loop; of a flood of ``progress`` four a second are kept."""
        if kind in _SAID_BY_THE_RUN:
            return
        if kind == "progress" and values.get("done") != values.get("total"):
            now = time.monotonic()
            if now < self._next_progress:
                return
            self._next_progress = now + _PROGRESS_EVERY_SECONDS
        self.say(kind, **values)

    def say(self, kind: str, **values: Any) -> None:
        """Log an event and tell the listeners."""
        event = self.log.append(kind, **values)
        for listener in self._listeners:
            listener(event)

    def checkpoint(self) -> None:
        """Obey pending requests: wait while paused, raise `StopRequested` to end."""
        self._requests.obey()

    def iteration_finished(self, result: IterationResult) -> None:
        """Write the iteration, and only then tell of it."""
        self.folder.write_iteration(
            result, self.particles, self.particles.pixel_size_angstrom, self._position
        )
        self.steward.iteration_finished(result)
        self.tell_iteration(result)
        self.folder.remove_preview()

    def map_so_far(self, iteration: int, measured: MeasuredMaps, done: int) -> None:
        """Write the maps of an iteration under way, and only then tell of them."""
        voxel = self.particles.pixel_size_angstrom
        self.folder.write_preview(measured, voxel, self._position)
        resolution = measured.resolution_angstrom
        self.say("preview", iteration=iteration, resolution_angstrom=resolution, done=done)

    def before_iteration(self, iteration: int) -> Change | None:
        """Take up what was asked between iterations; may raise `StopRequested`."""
        return self.steward.before_iteration(iteration, self.say)

    def tell_iteration(self, result: IterationResult) -> None:
        """Log the summary of an iteration that is on the disc, and update the headline numbers."""
        payload = _summarise(
            result,
            self.particles.rotations[result.indices],
            self.steward.settings_at(result.iteration),
            self.particles.pixel_size_angstrom,
        )
        self.say("iteration_finished", **payload)
        summary = summary_of(payload, self.folder.summary, len(result.indices))
        self.folder.set_values(summary=summary)


def summary_of(
    finished: dict[str, Any], before: dict[str, Any], n_particles: int | None
) -> dict[str, Any]:
    """Headline numbers after the event ``iteration_finished``, from those before it."""
    first = finished["iteration"] == 0
    start = finished["resolution_angstrom"] if first else before.get("start_resolution_angstrom")
    return {
        "n_particles": n_particles,
        "iterations": finished["iteration"],
        "converged": finished["converged"],
        "resolution_angstrom": finished["resolution_angstrom"],
        "start_resolution_angstrom": start,
        "median_pose_change_deg": finished["pose_change"]["median_deg"],
        "median_shift_change_px": finished["shift_change"]["median_px"],
        "at_bound_fraction": finished["at_bound_fraction"],
        "seconds": round(before.get("seconds", 0.0) + finished["seconds"], 1),
    }


def summary_from_files(folder: RunFolder, iteration: int) -> dict[str, Any]:
    """What the event of an iteration told, made anew from its files and those of iteration 0.

    Raises `InputError` when one of the two is not there.
    """
    given, result = (folder.read_changes(number) for number in (0, iteration))
    # Particles that are set aside are so from the start: both have the same rows.
    row = np.searchsorted(given.indices, result.indices)
    header = read_header(folder.iteration_folder(iteration) / "map.mrc")
    return _summarise(
        result,
        given.rotations[row],
        in_effect(folder.read_record(), iteration)[0],
        header_voxel_size_angstrom(header),
    )


def _summarise(
    result: IterationResult,
    initial_rotations: Float[np.ndarray, "n 3 3"],
    settings: RefinementSettings,
    pixel_size_angstrom: float,
) -> dict[str, Any]:
    # Before the first search no particle can be at the bound, and the result says nothing.
    info = {"at_bound": np.zeros(len(result.indices), dtype=bool)} | result.info
    return summarise_iteration(
        replace(result, info=info), initial_rotations, settings, pixel_size_angstrom
    )
