"""A mask's recipe: the steps that make it, in order, so that it can be made again.

A recipe is a value: every change gives a new one. It remembers what was undone, so that work goes
on tomorrow where it ended today.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.box_position import same_size
from locref_widgets.io.mrc import Map
from locref_widgets.masks.join_step import Join
from locref_widgets.masks.recipe_step import Bench, Rescaling, Step
from locref_widgets.masks.source_steps import SourceStep
from locref_widgets.masks.volume_steps import VolumeStep

AnyStep = Annotated[VolumeStep | SourceStep | Join, Field(discriminator="tool")]

_HEAD = """\
# Steps that make a mask of a map; lengths and points are in the unit that their name ends in,
# points and spheres in voxels from the corner. Made again by:
#   locref volume-tools MAP --recipe THIS --out MASK.mrc
"""
_LARGEST_BYTES = 16 << 20


class Grid(BaseModel):
    """The grid that a recipe was written for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    size_xyz: tuple[int, int, int]
    voxel_size_angstrom: float = Field(gt=0, allow_inf_nan=False)

    @classmethod
    def of(cls, volume: Map) -> "Grid":
        """Name the grid of a map."""
        return cls(size_xyz=volume.size_xyz, voxel_size_angstrom=volume.voxel_size_angstrom)

    def __str__(self) -> str:
        return f"{' x '.join(map(str, self.size_xyz))} voxels of {self.voxel_size_angstrom:g} Å"


class MaskRecipe(BaseModel):
    """Named steps with units, and those undone.

    Attributes
    ----------
    version
        Of the form in which it is written.
    made_on
        The grid that its points and lengths in voxels belong to; None when it holds none yet.
    steps
        Done, in order.
    undone
        What `redo` brings back, the next one first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    made_on: Grid | None = None
    steps: tuple[AnyStep, ...] = ()
    undone: tuple[AnyStep, ...] = ()

    def add(self, *steps: Step) -> "MaskRecipe":
        """Append steps; what was undone is forgotten."""
        return self._with(steps=(*self.steps, *steps), undone=())

    def undo(self) -> "MaskRecipe":
        """Take back the last step. Raises `InputError` where there is none."""
        if not self.steps:
            raise InputError("there is no step to undo.")
        return self._with(steps=self.steps[:-1], undone=(self.steps[-1], *self.undone))

    def redo(self) -> "MaskRecipe":
        """Do the step again that was undone last. Raises `InputError` where there is none."""
        if not self.undone:
            raise InputError("there is no step to do again.")
        return self._with(steps=(*self.steps, self.undone[0]), undone=self.undone[1:])

    def made_for(self, volume: Map) -> "MaskRecipe":
        """Return the recipe as one for the grid of this map."""
        return self._with(made_on=Grid.of(volume))

    def apply(self, volume: Map, *, folder: Path | None = None) -> Map:
        """Follow the steps from a map to the mask.

        ``remarks`` of the result tell each step. The same map gives the same result, bit by bit.

        Parameters
        ----------
        volume
            The map to begin with.
        folder
            Against which names of further files are resolved; the working directory if not given.

        Raises
        ------
        InputError
            If the recipe was written for another grid (see `rescaled_to`), or a step fails: its
            number and tool are named.
        """
        if self.made_on is not None and not _is_grid_of(self.made_on, volume):
            raise InputError(
                f"{volume.path or 'the map given'}: its grid is {Grid.of(volume)}, but the recipe "
                f"was written for {self.made_on}. Convert its lengths and points with --rescale "
                "(in Python: recipe.rescaled_to(volume))."
            )
        bench = Bench(volume, folder or Path())
        current = volume
        for number, step in enumerate(self.steps, start=1):
            current = apply_step(step, current, bench, number)
        return current

    def rescaled_to(self, volume: Map) -> "MaskRecipe":
        """Convert lengths and points to the grid of another map of the same particle.

        The boxes are taken to have the same centre, voxel ``N // 2``.

        Raises
        ------
        InputError
            If a step belongs to the old grid (crop and resample).
        """
        if self.made_on is None:
            return self.made_for(volume)
        old = self.made_on
        to = Rescaling(
            ratio=old.voxel_size_angstrom / volume.voxel_size_angstrom,
            centre_px=_centre(old.size_xyz),
            new_centre_px=_centre(volume.size_xyz),
        )
        return self._with(
            made_on=Grid.of(volume),
            steps=tuple(step.rescaled(to) for step in self.steps),
            undone=tuple(step.rescaled(to) for step in self.undone),
        )

    def describe(self) -> list[str]:
        """Say each step in words."""
        return [step.describe() for step in self.steps]

    def to_yaml(self) -> str:
        """Write it as YAML."""
        values = self.model_dump(mode="json", exclude_none=True)
        return _HEAD + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)

    @classmethod
    def from_yaml(cls, text: str, source: str = "the recipe") -> "MaskRecipe":
        """Read YAML (or JSON). Raises `InputError` naming ``source``, step and field."""
        try:
            values = yaml.safe_load(text)
        except yaml.YAMLError as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{source}: is not valid YAML: {reason}") from None
        if not isinstance(values, dict) or "steps" not in values:
            raise InputError(f"{source}: is not a mask's recipe: it has no list of steps.")
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise InputError(f"{source}: {_explain(error, values)}") from None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, whole or not at all. Raises `OutputError`."""
        with atomic_writer(path) as handle:
            handle.write(self.to_yaml().encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "MaskRecipe":
        """Read it from a file. Raises `InputError`."""
        try:
            if Path(path).stat().st_size > _LARGEST_BYTES:
                raise InputError(f"{path}: is too large to be a mask's recipe.")
            text = Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not a text file"
            raise InputError(f"{path}: cannot be read as a recipe ({reason}).") from None
        return cls.from_yaml(text, str(path))

    def _with(self, **changes: Any) -> "MaskRecipe":
        # Not model_copy, so that steps of a wrong kind are refused.
        return type(self)(
            **{name: getattr(self, name) for name in type(self).model_fields} | changes
        )


def apply_step(step: Step, current: Map, bench: Bench, number: int) -> Map:
    """Do one step and remark on it; an `InputError` then names its number and tool."""
    try:
        result = step.apply(current, bench)
    except InputError as error:
        raise InputError(f"step {number} ({step.tool}): {error}") from None
    details = result.remarks[len(current.remarks) :]
    return replace(result, remarks=(*current.remarks, step.describe(), *details))


def follow(volume: Map, steps: Iterable[Step]) -> Map:
    """Follow steps without keeping a recipe."""
    return MaskRecipe().add(*steps).apply(volume)


def _is_grid_of(grid: Grid, volume: Map) -> bool:
    return grid.size_xyz == volume.size_xyz and same_size(
        grid.voxel_size_angstrom, volume.voxel_size_angstrom
    )


def _centre(size_xyz: tuple[int, int, int]) -> tuple[float, float, float]:
    x, y, z = (float(size // 2) for size in size_xyz)
    return x, y, z


def _explain(error: ValidationError, values: dict[str, Any]) -> str:
    """Put the first fault into words: which step, which field, what is expected."""
    fault = error.errors(include_url=False)[0]
    place = [str(part) for part in fault["loc"]]
    message = fault["msg"].removeprefix("Value error, ")
    if len(place) < 2 or place[0] not in ("steps", "undone"):
        return f"{'.'.join(place)}: {message}"
    listed, index = values[place[0]], int(place[1])
    step = listed[index] if isinstance(listed, list) else None
    tool = step.get("tool", "no tool named") if isinstance(step, dict) else "not a step"
    field = ".".join(place[3:])
    return f"step {index + 1} ({tool}): " + (f"{field}: {message}" if field else message)
