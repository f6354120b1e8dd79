"""The regions of a segmentation as the user has them: grouped, joined, split and deleted.

A tree is a value: every operation gives a new one and leaves the old as it was, so that undoing is
keeping it. Its state is small: a level of the fixed hierarchy, and three lists of what was done by
hand. Regions follow from it so:

1. The nodes of the hierarchy at the level, those that were split replaced by what they are made of.
2. Nodes with leaves that were joined by hand are one region, at whatever level.
3. Leaves that were deleted belong to none.

So the level moves back and forth without anything being computed again, and nothing done by hand is
lost on the way. A region's id is the number of its node, or of the one with the highest density if
it was joined of several.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int32, Int64

from locref_widgets.errors import InputError
from locref_widgets.masks.contacts import Contacts
from locref_widgets.masks.joining import joined_labels, joins_of_a_pass
from locref_widgets.masks.regions import Point, Region, describe_regions
from locref_widgets.masks.segmentation import Segmentation


@dataclass(frozen=True)
class RegionTree:
    """Regions of a segmentation at a level of grouping, with what was done to them by hand."""

    segmentation: Segmentation
    level: int
    """Level of grouping, 0 for the watershed regions."""

    merges: tuple[tuple[int, ...], ...] = ()
    """The leaves of regions that were joined, in the order in which they were."""

    split_nodes: frozenset[int] = frozenset()
    """Nodes of the hierarchy that are not to be shown as one."""

    deleted_leaves: frozenset[int] = frozenset()

    # What there is -----------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def ids(self) -> list[int]:
        """The ids of all regions, ascending."""
        return self._ids.tolist()

    def regions(self) -> list[Region]:
        """All regions, the largest first."""
        contacts = self.contacts().totals(max(self.ids, default=0))
        return describe_regions(self.segmentation, self.region_of_leaf, contacts)

    def contacts(self) -> Contacts:
        """Where regions touch."""
        return self.segmentation.contacts.grouped(self.region_of_leaf)

    def counts(self) -> tuple[int, ...]:
        """How many regions there would be at every level."""
        levels = range(self.segmentation.hierarchy.n_levels)
        return tuple(len(replace(self, level=level)) for level in levels)

    def labels(self) -> Int32[np.ndarray, "z y x"]:
        """The region's id at every voxel of the map's grid, 0 outside."""
        return self.region_of_leaf[self.segmentation.labels]

    def mask(self, ids: Iterable[int] | None = None) -> Float[np.ndarray, "z y x"]:
        """A mask of 0 and 1 (float32) of some regions, or of all, on the map's own grid.

        Raises
        ------
        InputError
            if there is no region of an id.
        """
        chosen = self.region_of_leaf > 0 if ids is None else self.leaves_of(ids)
        return chosen.astype(np.float32)[self.segmentation.labels]

    def region_at(self, point_xyz: Point) -> int | None:
        """The id of the region at a point, or None where there is none.

        ``point_xyz`` is in voxels from the corner; the nearest voxel counts.

        Raises
        ------
        InputError
            if the point lies outside of the box.
        """
        point = np.asarray(point_xyz, np.float64)
        shape = self.segmentation.labels.shape
        inside = np.isfinite(point).all() and (
            np.all(point >= -0.5) and np.all(point < np.array(shape[::-1]) - 0.5)
        )
        if not inside:
            sizes = " x ".join(map(str, shape[::-1]))
            raise InputError(
                f"the point {_told(point)} lies outside of the box of {sizes} voxels (x, y, z). "
                "Points are in voxels from the corner of the box."
            )
        x, y, z = np.floor(point + 0.5).astype(np.int64).tolist()
        return int(self.region_of_leaf[self.segmentation.labels[z, y, x]]) or None

    def regions_at(self, points_xyz: Iterable[Point]) -> list[int]:
        """The ids of the regions at points, in their order, each id once.

        So regions are addressed in recipes, for ids change from map to map.

        Raises
        ------
        InputError
            if a point lies in no region, or outside of the box.
        """
        found: dict[int, None] = {}
        for point in points_xyz:
            region = self.region_at(point)
            if region is None:
                raise InputError(
                    f"the point {_told(point)} (x, y, z, in voxels from the corner) lies in no "
                    f"region: the density there is below the level {self.segmentation.level:g}, or "
                    "its region was deleted. Choose a point inside a region, or lower the level."
                )
            found[region] = None
        return list(found)

    # What can be done --------------------------------------------------------------------------

    def group_to(self, level: int) -> "RegionTree":
        """The regions at another level of grouping, 0 for watershed regions.

        Raises
        ------
        InputError
            if there is no such level.
        """
        last = self.segmentation.hierarchy.n_levels - 1
        if not 0 <= level <= last:
            raise InputError(
                f"level of grouping {level}: there are levels 0 (none) to {last}. Segment with "
                "more steps for more."
            )
        return replace(self, level=level)

    def group_to_count(self, n: int) -> "RegionTree":
        """The regions at the lowest level that has ``n`` of them or fewer.

        Raises
        ------
        InputError
            if every level has more.
        """
        counts = self.counts()
        for level, count in enumerate(counts):
            if count <= n:
                return self.group_to(level)
        raise InputError(
            f"no level of grouping has {n} regions or fewer: the levels have "
            f"{', '.join(map(str, counts))}. Segment with more steps or larger ones, join regions "
            "by contacts, or drop small ones."
        )

    def merge(self, ids: Iterable[int]) -> "RegionTree":
        """Join regions to one. They need not touch.

        If all are one region already (an id may be repeated), nothing changes.

        Raises
        ------
        InputError
            if there is no region of an id, or fewer than two ids are given.
        """
        ids = list(ids)
        if len(ids) < 2:
            raise InputError(f"joining needs two regions or more, and {len(ids)} was given.")
        leaves = self.leaves_of(ids)
        return self if len(set(ids)) == 1 else self._joined([leaves])

    def join_by_contacts(
        self, passes: int = 20, *, stop_at: int = 1, ids: Iterable[int] | None = None
    ) -> "RegionTree":
        """Join regions that touch most, two by two: Segger's "group by connectivity".

        In every pass the pairs of regions that touch are gone through from the most contacts to the
        fewest (of equals, lower ids first); a pair is joined if neither of the two was yet. It ends
        after ``passes``, or after one that joined ``stop_at`` pairs or fewer.

        Parameters
        ----------
        ids
            regions to join among; all if not given

        Raises
        ------
        InputError
            if there is no region of an id, or ``passes`` or ``stop_at`` is negative.
        """
        if passes < 0 or stop_at < 0:
            raise InputError(
                f"joining by contacts in {passes} passes down to {stop_at} joins a pass: both must "
                "be 0 or more (20 and 1 are usual)."
            )
        among = self.region_of_leaf > 0 if ids is None else self.leaves_of(ids)
        tree = self
        for _ in range(passes):
            pairs = joins_of_a_pass(tree.segmentation.contacts.grouped(tree._among(among)))
            of_leaf = tree.region_of_leaf
            tree = tree._joined([np.isin(of_leaf, pair) for pair in pairs])
            if len(pairs) <= stop_at:
                break
        return tree

    def split(self, id: int) -> "RegionTree":  # noqa: A002 - the word that Region has
        """Take a region apart into what it was made of.

        What was joined by hand last comes apart first; then the groups of smoothing do.

        Raises
        ------
        InputError
            if there is no such region, or it is a single watershed region.
        """
        leaves = self.leaves_of([id])
        tree = self
        while len(set(tree.region_of_leaf[leaves].tolist())) == 1:
            nodes = np.unique(tree.node_of_leaf[leaves])
            if len(nodes) > 1:
                tree = tree._without_last_merge(leaves)
                continue
            node = int(nodes[0])
            if node <= self.segmentation.hierarchy.n_leaves:
                raise InputError(
                    f"region {id} is a single watershed region and cannot be split. A higher level "
                    "of density, or less smoothing, cuts the map into smaller ones."
                )
            tree = replace(tree, split_nodes=tree.split_nodes | {node})
        return tree

    def delete(self, ids: Iterable[int]) -> "RegionTree":
        """Take regions away, at every level. The tree before still has them.

        Raises
        ------
        InputError
            if there is no region of an id.
        """
        leaves = frozenset(np.flatnonzero(self.leaves_of(ids)).tolist())
        return replace(
            self,
            deleted_leaves=self.deleted_leaves | leaves,
            # All leaves of a merge are of one region.
            merges=tuple(merge for merge in self.merges if merge[0] not in leaves),
        )

    def drop_small(self, voxels: int) -> "RegionTree":
        """Delete the regions of fewer voxels than this.

        Raises
        ------
        InputError
            if no region would be left.
        """
        regions = self.regions()
        small = [region.id for region in regions if region.voxels < voxels]
        if regions and len(small) == len(regions):
            raise InputError(
                f"no region has {voxels} voxels or more; the largest has {regions[0].voxels}. "
                "Choose fewer."
            )
        return self.delete(small)

    def drop_loose(self, contacts: int) -> "RegionTree":
        """Delete the regions that touch others by fewer pairs of voxels than this.

        Raises
        ------
        InputError
            if no region would be left.
        """
        regions = self.regions()
        loose = [region.id for region in regions if region.contacts < contacts]
        if regions and len(loose) == len(regions):
            most = max(region.contacts for region in regions)
            raise InputError(
                f"no region has {contacts} contacts or more; the most that one has is {most}. "
                "Choose fewer."
            )
        return self.delete(loose)

    # How it is found ---------------------------------------------------------------------------

    @cached_property
    def node_of_leaf(self) -> Int32[np.ndarray, " leaves"]:
        """The node of the hierarchy that every leaf is shown by, 0 for none."""
        hierarchy = self.segmentation.hierarchy
        nodes = hierarchy.top[self.level].copy()
        for node in sorted(self.split_nodes, reverse=True):  # groups before their members
            inside = nodes == node
            nodes[inside] = hierarchy.below(node)[inside]
        nodes[list(self.deleted_leaves)] = 0
        return nodes

    @cached_property
    def region_of_leaf(self) -> Int32[np.ndarray, " leaves"]:
        """The region's id of every leaf, 0 for none."""
        nodes = self.node_of_leaf
        if not self.merges:
            return nodes
        group = joined_labels(nodes, self.merges)
        by_height = self.segmentation.leaves_by_height[::-1]  # the outside, then from the lowest
        name = np.zeros(int(group.max()) + 1, np.int32)
        name[group[by_height]] = nodes[by_height]  # of several the last one stays: the highest
        return name[group]

    @cached_property
    def _ids(self) -> Int64[np.ndarray, " regions"]:
        ids = np.unique(self.region_of_leaf).astype(np.int64)
        return ids[ids > 0]

    def leaves_of(self, ids: Iterable[int]) -> Bool[np.ndarray, " leaves"]:
        """Which leaves (watershed regions, by number) belong to regions; entry 0 is the outside.

        Raises
        ------
        InputError
            if there is no region of an id.
        """
        wanted = np.array(sorted(set(ids)), np.int64)
        unknown = wanted[~np.isin(wanted, self._ids)]
        if len(unknown):
            raise InputError(
                f"there is no region {', '.join(map(str, unknown.tolist()))} at level {self.level} "
                f"of grouping; the {len(self)} regions are {_some(self.ids)}."
            )
        return np.isin(self.region_of_leaf, wanted)

    def _among(self, leaves: Bool[np.ndarray, " leaves"]) -> Int32[np.ndarray, " leaves"]:
        return np.where(leaves, self.region_of_leaf, np.int32(0))

    def _joined(self, groups: Sequence[Bool[np.ndarray, " leaves"]]) -> "RegionTree":
        new = tuple(tuple(np.flatnonzero(leaves).tolist()) for leaves in groups)
        return replace(self, merges=self.merges + new)

    def _without_last_merge(self, leaves: Bool[np.ndarray, " leaves"]) -> "RegionTree":
        nodes = self.node_of_leaf
        last = max(
            i
            for i, merge in enumerate(self.merges)
            if leaves[merge[0]] and len(set(nodes[list(merge)].tolist())) > 1
        )
        return replace(self, merges=self.merges[:last] + self.merges[last + 1 :])


def _told(point: Iterable[float]) -> str:
    return f"({', '.join(f'{value:g}' for value in point)})"


def _some(ids: list[int]) -> str:
    return ", ".join(map(str, ids)) if len(ids) <= 12 else f"{ids[0]} to {ids[-1]}"
