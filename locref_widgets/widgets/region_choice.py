"""Regions of a segmentation as a person works on them: the tree, and which are chosen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.recipe_step import Step, with_values
from locref_widgets.masks.region_address import region_addresses
from locref_widgets.masks.region_tree import RegionTree
from locref_widgets.masks.regions import Point
from locref_widgets.masks.segmentation import segment
from locref_widgets.masks.source_steps import Segment

_SIGHT_PX = 4
"""A click on a surface lies at the level itself; the region begins within a voxel or two."""


@dataclass(frozen=True)
class RegionChoice:
    """A tree of regions and those of them that are to be taken into the mask.

    A value: every operation gives a new one, and undoing is keeping the old.
    """

    tree: RegionTree
    smoothing_px: float = 0.0
    step_px: float = 1.0
    made_by: tuple[Step, ...] = ()
    """Steps that made the map that was cut up of the one that was read."""
    chosen_leaves: frozenset[int] = frozenset()
    """By leaves, so that they stay chosen whatever is grouped, joined or split."""

    @property
    def chosen(self) -> list[int]:
        """Ids of the regions all of whose leaves are chosen."""
        of_leaf = self.tree.region_of_leaf
        whole = np.ones(int(of_leaf.max(initial=0)) + 1, bool)
        out = np.ones(len(of_leaf), bool)
        out[list(self.chosen_leaves)] = False
        whole[of_leaf[out]] = False
        return [number for number in self.tree.ids if whole[number]]

    def toggle(self, ids: Sequence[int]) -> "RegionChoice":
        """Choose regions, or no longer if they all are chosen."""
        leaves = self._leaves(ids)
        if leaves <= self.chosen_leaves:
            return replace(self, chosen_leaves=self.chosen_leaves - leaves)
        return replace(self, chosen_leaves=self.chosen_leaves | leaves)

    def choose_none(self) -> "RegionChoice":
        """Choose nothing."""
        return replace(self, chosen_leaves=frozenset())

    def group_to(self, level: int) -> "RegionChoice":
        """Group more or less. A region that is chosen in part is chosen as a whole."""
        return self._with(self.tree.group_to(level))

    def merge(self, ids: Sequence[int]) -> "RegionChoice":
        """Join regions; chosen if any of them was."""
        return self._with(self.tree.merge(ids))

    def split(self, number: int) -> "RegionChoice":
        """Take a region apart."""
        return self._with(self.tree.split(number))

    def delete(self, ids: Sequence[int]) -> "RegionChoice":
        """Take regions away."""
        gone = self._leaves(ids)
        return replace(self, tree=self.tree.delete(ids), chosen_leaves=self.chosen_leaves - gone)

    def region_near(self, voxel: Point, direction: Point | None = None) -> int | None:
        """Region at a voxel, or the first one along a line of sight behind it."""
        found = self.tree.region_at(voxel)
        if found is not None or direction is None:
            return found
        for step in range(1, 2 * _SIGHT_PX + 1):
            x, y, z = (a + 0.5 * step * b for a, b in zip(voxel, direction, strict=True))
            try:
                found = self.tree.region_at((x, y, z))
            except InputError:
                return None
            if found is not None:
                return found
        return None

    def mask(self, density: Map) -> Map:
        """The chosen regions as a mask, on the grid of the map that was segmented."""
        return with_values(density, self.tree.mask(self.chosen))

    def step(self) -> Segment:
        """The chosen regions as a step of a recipe. Raises `InputError` if there are none."""
        if not self.chosen:
            raise InputError(
                "no region is chosen: click regions in a slice, on the surface or in the list."
            )
        return Segment(
            level=f"{self.tree.segmentation.level:.9g}",
            smoothing_px=self.smoothing_px,
            step_px=self.step_px,
            regions=region_addresses(self.tree, self.chosen),
        )

    def _leaves(self, ids: Sequence[int]) -> frozenset[int]:
        return frozenset(np.flatnonzero(self.tree.leaves_of(ids)).tolist())

    def _with(self, tree: RegionTree) -> "RegionChoice":
        of_leaf = tree.region_of_leaf
        touched = {int(of_leaf[leaf]) for leaf in self.chosen_leaves} - {0}
        leaves = frozenset(np.flatnonzero(np.isin(of_leaf, list(touched))).tolist())
        return replace(self, tree=tree, chosen_leaves=leaves)


def segment_map(
    density: Map,
    level: float,
    *,
    smoothing_px: float = 0.0,
    steps: int = 4,
    step_px: float = 1.0,
    made_by: tuple[Step, ...] = (),
) -> RegionChoice:
    """Cut a map into regions, grouped as far as they go. Raises as `segment` does."""
    # The level as the recipe will write it.
    level = float(f"{level:.9g}")
    found = segment(
        density.data,
        level,
        voxel_size_angstrom=density.voxel_size_angstrom,
        smoothing_px=smoothing_px,
        steps=steps,
        step_px=step_px,
    )
    return RegionChoice(found.tree(), smoothing_px, step_px, made_by)
