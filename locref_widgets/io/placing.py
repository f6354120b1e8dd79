"""Bringing a map onto the grid of another where whole voxels part them, without interpolation."""

from dataclasses import replace

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import OFFSET_TOLERANCE_PX
from locref_widgets.io.mrc import (
    RESAMPLE,
    Map,
    check_same_voxels,
    is_displaced,
    offset_px,
)

_NOTHING = 0.01
"""Values below this share of the greatest are not missed when cut off."""


def place_on_grid(reference: Map, other: Map, what: str) -> Map:
    """Put ``other`` into the reference's box: the same voxels where both lie, zero elsewhere.

    For masks that were cut out of the map's box, or moved by whole voxels, as start and origin in
    their headers tell. What lies on the reference's grid already is returned as it is. ``remarks``
    of the result say what was done.

    Raises
    ------
    InputError
        If the voxel sizes differ, the boxes are not whole voxels apart, nothing of ``other`` lies
        in the reference's box, or it has another size and does not say where it lies.
    """
    same_size = other.data.shape == reference.data.shape
    if same_size and not is_displaced(reference, other):
        return other
    check_same_voxels(reference, other, what)
    here, there = other.path or "the array given", reference.path or "the array given"
    if not (same_size or _says_where(reference, other)):
        raise InputError(
            f"{here}: {what} has a box of {_sizes(other)} voxels, but the map {there} has "
            f"{_sizes(reference)}, and start and origin in its header do not say where in the "
            f"map's box it belongs. {RESAMPLE}, or save it with its origin."
        )
    offset = offset_px(reference, other)
    shift = np.rint(offset).astype(np.int64)
    if np.any(np.abs(offset - shift) > OFFSET_TOLERANCE_PX):
        raise InputError(
            f"{here}: {what} lies between the voxels of the map {there}: by start and origin in "
            f"its header its first voxel is {_list(offset, '.2f')} voxels (x, y, z) from the "
            f"map's. {RESAMPLE}."
        )
    placed, lost = _copied(reference, other, shift)
    if other.data.any() and not placed.any():
        raise InputError(
            f"{here}: nothing of {what} lies in the box of the map {there}: by start and origin in "
            f"its header its first voxel is {_list(shift, 'd')} voxels (x, y, z) from the map's. "
            f"{RESAMPLE}, or mend the header that is wrong."
        )
    remark = (
        f"{here}: {what} ({_sizes(other)} voxels) was placed in the box of the map "
        f"({_sizes(reference)}) with its first voxel at {_list(shift, 'd')} (x, y, z), where start "
        "and origin in its header say it lies; its values are unchanged"
        + (f", {lost} voxels of it lie outside the map's box and are cut off." if lost else ".")
    )
    return replace(
        other,
        data=placed,
        voxel_size_angstrom=reference.voxel_size_angstrom,
        position=reference.position,
        remarks=(*other.remarks, remark),
    )


def grid_remarks(reference: Map, other: Map, what: str) -> list[str]:
    """Tell, in a sentence, that a map on the reference's grid has another origin in its header."""
    offset = offset_px(reference, other)
    if other.data.shape != reference.data.shape or np.all(np.abs(offset) < OFFSET_TOLERANCE_PX):
        return []
    remark = (
        f"{other.path or 'the array given'}: {what} has the map's box but another origin "
        f"({_list(offset, '.2f')} voxels from the map's in x, y, z), one that programs write "
        "without meaning a place. It is taken voxel by voxel as it stands; if it was meant to lie "
        "elsewhere, resample it on the map's grid."
    )
    return [remark]


def _says_where(reference: Map, other: Map) -> bool:
    """Whether the position of a box of another size is a statement about the reference's box."""
    voxel = other.voxel_size_angstrom
    if other.position.names_only_the_centre(other.size_xyz, voxel):
        return reference.position.names_only_the_centre(reference.size_xyz, voxel)
    return not other.position.is_unstated(voxel)


def _copied(reference: Map, other: Map, shift_xyz: np.ndarray) -> tuple[np.ndarray, int]:
    """Copy the common part; also count the voxels with something in them that have no place."""
    placed = np.zeros_like(reference.data)
    shift = shift_xyz[::-1]
    size, room = np.array(other.data.shape), np.array(reference.data.shape)
    first, last = np.clip(shift, 0, room), np.clip(shift + size, 0, room)
    into = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    out_of = tuple(slice(a, max(a, b)) for a, b in zip(first - shift, last - shift, strict=True))
    if np.all(last > first):
        placed[into] = other.data[out_of]
    level = _NOTHING * np.abs(other.data).max()
    lost = np.count_nonzero(np.abs(other.data) > level) - np.count_nonzero(np.abs(placed) > level)
    return placed, int(lost)


def _sizes(volume: Map) -> str:
    return " x ".join(map(str, volume.size_xyz))


def _list(values: np.ndarray, form: str) -> str:
    return ", ".join(format(value, form) for value in values.tolist())
