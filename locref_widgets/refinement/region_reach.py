"""Where the region inside a mask lies and how far a turn about a point swings it."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial import ConvexHull, QhullError

from locref_widgets.io.mrc import Map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom

_INSIDE = 0.5
"""Mask value from which a voxel counts as inside."""


@dataclass(frozen=True)
class RegionReach:
    """A mask's region on its grid; points are (x, y, z) in Å relative to voxel N//2."""

    box_px: int
    voxel_size_angstrom: float
    centre_angstrom: Float[np.ndarray, "3"]
    """Centre of mass of the mask."""
    corners_angstrom: Float[np.ndarray, "n 3"]
    """Corners of the convex hull of the voxels inside: the farthest voxel from any point is one."""

    def farthest_angstrom(self, point_angstrom: Float[np.ndarray, "3"]) -> float:
        """Distance from a point to the region's voxel farthest from it."""
        return float(np.linalg.norm(self.corners_angstrom - point_angstrom, axis=1).max())

    @property
    def radius_angstrom(self) -> float:
        """Radius of the ball about the centre of mass that holds the voxels inside."""
        return self.farthest_angstrom(self.centre_angstrom)

    def lever_angstrom(self, point_angstrom: Float[np.ndarray, "3"]) -> float:
        """Distance from a point to the region's centre of mass."""
        return float(np.linalg.norm(self.centre_angstrom - point_angstrom))


def measure_region(mask: Map) -> RegionReach:
    """Measure a mask.

    Raises
    ------
    InputError
        If the mask is zero everywhere.
    """
    size, middle = mask.voxel_size_angstrom, mask.box_px // 2
    centre = centre_of_mass_angstrom(mask.data, size)
    voxels = np.argwhere(mask.data >= _INSIDE)
    points = (voxels[:, ::-1] - middle) * float(size)
    if len(points) == 0:
        points = centre[None]
    return RegionReach(mask.box_px, float(size), centre, _hull_corners(points))


def chord_angstrom(distance_angstrom: float, angle_rad: float) -> float:
    """Straight way of a point at that distance from an axis when it turns by that angle."""
    return 2.0 * distance_angstrom * math.sin(min(abs(angle_rad), math.pi) / 2.0)


def _hull_corners(points: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "m 3"]:
    try:
        return points[ConvexHull(points).vertices]
    except QhullError:  # fewer than four points, or all in one plane
        return points
