"""Where the region's templates are centred, and how large a box about it is cut from images."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.grids import convenient_box
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.masks.eraser import Sphere, erase

_COVERED = 0.5
"""Mask value from which a voxel counts as inside, for the region's size."""
_MARGIN_VOXELS = 0.5
_SMALLEST_RADIUS_PX = 3.0
_SOFT_PX = 3.0
"""Edge of a region that is cut down, beyond the ball: that of reconstructions (`soft_sphere`)."""
_WORTH_TELLING = 0.005
"""Share of a mask from which it is told that it is left out: less is dust."""


@dataclass(frozen=True)
class RegionPlace:
    """The place of a region in its map, and in the images.

    Attributes
    ----------
    centre_voxels
        Voxel ``(x, y, z)``, relative to the centre of the map's box, that is the box's centre.
    box_px
        Edge of the box that images are cut to; its transforms are fast.
    mask
        The mask, without what no such box would hold.
    left_out
        Share of the mask that this is.
    """

    centre_voxels: Int[np.ndarray, " 3"]
    box_px: int
    mask: Float[np.ndarray, "z y x"]
    left_out: float

    def spread_px2(self) -> float:
        """Mean square of one coordinate of the mask's points about the centre."""
        z, y, x = np.nonzero(self.mask > 0)
        points = np.stack([x, y, z], axis=-1) - self.mask.shape[-1] // 2 - self.centre_voxels
        return float(np.average(np.sum(points**2, axis=1), weights=self.mask[z, y, x]) / 3)


def place_region(mask: Map) -> RegionPlace:
    """Place the box about a region that holds it whichever way it is turned.

    Its centre is the mask's centre of mass. It is never larger than an image: beyond an image's
    edge there is neither signal nor noise, and what a slice would show there comes in again from
    the other side. A mask that does not fit an image about its centre of mass is placed about the
    map's centre if it fits there; else it is cut down to a ball as wide as an image.

    Raises `InputError` when the region is too small to be aligned.
    """
    of_map = np.zeros(3, int)
    of_mass = np.rint(centre_of_mass_angstrom(mask.data, 1.0)).astype(int)
    points = np.argwhere(mask.data >= _COVERED * mask.data.max())[:, ::-1] - mask.box_px // 2
    radius = _farthest_px(points, of_mass)
    if radius < _SMALLEST_RADIUS_PX:
        raise InputError(
            f"{mask.path or 'the mask given'}: the region inside the mask is"
            f" {2 * radius + 1:.0f} voxels across; nothing so small can be aligned. Give a"
            f" mask of at least {2 * _SMALLEST_RADIUS_PX:.0f} voxels across (a rule of thumb: 100"
            " kDa)."
        )
    for centre in (of_mass, of_map):
        needed_px = 2 * (_farthest_px(points, centre) + _MARGIN_VOXELS)
        if needed_px <= mask.box_px:
            return RegionPlace(centre, convenient_box(needed_px), mask.data, 0.0)
    x, y, z = (float(place) for place in of_mass + mask.box_px // 2)
    ball = Sphere(x, y, z, mask.box_px / 2)
    held = erase(mask.data, [ball], outside=True, soft_px=_SOFT_PX)
    left_out = 1.0 - float(held.sum(dtype=float) / mask.data.sum(dtype=float))
    return RegionPlace(of_mass, convenient_box(mask.box_px), held, left_out)


def place_warnings(mask: Map) -> list[str]:
    """Say how much of a mask is left out, if that is worth telling; raises as `place_region`."""
    left_out = place_region(mask).left_out
    if left_out < _WORTH_TELLING:
        return []
    told = (
        f"{mask.path or 'the mask given'}: {100 * left_out:.1f} % of the mask lie more than half a"
        " box from its centre: images do not show them from all sides, and they are left out of"
        " the region. Remove pieces that lie apart, or extract the particles in a larger box."
    )
    return [told]


def _farthest_px(points: Int[np.ndarray, "n 3"], centre: Int[np.ndarray, " 3"]) -> float:
    return float(np.linalg.norm(points - centre, axis=1).max())
