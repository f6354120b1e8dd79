"""The settings of a refinement: the one source of names, units, defaults, ranges and help.

The command line's flags, the YAML file and the settings form are generated from here.
"""

import math
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from locref_widgets.engine.symmetry import read_point_group
from locref_widgets.errors import InputError
from locref_widgets.refinement.fulcrum_point import (
    check_inside_box,
    far_from_mask_warnings,
    voxels_to_angstrom,
)
from locref_widgets.refinement.settings_text import (
    SettingOption,
    describe_fields,
    explain,
    explain_each,
    read_text,
    read_yaml_values,
    to_yaml,
)


def _finite(point: tuple[float, float, float]) -> tuple[float, float, float]:
    if not all(math.isfinite(value) for value in point):
        raise ValueError("the three numbers must be finite")
    return point


USUAL_PRIORS = {"prior_rotation": 15.0, "prior_shift": 7.0}
"""Widths (degrees, Å) of priors that are switched on by ``true`` instead of by a number."""

PointGroup = Annotated[str, AfterValidator(read_point_group)]
USUAL_MULTIPLES = {"dynamic_mask_near": 2.0, "dynamic_mask_far": 5.0}
"""Distances of the dynamic mask that are only said to be multiples of the resolution."""

Point = Annotated[tuple[float, float, float], AfterValidator(_finite)]


def _setting(default: Any, unit: str, description: str, **limits: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"unit": unit}, **limits)


class RefinementSettings(BaseModel):
    """Everything about a refinement that is not a file. Frozen; wrong values raise `InputError`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    fulcrum: Point | Literal["box", "mask"] | None = _setting(
        None,
        "voxels from the map's corner",
        "The point about which the region turns: x,y,z, or 'mask' for the mask's centre of mass,"
        " or 'box' for the centre of the box (also when unset)",
    )
    fulcrum_angstrom: Point | None = _setting(
        None,
        "Å from the map's centre",
        "The same point in Å from the map's centre; give this or the fulcrum in voxels, not both",
    )
    rotation_extent: float = _setting(
        0.35,
        "rad",
        "Largest rotation searched, in every direction about the pose given",
        gt=0,
        le=math.pi,
    )
    shift_extent: float = _setting(
        10.0, "px", "Diameter of the disc of shifts searched about the pose given", gt=0
    )
    initial_lowpass: float = _setting(
        12.0, "Å", "Resolution to which the starting map is low-pass filtered", gt=0
    )
    prior_rotation: float | None = _setting(
        None,
        "degrees",
        "Standard deviation of a Gaussian prior on the rotation about the pose given (unset: none)",
        gt=0,
    )
    prior_shift: float | None = _setting(
        None,
        "Å",
        "Standard deviation of a Gaussian prior on the shift about the pose given (unset: none)",
        gt=0,
    )
    learn_prior: bool = _setting(
        True,
        "",
        "Where no prior on the rotation is given, learn its width from how far particles were found"
        " to turn (not with re-centred rotations)",
    )
    marginalize: bool = _setting(
        True,
        "",
        "Back-project each image over the posterior of its pose instead of at the best pose",
    )
    recenter_rotations: bool = _setting(
        False, "", "Search about each iteration's rotations instead of the ones given"
    )
    recenter_shifts: bool = _setting(
        False, "", "Search about each iteration's shifts instead of the ones given"
    )
    shrink_extents: bool = _setting(
        False,
        "",
        "Halve the extents each time the resolution has doubled (with both re-centrings)",
    )
    folds: int = _setting(
        4,
        "",
        "Groups into which each half-set is divided; a particle is searched against the map of the"
        " groups it is not in, so that its own noise does not hold it where it was (1: off)",
        ge=1,
        le=10,
    )
    iterations: int = _setting(
        10, "", "Largest number of iterations; fewer when it converges", ge=1
    )
    symmetry: PointGroup = _setting(
        "C1",
        "",
        "Point group that the reconstructions are given, in RELION's orientations; the region must"
        " have it about axes through the map's centre (C1: none)",
    )
    subset: int | None = _setting(
        None, "particles", "Refine only this many particles, drawn by the seed (unset: all)", ge=2
    )
    seed: int = _setting(0, "", "Seed of everything drawn at random", ge=0)
    subtract: bool | None = _setting(
        None,
        "",
        "Subtract the signal outside the mask from the images first"
        " (unset: on when the mask covers part of the particle)",
    )
    non_uniform: bool = _setting(
        True,
        "",
        "Filter the references by how fine the half-maps agree at each place, instead of everywhere"
        " by one FSC",
    )
    masking: Literal["dynamic", "static", "none"] = _setting(
        "dynamic",
        "",
        "Mask of the references: drawn anew around the density in each iteration (dynamic), the"
        " mask given (static), or the ball about the region (none)",
    )
    dynamic_mask_start_resolution: float = _setting(
        12.0,
        "Å",
        "The mask given serves until the FSC inside it, not corrected for it, reaches this",
        gt=0,
    )
    dynamic_mask_threshold: float = _setting(
        0.2,
        "of the maximum",
        "Density above which the dynamic mask counts a voxel as particle",
        gt=0,
        lt=1,
    )
    dynamic_mask_absolute: bool = _setting(
        False, "", "Count density as far below zero as particle, too"
    )
    dynamic_mask_near: float = _setting(
        3.0, "Å", "The dynamic mask is 1 within this distance of the density", ge=0
    )
    dynamic_mask_far: float = _setting(
        12.0, "Å", "The dynamic mask falls to 0 at this distance from the density", gt=0
    )
    dynamic_mask_in_resolutions: bool = _setting(
        False, "", "The two distances are multiples of the resolution (unset: 2 and 5), not Å"
    )
    batch_size: int | None = _setting(
        None, "particles", "Particles worked on at once (unset: 32)", ge=1
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_in_usual_values(cls, values: Any) -> Any:
        """Give a prior that is only switched on its usual width, and an extent to go with it.

        Likewise the mask's distances when they are to be multiples of the resolution.
        """
        if not isinstance(values, dict):
            return values
        values = dict(values)
        for name, usual in USUAL_PRIORS.items():
            if values.get(name) is True:
                values[name] = usual
            elif values.get(name) is False:
                values[name] = None
        width = values.get("prior_rotation")
        if isinstance(width, int | float) and values.get("rotation_extent") is None:
            values["rotation_extent"] = min(3.0 * math.radians(width), math.pi)
        if values.get("dynamic_mask_in_resolutions") is True:
            for name, usual in USUAL_MULTIPLES.items():
                if values.get(name) is None:
                    values[name] = usual
        return values

    # Positional only, so that a setting misnamed `self` is told like any other.
    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise InputError(explain(error, setting_options())) from None

    @classmethod
    def find_faults(cls, values: dict[str, Any]) -> dict[str, str]:
        """Say what is wrong with values, by setting; "" is of several that do not go together."""
        try:
            BaseModel.__init__(cls.__new__(cls), **values)
        except ValidationError as error:
            return explain_each(error, setting_options())
        return {}

    @model_validator(mode="after")
    def _check_pairs(self) -> "RefinementSettings":
        if self.fulcrum is not None and self.fulcrum_angstrom is not None:
            raise ValueError("fulcrum and fulcrum_angstrom are both set; give one of them")
        if self.shrink_extents and not (self.recenter_rotations and self.recenter_shifts):
            raise ValueError(
                "shrink_extents needs recenter_rotations and recenter_shifts: about the poses given"
                " a smaller extent would cut off what moved far"
            )
        unit = "" if self.dynamic_mask_in_resolutions else " Å"
        if self.dynamic_mask_far <= self.dynamic_mask_near:
            raise ValueError(
                f"dynamic_mask_far ({self.dynamic_mask_far:g}{unit}) must be larger than"
                f" dynamic_mask_near ({self.dynamic_mask_near:g}{unit})"
            )
        return self

    def resolve_fulcrum_angstrom(
        self,
        box_px: int,
        voxel_size_angstrom: float,
        mask_centre_angstrom: Float[np.ndarray, "3"] | tuple[float, float, float] | None = None,
    ) -> Float[np.ndarray, "3"]:
        """Give the fulcrum as (x, y, z) in Å relative to voxel N//2.

        `mask_centre_angstrom` is needed when the fulcrum is "mask". Raises `InputError` when the
        point lies outside the box.
        """
        if self.fulcrum_angstrom is not None:
            return check_inside_box(
                np.asarray(self.fulcrum_angstrom, dtype=np.float64),
                box_px,
                voxel_size_angstrom,
                typed_in_angstrom=True,
            )
        if isinstance(self.fulcrum, tuple):
            point_angstrom = voxels_to_angstrom(
                np.asarray(self.fulcrum), box_px, voxel_size_angstrom
            )
            return check_inside_box(
                point_angstrom, box_px, voxel_size_angstrom, typed_in_angstrom=False
            )
        if self.fulcrum == "mask":
            if mask_centre_angstrom is None:
                raise InputError("fulcrum 'mask' needs a mask; give one, or the fulcrum as x,y,z")
            return np.asarray(mask_centre_angstrom, dtype=np.float64)
        return np.zeros(3)

    def fulcrum_warnings(
        self,
        box_px: int,
        voxel_size_angstrom: float,
        mask_centre_angstrom: Float[np.ndarray, "3"] | tuple[float, float, float],
        mask_radius_angstrom: float,
    ) -> list[str]:
        """Warn of a typed fulcrum that is inside the box but suspiciously far from the mask."""
        if not isinstance(self.fulcrum, tuple) and self.fulcrum_angstrom is None:
            return []
        return far_from_mask_warnings(
            self.resolve_fulcrum_angstrom(box_px, voxel_size_angstrom, mask_centre_angstrom),
            box_px,
            voxel_size_angstrom,
            np.asarray(mask_centre_angstrom, dtype=np.float64),
            mask_radius_angstrom,
            typed_in_angstrom=self.fulcrum_angstrom is not None,
        )

    def to_yaml(self) -> str:
        """Write the settings as YAML text, each under a comment that explains it."""
        return to_yaml(setting_options(), self)

    @classmethod
    def from_yaml(cls, text: str, source: str = "the settings") -> "RefinementSettings":
        """Read settings from YAML text; names left out keep their defaults. Raises `InputError`."""
        return cls(**read_yaml_values(text, source))

    def save(self, path: str | os.PathLike) -> None:
        """Write the settings as a YAML file."""
        Path(path).write_text(self.to_yaml(), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike, **overrides: Any) -> "RefinementSettings":
        """Read settings from a YAML file; `overrides` take precedence. Raises `InputError`."""
        values = read_yaml_values(read_text(path), str(path))
        try:
            return cls(**overridden(values, overrides))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def overridden(values: dict[str, Any], overrides: dict[str, Any]) -> dict[str, Any]:
    """Put `overrides` in place of `values`; what is in another unit by then goes with them.

    A fulcrum replaces the one given, whichever of the two units either used; distances of the mask
    that are said to be Å or multiples of the resolution are no longer the numbers that they were.
    """
    replaced = set(overrides)
    if replaced & {"fulcrum", "fulcrum_angstrom"}:
        replaced |= {"fulcrum", "fulcrum_angstrom"}
    if "dynamic_mask_in_resolutions" in replaced:
        replaced |= set(USUAL_MULTIPLES)
    return {name: v for name, v in values.items() if name not in replaced} | overrides


def setting_options() -> list[SettingOption]:
    """List every setting with its flag, unit, range and description, in the order of the fields."""
    return describe_fields(RefinementSettings.model_fields)
