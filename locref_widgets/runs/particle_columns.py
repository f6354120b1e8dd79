"""Single columns of an iteration's particles, read without its maps, table and other columns."""

from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from locref_widgets.errors import InputError
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.iteration_files import ARRAYS_FILE, iteration_arrays


class ParticleColumns:
    """Columns of one iteration, each read from ``info.npz`` when it is first asked for.

    Rows are those of the particles that take part, in the order of ``particles.star`` of the
    iteration. What is asked for once stays in memory while this object lives.

    Raises
    ------
    InputError
        The run has no such iteration, or its file cannot be read.
    """

    def __init__(self, folder: RunFolder, iteration: int) -> None:
        self.folder, self.iteration = folder, iteration
        self.path = folder.iteration_folder(iteration) / ARRAYS_FILE
        if not self.path.is_file():
            raise InputError(
                f"{folder.path}: iteration {iteration} has no particles on the disc "
                f"({self.path.name} is missing)."
            )
        self._read: dict[str, np.ndarray] = {}

    def get(self, name: str) -> np.ndarray | None:
        """Read a column, or any other array of the file, by its name; None if it is not there."""
        if name not in self._read:
            with iteration_arrays(self.path.parent) as stored:
                key = name if name in stored.files else f"info/{name}"
                if key not in stored.files:
                    return None
                self._read[name] = stored[key]
        return self._read[name]

    def column(self, name: str) -> np.ndarray:
        """Read a column. Raises `InputError` if it is not there."""
        found = self.get(name)
        if found is None:
            raise InputError(f"{self.path}: holds no {name}.")
        return found

    @cached_property
    def given_rotations(self) -> Float[np.ndarray, "n 3 3"]:
        """Poses that the job was given, of this iteration's particles."""
        given = self if self.iteration == 0 else ParticleColumns(self.folder, 0)
        rotations, rows = given.column("rotations"), given.column("indices")
        ours = self.column("indices")
        if np.array_equal(rows, ours):
            return rotations
        place = np.searchsorted(rows, ours)
        if np.any(rows[np.clip(place, 0, len(rows) - 1)] != ours):
            raise InputError(f"{self.path}: has particles that iteration 0 does not have.")
        return rotations[place]

    @property
    def n_particles(self) -> int:
        """Particles that take part."""
        return len(self.column("indices"))

    @property
    def at_bound(self) -> Bool[np.ndarray, " n"]:
        """Whether the best pose lies at the edge of what was searched; before a search none is."""
        found = self.get("at_bound")
        return np.zeros(self.n_particles, bool) if found is None else np.asarray(found, bool)


def noise_spectra(columns: ParticleColumns) -> dict[str, Float[np.ndarray, " shells"]]:
    """Noise variance of each Fourier shell, by half-set (``half 1``, ``half 2``)."""
    found: dict[str, Any] = {f"half {half}": columns.get(f"sigma2_half{half}") for half in (1, 2)}
    return {name: np.asarray(values) for name, values in found.items() if values is not None}


def table_rows(columns: ParticleColumns, rows: Int[np.ndarray, " m"]) -> dict[str, np.ndarray]:
    """What is told of single particles, by heading; columns that an iteration lacks are left out.

    Angles in degrees, shifts in pixels.
    """
    told: dict[str, np.ndarray] = {"row": columns.column("indices")[rows] + 1}
    for heading, name, factor in _TOLD:
        values = columns.get(name)
        if values is not None:
            told[heading] = values[rows] * factor if factor != 1.0 else values[rows]
    return told


_DEGREE = 180.0 / np.pi
_TOLD = (
    ("pose change (°)", "pose_change_rad", _DEGREE),
    ("± (°)", "rotation_error_rad", _DEGREE),
    ("shift change (px)", "shift_change_px", 1.0),
    ("± (px)", "shift_error_px", 1.0),
    ("log-likelihood margin", "log_likelihood_margin", 1.0),
    ("effective poses", "effective_cells", 1.0),
    ("over-dispersion", "dispersion", 1.0),
    ("certified", "certified", 1.0),
    ("at bound", "at_bound", 1.0),
)
