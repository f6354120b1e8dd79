"""Masks on the disc: on the map's grid, with the origin that every program expects of them."""

import os

import numpy as np

from locref_widgets.io.box_position import OFFSET_TOLERANCE_PX, BoxPosition
from locref_widgets.io.mrc import Map, check_same_grid, write_map


def write_mask(path: str | os.PathLike[str], mask: Map, volume: Map) -> None:
    """Write a mask for a map: the map's box and voxels, origin [0, 0, 0], float32.

    RELION and cryoSPARC take a mask voxel by voxel, and some programs stumble over an origin that
    is not zero. Where the map's box lies a whole number of voxels from zero the mask says so by its
    start (NXSTART, …), which these programs do not read and ChimeraX does: it is shown on its map.

    Raises
    ------
    InputError
        If the mask is not on the map's grid.
    OutputError
        If the file cannot be written.
    """
    check_same_grid(volume, mask, "the mask")
    write_map(path, mask.data, volume.voxel_size_angstrom, mask_position(volume))


def mask_position(volume: Map) -> BoxPosition:
    """Where the header of a mask for this map says that its box lies."""
    corner_px = volume.position.corner_px(volume.voxel_size_angstrom)
    start = np.rint(corner_px)
    if np.any(np.abs(corner_px - start) > OFFSET_TOLERANCE_PX):
        return BoxPosition()
    x, y, z = (int(value) for value in start)
    return BoxPosition(start_px=(x, y, z))
