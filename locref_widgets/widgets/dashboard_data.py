"""What the dashboard reads of a run's iterations beyond the events: column by column, when asked.

Of an iteration of half a million particles nothing is read before a layer, a selection or a table
wants it, and only what it needs; little of it is kept.
"""

import math
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from locref_widgets.io.particles import Particles
from locref_widgets.refinement.view_layers import ViewCells, in_map_frame, view_cells, view_layers
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.particle_columns import ParticleColumns
from locref_widgets.runs.run_state import RunState
from locref_widgets.runs.subset_file import read_iteration_particles
from locref_widgets.widgets.heatmap_layers import HeatmapData, told_by_event

ROTATION, SHIFT = "pose_change_deg", "shift_change_px"
_MAGNITUDE = {ROTATION: ("pose_change_rad", 180.0 / math.pi), SHIFT: ("shift_change_px", 1.0)}
_VECTOR = {ROTATION: "turn_rad", SHIFT: "shift_px"}
_LIMIT = {ROTATION: ("pose_change", "limit_deg"), SHIFT: ("shift_change", "limit_px")}


@dataclass(frozen=True)
class Shown:
    """What is on screen: the run as it stands, and the iteration looked at."""

    state: RunState
    iteration: int
    finished: dict[str, Any]
    """The event of that iteration."""


class DashboardData:
    """Reads a run folder for its views; safe to ask from several threads."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self._mutex = threading.RLock()
        self._cells: dict[tuple[int, int, int], ViewCells] = {}
        self._full: dict[tuple[int, str, str], HeatmapData] = {}
        self._particles: tuple[int, Particles] | None = None

    def told(self, shown: Shown, key: str) -> HeatmapData | None:
        """A heatmap as the iteration's event has it, or whole if that was worked out before."""
        heatmap = shown.finished.get("heatmap")
        if not heatmap:
            return None
        full = self._full.get((shown.iteration, key, str(shown.finished.get("time"))))
        if full is not None:
            return full
        change, name = _LIMIT[key]
        limit = (shown.finished.get(change) or {}).get(name)
        return told_by_event(
            heatmap,
            key,
            math.nan if limit is None else float(limit),
            shown.state.pixel_size_angstrom,
        )

    def work_out(self, shown: Shown, key: str) -> HeatmapData | None:
        """All layers of a heatmap, from the iteration's particles. Raises `InputError`."""
        told = self.told(shown, key)
        if told is None or told.has("median"):
            return told
        columns = ParticleColumns(self.folder, shown.iteration)
        cells = self._cells_of(columns, told)
        name, factor = _MAGNITUDE[key]
        vectors = columns.get(_VECTOR[key])
        turned = None if vectors is None else in_map_frame(columns.given_rotations, vectors)
        layers = view_layers(cells, columns.column(name) * factor, columns.at_bound, turned)
        full = HeatmapData(
            told.azimuth_edges_rad,
            told.elevation_edges_rad,
            # What the event told stays as it is.
            layers | told.layers,
            told.limit,
            told.pixel_size_angstrom,
        )
        self._full[shown.iteration, key, str(shown.finished.get("time"))] = full
        return full

    def rows_in(self, shown: Shown, cells: set[tuple[int, int]]) -> Int[np.ndarray, " m"]:
        """Rows of the iteration's particles that look from these cells. Raises `InputError`."""
        told = self.told(shown, ROTATION)
        if told is None or not cells:
            return np.zeros(0, np.int64)
        columns = ParticleColumns(self.folder, shown.iteration)
        return self._cells_of(columns, told).members(cells)

    def columns(self, iteration: int) -> ParticleColumns:
        """Columns of an iteration, read anew. Raises `InputError`."""
        return ParticleColumns(self.folder, iteration)

    def particles(self, iteration: int) -> Particles:
        """The table of an iteration; the last one read is kept. Raises `InputError`."""
        with self._mutex:
            if self._particles is None or self._particles[0] != iteration:
                self._particles = (iteration, read_iteration_particles(self.folder, iteration))
            return self._particles[1]

    def _cells_of(self, columns: ParticleColumns, told: HeatmapData) -> ViewCells:
        n_elevation, n_azimuth = told.layers["count"].shape
        with self._mutex:
            # The poses given and the particles that take part are the same in all iterations.
            place = (columns.n_particles, n_azimuth, n_elevation)
            if place not in self._cells:
                made = view_cells(columns.given_rotations, n_azimuth, n_elevation)
                self._cells = {place: made}
            return self._cells[place]
