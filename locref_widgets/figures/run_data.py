"""What a report needs of a run folder: the story told by its events, and the maps it ends with.

Everything is read, nothing is computed; a run that is under way, stopped or broken has a story too.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.guinier import GuinierPlot
from locref_widgets.figures.mask_strip import MaskedSlice, shown_iterations, slice_at_mask
from locref_widgets.figures.slices import lowpass
from locref_widgets.io.mrc import read_map
from locref_widgets.refinement.state import CORRECTED_CURVE
from locref_widgets.runs.events import read_events
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.iteration_files import CUTOFF_FILE


@dataclass(frozen=True)
class Curve:
    """One FSC curve with its resolution; NaN where the curve is undefined."""

    frequency_per_angstrom: Float[np.ndarray, " shells"]
    values: Float[np.ndarray, " shells"]
    resolution_angstrom: float | None


@dataclass(frozen=True)
class RunMaps:
    """The map before and after, of the iterations that are quoted; mask and cut-offs of the last.

    ``cutoff_resolution_angstrom`` is None without non-uniform regularisation.
    """

    before: Float[np.ndarray, "z y x"]
    after: Float[np.ndarray, "z y x"]
    mask: Float[np.ndarray, "z y x"]
    voxel_size_angstrom: float
    cutoff_resolution_angstrom: Float[np.ndarray, "z y x"] | None = None


@dataclass(frozen=True)
class RunData:
    """A run as its folder tells it: ``record`` is run.json, ``started`` the event of that name.

    ``iterations`` are the events ``iteration_finished`` in order, one for each iteration (the last
    one told, should a resumed run have repeated it). ``guinier`` is None where no B-factor was
    fitted.
    """

    folder: Path
    record: dict[str, Any]
    status: str
    started: dict[str, Any]
    iterations: list[dict[str, Any]]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failure: str | None = None
    guinier: GuinierPlot | None = None

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.folder.name

    @property
    def first(self) -> dict[str, Any]:
        """The first iteration told (0 unless the folder was damaged)."""
        return self.iterations[0]

    @property
    def last(self) -> dict[str, Any]:
        """The last iteration finished."""
        return self.iterations[-1]

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size of the particles; 1 when the run never started."""
        return float(self.started.get("pixel_size_angstrom") or 1.0)

    @property
    def settings(self) -> dict[str, Any]:
        """Settings by name, as the run used them."""
        return self.started.get("settings") or self.record.get("settings") or {}

    @property
    def fulcrum_estimate(self) -> dict[str, Any] | None:
        """What the changes of pose say of the fulcrum; None until the run's end."""
        return (self.record.get("summary") or {}).get("fulcrum_estimate")

    def maps(self) -> RunMaps | None:
        """Read the maps of the first and the last iteration there is; None without any."""
        run = RunFolder(self.folder)
        folders = [run.iteration_folder(iteration) for iteration in run.iterations()]
        if not folders:
            return None
        before, after = read_map(folders[0] / "map.mrc"), read_map(folders[-1] / "map.mrc")
        mask = read_map(folders[-1] / "mask.mrc")
        path = folders[-1] / f"{CUTOFF_FILE}.mrc"
        cutoff = read_map(path).data if path.is_file() else None
        return RunMaps(before.data, after.data, mask.data, after.voxel_size_angstrom, cutoff)


def masked_slices(run: RunData) -> list[MaskedSlice]:
    """Read the plane through the mask of every iteration there is (or a dozen of them)."""
    folder = RunFolder(run.folder)
    numbers = shown_iterations(folder.iterations())
    if not numbers:
        return []
    told = {e["iteration"]: number(e.get("resolution_angstrom")) for e in run.iterations}
    last = read_map(folder.iteration_folder(numbers[-1]) / "mask.mrc").data
    slices = []
    for iteration in numbers:
        place = folder.iteration_folder(iteration)
        volume, resolution = read_map(place / "map.mrc"), told.get(iteration)
        density = lowpass(volume.data, volume.voxel_size_angstrom, resolution)
        planes = slice_at_mask(density, read_map(place / "mask.mrc").data, last)
        slices.append(MaskedSlice(iteration, *planes, resolution))
    return slices


def load_run(folder: Path) -> RunData:
    """Read the record and the events of a run folder. Raises `InputError` when it is none."""
    run = RunFolder(folder)
    # A torn or foreign line has no kind.
    events = [event for event in read_events(run.events_path)[0] if "kind" in event]
    iterations = {e["iteration"]: e for e in events if e["kind"] == "iteration_finished"}
    messages = {
        kind: dict.fromkeys(e["message"] for e in events if e["kind"] == kind and e.get("message"))
        for kind in ("warning", "note")
    }
    finished = any(event["kind"] == "run_finished" for event in events)
    record = run.read_record()
    # The report is written before the last entry in run.json.
    status = "finished" if finished or (run.path / "final/map.mrc").is_file() else run.status
    return RunData(
        folder=run.path,
        record=record,
        status=status,
        started=next((e for e in reversed(events) if e["kind"] == "run_started"), {}),
        iterations=[iterations[number] for number in sorted(iterations)],
        warnings=list(messages["warning"]),
        notes=list(messages["note"]),
        guinier=_guinier([e for e in events if e["kind"] == "post_processed"]),
        failure=str(record.get("message") or "No reason was recorded; see log.txt.")
        if status == "failed"
        else None,
    )


def _guinier(told: list[dict[str, Any]]) -> GuinierPlot | None:
    values = told[-1].get("guinier") if told else None
    if not values:
        return None
    return GuinierPlot(
        as_array(values["inverse_squared_angstrom"]),
        as_array(values["log_amplitude"]),
        as_array(values["log_weighted"]),
        np.array(values["fitted"], dtype=bool),
        *(float(values[name]) for name in ("slope_angstrom2", "intercept", "correlation")),
    )


def curves_of(iteration: dict[str, Any]) -> dict[str, Curve]:
    """Curves of an iteration's event by name."""
    return {
        name: Curve(
            as_array(told["frequency_per_angstrom"]),
            as_array(told["values"]),
            told.get("resolution_angstrom"),
        )
        for name, told in (iteration.get("fsc") or {}).items()
    }


def corrected_curve(iteration: dict[str, Any]) -> Curve | None:
    """Pick the curve that the iteration's resolution is read from."""
    return curves_of(iteration).get(CORRECTED_CURVE)


def as_array(told: list[Any]) -> np.ndarray:
    """Make an array of an event's (nested) list; null becomes NaN."""
    return np.array(told, dtype=np.float64)


def number(value: Any) -> float | None:
    """``value`` as a finite number, or None."""
    if isinstance(value, int | float) and math.isfinite(value):
        return float(value)
    return None
