"""Regions by points and levels of grouping, as a recipe names them.

Ids of regions change from map to map; a point inside a region and the level of grouping at which it
is one region do not. A region that was joined by hand is several of these.
"""

from collections.abc import Iterable

import numpy as np

from locref_widgets.masks.region_tree import RegionTree
from locref_widgets.masks.source_steps import SegmentRegion


def region_addresses(tree: RegionTree, ids: Iterable[int]) -> tuple[SegmentRegion, ...]:
    """Name regions of a tree by points and levels, with as few as there can be.

    Raises
    ------
    InputError
        if there is no region of an id.
    """
    segmentation = tree.segmentation
    top = segmentation.hierarchy.top
    wanted = tree.leaves_of(ids)
    wanted[0] = False
    left, addresses = wanted.copy(), []
    for level in range(len(top) - 1, -1, -1):
        nodes = top[level]
        whole = np.ones(int(nodes.max()) + 1, bool)
        whole[nodes[~wanted]] = False
        # From the highest leaf on, so that each node is met at its highest voxel first.
        for leaf in segmentation.leaves_by_height:
            if left[leaf] and whole[nodes[leaf]]:
                x, y, z = segmentation.leaf_points_xyz[leaf].tolist()
                addresses.append(SegmentRegion(point=(x, y, z), steps=level))
                left &= nodes != nodes[leaf]
    return tuple(addresses)
