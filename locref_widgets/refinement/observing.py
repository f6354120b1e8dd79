"""How a refinement is followed and steered from outside, and what it says of its settings."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from locref_widgets.io.mrc import Map
from locref_widgets.refinement.fulcrum_point import angstrom_to_voxels
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult, MeasuredMaps


@runtime_checkable
class Observer(Protocol):
    """How a refinement is followed and steered from outside."""

    def event(self, kind: str, **values: Any) -> None:
        """Take note of something that happened; values can be written as JSON."""
        ...

    def checkpoint(self) -> None:
        """Called between batches: may block (pause), may raise `StopRequested`."""
        ...

    def iteration_finished(self, result: IterationResult) -> None:
        """Keep the result of an iteration."""
        ...


class Unobserved:
    """An observer that takes no note."""

    def event(self, kind: str, **values: Any) -> None:
        """Nothing is done with it."""

    def checkpoint(self) -> None:
        """Nothing stops it."""

    def iteration_finished(self, result: IterationResult) -> None:
        """Nothing is kept."""


@dataclass(frozen=True)
class Change:
    """What is in effect from an iteration on; ``mask`` is None where it stays as it was."""

    settings: RefinementSettings
    mask: Map | None = None


@runtime_checkable
class Steering(Protocol):
    """An observer that may change the settings."""

    def before_iteration(self, iteration: int) -> Change | None:
        """Called before each iteration but 0, and once after the last: what changes with it.

        May raise `StopRequested`.
        """
        ...


@runtime_checkable
class Previewing(Protocol):
    """An observer that shows what an iteration under way has made so far."""

    def map_so_far(self, iteration: int, measured: MeasuredMaps, done: int) -> None:
        """Show the maps of the ``done`` particles that the iteration has searched by now."""
        ...


def announce(observer: Observer, problem: Problem, settings: RefinementSettings) -> None:
    """Tell that a refinement begins, or goes on, and with what."""
    observer.event(
        "run_started",
        n_particles=int(problem.rows.size),
        box_px=problem.box_px,
        pixel_size_angstrom=float(problem.pixel_size_angstrom),
        **_in_effect(problem, settings),
    )


def announce_change(observer: Observer, iteration: int, problem: Problem, change: Change) -> None:
    """Tell what is in effect from an iteration on."""
    mask = change.mask.path if change.mask else None
    observer.event(
        "settings_changed",
        iteration=iteration,
        mask=mask.name if mask else None,
        **_in_effect(problem, change.settings),
    )


def _in_effect(problem: Problem, settings: RefinementSettings) -> dict[str, Any]:
    fulcrum = problem.fulcrum_angstrom
    voxels = angstrom_to_voxels(fulcrum, problem.box_px, problem.pixel_size_angstrom)
    return {
        "fulcrum_angstrom": [float(x) for x in fulcrum],
        "fulcrum_voxels": [float(x) for x in voxels],
        "rotation_extent": settings.rotation_extent,
        "shift_extent": settings.shift_extent,
        # As it is done, also where the settings leave it open.
        "settings": settings.model_dump(mode="json") | {"subtract": problem.subtract},
    }


def report_pass(observer: Observer, iteration: int, phase: str) -> Callable[[int, int], None]:
    """Tell that a pass begins; return what is called with the particles done and their total."""
    observer.event("phase", iteration=iteration, name=phase)

    def report(done: int, total: int) -> None:
        observer.event("progress", iteration=iteration, phase=phase, done=done, total=total)
        observer.checkpoint()

    return report
