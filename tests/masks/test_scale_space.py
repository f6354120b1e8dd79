"""Grouping by smoothing: against a walk point by point, and against groups that Segger stored."""

from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.masks.scale_space import group_by_smoothing
from locref_widgets.masks.watershed import find_regions
from tests.masks.segmented import MCM, REAL_MAPS, blobs


def groups_of(top: np.ndarray) -> set[frozenset[int]]:
    """The leaves that are together."""
    return {frozenset(np.flatnonzero(top == node).tolist()) for node in np.unique(top[1:]).tolist()}


def grouped_by_walks(volume, points_xyz, steps, step_px):
    """The rule in words, over the whole box, with sets of leaves and their points."""
    tops = {frozenset([leaf]): tuple(point) for leaf, point in enumerate(points_xyz.tolist(), 1)}
    levels = [set(tops)]
    for step in range(1, steps + 1):
        sd = step * step_px
        smooth = ndimage.gaussian_filter(volume, sd, mode="constant", radius=int(5 * sd))
        met: dict[tuple, list] = {}
        for leaves, (x, y, z) in tops.items():
            here = (z, y, x)
            while True:
                best = here
                for offset in product((-1, 0, 1), repeat=3):
                    other = tuple(np.add(here, offset))
                    inside = all(0 <= i < n for i, n in zip(other, volume.shape, strict=True))
                    if inside and smooth[other] > smooth[best]:
                        best = other
                if best == here:
                    break
                here = best
            met.setdefault(here[::-1], []).append(leaves)
        tops = dict(
            (frozenset.union(*all_), end) if len(all_) > 1 else (all_[0], tops[all_[0]])
            for end, all_ in met.items()
        )
        levels.append(set(tops))
    return levels, tops


@pytest.mark.parametrize("seed", range(6))
def test_groups_are_those_of_walks_point_by_point(seed):
    volume = blobs(seed)
    points = find_regions(volume, 0.1).points_xyz
    hierarchy = group_by_smoothing(volume, points, steps=5, step_px=0.7)
    levels, tops = grouped_by_walks(volume, points, 5, 0.7)
    for level, expected in enumerate(levels):
        assert groups_of(hierarchy.top[level]) == expected
    for leaves, point in tops.items():
        node = hierarchy.top[-1, min(leaves)]
        assert tuple(hierarchy.points_xyz[node].tolist()) == point


def test_walks_that_leave_the_part_at_hand_get_more_of_the_box():
    # Two peaks beside a broad hill, up which their walks go far out of the part around them.
    zyx = np.indices((40, 12, 12)).reshape(3, -1).T
    volume = 3.0 * np.exp(-(((zyx - [30, 6, 6]) / [12, 4, 4]) ** 2).sum(axis=1))
    volume = volume.reshape(40, 12, 12).astype(np.float32)
    volume[3, 5, 6] += 0.2
    volume[3, 8, 6] += 0.2
    points = np.array([[6, 5, 3], [6, 8, 3]])
    hierarchy = group_by_smoothing(volume, points, steps=4, step_px=1.5)
    levels, tops = grouped_by_walks(volume, points, 4, 1.5)
    assert [groups_of(top) for top in hierarchy.top] == levels
    (end,) = tops.values()
    assert tuple(hierarchy.points_xyz[-1].tolist()) == end
    assert end[2] > 20


def test_groups_are_those_that_segger_stored(shared_data: Path):
    volume = MCM.read(shared_data).data
    points = find_regions(volume, MCM.level).points_xyz
    hierarchy = group_by_smoothing(volume, points, steps=4, step_px=1.0)
    with h5py.File(shared_data / "masks/emd_1832.seg") as stored:
        ids, parents, sds, stored_points = (
            stored[name][:]
            for name in ("region_ids", "parent_ids", "smoothing_levels", "ref_points")
        )
    parent = dict(zip(ids.tolist(), parents.tolist(), strict=True))

    def holds(group: int, leaf: int) -> bool:
        while leaf and leaf != group:
            leaf = parent[leaf]
        return leaf == group

    smoothed = [(i, s, p) for i, s, p in zip(ids, sds, stored_points, strict=True) if s > 0]
    assert [sd for _, sd, _ in smoothed] == [1.0, 1.0, 2.0, 2.0, 4.0]
    for group, sd, point in smoothed:
        leaves = [leaf for leaf in range(1, 29) if holds(group, leaf)]
        node = hierarchy.top[int(sd), leaves[0]]
        assert np.flatnonzero(hierarchy.top[int(sd)] == node).tolist() == leaves
        assert hierarchy.points_xyz[node].tolist() == point.tolist()
        assert hierarchy.smoothing_px[hierarchy.level[node]] == sd


@pytest.mark.parametrize("real", REAL_MAPS, ids=lambda real: Path(real.path).stem)
def test_real_maps_group_as_they_did_before(shared_data: Path, real):
    volume = real.read(shared_data).data
    points = find_regions(volume, real.level).points_xyz
    hierarchy = group_by_smoothing(volume, points, steps=len(real.counts) - 1, step_px=1.0)
    assert tuple(len(groups_of(top)) for top in hierarchy.top) == real.counts


def test_nodes_are_numbered_above_their_members_and_hold_two_or_more():
    volume = blobs(8, count=25)
    hierarchy = group_by_smoothing(
        volume, find_regions(volume, 0.05).points_xyz, steps=4, step_px=1.0
    )
    n = hierarchy.n_leaves
    for node in range(1, len(hierarchy.parent)):
        children = hierarchy.children(node)
        assert (len(children) == 0) if node <= n else (len(children) >= 2)
        assert (children < node).all()
        assert (hierarchy.level[children] < hierarchy.level[node]).all()
        inside = hierarchy.top[hierarchy.level[node]] == node
        if node > n:
            assert set(hierarchy.below(node)[inside].tolist()) == set(children.tolist())


def test_no_steps_give_no_groups():
    volume = blobs(1)
    points = find_regions(volume, 0.1).points_xyz
    hierarchy = group_by_smoothing(volume, points, steps=0, step_px=1.0)
    assert hierarchy.n_levels == 1
    assert len(hierarchy.parent) == len(points) + 1


@pytest.mark.parametrize(
    ("steps", "step_px", "message"),
    [
        (-1, 1.0, "-1 steps of smoothing"),
        (2, 0.0, "0 voxels groups nothing"),
        (2, -1.0, "a step of smoothing of -1 voxels"),
        (2, np.nan, "a step of smoothing of nan voxels"),
    ],
)
def test_steps_that_cannot_be_are_refused(steps, step_px, message):
    with pytest.raises(InputError, match=message):
        group_by_smoothing(blobs(0), np.array([[1, 1, 1]]), steps=steps, step_px=step_px)
