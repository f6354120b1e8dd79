"""What a dashboard knows about a run: the run's events, folded one after the other.

Nothing here draws or reads a file. Feeding the same events again gives the same state, so a
dashboard opened late shows what one opened early does.
"""

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PHASE_WORDS = {
    "noise": "measuring the noise",
    "reconstruction": "reconstructing the half-maps",
    "search": "searching each particle's pose",
    "fsc": "measuring the resolution",
}

ENDED = frozenset({"finished", "stopped", "failed", "lost"})

_STATUS_AFTER = {
    "paused": "paused",
    "continued": "running",
    "stopped": "stopped",
    "failed": "failed",
    "run_finished": "finished",
}


@dataclass
class DashboardState:
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
    iterations: dict[int, dict[str, Any]] = field(default_factory=dict)
    phase_started: datetime | None = None
    latest_time: datetime | None = None

    @property
    def latest(self) -> dict[str, Any] | None:
        """Payload of the last finished iteration that measured pose changes, else None."""
        return self.iterations[max(self.iterations)] if self.iterations else None

    @property
    def ended(self) -> bool:
        """Whether nothing more will come unless the run is started again."""
        return self.status in ENDED

    def add(self, event: dict[str, Any]) -> None:
        """Take in one event; kinds that are not known change nothing."""
        self.latest_time = _time(event) or self.latest_time
        kind = event.get("kind", "")
        if kind in _STATUS_AFTER:
            self.status = _STATUS_AFTER[kind]
        if kind in ("phase", "progress", "iteration_finished") and self.status != "paused":
            self.status = "running"
        handler = getattr(self, f"_on_{kind}", None)
        if handler is not None:
            handler(event)

    def seconds_left(self) -> float | None:
        """Estimate the seconds to the last iteration allowed; None before there is a pace.

        The finished searches' mean time, and the pace within the phase under way. Refinement often
        converges earlier, so this is a bound rather than a promise.
        """
        if self.ended or not self.maximum_iterations:
            return None
        measured = [
            float(item["seconds"])
            for number, item in self.iterations.items()
            if number > 0 and item.get("seconds")
        ]
        fraction = self.done / self.total if self.total else 0.0
        under_way = None
        if self.phase == "search" and fraction > 0 and self.phase_started and self.latest_time:
            under_way = (self.latest_time - self.phase_started).total_seconds() / fraction
        if measured:
            each = sum(measured) / len(measured)
        elif under_way is not None:
            each = under_way
        else:
            return None
        finished = max(self.iterations, default=0)
        current = fraction if self.phase == "search" and self.iteration > finished else 0.0
        return max(0.0, (self.maximum_iterations - finished - current) * each)

    def _on_run_started(self, event: dict[str, Any]) -> None:
        settings = event.get("settings") or {}
        self.status, self.message = "running", ""
        self.n_particles = int(event.get("n_particles") or 0)
        self.pixel_size_angstrom = _number(event.get("pixel_size_angstrom"))
        self.rotation_extent_deg = math.degrees(_number(event.get("rotation_extent")))
        # The extent is the diameter of the disc, so a shift is at most half of it.
        self.shift_radius_px = _number(event.get("shift_extent")) / 2
        self.maximum_iterations = int(settings.get("iterations") or 0)

    def _on_phase(self, event: dict[str, Any]) -> None:
        self.iteration = int(event.get("iteration") or 0)
        self.phase = str(event.get("name") or "")
        self.phase_started = _time(event)
        self.done = self.total = 0

    def _on_progress(self, event: dict[str, Any]) -> None:
        self.iteration = int(event.get("iteration") or 0)
        if event.get("phase") and event["phase"] != self.phase:
            self.phase, self.phase_started = str(event["phase"]), _time(event)
        self.done, self.total = int(event.get("done") or 0), int(event.get("total") or 0)

    def _on_iteration_finished(self, event: dict[str, Any]) -> None:
        number = int(event["iteration"])
        # A resumed run repeats the iteration that was cut off and those after it.
        self.iterations = {key: value for key, value in self.iterations.items() if key < number}
        self.iterations[number] = event
        self.iteration = number
        self.resolution_angstrom = _number(event.get("resolution_angstrom"))
        self.phase, self.done, self.total = "", 0, 0

    def _on_warning(self, event: dict[str, Any]) -> None:
        text = str(event.get("message") or "")
        if text and text not in self.warnings:
            self.warnings.append(text)

    def _on_failed(self, event: dict[str, Any]) -> None:
        self.message = str(event.get("message") or "")

    def _on_run_finished(self, event: dict[str, Any]) -> None:
        self.phase, self.done, self.total = "", 0, 0
        resolution = _number(event.get("resolution_angstrom"))
        if math.isfinite(resolution):
            self.resolution_angstrom = resolution


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _time(event: dict[str, Any]) -> datetime | None:
    try:
        return datetime.fromisoformat(str(event["time"]).replace("Z", "+00:00"))
    except (KeyError, ValueError):
        return None
