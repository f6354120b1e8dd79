"""What every step of a mask's recipe is: a tool's name, its values with units, and its work."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from jaxtyping import Bool, Float
from pydantic import AllowInfNan, BaseModel, ConfigDict, Field

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map

Finite = Annotated[float, AllowInfNan(False)]
Length = Annotated[float, AllowInfNan(False), Field(ge=0)]
Point = tuple[Finite, Finite, Finite]
"""(x, y, z) in voxels from the corner."""

_RANGE_TOLERANCE = 1e-3
_INSIDE = 0.5


@dataclass(frozen=True)
class Bench:
    """What lies about while a recipe is followed.

    Attributes
    ----------
    start
        the map that it began with
    folder
        against which the names of further files are resolved
    """

    start: Map
    folder: Path


@dataclass(frozen=True)
class Rescaling:
    """From the voxels of one grid to those of another with the same centre.

    Attributes
    ----------
    ratio
        new voxels in an old one
    centre_px, new_centre_px
        voxel ``N // 2`` of either box, (x, y, z)
    """

    ratio: float
    centre_px: Point
    new_centre_px: Point

    def point(self, point: Point) -> Point:
        """Move a point."""
        x, y, z = (
            (value - old) * self.ratio + new
            for value, old, new in zip(point, self.centre_px, self.new_centre_px, strict=True)
        )
        return x, y, z

    def count(self, voxels: int) -> int:
        """Voxels in the same volume."""
        return max(1, round(voxels * self.ratio**3))


class Step(BaseModel):
    """One step. Its fields are what is written; they name their units."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: str

    def apply(self, current: Map, bench: Bench) -> Map:
        """Do the step's work on a map or mask; ``current`` itself is not changed."""
        raise NotImplementedError

    def describe(self) -> str:
        """Say in a few words what the step does, with units."""
        raise NotImplementedError

    def rescaled(self, to: Rescaling) -> Any:
        """Turn it into the same step on another grid: lengths in voxels and points are converted.

        Raises
        ------
        InputError
            where the step has no meaning on another grid.
        """
        changed: dict[str, Any] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if value is None:
                continue
            if name == "size_px":
                raise InputError(
                    f"{self.tool} to {value} voxels belongs to the grid it was written for: leave "
                    "the step out, or write it for the new grid."
                )
            if name.endswith("_px"):
                changed[name] = value * to.ratio
            elif name.endswith("_voxels"):
                changed[name] = to.count(value)
            elif name == "spheres":
                changed[name] = tuple((*to.point(s[:3]), s[3] * to.ratio) for s in value)
            elif name in ("points", "at_points"):
                changed[name] = tuple(to.point(point) for point in value)
        return self.model_copy(update=changed)


def with_values(
    current: Map, values: Float[np.ndarray, "z y x"] | Bool[np.ndarray, "z y x"]
) -> Map:
    """Make the map that a step hands on: new values on the same grid, float32."""
    return replace(current, data=np.asarray(values, np.float32), path=None)


def remarked(result: Map, *sentences: str) -> Map:
    """Add remarks on what was done."""
    return replace(result, remarks=(*result.remarks, *sentences))


def mask_values(current: Map) -> Float[np.ndarray, "z y x"]:
    """Values of a mask, 0 to 1. Raises `InputError` where the map is none."""
    lowest, highest = float(current.data.min()), float(current.data.max())
    if lowest < -_RANGE_TOLERANCE or highest > 1.0 + _RANGE_TOLERANCE:
        raise InputError(
            f"it needs a mask, but the values go from {lowest:.4g} to {highest:.4g}: threshold the "
            "map first."
        )
    return current.data


def binary_values(current: Map) -> Bool[np.ndarray, "z y x"]:
    """Where a mask is at least one half. Raises `InputError` where the map is no mask."""
    return mask_values(current) >= _INSIDE


def one_length_px(
    voxel_size_angstrom: float, length_px: float | None, length_angstrom: float | None
) -> float:
    """Bring a length that was given in voxels or in Å to voxels."""
    if length_px is not None:
        return length_px
    assert length_angstrom is not None  # noqa: S101 - the step's validator saw to it
    return length_angstrom / voxel_size_angstrom


def say_length(length_px: float | None, length_angstrom: float | None) -> str:
    """Name a length in the unit it was given in."""
    return f"{length_px:g} voxels" if length_px is not None else f"{length_angstrom:g} Å"
