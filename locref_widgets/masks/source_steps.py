"""Steps of a recipe that bring something in: a segmentation, a model, another mask."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from jaxtyping import Float
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid, read_map
from locref_widgets.masks.level_text import LevelText, find_level
from locref_widgets.masks.molmap import molmap, region_near_atoms
from locref_widgets.masks.recipe_step import (
    Bench,
    Length,
    Point,
    Rescaling,
    Step,
    mask_values,
    remarked,
    with_values,
)
from locref_widgets.masks.resample import resample_on_grid
from locref_widgets.masks.segmentation import segment


class File(BaseModel):
    """A further file that a step reads, and what was in it when the recipe was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str
    sha256: str | None = None

    @classmethod
    def of(cls, path: Path | str) -> "File":
        """Name a file by its absolute path and content. Raises `InputError` if it is not there."""
        return cls(path=str(Path(path).resolve()), sha256=_checksum(Path(path)))

    def find(self, bench: Bench) -> Path:
        """Find it, beside the recipe if its name is relative.

        Raises
        ------
        InputError
            if it is not there, or holds something else than it did.
        """
        path = Path(self.path)
        path = path if path.is_absolute() else bench.folder / path
        found = _checksum(path)
        if self.sha256 is not None and found != self.sha256:
            raise InputError(
                f"{path}: was changed since the recipe was written. Put the old file back, or "
                "remove its sha256 from the recipe to take the new one."
            )
        return path


class SegmentRegion(BaseModel):
    """A region of a segmentation, by a point in it and the step of grouping that it belongs to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    point: Point
    steps: int = Field(default=0, ge=0)


class Segment(Step):
    """Chosen regions of a segmentation of the map, as a mask."""

    tool: Literal["segment"] = "segment"
    level: LevelText = "auto"
    smoothing_px: Length = 0.0
    step_px: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    regions: Annotated[tuple[SegmentRegion, ...], Field(min_length=1)]

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        level, reason = find_level(self.level, current)
        segmentation = segment(
            current.data,
            level,
            voxel_size_angstrom=current.voxel_size_angstrom,
            smoothing_px=self.smoothing_px,
            steps=max(region.steps for region in self.regions),
            step_px=self.step_px,
        )
        chosen = np.zeros(current.data.shape, np.float32)
        for steps in sorted({region.steps for region in self.regions}):
            tree = segmentation.tree(steps)
            points = [region.point for region in self.regions if region.steps == steps]
            np.maximum(chosen, tree.mask(tree.regions_at(points)), out=chosen)
        return remarked(with_values(current, chosen), f"segmented at {level:.4g}: {reason}")

    @override
    def describe(self) -> str:
        places = "; ".join(
            f"{', '.join(f'{x:g}' for x in region.point)} ({region.steps} steps of grouping)"
            for region in self.regions[:4]
        )
        more = f" and {len(self.regions) - 4} more" if len(self.regions) > 4 else ""
        return f"segment at {self.level}, keep the regions at voxels {places}{more}"

    @override
    def rescaled(self, to: Rescaling) -> "Segment":
        moved = super().rescaled(to)
        regions = tuple(
            region.model_copy(update={"point": to.point(region.point)}) for region in self.regions
        )
        return moved.model_copy(update={"regions": regions})


class ModelMap(Step):
    """Density of an atomic model on the grid at hand, in place of the map."""

    tool: Literal["molmap"] = "molmap"
    model: File
    resolution_angstrom: float = Field(gt=0, allow_inf_nan=False)
    selection: str | None = None

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        density = molmap(
            self.model.find(bench),
            self.resolution_angstrom,
            on_grid=current,
            selection=self.selection,
        )
        return remarked(with_values(current, density.data), *density.remarks)

    @override
    def describe(self) -> str:
        model = _say_model(self.model, self.selection)
        return f"density of {model} at {self.resolution_angstrom:g} Å"


class NearAtoms(Step):
    """What lies within a distance of an atomic model, as a mask."""

    tool: Literal["near-atoms"] = "near-atoms"
    model: File
    radius_angstrom: float = Field(gt=0, allow_inf_nan=False)
    selection: str | None = None

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        near = region_near_atoms(
            self.model.find(bench),
            self.radius_angstrom,
            on_grid=current,
            selection=self.selection,
        )
        return remarked(with_values(current, near.data), *near.remarks)

    @override
    def describe(self) -> str:
        return f"within {self.radius_angstrom:g} Å of {_say_model(self.model, self.selection)}"


_Values = Float[np.ndarray, "z y x"]
_COMBINED: dict[str, Callable[[_Values, _Values], _Values]] = {
    "and": np.minimum,
    "or": np.maximum,
    # What is left of a soft mask: the two parts add up to what it was.
    "without": lambda mask, other: mask - np.minimum(mask, other),
}


class Combine(Step):
    """Join with another mask: where both are, where either is, or where the other is not."""

    tool: Literal["combine"] = "combine"
    how: Literal["and", "or", "without"]
    mask: File

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        path = self.mask.find(bench)
        other = read_map(path, cubic=False)
        check_same_grid(current, other, "the mask to combine with")
        return with_values(current, _COMBINED[self.how](mask_values(current), mask_values(other)))

    @override
    def describe(self) -> str:
        return f"{self.how} {Path(self.mask.path).name}"


class OnGrid(Step):
    """Resample on the grid of another map."""

    tool: Literal["on-grid"] = "on-grid"
    grid: File
    order: Literal[1, 3] = 1
    mask: bool = True
    """Whether the values are kept between 0 and 1."""

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        reference = read_map(self.grid.find(bench), cubic=False)
        return resample_on_grid(current, reference, order=self.order, mask=self.mask)

    @override
    def describe(self) -> str:
        return f"resample on the grid of {Path(self.grid.path).name}"


SourceStep = Segment | ModelMap | NearAtoms | Combine | OnGrid


def _say_model(model: File, selection: str | None) -> str:
    return Path(model.path).name + (f" ({selection})" if selection else "")


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as handle:
            return hashlib.file_digest(handle, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}); a step of the recipe needs it. "
            "Check its name, which counts from the recipe's folder if it is relative."
        ) from None
