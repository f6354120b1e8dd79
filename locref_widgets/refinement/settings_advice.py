"""What to know before a start: settings in other units, and in words what may go wrong.

All of it follows from the settings and, where given, from the map's grid and the mask. Nothing here
stops a refinement; what does is in `RefinementSettings` and `runs.inputs`.
"""

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.refinement.fulcrum_point import angstrom_to_voxels
from locref_widgets.refinement.region_reach import RegionReach, chord_angstrom
from locref_widgets.refinement.settings import RefinementSettings

_CUT_OFF = 0.05
"""Share of a prior beyond the extent from which on it is told."""
_WASTED_SIGMA = 5.0
"""Extent over sigma beyond which nothing is left to find: 2e-5 of a prior in 3 dimensions."""


class Grid(NamedTuple):
    """The map's box and voxel size."""

    box_px: int
    voxel_size_angstrom: float


class Advice(NamedTuple):
    """A warning, and the setting beside which it is shown."""

    name: str
    text: str


def give_advice(
    settings: RefinementSettings, grid: Grid | None = None, region: RegionReach | None = None
) -> list[Advice]:
    """Warn in words. Raises `InputError` when the fulcrum lies outside the box."""
    advice = _prior_advice(settings, grid)
    if grid is not None:
        advice += _grid_advice(settings, grid)
    if region is not None:
        advice += _region_advice(settings, region)
    return advice


def _prior_advice(settings: RefinementSettings, grid: Grid | None) -> list[Advice]:
    advice = []
    if settings.prior_rotation is not None:
        ratio = math.degrees(settings.rotation_extent) / settings.prior_rotation
        beyond = beyond_in_space(ratio)
        three = math.radians(3 * settings.prior_rotation)
        if beyond > _CUT_OFF:
            advice.append(
                Advice(
                    "prior_rotation",
                    f"The extent cuts off {beyond:.0%} of this prior: it reaches {ratio:.1f}"
                    f" standard deviations. Three would be {three:.2f} rad"
                    f" ({math.degrees(three):.0f}°).",
                )
            )
        elif ratio > _WASTED_SIGMA:
            advice.append(_wasted("prior_rotation", ratio, f"{three:.2f} rad"))
    if settings.prior_shift is not None and grid is not None:
        size = grid.voxel_size_angstrom
        ratio = settings.shift_extent / 2 * size / settings.prior_shift
        beyond = beyond_in_plane(ratio)
        three = 6 * settings.prior_shift / size
        if beyond > _CUT_OFF:
            advice.append(
                Advice(
                    "prior_shift",
                    f"The extent cuts off {beyond:.0%} of this prior: its radius is {ratio:.1f}"
                    f" standard deviations. Three would be an extent of {three:.1f} px.",
                )
            )
        elif ratio > _WASTED_SIGMA:
            advice.append(_wasted("prior_shift", ratio, f"{three:.1f} px"))
    return advice


def beyond_in_space(sigmas: float) -> float:
    """Share of a Gaussian in three dimensions farther out than that: the tail of Maxwell's law."""
    inside = math.sqrt(2 / math.pi) * sigmas * math.exp(-(sigmas**2) / 2)
    return math.erfc(sigmas / math.sqrt(2)) + inside


def beyond_in_plane(sigmas: float) -> float:
    """Share of a Gaussian in two dimensions farther out than that: the tail of Rayleigh's law."""
    return math.exp(-(sigmas**2) / 2)


def _wasted(name: str, ratio: float, three: str) -> Advice:
    return Advice(
        name,
        f"The extent reaches {ratio:.0f} standard deviations of this prior, which allows nothing"
        f" that far out: an extent of {three} finds the same in less time.",
    )


def _grid_advice(settings: RefinementSettings, grid: Grid) -> list[Advice]:
    advice = []
    nyquist = 2 * grid.voxel_size_angstrom
    if settings.initial_lowpass < nyquist:
        advice.append(
            Advice(
                "initial_lowpass",
                f"Finer than the map resolves ({nyquist:g} Å): the starting map is not filtered.",
            )
        )
    if settings.shift_extent > grid.box_px:
        advice.append(
            Advice(
                "shift_extent", f"Wider than the box of {grid.box_px} px: the run would not start."
            )
        )
    return advice


def _region_advice(settings: RefinementSettings, region: RegionReach) -> list[Advice]:
    size = region.voxel_size_angstrom
    fulcrum = resolve_fulcrum(settings, Grid(region.box_px, size), region)
    name = "fulcrum_angstrom" if settings.fulcrum_angstrom is not None else "fulcrum"
    far_off = settings.fulcrum_warnings(
        region.box_px, size, region.centre_angstrom, region.radius_angstrom
    )
    advice = [Advice(name, _sentence(text)) for text in far_off]
    angle, radius = settings.rotation_extent, settings.shift_extent / 2 * size
    far_end = region.farthest_angstrom(fulcrum)
    swing = chord_angstrom(far_end, angle)
    if swing < size / 2:
        least = 2 * math.asin(min(1.0, size / 2 / (2 * far_end))) if far_end else math.pi
        advice.append(
            Advice(
                "rotation_extent",
                f"Too small for this lever arm: it moves even the far end of the region,"
                f" {far_end:.0f} Å from the fulcrum, by only {swing:.2g} Å, less than half a"
                f" voxel. Half a voxel would be {least:.2g} rad.",
            )
        )
    carried = chord_angstrom(region.lever_angstrom(fulcrum), angle)
    # A fulcrum that was chosen is taken for the hinge; without one, the region may turn anywhere.
    if settings.fulcrum in (None, "box") and name == "fulcrum" and carried > radius:
        needed = 2 * carried / size
        advice.append(
            Advice(
                "shift_extent",
                f"Too small for this lever arm: about the centre of the box a turn by"
                f" {math.degrees(angle):.0f}° carries the region's centre {carried:.0f} Å away,"
                f" and a region that turns in place needs to be shifted back, but shifts reach"
                f" {radius:.1f} Å. Set the fulcrum (the hinge, or 'mask'), or an extent of"
                f" {needed:.0f} px.",
            )
        )
    if radius > region.radius_angstrom:
        advice.append(
            Advice(
                "shift_extent",
                f"Shifts reach {radius:.0f} Å, beyond the region's own radius of"
                f" {region.radius_angstrom:.0f} Å: it may be placed beside itself.",
            )
        )
    if settings.initial_lowpass > 2 * region.radius_angstrom:
        advice.append(
            Advice(
                "initial_lowpass",
                f"Coarser than the region is wide ({2 * region.radius_angstrom:.0f} Å): no shape"
                " is left to align by.",
            )
        )
    return advice


def resolve_fulcrum(
    settings: RefinementSettings, grid: Grid, region: RegionReach | None
) -> Float[np.ndarray, "3"]:
    """Give the fulcrum in Å from voxel N//2. Raises `InputError`, also for 'mask' without one."""
    centre = None if region is None else region.centre_angstrom
    return settings.resolve_fulcrum_angstrom(grid.box_px, grid.voxel_size_angstrom, centre)


def in_other_units(
    name: str,
    settings: RefinementSettings,
    grid: Grid | None = None,
    region: RegionReach | None = None,
) -> str:
    """Say a setting in the other units that people think in; empty where there are none."""
    value = getattr(settings, name)
    number = float(value) if isinstance(value, int | float) else math.nan
    if name == "rotation_extent":
        return _rotation_words(settings, grid, region)
    if name == "prior_rotation" and math.isfinite(number):
        return f"{math.radians(number):.3g} rad"
    if grid is None:
        return ""
    size = grid.voxel_size_angstrom
    if name == "shift_extent":
        return f"{number * size:.3g} Å across: up to {number * size / 2:.3g} Å each way"
    if name == "initial_lowpass":
        return f"shell {grid.box_px * size / number:.0f} of {grid.box_px // 2}"
    in_angstrom = name == "prior_shift" or (
        name in ("dynamic_mask_near", "dynamic_mask_far")
        and not settings.dynamic_mask_in_resolutions
    )
    if in_angstrom and math.isfinite(number):
        return f"{number / size:.3g} px"
    if name in ("fulcrum", "fulcrum_angstrom"):
        return _fulcrum_words(name, settings, grid, region)
    return ""


def _rotation_words(
    settings: RefinementSettings, grid: Grid | None, region: RegionReach | None
) -> str:
    words = f"{math.degrees(settings.rotation_extent):.1f}°"
    if grid is None or region is None:
        return words
    try:
        far_end = region.farthest_angstrom(resolve_fulcrum(settings, grid, region))
    except InputError:
        return words
    swing = chord_angstrom(far_end, settings.rotation_extent)
    return f"{words}: moves the region's far end by up to {swing:.3g} Å"


def _fulcrum_words(
    name: str, settings: RefinementSettings, grid: Grid, region: RegionReach | None
) -> str:
    used = "fulcrum" if settings.fulcrum_angstrom is None else "fulcrum_angstrom"
    if name != used:
        return ""
    try:
        point = resolve_fulcrum(settings, grid, region)
    except InputError:
        return ""
    voxels = angstrom_to_voxels(point, *grid)
    # The unit that was not typed.
    words = f"{_triple(voxels)} voxels" if name == "fulcrum_angstrom" else f"{_triple(point)} Å"
    if region is not None:
        words += f"; {region.lever_angstrom(point):.0f} Å from the region's centre"
    return words


def _triple(values: Float[np.ndarray, "3"]) -> str:
    # Adding zero turns -0.0 into 0.0.
    return ", ".join(f"{value + 0.0:.1f}" for value in np.round(values, 1))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
