"""A map cut into watershed regions and grouped by smoothing: made once, then asked as a tree."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int32, Int64

from locref_widgets.masks.contacts import Contacts, find_contacts
from locref_widgets.masks.hierarchy import Hierarchy
from locref_widgets.masks.protein_mass import check_voxel_size
from locref_widgets.masks.scale_space import check_steps, group_by_smoothing
from locref_widgets.masks.smoothing import check_smoothing, smooth
from locref_widgets.masks.watershed import find_regions

if TYPE_CHECKING:
    from locref_widgets.masks.region_tree import RegionTree


@dataclass(frozen=True, eq=False)
class Segmentation:
    """Watershed regions (leaves) of a map and their groups. Nothing of it changes.

    Tables of leaves are indexed by their labels 1..n; entry 0 stands for the outside.
    """

    volume: Float[np.ndarray, "z y x"]
    """The map that was cut up, smoothed beforehand if that was asked for."""

    level: float
    voxel_size_angstrom: float
    labels: Int32[np.ndarray, "z y x"]
    """The leaf of every voxel, 0 outside."""

    hierarchy: Hierarchy

    def tree(self, level: int | None = None) -> "RegionTree":
        """The regions at a level of grouping; at the last one if none is given.

        Raises
        ------
        InputError
            if there is no such level.
        """
        from locref_widgets.masks.region_tree import RegionTree

        tree = RegionTree(self, self.hierarchy.n_levels - 1)
        return tree if level is None else tree.group_to(level)

    @cached_property
    def leaf_voxels(self) -> Int64[np.ndarray, " leaves"]:
        """How many voxels every leaf has."""
        sizes = np.bincount(self.labels.ravel(), minlength=self.hierarchy.n_leaves + 1)
        sizes[0] = 0
        return sizes

    @property
    def leaf_points_xyz(self) -> Int64[np.ndarray, "leaves 3"]:
        """The voxel of every leaf's maximum."""
        return self.hierarchy.points_xyz[: self.hierarchy.n_leaves + 1]

    @cached_property
    def leaf_maxima(self) -> Float[np.ndarray, " leaves"]:
        """Density of every leaf's maximum; minus infinity for the outside."""
        x, y, z = self.leaf_points_xyz.T
        maxima = self.volume[z, y, x]
        maxima[0] = -np.inf
        return maxima

    @cached_property
    def leaves_by_height(self) -> Int64[np.ndarray, " leaves"]:
        """The leaves from the highest maximum to the lowest, then the outside."""
        return np.argsort(-self.leaf_maxima, kind="stable")

    @cached_property
    def contacts(self) -> Contacts:
        """Where leaves touch."""
        return find_contacts(self.labels, self.volume)


def segment(
    volume: Float[np.ndarray, "z y x"],
    level: float,
    *,
    voxel_size_angstrom: float = 1.0,
    smoothing_px: float = 0.0,
    steps: int = 4,
    step_px: float = 1.0,
) -> Segmentation:
    """Cut a map into watershed regions and group them in steps of smoothing, as Segger does.

    Parameters
    ----------
    volume
        density, in any unit
    level
        lowest density that belongs to a region, in the map's unit (`suggest_level` suggests one)
    voxel_size_angstrom
        for volumes and masses of regions
    smoothing_px
        standard deviation in voxels of a Gaussian that the map is smoothed with beforehand, for
        noisy maps. The level then refers to the smoothed map.
    steps, step_px
        how many times to group, and by how many voxels of standard deviation each step smooths more
        than the one before

    Raises
    ------
    InputError
        if the level is above the map's maximum, a parameter is out of its range, or the map holds
        NaN.
    """
    check_voxel_size(voxel_size_angstrom)
    check_steps(steps, step_px)
    check_smoothing(smoothing_px, "smoothing")
    if smoothing_px > 0:
        volume = smooth(volume, smoothing_px)
    regions = find_regions(volume, level)
    hierarchy = group_by_smoothing(volume, regions.points_xyz, steps=steps, step_px=step_px)
    return Segmentation(volume, float(level), float(voxel_size_angstrom), regions.labels, hierarchy)
