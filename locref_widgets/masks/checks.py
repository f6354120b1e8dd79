"""What is wrong with a mask, said before it costs an afternoon of refinement."""

import math

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.masks import check_place, check_values
from locref_widgets.masks.mask_check import MaskCheck, Mend, describe_checks, worst_state
from locref_widgets.masks.mask_measures import covers_the_box, density_share, edge_width_angstrom

__all__ = [
    "MaskCheck",
    "Mend",
    "check_mask",
    "check_mask_alone",
    "check_usable",
    "covers_the_box",
    "density_share",
    "describe_checks",
    "edge_width_angstrom",
    "examine_mask",
    "worst_state",
]


def examine_mask(
    mask: Map,
    reference: Map | None = None,
    *,
    resolution_angstrom: float | None = None,
    fulcrum_voxels: tuple[float, float, float] | None = None,
    selects_part: bool = True,
) -> list[MaskCheck]:
    """Look at everything about a mask, good and bad; nothing is raised for a mask at fault.

    Names of the checks, in this order: ``grid``, ``origin``, ``values``, ``range``, ``size``,
    ``islands``, ``holes``, ``box edge``, ``binary``, ``soft edge`` (of masks that are not binary),
    ``density`` (with a reference on whose grid the mask lies) and ``fulcrum`` (where one is given).
    A mask that holds NaN, no mask's values, or nothing is looked at no further.

    Parameters
    ----------
    reference
        The map that the mask is for.
    resolution_angstrom
        What the edge must be soft enough for; Nyquist when not given.
    fulcrum_voxels
        (x, y, z) in voxels from the corner of the map's box.
    selects_part
        Whether the mask is to select a part of the particle, as for refinement.
    """
    if resolution_angstrom is not None and not 0.0 < resolution_angstrom < math.inf:
        raise InputError(f"a resolution of {resolution_angstrom} Å: expected a length above 0.")
    on_grid, mask = check_place.grid(mask, reference)
    checks = [on_grid]
    if on_grid.is_ok:
        checks.append(check_place.origin(mask, reference))
    resolution = resolution_angstrom or 2.0 * mask.voxel_size_angstrom
    unusable = _value_checks(mask, resolution)
    checks += unusable
    if worst_state(unusable) == "fault":
        return checks
    checks += [check_values.islands(mask), check_values.holes(mask), check_values.box_edge(mask)]
    checks += check_values.soft_edge(mask, resolution)
    if reference is not None and on_grid.state != "fault" and selects_part:
        checks.append(check_place.density(mask, reference))
    if fulcrum_voxels is not None and on_grid.state != "fault":
        checks.append(check_place.fulcrum(mask, fulcrum_voxels))
    return checks


def check_mask(
    mask: Map,
    reference: Map,
    *,
    resolution_angstrom: float | None = None,
    selects_part: bool = True,
) -> list[str]:
    """Warnings about a mask for a map, each a sentence that says how to mend it; empty if none.

    ``resolution_angstrom`` is what the edge must be soft enough for; Nyquist when not given.
    ``selects_part`` says whether the mask is to select a part of the particle, as for refinement.

    Raises
    ------
    InputError
        if the mask cannot be used: another grid than the map's, NaN, negative, over 1, or empty.
    """
    check_same_grid(reference, mask, "the mask")
    told = check_mask_alone(mask, resolution_angstrom=resolution_angstrom)
    cover = [check_place.density(mask, reference)] if selects_part else []
    return told + _sentences(mask, cover)


def check_mask_alone(mask: Map, *, resolution_angstrom: float | None = None) -> list[str]:
    """The warnings of `check_mask` that need no map: edges and islands. Raises as it does."""
    check_usable(mask)
    edges = check_values.soft_edge(mask, resolution_angstrom or 2.0 * mask.voxel_size_angstrom)
    return _sentences(mask, [*edges, check_values.box_edge(mask), check_values.islands(mask)])


def check_usable(mask: Map) -> None:
    """Raise `InputError` if a mask holds NaN, is negative, over 1, or empty."""
    for check in _value_checks(mask, 2.0 * mask.voxel_size_angstrom):
        if check.state == "fault":
            raise InputError(f"{_name(mask)}: {check.text}")


def _value_checks(mask: Map, resolution_angstrom: float) -> list[MaskCheck]:
    """Whether it is a mask at all, up to the first fault."""
    edge_px = check_values.needed_edge_px(resolution_angstrom, mask.voxel_size_angstrom)
    checks = [check_values.finite(mask)]
    for look in (check_values.value_range, check_values.empty):
        if not checks[-1].is_ok:
            break
        checks.append(look(mask, edge_px))
    return checks


def _sentences(mask: Map, checks: list[MaskCheck]) -> list[str]:
    return [f"{_name(mask)}: {check.text}" for check in checks if not check.is_ok]


def _name(mask: Map) -> str:
    return str(mask.path or "the mask given")
