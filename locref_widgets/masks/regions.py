"""What is told of a region of a segmentation."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64

from locref_widgets.masks.protein_mass import protein_mass_kda
from locref_widgets.masks.segmentation import Segmentation

Point = tuple[float, float, float]
"""Voxels (x, y, z) from the corner of the box; [0, 0, 0] is the first voxel's centre."""


@dataclass(frozen=True)
class Region:
    """A region as it stands in a `RegionTree`."""

    id: int
    voxels: int
    volume_angstrom3: float
    mass_kda: float
    """Mass of protein that fills the volume."""

    point_xyz: tuple[int, int, int]
    """The voxel of the highest density, in voxels from the corner. It addresses the region."""

    maximum: float
    """Density there."""

    contacts: int
    """Pairs of face-sharing voxels with other regions."""

    leaves: int
    """How many watershed regions it is made of."""


def describe_regions(
    segmentation: Segmentation,
    region_of_leaf: Int32[np.ndarray, " leaves"],
    contacts: Int64[np.ndarray, " ids"],
) -> list[Region]:
    """Describe regions, the largest first.

    ``region_of_leaf`` holds the region's id of every leaf, 0 for none; ``contacts`` the contacts of
    every id.
    """
    live = np.flatnonzero(region_of_leaf)
    ids, row = np.unique(region_of_leaf[live], return_inverse=True)
    voxels = np.bincount(row, weights=segmentation.leaf_voxels[live]).astype(np.int64)
    leaves = np.bincount(row)
    by_height = segmentation.leaves_by_height
    by_height = by_height[region_of_leaf[by_height] > 0][::-1]
    highest = np.zeros(len(ids), np.int64)
    # Of several the last one stays: the highest.
    highest[np.searchsorted(ids, region_of_leaf[by_height])] = by_height
    points, maxima = segmentation.leaf_points_xyz[highest], segmentation.leaf_maxima[highest]
    voxel = segmentation.voxel_size_angstrom
    order = np.argsort(-voxels, kind="stable")
    columns = (ids, voxels, points, maxima, contacts[ids], leaves)
    return [
        Region(
            id=number,
            voxels=size,
            volume_angstrom3=size * voxel**3,
            mass_kda=protein_mass_kda(size, voxel),
            point_xyz=(point[0], point[1], point[2]),
            maximum=maximum,
            contacts=touching,
            leaves=parts,
        )
        for number, size, point, maximum, touching, parts in zip(
            *(column[order].tolist() for column in columns), strict=True
        )
    ]
