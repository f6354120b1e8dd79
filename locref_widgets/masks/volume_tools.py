"""Tools that make one map from another: filters, boxes, hand, threshold.

Each returns a new `Map` without a path and adds to its remarks what was done. Voxel N//2 stays
the centre of rotation, and the box stays where it lies among models and other maps: `position`
follows.
"""

# ruff: noqa: A002

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from locref_widgets.engine import filters
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.mrc import Map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom

_RANGE_TOLERANCE = 1e-3
_LARGEST_PX = 2048
"""Such a map takes 34 GB."""
"""Masks resampled or low-passed by other programs leave [0, 1] by about this much."""

_WHOLE_PX = 1e-4
"""A place this near to whole voxels is one: cells and origins are float32 in a header."""


@dataclass(frozen=True)
class CentreOfMass:
    """Where the weight of a mask lies, (x, y, z)."""

    voxels: tuple[float, float, float]
    """From the corner of the box: voxel (0, 0, 0)."""
    angstrom: tuple[float, float, float]
    """From voxel N//2 of each axis, the centre of rotation."""


def lowpass(map: Map, resolution_angstrom: float) -> Map:
    """Butterworth low-pass of order 8 (as in cryoSPARC 5): amplitude 1/sqrt(2) at the resolution.

    Finer than the voxels can hold, it leaves the map as it is.

    Raises
    ------
    InputError
        If the resolution is not above 0 Å or coarser than the box, or the map is not cubic.
    """
    box_angstrom = map.box_px * map.voxel_size_angstrom
    if not 0 < resolution_angstrom <= box_angstrom:
        raise InputError(
            f"low-pass to {resolution_angstrom:g} Å: expected a resolution in Å above 0 and up to "
            f"the length of the box, {box_angstrom:g} Å."
        )
    nyquist_angstrom = 2.0 * map.voxel_size_angstrom
    if resolution_angstrom < nyquist_angstrom:
        said = (
            f"was not low-passed: {resolution_angstrom:g} Å is finer than its voxels can hold "
            f"({nyquist_angstrom:.4g} Å)"
        )
        return _changed(map, map.data, said)
    smooth = filters.lowpass(map.data, map.voxel_size_angstrom, resolution_angstrom)
    return _changed(map, np.array(smooth), f"low-passed to {resolution_angstrom:g} Å")


def crop(map: Map, size_px: int) -> Map:
    """Cut a cube of ``size_px`` voxels out of a map, voxel N//2 on voxel ``size_px // 2``.

    Values are unchanged. A box that is not a cube becomes one.

    Raises
    ------
    InputError
        If the size is below 1 or larger than the box.
    """
    nx, ny, nz = map.size_xyz
    if not 1 <= size_px <= min(nx, ny, nz):
        raise InputError(
            f"crop to {size_px} voxels: the box has {nx} x {ny} x {nz}; expected at least 1 and "
            f"at most {min(nx, ny, nz)}. For more, smaller voxels resample the map."
        )
    first = [size // 2 - size_px // 2 for size in map.data.shape]
    z, y, x = (slice(start, start + size_px) for start in first)
    corner = map.corner_angstrom + np.array(first[::-1]) * map.voxel_size_angstrom
    return replace(
        _changed(
            map, map.data[z, y, x].copy(), f"cropped from {nx} x {ny} x {nz} to {size_px} voxels"
        ),
        position=_position(corner, map.voxel_size_angstrom, map.position),
    )


def resample_box(map: Map, size_px: int) -> Map:
    """Give a map other voxels: ``size_px`` along the same length in Å, by its Fourier transform.

    Fewer voxels lose the frequencies that they cannot hold, more add none. Values keep their scale,
    voxel N//2 stays the centre. Between an odd and an even number of voxels the corner moves by up
    to half a voxel against that centre; `position` tells by how much.

    Raises
    ------
    InputError
        If the size is below 2 or over 2048, or the map is not cubic.
    """
    old_px = map.box_px
    if size_px < 2:
        raise InputError(f"resample to {size_px} voxels: expected 2 or more along an edge.")
    if size_px > _LARGEST_PX:
        raise InputError(f"resample to {size_px} voxels: expected {_LARGEST_PX} at most.")
    change = filters.fourier_crop if size_px < old_px else filters.fourier_pad
    voxel = map.voxel_size_angstrom * old_px / size_px
    moved = (old_px // 2) * map.voxel_size_angstrom - (size_px // 2) * voxel
    return replace(
        _changed(
            map,
            np.array(change(map.data, size_px)),
            f"resampled from {old_px} to {size_px} voxels of {voxel:.4f} Å",
        ),
        voxel_size_angstrom=voxel,
        position=_position(map.corner_angstrom + moved, voxel, map.position),
    )


def flip_hand(map: Map) -> Map:
    """Mirror a map along z about voxel N//2, which changes its hand.

    With an even number of voxels the first plane has no partner and stays, so that twice is none.
    ``relion_image_handler --invert_hand`` mirrors x so, in even boxes: its map is this one turned
    by 180° about y. (In odd ones it mirrors about N / 2, half a voxel beside the centre.)
    """
    flipped = np.flip(map.data, axis=0)
    if map.data.shape[0] % 2 == 0:
        flipped = np.roll(flipped, 1, axis=0)
    return _changed(map, np.ascontiguousarray(flipped), "mirrored along z: its hand is changed")


def threshold(map: Map, level: float) -> Map:
    """Binary mask: 1 where the map reaches ``level``, 0 elsewhere, float32.

    Raises
    ------
    InputError
        If the level is NaN or no voxel reaches it.
    """
    inside = map.data >= level
    if not inside.any():
        raise InputError(
            f"{map.name}: no voxel reaches the threshold {level:g}; the values go from "
            f"{map.data.min():.4g} to {map.data.max():.4g}. Lower the threshold."
        )
    return _changed(map, inside.astype(np.float32), f"cut at the threshold {level:g}")


def invert(mask: Map) -> Map:
    """One minus the mask.

    Raises
    ------
    InputError
        If values lie outside 0 to 1: it is not a mask.
    """
    lowest, highest = float(mask.data.min()), float(mask.data.max())
    if not (lowest >= -_RANGE_TOLERANCE and highest <= 1.0 + _RANGE_TOLERANCE):
        raise InputError(
            f"{mask.name}: holds values from {lowest:.4g} to {highest:.4g}; only a mask, from 0 "
            "to 1, can be inverted. Cut the map at a threshold first."
        )
    return _changed(mask, np.clip(np.float32(1.0) - mask.data, 0.0, 1.0), "inverted (1 - mask)")


def centre_of_mass(map: Map) -> CentreOfMass:
    """Mean position of a mask's voxels, weighted by their values.

    Raises
    ------
    InputError
        If the values do not sum to more than 0.
    """
    angstrom = centre_of_mass_angstrom(map.data, map.voxel_size_angstrom)
    voxels = angstrom / map.voxel_size_angstrom + np.array(map.size_xyz) // 2
    return CentreOfMass(_triple(voxels), _triple(angstrom))


def _triple(values: Float[np.ndarray, "3"]) -> tuple[float, float, float]:
    x, y, z = values.tolist()
    return x, y, z


def _changed(map: Map, data: Float[np.ndarray, "z y x"], said: str) -> Map:
    return replace(map, data=data, path=None, remarks=(*map.remarks, f"{map.name}: {said}."))


def _position(
    corner_angstrom: Float[np.ndarray, "3"], voxel_size_angstrom: float, before: BoxPosition
) -> BoxPosition:
    """Say where a corner lies in the field of the header that said it before, if that holds it."""
    corner_px = corner_angstrom / voxel_size_angstrom
    start = np.rint(corner_px)
    if np.all(np.abs(corner_px - start) < _WHOLE_PX):
        corner_angstrom = start * voxel_size_angstrom
        if not start.any():
            return AT_ZERO
        x, y, z = (int(value) for value in start)
        if not any(before.origin_angstrom):
            return BoxPosition(start_px=(x, y, z))
        if any(before.start_px):
            return BoxPosition((x, y, z), _triple(corner_angstrom))
    return BoxPosition(origin_angstrom=_triple(corner_angstrom))
