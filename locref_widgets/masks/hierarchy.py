"""Which regions are grouped at which level: fixed once made, and asked at any level.

Level 0 are the watershed regions themselves (the leaves, numbered 1..n). A group is made at some
level of two or more regions of the level before, and has a number above those of its members.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int32, Int64


@dataclass(frozen=True, eq=False)
class Hierarchy:
    """Leaves and groups ("nodes"), numbered 1..; entry 0 of every table stands for the outside."""

    top: Int32[np.ndarray, "levels leaves"]
    """The node that holds a leaf at a level."""

    parent: Int32[np.ndarray, " nodes"]
    """The group that holds a node, 0 if none does."""

    level: Int32[np.ndarray, " nodes"]
    """The level at which a node comes up."""

    points_xyz: Int64[np.ndarray, "nodes 3"]
    """Where the walks that met in a group did; for a leaf, its maximum. Voxels from the corner."""

    smoothing_px: tuple[float, ...]
    """Standard deviation of each level's smoothing in voxels, 0 for level 0."""

    @property
    def n_leaves(self) -> int:
        """How many watershed regions there are."""
        return self.top.shape[1] - 1

    @property
    def n_levels(self) -> int:
        """How many levels there are, level 0 included."""
        return len(self.top)

    def below(self, node: int) -> Int32[np.ndarray, " leaves"]:
        """The node that holds a leaf at the level before ``node`` comes up."""
        return self.top[self.level[node] - 1]

    def children(self, node: int) -> Int64[np.ndarray, " n"]:
        """The nodes that a group was made of, in the order of their numbers."""
        return np.flatnonzero(self.parent == node)


class HierarchyBuilder:
    """Makes a `Hierarchy` level by level from the points at which walks end."""

    def __init__(self, points_xyz: Int64[np.ndarray, "n 3"]) -> None:
        n = len(points_xyz)
        self._tops: list[np.ndarray] = [np.arange(n + 1, dtype=np.int32)]
        self._parent = [np.zeros(n + 1, np.int32)]
        self._level = [np.zeros(n + 1, np.int32)]
        self._points = [np.zeros((1, 3), np.int64), points_xyz]
        self._smoothing = [0.0]
        self._current = np.arange(1, n + 1)
        self.points_xyz = points_xyz
        """Points of the regions there are now, in the order of their first leaves."""

    def group(self, ends_xyz: Int64[np.ndarray, "n 3"], smoothing_px: float) -> None:
        """Make a level: regions whose points have come to one voxel are joined."""
        _, first, which, count = np.unique(
            ends_xyz, axis=0, return_index=True, return_inverse=True, return_counts=True
        )
        which = which.ravel()
        met = np.flatnonzero(count >= 2)
        met = met[np.argsort(first[met])]  # numbered in the order of their first leaves
        next_node = sum(map(len, self._parent))
        group_of_end = np.zeros(len(count), np.int64)
        group_of_end[met] = next_node + np.arange(len(met))
        group = group_of_end[which]

        joined = group > 0
        self._parent.append(np.zeros(len(met), np.int32))
        self._level.append(np.full(len(met), len(self._tops), np.int32))
        self._points.append(ends_xyz[first[met]])
        self._smoothing.append(float(smoothing_px))
        parent = np.concatenate(self._parent)
        parent[self._current[joined]] = group[joined]
        self._parent = [parent]

        renamed = np.arange(len(parent), dtype=np.int32)
        renamed[self._current[joined]] = group[joined]
        self._tops.append(renamed[self._tops[-1]])
        stays = ~joined
        stays[first[met]] = True
        self._current = np.where(joined, group, self._current)[stays]
        self.points_xyz = np.concatenate(self._points)[self._current]

    def hierarchy(self) -> Hierarchy:
        """Return what has been made so far."""
        return Hierarchy(
            top=np.stack(self._tops),
            parent=np.concatenate(self._parent),
            level=np.concatenate(self._level),
            points_xyz=np.concatenate(self._points),
            smoothing_px=tuple(self._smoothing),
        )
