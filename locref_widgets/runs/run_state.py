"""What is known about a run from its events, folded one after the other.

Nothing here draws or reads a file. Feeding the same events again gives the same state, so a
viewer opened late shows what one opened early does.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from locref_widgets.runs.time_left import Pace

PHASE_WORDS = {
    "noise": "measuring the noise",
    "reconstruction": "reconstructing the half-maps",
    "search": "searching each particle's pose",
    "fsc": "measuring the resolution",
    "final maps": "reconstructing the final maps",
}

ENDED = frozenset({"finished", "stopped", "failed", "lost"})

_STATUS_AFTER = {
    "queued": "queued",
    "turn_came": "running",
    "paused": "paused",
    "continued": "running",
    "stopped": "stopped",
    "failed": "failed",
    "run_finished": "finished",
}
_WORKING = frozenset({"run_started", "phase", "progress", "iteration_finished"})


@dataclass
class RunState:
    """The run as its events tell it. `iterations` holds the `iteration_finished` payloads."""

    status: str = "waiting"
    phase: str = ""
    iteration: int = 0
    done: int = 0
    total: int = 0
    n_particles: int = 0
    pixel_size_angstrom: float = math.nan
    rotation_extent_deg: float = math.nan
    shift_radius_px: float = math.nan
    maximum_iterations: int = 0
    resolution_angstrom: float = math.nan
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    waiting_for: list[str] = field(default_factory=list)
    iterations: dict[int, dict[str, Any]] = field(default_factory=dict)
    effects: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By the iteration that they begin with: settings, fulcrum and mask as their event told."""
    preview: dict[str, Any] | None = None
    """What `preview` told of the iteration under way."""
    latest_time: datetime | None = None
    pace: Pace = field(default_factory=Pace)
    _paused_at: datetime | None = None
    _paused_seconds: float = 0.0
    _iteration_began: float | None = None
    _iteration_seconds: float | None = None
    _search_ended: float | None = None
    _after_search_seconds: float = 0.0

    @property
    def latest(self) -> dict[str, Any] | None:
        """Payload of the last finished iteration that measured pose changes, else None."""
        return self.iterations[max(self.iterations)] if self.iterations else None

    def in_effect(self, iteration: int) -> dict[str, Any]:
        """What `run_started` or `settings_changed` told for an iteration; empty before either."""
        begun = [number for number in self.effects if number <= max(iteration, 0)]
        return self.effects[max(begun)] if begun else {}

    @property
    def ended(self) -> bool:
        """Whether nothing more will come unless the run is started again."""
        return self.status in ENDED

    def add(self, event: dict[str, Any]) -> None:
        """Take in one event; kinds that are not known change nothing."""
        self.latest_time = _time(event) or self.latest_time
        kind = event.get("kind", "")
        if kind in _WORKING and self.status != "paused":
            self.status = "running"
        self.status = _STATUS_AFTER.get(kind, self.status)
        if self.status != "queued":
            self.waiting_for = []
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(event)

    def phase_seconds_left(self) -> float | None:
        """Seconds to the end of the pass under way; None until they can be told."""
        return self.pace.seconds_left() if self.total and not self.ended else None

    def iteration_seconds_left(self) -> float | None:
        """Seconds to the end of the iteration under way; None until they can be told.

        After the search it takes as long as in the iteration before.
        """
        left = self.phase_seconds_left()
        if left is None:
            return None
        return left + (self._after_search_seconds if self.phase == "search" else 0.0)

    def seconds_left(self) -> float | None:
        """Seconds to the last iteration allowed; None until they can be told.

        Refinement often converges earlier, so this is a bound rather than a promise. An iteration
        to come is taken to last as long as the last one that is finished or, while the first one
        is under way, as its search at the present rate.
        """
        if self.ended or not self.maximum_iterations:
            return None
        finished = max(self.iterations, default=0)
        rate, left = self.pace.rate(), self.iteration_seconds_left()
        searching = self.phase == "search" and self.iteration > finished
        if self._iteration_seconds is not None:
            each = self._iteration_seconds
        elif searching and rate:
            each = self.total / rate
        else:
            return None
        if searching and left is not None:
            return left + max(0, self.maximum_iterations - self.iteration) * each
        return max(0, self.maximum_iterations - finished) * each

    def _on_run_started(self, event: dict[str, Any]) -> None:
        self.message, self.preview = "", None
        self.n_particles = int(event.get("n_particles") or 0)
        self.pixel_size_angstrom = _number(event.get("pixel_size_angstrom"))
        self._paused_at, self._paused_seconds = None, 0.0
        self._iteration_began = self._search_ended = None
        self._begin_phase("")
        self._on_settings_changed(event)

    def _on_settings_changed(self, event: dict[str, Any]) -> None:
        settings = event.get("settings") or {}
        begins = int(event.get("iteration") or max(self.iterations, default=-1) + 1)
        self.effects = {key: told for key, told in self.effects.items() if key < begins}
        self.effects[begins] = event
        self.rotation_extent_deg = math.degrees(_number(event.get("rotation_extent")))
        # The extent is the diameter of the disc, so a shift is at most half of it.
        self.shift_radius_px = _number(event.get("shift_extent")) / 2
        self.maximum_iterations = int(settings.get("iterations") or 0)

    def _on_queued(self, event: dict[str, Any]) -> None:
        self.waiting_for = [str(name) for name in event.get("waiting_for") or []]

    def _on_paused(self, event: dict[str, Any]) -> None:
        self._paused_at = _time(event)

    def _on_continued(self, event: dict[str, Any]) -> None:
        now = _time(event)
        if now and self._paused_at:
            self._paused_seconds += (now - self._paused_at).total_seconds()
        self._paused_at = None

    def _on_phase(self, event: dict[str, Any]) -> None:
        self._enter_iteration(event)
        if self.phase == "search":
            self._search_ended = self._clock(event)
        self._begin_phase(str(event.get("name") or ""))

    def _on_progress(self, event: dict[str, Any]) -> None:
        self._enter_iteration(event)
        if event.get("phase") and event["phase"] != self.phase:
            self._begin_phase(str(event["phase"]))
        self.done, self.total = int(event.get("done") or 0), int(event.get("total") or 0)
        clock = self._clock(event)
        if clock is not None:
            self.pace.add(clock, self.done, self.total)

    def _on_iteration_finished(self, event: dict[str, Any]) -> None:
        number = int(event["iteration"])
        # A resumed run repeats the iteration that was cut off and those after it.
        self.iterations = {key: value for key, value in self.iterations.items() if key < number}
        self.iterations[number] = event
        self.iteration, self.preview = number, None
        self.resolution_angstrom = _number(event.get("resolution_angstrom"))
        if number > 0:
            self._measure_iteration(self._clock(event), event.get("seconds"))
        self._iteration_began = self._search_ended = None
        self._begin_phase("")

    def _on_preview(self, event: dict[str, Any]) -> None:
        told = all(isinstance(event.get(name), int) for name in ("iteration", "done"))
        self.preview = event if told else None

    def _on_warning(self, event: dict[str, Any]) -> None:
        text = str(event.get("message") or "")
        if text and text not in self.warnings:
            self.warnings.append(text)

    def _on_change_refused(self, event: dict[str, Any]) -> None:
        self._on_warning({"message": f"A change was refused: {event.get('message')}"})

    def _on_failed(self, event: dict[str, Any]) -> None:
        self.message = str(event.get("message") or "")

    def _on_run_finished(self, event: dict[str, Any]) -> None:
        self._begin_phase("")
        resolution = _number(event.get("resolution_angstrom"))
        if math.isfinite(resolution):
            self.resolution_angstrom = resolution

    def _enter_iteration(self, event: dict[str, Any]) -> None:
        iteration = int(event.get("iteration") or 0)
        if iteration != self.iteration or self._iteration_began is None:
            self._iteration_began = self._clock(event)
        self.iteration = iteration

    def _measure_iteration(self, clock: float | None, told_seconds: Any) -> None:
        """Note how long an iteration took; what it says itself counts pauses, too."""
        if clock is not None and self._iteration_began is not None:
            self._iteration_seconds = max(0.0, clock - self._iteration_began)
        elif isinstance(told_seconds, int | float):
            self._iteration_seconds = float(told_seconds)
        if clock is not None and self._search_ended is not None:
            self._after_search_seconds = max(0.0, clock - self._search_ended)

    def _begin_phase(self, name: str) -> None:
        self.phase, self.done, self.total, self.pace = name, 0, 0, Pace()

    def _clock(self, event: dict[str, Any]) -> float | None:
        """Seconds on the run's own clock, which stands still while it is paused."""
        now = _time(event)
        return None if now is None else now.timestamp() - self._paused_seconds


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _time(event: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(event["time"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None
