"""Weighted points that are fitted in a map: atoms, a model seen at a resolution, another map."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.models import Model, Selection, read_atoms
from locref_widgets.io.mrc import Map
from locref_widgets.masks.levels import level_enclosing, suggest_level
from locref_widgets.masks.molmap import molmap

SHARE_IN_CONTOUR = 0.95
"""The contour of a simulated map holds this share of its sum (Chimera's molmap)."""

Weights = Literal["equal", "atomic number"]


@dataclass(frozen=True)
class FitPoints:
    """Points with weights of positive sum, in the frame of coordinates of models and maps."""

    positions_angstrom: Float[np.ndarray, "points 3"]
    weights: Float[np.ndarray, " points"]
    source: str = "the points given"

    def __post_init__(self) -> None:
        if not (np.isfinite(self.positions_angstrom).all() and np.isfinite(self.weights).all()):
            raise InputError(f"{self.source}: holds points or weights that are not finite.")
        if not self.weights.sum() > 0:
            raise InputError(
                f"{self.source}: the weights of the {len(self.weights)} points to fit do not sum "
                "to more than zero. For a map, take a level over zero; for a model, fill the "
                "column of elements."
            )

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def centre_angstrom(self) -> Float[np.ndarray, "3"]:
        """Mean position (x, y, z), whatever the weights: what a fit turns about."""
        return self.positions_angstrom.mean(axis=0)

    def take(self, chosen: Bool[np.ndarray, " points"] | Int[np.ndarray, " n"]) -> "FitPoints":
        """Some of the points."""
        return FitPoints(self.positions_angstrom[chosen], self.weights[chosen], self.source)

    def some(self, most: int, seed: int = 0) -> "FitPoints":
        """No more than ``most`` points, drawn evenly."""
        if len(self) <= most:
            return self
        drawn = np.random.default_rng(seed).choice(len(self), most, replace=False)
        return self.take(np.sort(drawn))


def points_of_atoms(
    model: Model, *, weights: Weights = "equal", selection: Selection | None = None
) -> FitPoints:
    """Points at the atoms of a model.

    Raises
    ------
    InputError
        If the model cannot be read, the selection names no atoms, or atoms are to be weighted by
        elements that are not known.
    """
    atoms = read_atoms(model, selection)
    if weights == "equal":
        return FitPoints(atoms.positions_angstrom, np.ones(len(atoms)), atoms.source)
    return FitPoints(
        atoms.positions_angstrom, atoms.atomic_numbers.astype(np.float64), atoms.source
    )


def points_of_model(
    model: Model, resolution_angstrom: float, *, selection: Selection | None = None
) -> FitPoints:
    """Points of a model seen at a resolution: the grid points of its map over a contour.

    The map is `molmap` on its own grid, the contour the one that holds 95 % of its sum, the weights
    the map's values; as in ChimeraX's ``fitmap`` with a resolution.

    Raises
    ------
    InputError
        As for `molmap`.
    """
    atoms = read_atoms(model, selection)
    simulated = molmap(atoms, resolution_angstrom)
    level = level_enclosing(simulated.data, share=SHARE_IN_CONTOUR)
    return _over_level(simulated, level, f"{atoms.source} at {resolution_angstrom:g} Å")


def points_of_map(volume: Map, level: float | None = None) -> FitPoints:
    """Points at the voxels of a map of at least ``level``, weighted by its values.

    Without a level it is the one that `suggest_level` suggests.

    Raises
    ------
    InputError
        If no voxel reaches the level, or their values do not sum to more than zero.
    """
    if level is None:
        level = suggest_level(volume.data, volume.voxel_size_angstrom).level
    return _over_level(volume, level, volume.name)


def _over_level(volume: Map, level: float, source: str) -> FitPoints:
    z, y, x = np.nonzero(volume.data >= level)
    if not len(z):
        raise InputError(
            f"{source}: no voxel reaches the level {level:g}; the highest value is "
            f"{volume.data.max():g}. Take a lower level."
        )
    places = np.stack([x, y, z], axis=1) * volume.voxel_size_angstrom + volume.corner_angstrom
    return FitPoints(places, volume.data[z, y, x].astype(np.float64), source)
