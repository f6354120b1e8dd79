"""Steps of a recipe that work on the voxels at hand: filters, thresholds, edges, the eraser."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator
from typing_extensions import override

from locref_widgets.io.mrc import Map
from locref_widgets.masks import eraser, islands, volume_tools
from locref_widgets.masks.check_values import EDGE_RESOLUTIONS
from locref_widgets.masks.edges import dilate, erode, soft_pad
from locref_widgets.masks.eraser import Sphere
from locref_widgets.masks.level_text import LevelText, find_level
from locref_widgets.masks.recipe_step import (
    Bench,
    Finite,
    Length,
    Point,
    Step,
    binary_values,
    mask_values,
    one_length_px,
    remarked,
    say_length,
    with_values,
)

Spheres = Annotated[tuple[tuple[Finite, Finite, Finite, Length], ...], Field(min_length=1)]
"""(x, y, z, radius) in voxels from the corner."""


class LowPass(Step):
    """Low-pass filter."""

    tool: Literal["lowpass"] = "lowpass"
    resolution_angstrom: float = Field(gt=0, allow_inf_nan=False)

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        return volume_tools.lowpass(current, self.resolution_angstrom)

    @override
    def describe(self) -> str:
        return f"low-pass to {self.resolution_angstrom:g} Å"


class Crop(Step):
    """Another box about the same centre, with voxels of the same size."""

    tool: Literal["crop"] = "crop"
    size_px: int = Field(gt=0)

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        return volume_tools.crop(current, self.size_px)

    @override
    def describe(self) -> str:
        return f"crop to {self.size_px} voxels"


class Resample(Step):
    """Other voxels in the same box, by Fourier cropping or padding."""

    tool: Literal["resample"] = "resample"
    size_px: int = Field(gt=0)

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        return volume_tools.resample_box(current, self.size_px)

    @override
    def describe(self) -> str:
        return f"resample the box to {self.size_px} voxels"


class Flip(Step):
    """The other hand."""

    tool: Literal["flip"] = "flip"

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        return volume_tools.flip_hand(current)

    @override
    def describe(self) -> str:
        return "flip the hand"


class Threshold(Step):
    """1 where the map reaches the level, 0 elsewhere."""

    tool: Literal["threshold"] = "threshold"
    level: LevelText = "auto"

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        level, reason = find_level(self.level, current)
        above = volume_tools.threshold(current, level).data
        return remarked(with_values(current, above), f"level {level:.4g}: {reason}")

    @override
    def describe(self) -> str:
        return f"threshold at {self.level}"


class Empty(Step):
    """A mask with nothing in it, to paint on."""

    tool: Literal["empty"] = "empty"

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        return with_values(current, np.zeros(current.data.shape, np.float32))

    @override
    def describe(self) -> str:
        return "an empty mask"


class FillHoles(Step):
    """Fill what is enclosed on all sides."""

    tool: Literal["fill-holes"] = "fill-holes"
    at_most_voxels: int | None = Field(default=None, gt=0)

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        inside = binary_values(current)
        filled = islands.fill_holes(inside, at_most_voxels=self.at_most_voxels)
        return with_values(current, filled)

    @override
    def describe(self) -> str:
        limit = f" of at most {self.at_most_voxels} voxels" if self.at_most_voxels else ""
        return f"fill holes{limit}"


class Islands(Step):
    """Keep the largest islands, those at points, or those large enough."""

    tool: Literal["islands"] = "islands"
    count: int | None = Field(default=None, gt=0)
    at_points: tuple[Point, ...] | None = None
    least_voxels: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check_any(self) -> "Islands":
        if self.count is None and self.at_points is None and self.least_voxels is None:
            raise ValueError("give count, at_points or least_voxels")
        return self

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        kept = islands.keep_islands(
            binary_values(current),
            count=self.count,
            at_points=self.at_points,
            least_voxels=self.least_voxels,
        )
        return with_values(current, kept)

    @override
    def describe(self) -> str:
        parts = []
        if self.count is not None:
            parts.append("the largest" if self.count == 1 else f"the {self.count} largest")
        if self.at_points is not None:
            places = "; ".join(", ".join(f"{x:g}" for x in point) for point in self.at_points)
            parts.append(f"those at voxels {places}")
        if self.least_voxels is not None:
            parts.append(f"those of at least {self.least_voxels} voxels")
        return "keep of the islands " + " and ".join(parts)


class Dilate(Step):
    """Grow, or with a negative radius shrink, by a distance."""

    tool: Literal["dilate"] = "dilate"
    radius_px: Finite | None = None
    radius_angstrom: Finite | None = None

    @model_validator(mode="after")
    def _check_one(self) -> "Dilate":
        if (self.radius_px is None) == (self.radius_angstrom is None):
            raise ValueError("give radius_px or radius_angstrom")
        return self

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        radius = one_length_px(current.voxel_size_angstrom, self.radius_px, self.radius_angstrom)
        inside = binary_values(current)
        changed = erode(inside, -radius) if radius < 0 else dilate(inside, radius)
        return with_values(current, changed)

    @override
    def describe(self) -> str:
        radius = self.radius_px if self.radius_px is not None else self.radius_angstrom
        length = say_length(
            None if self.radius_px is None else abs(self.radius_px),
            None if self.radius_angstrom is None else abs(self.radius_angstrom),
        )
        return f"{'erode' if radius is not None and radius < 0 else 'dilate'} by {length}"


class SoftPad(Step):
    """Dilate, then add a raised-cosine edge from 1 to 0."""

    tool: Literal["soft-pad"] = "soft-pad"
    width_px: Length | None = None
    width_angstrom: Length | None = None
    resolution_angstrom: Length | None = None
    dilate_px: Length | None = None
    dilate_angstrom: Length | None = None
    two_stage: bool = False

    @model_validator(mode="after")
    def _check_one(self) -> "SoftPad":
        given = (self.width_px, self.width_angstrom, self.resolution_angstrom)
        if sum(width is not None for width in given) != 1:
            raise ValueError("give one of width_px, width_angstrom and resolution_angstrom")
        if self.dilate_px is not None and self.dilate_angstrom is not None:
            raise ValueError("give dilate_px or dilate_angstrom, not both")
        return self

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        voxel = current.voxel_size_angstrom
        grown = 0.0
        if self.dilate_px is not None or self.dilate_angstrom is not None:
            grown = one_length_px(voxel, self.dilate_px, self.dilate_angstrom)
        width = one_length_px(voxel, self.width_px, self._width_angstrom())
        padded = soft_pad(binary_values(current), width, dilate_px=grown, two_stage=self.two_stage)
        return with_values(current, padded)

    @override
    def describe(self) -> str:
        words = f"soft edge of {say_length(self.width_px, self._width_angstrom())}"
        if self.resolution_angstrom is not None:
            words += f" ({EDGE_RESOLUTIONS:g} times {self.resolution_angstrom:g} Å)"
        if self.dilate_px is not None or self.dilate_angstrom is not None:
            grown = say_length(self.dilate_px, self.dilate_angstrom)
            words = f"dilate by {grown}, {words}"
        return words + (" in RELION's two stages" if self.two_stage else "")

    def _width_angstrom(self) -> float | None:
        if self.resolution_angstrom is not None:
            return EDGE_RESOLUTIONS * self.resolution_angstrom
        return self.width_angstrom


class Invert(Step):
    """One minus the mask."""

    tool: Literal["invert"] = "invert"

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        mask_values(current)
        return volume_tools.invert(current)

    @override
    def describe(self) -> str:
        return "invert"


class Erase(Step):
    """The volume eraser."""

    tool: Literal["erase"] = "erase"
    spheres: Spheres
    outside: bool = False
    soft_px: Length = 0.0

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        erased = eraser.erase(
            current.data, _spheres(self.spheres), outside=self.outside, soft_px=self.soft_px
        )
        return with_values(current, erased)

    @override
    def describe(self) -> str:
        edge = f", edge {self.soft_px:g} voxels" if self.soft_px else ""
        where = "outside" if self.outside else "inside"
        return f"erase {where} {_say_spheres(self.spheres)}{edge}"


class Paint(Step):
    """A stroke of the brush: 1, or with ``remove`` 0, in spheres along a path."""

    tool: Literal["paint"] = "paint"
    spheres: Spheres
    remove: bool = False
    at_least: LevelText | None = None
    """Touch only voxels where the map at the start of the recipe reaches this level."""

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        spheres, mask = _spheres(self.spheres), mask_values(current)
        if self.at_least is None:
            return with_values(current, eraser.paint(mask, spheres, remove=self.remove))
        level, _ = find_level(self.at_least, bench.start)
        painted = eraser.paint(
            mask, spheres, remove=self.remove, within=bench.start.data, at_least=level
        )
        return with_values(current, painted)

    @override
    def describe(self) -> str:
        gate = f" where the map reaches {self.at_least}" if self.at_least is not None else ""
        verb = "paint out" if self.remove else "paint"
        return f"{verb} {_say_spheres(self.spheres)}{gate}"


VolumeStep = (
    LowPass
    | Crop
    | Resample
    | Flip
    | Threshold
    | Empty
    | FillHoles
    | Islands
    | Dilate
    | SoftPad
    | Invert
    | Erase
    | Paint
)


def _spheres(values: tuple[tuple[float, float, float, float], ...]) -> list[Sphere]:
    return [Sphere(*sphere) for sphere in values]


def _say_spheres(values: tuple[tuple[float, float, float, float], ...]) -> str:
    if len(values) > 3:
        return f"{len(values)} spheres"
    return "; ".join(
        f"the sphere of {radius:g} voxels about {x:g}, {y:g}, {z:g}" for x, y, z, radius in values
    )
