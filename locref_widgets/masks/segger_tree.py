"""Trees of regions from Segger's files, and into them.

Segger keeps a forest: regions, and groups of regions and groups. A group made by smoothing has the
width of that smoothing, and becomes a node of the hierarchy; one made by hand has none, and becomes
a merge. A file holds a tree's regions and what they are made of; it has no place for coarser levels
than the one the tree is at, for what was deleted, and for joins inside of a group of smoothing.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64, UInt32

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.segger import NAME_ATTRIBUTE, SeggerFile
from locref_widgets.masks.region_tree import RegionTree
from locref_widgets.masks.segger_forest import SeggerForest
from locref_widgets.masks.segmentation import Segmentation

Colour = tuple[float, float, float]
"""Red, green, blue, 0 to 1."""


@dataclass(frozen=True)
class SeggerTree:
    """A tree from a file, with the names and colours that its regions have there, by id."""

    tree: RegionTree
    names: dict[int, str]
    colours: dict[int, Colour]


def tree_from_segger(file: SeggerFile, volume: Map) -> SeggerTree:
    """Regions, groups, names and colours of a file, with the map that they were found in.

    The tree is at its last level: the regions are those that Segger shows. Splitting one takes it
    apart as ungrouping does there.

    Raises
    ------
    InputError
        if the map's box is not that of the segmentation.
    """
    if file.mask.shape != volume.data.shape:
        sizes = (
            " x ".join(map(str, shape[::-1])) for shape in (file.mask.shape, volume.data.shape)
        )
        raise InputError(
            "the segmentation has a box of {} voxels (x, y, z), but the map {}has {}. Give the map "
            "that was segmented{}.".format(
                next(sizes),
                f"{volume.path} " if volume.path else "",
                next(sizes),
                f" ({file.map_path})" if file.map_path else "",
            )
        )
    forest = SeggerForest(file)
    labels, points = _leaves(file.mask, forest.leaf_ids, volume.data)
    segmentation = Segmentation(
        volume.data,
        _level(file, volume),
        volume.voxel_size_angstrom,
        labels,
        forest.hierarchy(points),
    )
    tree = RegionTree(
        segmentation, segmentation.hierarchy.n_levels - 1, merges=tuple(forest.merges)
    )
    # Tops of the forest are the regions.
    region_of = {
        id_: int(tree.region_of_leaf[forest.leaves[id_][0]])
        for id_, parent in zip(file.region_ids.tolist(), file.parent_ids.tolist(), strict=True)
        if parent == 0 and forest.leaves[id_]
    }
    colours = dict(zip(file.region_ids.tolist(), file.colours[:, :3].tolist(), strict=True))
    return SeggerTree(
        tree,
        {region_of[id_]: name for id_, name in file.names.items() if id_ in region_of},
        {region: tuple(colours[id_]) for id_, region in region_of.items()},
    )


def segger_from_tree(
    tree: RegionTree,
    volume: Map,
    *,
    names: Mapping[int, str] | None = None,
    colours: Mapping[int, Colour] | None = None,
) -> SeggerFile:
    """What Segger is to show for a tree: its regions, and what each of them is made of.

    Parameters
    ----------
    volume
        the map that was segmented: tells where the box lies
    names, colours
        of regions, by id; the other colours are random, but always the same ones
    """
    hierarchy = tree.segmentation.hierarchy
    live = np.flatnonzero(tree.node_of_leaf)
    parent, shown_by = _nodes_shown(tree, live)
    points = {node: hierarchy.points_xyz[node] for node in parent}
    by_hand = _HandGroups(tree, len(hierarchy.parent), parent, points, shown_by)
    for merge in tree.merges:
        by_hand.add(merge)
    ids = sorted(parent)
    tint = _tints(tree, live, parent)
    for region, colour in (colours or {}).items():
        tint[by_hand.top_of(region)] = colour
    mask = np.where(tree.node_of_leaf > 0, np.arange(hierarchy.n_leaves + 1), 0)
    smoothing = np.array(hierarchy.smoothing_px)
    matrix = np.eye(3, 4) * volume.voxel_size_angstrom
    matrix[:, 3] = volume.corner_angstrom
    return SeggerFile(
        mask=mask.astype(np.uint32)[tree.segmentation.labels],
        region_ids=np.array(ids, np.int32),
        parent_ids=np.array([parent[id_] for id_ in ids], np.int32),
        ref_points_xyz=np.array([points[id_] for id_ in ids], np.float32).reshape(-1, 3),
        smoothing_px=np.array(
            [smoothing[hierarchy.level[i]] if i < len(hierarchy.level) else 0.0 for i in ids],
            np.float32,
        ),
        colours=np.array([(*tint[id_], 1.0) for id_ in ids], np.float32).reshape(-1, 4),
        level=tree.segmentation.level,
        voxel_to_angstrom=matrix.astype(np.float32),
        map_path=str(volume.path) if volume.path else None,
        attributes={
            NAME_ATTRIBUTE: {by_hand.top_of(region): name for region, name in names.items()}
        }
        if names
        else {},
    )


def _leaves(
    mask: UInt32[np.ndarray, "z y x"], leaf_ids: list[int], volume: np.ndarray
) -> tuple[np.ndarray, Int64[np.ndarray, "n 3"]]:
    """Labels 1..n in the order of ids, and the highest voxel (x, y, z) of each."""
    labels = np.zeros(mask.shape, np.int32)
    voxels = np.flatnonzero(mask)
    number = 1 + np.searchsorted(leaf_ids, mask.ravel()[voxels])
    labels.ravel()[voxels] = number
    downward = np.argsort(-volume.ravel()[voxels], kind="stable")
    highest = np.zeros(len(leaf_ids) + 1, np.int64)
    highest[number[downward[::-1]]] = voxels[downward[::-1]]  # of several the last stays
    zyx = np.unravel_index(highest[1:], mask.shape)
    return labels, np.stack(zyx[::-1], axis=1).astype(np.int64)


def _level(file: SeggerFile, volume: Map) -> float:
    if file.level is not None:
        return file.level
    return float(volume.data[file.mask > 0].min(initial=np.inf))


def _nodes_shown(
    tree: RegionTree, live: Int64[np.ndarray, " n"]
) -> tuple[dict[int, int], dict[int, int]]:
    """Parents (0 for none) of all nodes that regions are made of, and what shows a region's node.

    A group of which only one member is left is passed over for that member.
    """
    hierarchy = tree.segmentation.hierarchy
    shown = tree.node_of_leaf[live]
    above: dict[int, int] = {}
    for tops in hierarchy.top:
        # Along the way up from a leaf numbers rise; nothing is above the node shown.
        nodes = np.unique(tops[live][tops[live] <= shown])
        above.update(zip(nodes.tolist(), hierarchy.parent[nodes].tolist(), strict=True))
    above.update(dict.fromkeys(np.unique(shown).tolist(), 0))
    members = Counter(above.values())
    parent: dict[int, int] = {}
    shown_by: dict[int, int] = {}
    for node in sorted(above, reverse=True):  # groups before their members
        group = above[node]
        if members[node] != 1:
            while members[group] == 1 and group:
                group = above[group]
            parent[node] = group
    for node in sorted(above):  # members before their groups
        shown_by.setdefault(node, node)
        if members[above[node]] == 1:
            shown_by[above[node]] = shown_by[node]
    return parent, shown_by


class _HandGroups:
    """Adds a group for every merge that brings nodes together, in their order."""

    def __init__(
        self,
        tree: RegionTree,
        first_id: int,
        parent: dict[int, int],
        points: dict[int, np.ndarray],
        shown_by: Mapping[int, int],
    ) -> None:
        self._tree, self._next = tree, first_id
        self._parent, self._points, self._shown_by = parent, points, shown_by

    def _top(self, node: int) -> int:
        node = self._shown_by[node]
        while self._parent[node]:
            node = self._parent[node]
        return node

    def top_of(self, region: int) -> int:
        """The top of the forest that is a region of the tree."""
        if region not in self._tree.ids:
            raise InputError(
                f"there is no region {region} to give a name or a colour to; there are "
                f"{', '.join(map(str, self._tree.ids[:12]))}, …"
            )
        return self._top(region)

    def add(self, merge: tuple[int, ...]) -> None:
        """Add a group for the nodes of leaves, unless they are together already."""
        nodes = np.unique(self._tree.node_of_leaf[list(merge)]).tolist()
        tops = sorted({self._top(node) for node in nodes})
        if len(tops) < 2:
            return
        self._parent.update(dict.fromkeys(tops, self._next))
        self._parent[self._next] = 0
        # As in Segger: the mean of the members' points, cut to whole voxels.
        self._points[self._next] = np.mean([self._points[top] for top in tops], axis=0).astype(int)
        self._next += 1


def _tints(
    tree: RegionTree, live: Int64[np.ndarray, " n"], parent: Mapping[int, int]
) -> dict[int, Colour]:
    """Colours as Segger draws them: light, and a group's is that of its largest region."""
    random = np.random.default_rng(0).random((tree.segmentation.hierarchy.n_leaves + 1, 3))
    tint: dict[int, Colour] = {}
    for leaf in live[np.argsort(-tree.segmentation.leaf_voxels[live], kind="stable")].tolist():
        red, green, blue = (0.5 * (1.0 + random[leaf])).tolist()
        node = leaf
        while node and node not in tint:
            tint[node] = (red, green, blue)
            node = parent[node]
    return tint
