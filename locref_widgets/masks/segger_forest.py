"""The groups of a file of Segger, parted into those made by smoothing and those made by hand."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int64

from locref_widgets.io.segger import SeggerFile
from locref_widgets.masks.hierarchy import Hierarchy


class SeggerForest:
    """The groups of a file, parted into those of smoothing and those by hand."""

    def __init__(self, file: SeggerFile) -> None:
        ids = file.region_ids.tolist()
        parent = dict(zip(ids, file.parent_ids.tolist(), strict=True))
        sd = dict(zip(ids, file.smoothing_px.tolist(), strict=True))
        last = np.array(file.mask.shape[::-1]) - 1
        points = np.clip(np.rint(file.ref_points_xyz), 0, last).astype(np.int64)
        self._points = dict(zip(ids, points, strict=True))
        in_mask = np.unique(file.mask[file.mask > 0]).tolist()
        self.leaf_ids: list[int] = in_mask
        self.leaves: dict[int, list[int]] = {id_: [] for id_ in ids}
        """The new numbers of a region's or group's leaves."""
        self.merges: list[tuple[int, ...]] = []
        self._sd: dict[int, float] = {}
        self._members: dict[int, list[int]] = {}
        """Groups of smoothing, and what they are made of, groups by hand passed over."""

        children: dict[int, list[int]] = {}
        for id_, group in parent.items():
            children.setdefault(group, []).append(id_)
        shown = {}  # the leaves and groups of smoothing that make up a node
        reached: dict[int, float] = {}  # the largest smoothing in a node
        for number, id_ in enumerate(in_mask, start=1):
            self.leaves[id_], shown[id_], reached[id_] = [number], [id_], 0.0
        for group in _members_first(children):
            inside = [child for child in children[group] if self.leaves[child]]
            self.leaves[group] = sorted(leaf for child in inside for leaf in self.leaves[child])
            shown[group] = [node for child in inside for node in shown[child]]
            reached[group] = max((reached[child] for child in inside), default=0.0)
            if len(inside) < 2:
                continue  # the others were deleted
            if sd[group] > reached[group]:
                self._members[group], self._sd[group] = shown[group], sd[group]
                shown[group], reached[group] = [group], sd[group]
            else:
                self.merges.append(tuple(self.leaves[group]))

    def hierarchy(self, leaf_points_xyz: Int64[np.ndarray, "n 3"]) -> Hierarchy:
        """The leaves, with their maxima, and the groups of smoothing."""
        sds = sorted(set(self._sd.values()))
        groups = sorted(self._sd, key=lambda id_: (self._sd[id_], self.leaves[id_][0]))
        n = len(self.leaf_ids)
        number = {id_: i for i, id_ in enumerate([*self.leaf_ids, *groups], start=1)}
        parent, level = np.zeros((2, len(number) + 1), np.int32)
        for id_ in groups:
            level[number[id_]] = 1 + sds.index(self._sd[id_])
            parent[[number[member] for member in self._members[id_]]] = number[id_]
        tops: list[np.ndarray] = [np.arange(n + 1, dtype=np.int32)]
        for step in range(1, len(sds) + 1):
            above = parent[tops[-1]]
            tops.append(np.where(level[above] == step, above, tops[-1]).astype(np.int32))
        group_points = [self._points[id_] for id_ in groups]
        return Hierarchy(
            top=np.stack(tops),
            parent=parent,
            level=level,
            points_xyz=np.concatenate(
                [
                    np.zeros((1, 3), np.int64),
                    leaf_points_xyz,
                    np.array(group_points, np.int64).reshape(-1, 3),
                ]
            ),
            smoothing_px=(0.0, *sds),
        )


def _members_first(children: Mapping[int, list[int]]) -> list[int]:
    """Groups in an order in which every one comes after those in it."""
    order, waiting = [], [0]
    while waiting:
        group = waiting.pop()
        order.append(group)
        waiting.extend(child for child in children.get(group, []) if child in children)
    return [group for group in reversed(order) if group]
