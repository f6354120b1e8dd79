"""The fulcrum as people type it, in voxels or in Å, and the slips between the two."""

import math

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError


def voxels_to_angstrom(
    point_voxels: Float[np.ndarray, "3"], box_px: int, voxel_size_angstrom: float
) -> Float[np.ndarray, "3"]:
    """Convert (x, y, z) in voxels from the corner to Å relative to voxel N//2."""
    return (np.asarray(point_voxels, dtype=np.float64) - box_px // 2) * voxel_size_angstrom


def angstrom_to_voxels(
    point_angstrom: Float[np.ndarray, "3"], box_px: int, voxel_size_angstrom: float
) -> Float[np.ndarray, "3"]:
    """Convert (x, y, z) in Å relative to voxel N//2 to voxels from the corner."""
    return np.asarray(point_angstrom, dtype=np.float64) / voxel_size_angstrom + box_px // 2


def parse_point(text: str, flag: str) -> tuple[float, float, float]:
    """Read `X,Y,Z` as three numbers. Raises `InputError` naming `flag`."""
    try:
        x, y, z = (float(part) for part in text.split(","))
    except ValueError:
        x = y = z = math.nan
    if not all(math.isfinite(value) for value in (x, y, z)):
        raise InputError(
            f"{flag} {text!r}: expected three numbers X,Y,Z without spaces, as in 64,82.5,55"
        )
    return (x, y, z)


def describe_point(
    point_angstrom: Float[np.ndarray, "3"], box_px: int, voxel_size_angstrom: float
) -> str:
    """Name the point in both units."""
    voxels = angstrom_to_voxels(point_angstrom, box_px, voxel_size_angstrom)
    return f"{_triple(voxels)} voxels from the corner = {_triple(point_angstrom)} Å from the centre"


def check_inside_box(
    point_angstrom: Float[np.ndarray, "3"],
    box_px: int,
    voxel_size_angstrom: float,
    *,
    typed_in_angstrom: bool,
) -> Float[np.ndarray, "3"]:
    """Return the point when it lies inside the box; else raise `InputError` guessing the unit."""
    voxels = angstrom_to_voxels(point_angstrom, box_px, voxel_size_angstrom)
    # Half a voxel beyond the outer centres still is inside the outer voxels.
    if np.all(voxels >= -0.5) and np.all(voxels <= box_px - 0.5):
        return point_angstrom
    message = (
        f"the fulcrum, {describe_point(point_angstrom, box_px, voxel_size_angstrom)}, lies outside"
        f" the box of {box_px} voxels ({voxel_size_angstrom:g} Å each)."
    )
    if typed_in_angstrom:
        raise InputError(
            message + " fulcrum_angstrom counts from the map's centre; use fulcrum for voxels."
        )
    scaled = voxels / voxel_size_angstrom
    if np.all(scaled >= 0) and np.all(scaled <= box_px - 1):
        raise InputError(
            message + f" If the numbers are Å from the corner, give voxels: {_triple(scaled)};"
            " if they are Å from the map's centre, use fulcrum_angstrom."
        )
    raise InputError(message + f" Each of x,y,z must be between 0 and {box_px - 1} voxels.")


def far_from_mask_warnings(
    point_angstrom: Float[np.ndarray, "3"],
    box_px: int,
    voxel_size_angstrom: float,
    mask_centre_angstrom: Float[np.ndarray, "3"],
    mask_radius_angstrom: float,
    *,
    typed_in_angstrom: bool,
) -> list[str]:
    """Warn of a fulcrum inside the box but far from the mask.

    A hinge sits at the rim of the moving region; beyond twice the mask's radius from its centre
    is more often a unit mistaken (Å typed for voxels) than a long lever.
    """
    distance_angstrom = float(np.linalg.norm(point_angstrom - mask_centre_angstrom))
    if distance_angstrom <= 2 * mask_radius_angstrom:
        return []
    slip = (
        "fulcrum_angstrom counts from the map's centre"
        if typed_in_angstrom
        else "fulcrum counts in voxels from the corner, not in Å"
    )
    message = (
        f"the fulcrum, {describe_point(point_angstrom, box_px, voxel_size_angstrom)},"
        f" is {distance_angstrom:.0f} Å from the mask's centre, far beyond the mask's radius of"
        f" {mask_radius_angstrom:.0f} Å. Check its unit: {slip}."
    )
    return [message]


def _triple(values: Float[np.ndarray, "3"]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
