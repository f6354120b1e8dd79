"""The regions of a segmentation: what every operation does, and what no order of them may break."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.masks.region_tree import RegionTree
from locref_widgets.masks.segmentation import Segmentation, segment
from locref_widgets.masks.smoothing import smooth
from tests.masks.segmented import BETA_GALACTOSIDASE, GROEL, REAL_MAPS, blobs

LEVEL = 0.5


@cache
def segmentation() -> Segmentation:
    """17 watershed regions that become 14, 9, 5 and 2."""
    return segment(blobs(21, count=30), LEVEL, voxel_size_angstrom=1.5, steps=4, step_px=0.6)


def partition(tree: RegionTree) -> set[frozenset[int]]:
    """The leaves that are together."""
    labels, leaves = tree.labels(), tree.segmentation.labels
    return {frozenset(np.unique(leaves[labels == id_]).tolist()) for id_ in tree.ids}


def draw_tree(data: st.DataObject) -> RegionTree:
    """A tree after some operations."""
    tree = segmentation().tree(0)
    for _ in range(data.draw(st.integers(0, 7))):
        ids = tree.ids
        what = data.draw(st.sampled_from(["level", "merge", "split", "delete", "contacts"]))
        if what == "level":
            tree = tree.group_to(data.draw(st.integers(0, 4)))
        elif what == "merge" and len(ids) > 1:
            tree = tree.merge(data.draw(st.sets(st.sampled_from(ids), min_size=2, max_size=4)))
        elif what == "split" and ids:
            try:
                tree = tree.split(data.draw(st.sampled_from(ids)))
            except InputError:
                continue  # a single watershed region
        elif what == "delete" and len(ids) > 3:
            tree = tree.delete([data.draw(st.sampled_from(ids))])
        elif what == "contacts":
            tree = tree.join_by_contacts(1)
    return tree


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_regions_share_no_voxel_and_together_are_what_is_kept_of_the_threshold_mask(data):
    tree = draw_tree(data)
    kept = np.isin(segmentation().labels, list(tree.deleted_leaves), invert=True)
    threshold_mask = (segmentation().volume >= np.float32(LEVEL)) & kept
    total = sum((tree.mask([id_]) for id_ in tree.ids), np.zeros(threshold_mask.shape, np.float32))
    np.testing.assert_array_equal(total, threshold_mask.astype(np.float32))
    np.testing.assert_array_equal(tree.mask(), total)
    np.testing.assert_array_equal(tree.labels() > 0, threshold_mask)
    assert len(tree) == len(tree.ids) == len(tree.regions()) == len(partition(tree))


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_regions_are_told_as_they_are_in_the_volume(data):
    tree = draw_tree(data)
    labels, volume = tree.labels(), segmentation().volume
    sizes = []
    for region in tree.regions():
        inside = labels == region.id
        sizes.append(region.voxels)
        assert region.voxels == np.count_nonzero(inside)
        assert region.volume_angstrom3 == pytest.approx(region.voxels * 1.5**3)
        assert region.mass_kda == pytest.approx(region.voxels * 1.5**3 * 0.81e-3)
        x, y, z = region.point_xyz
        assert inside[z, y, x]
        assert region.maximum == volume[z, y, x] == volume[inside].max()
        assert tree.region_at(region.point_xyz) == region.id
        assert region.leaves == len(np.unique(segmentation().labels[inside]))
        padded = np.pad(labels, 1)
        centre = (slice(1, -1),) * 3
        touching = 0
        for axis in range(3):
            for shift in (-1, 1):
                other = np.roll(padded, shift, axis=axis)[centre]
                touching += np.count_nonzero(inside & (other > 0) & (other != region.id))
        assert region.contacts == touching
    assert sizes == sorted(sizes, reverse=True)


@given(data=st.data(), level=st.integers(0, 4))
@settings(max_examples=80, deadline=None)
def test_grouping_further_and_back_changes_nothing(data, level):
    tree = draw_tree(data)
    assert tree.group_to(level).group_to(tree.level) == tree
    assert tree.counts()[level] == len(tree.group_to(level))


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_joining_and_splitting_changes_nothing(data):
    tree = draw_tree(data)
    assume(len(tree) > 1)
    ids = data.draw(st.sets(st.sampled_from(tree.ids), min_size=2))
    joined = tree.merge(ids)
    (new,) = joined.regions_at(region.point_xyz for region in tree.regions() if region.id in ids)
    assert new in ids  # a name that is known
    assert len(joined) == len(tree) - len(ids) + 1
    assert joined.split(new) == tree


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_splitting_and_joining_gives_the_same_regions(data):
    tree = draw_tree(data)
    assume(len(tree))
    id_ = data.draw(st.sampled_from(tree.ids))
    leaves = frozenset(np.unique(segmentation().labels[tree.labels() == id_]).tolist())
    if len(leaves) == 1:
        with pytest.raises(InputError, match="single watershed region"):
            tree.split(id_)
        return
    apart = tree.split(id_)
    parts = partition(apart) - partition(tree)
    assert len(parts) > 1
    assert frozenset.union(*parts) == leaves
    assert partition(apart) - parts == partition(tree) - {leaves}
    pieces = np.unique(apart.labels()[tree.labels() == id_]).tolist()
    assert partition(apart.merge(pieces)) == partition(tree)


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_joined_or_deleted_stays_so_at_every_level(data):
    tree = draw_tree(data)
    assume(len(tree) > 2)
    ids = data.draw(st.permutations(tree.ids))
    gone = tree.mask([ids[2]]) > 0
    edited = tree.merge(ids[:2]).delete([ids[2]])
    together = (tree.mask(ids[:2]) > 0) & (edited.labels() > 0)
    for level in range(5):
        labels = edited.group_to(level).labels()
        assert not labels[gone].any()
        assert len(np.unique(labels[together])) == 1


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_coarser_levels_only_join(data):
    tree = draw_tree(data)
    for level in range(4):
        fine, coarse = partition(tree.group_to(level)), partition(tree.group_to(level + 1))
        if not tree.split_nodes:
            assert all(any(small <= large for large in coarse) for small in fine)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_tree_is_a_value_that_operations_leave_as_it_was(data):
    tree = draw_tree(data)
    assume(len(tree) > 2)
    before = tree.labels()
    a, b, *_ = tree.ids
    tree.merge([a, b])
    tree.delete([a])
    tree.join_by_contacts(2)
    np.testing.assert_array_equal(tree.labels(), before)
    again = RegionTree(
        tree.segmentation, tree.level, tree.merges, tree.split_nodes, tree.deleted_leaves
    )
    assert again == tree
    assert hash(again) == hash(tree)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_a_recipe_of_points_finds_the_same_regions_again(data):
    tree = draw_tree(data)
    assume(len(tree) > 1)
    ids = data.draw(st.lists(st.sampled_from(tree.ids), min_size=1, unique=True))
    point_of = {region.id: region.point_xyz for region in tree.regions()}
    assert tree.regions_at([point_of[id_] for id_ in ids]) == ids


def test_points_are_of_the_nearest_voxel_and_none_is_said_where_no_region_is():
    tree = segmentation().tree()
    labels = tree.labels()
    z, y, x = np.argwhere(labels)[0].tolist()
    assert tree.region_at((x + 0.4, y - 0.4, z + 0.49)) == labels[z, y, x]
    z, y, x = np.argwhere(labels == 0)[0].tolist()
    assert tree.region_at((x, y, z)) is None
    with pytest.raises(InputError, match=rf"\({x}, {y}, {z}\).*lies in no region.*below the level"):
        tree.regions_at([(x, y, z)])


def test_two_points_of_one_region_are_one_region():
    tree = segmentation().tree()
    labels = tree.labels()
    inside = np.argwhere(labels == tree.ids[0])
    points = [tuple(zyx[::-1].tolist()) for zyx in (inside[0], inside[-1])]
    assert tree.regions_at(points) == [tree.ids[0]]
    assert tree.merge([tree.ids[0], tree.ids[0]]) == tree


@pytest.mark.parametrize("point", [(-0.6, 1.0, 1.0), (1.0, 1.0, 99.0), (np.nan, 1.0, 1.0)])
def test_points_outside_of_the_box_are_refused(point):
    with pytest.raises(InputError, match=r"outside of the box of 24 x 20 x 22 voxels"):
        segmentation().tree().region_at(point)


def test_grouping_to_a_count_is_the_lowest_level_that_has_as_few():
    tree = segmentation().tree(0)
    counts = tree.counts()
    assert counts == (17, 14, 9, 5, 2)
    for n in range(counts[-1], counts[0] + 3):
        level = tree.group_to_count(n).level
        assert counts[level] <= n
        assert level == 0 or counts[level - 1] > n
    with pytest.raises(InputError, match=f"no level of grouping has 1 .*{counts[0]}.*more steps"):
        tree.group_to_count(1)


def test_small_and_loose_regions_are_dropped():
    tree = segmentation().tree(1)
    regions = tree.regions()
    middle = sorted(region.voxels for region in regions)[len(regions) // 2]
    kept = tree.drop_small(middle)
    assert set(kept.ids) == {region.id for region in regions if region.voxels >= middle}
    loose = sorted(region.contacts for region in regions)[len(regions) // 2]
    kept = tree.drop_loose(loose)
    assert set(kept.ids) == {region.id for region in regions if region.contacts >= loose}
    assert tree.drop_small(0) == tree.drop_loose(0) == tree
    with pytest.raises(InputError, match=f"no region has 9999 voxels.*{regions[0].voxels}"):
        tree.drop_small(9999)
    with pytest.raises(InputError, match="no region has 9999 contacts"):
        tree.drop_loose(9999)


def test_everything_may_be_deleted():
    tree = segmentation().tree(1)
    nothing = tree.delete(tree.ids)
    assert len(nothing) == 0
    assert nothing.regions() == []
    assert not nothing.mask().any()
    assert nothing.counts() == (0,) * 5
    assert nothing.join_by_contacts() == nothing.drop_small(3) == nothing


def test_joining_by_contacts_joins_two_by_two_those_that_touch_most():
    tree = segmentation().tree(0)
    contacts = tree.contacts()
    most = int(np.argmax(contacts.pairs))
    once = tree.join_by_contacts(1)
    pair = {int(contacts.first[most]), int(contacts.second[most])}
    assert any(pair <= leaves for leaves in partition(once))
    assert max(map(len, partition(once))) == 2
    twice = once.join_by_contacts(1)
    assert partition(tree.join_by_contacts(2)) == partition(twice)
    assert max(map(len, partition(twice))) <= 4
    # To the end every region has come to those it touches.
    end = tree.join_by_contacts(stop_at=0)
    assert len(end.contacts()) == 0
    assert tree.join_by_contacts(stop_at=10**6) == once
    assert tree.join_by_contacts(0) == tree


def test_joining_by_contacts_can_be_kept_to_some_regions():
    tree = segmentation().tree(0)
    contacts = tree.contacts()
    pair = [int(contacts.first[0]), int(contacts.second[0])]
    joined = tree.join_by_contacts(ids=pair)
    assert partition(joined) == partition(tree.merge(pair))


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda tree: tree.group_to(5), r"level of grouping 5: there are levels 0 \(none\) to 4"),
        (lambda tree: tree.group_to(-1), "level of grouping -1"),
        (lambda tree: tree.merge([1]), "two regions or more, and 1 was given"),
        (lambda tree: tree.merge([tree.ids[0], 999]), "there is no region 999 at level 4"),
        (lambda tree: tree.delete([0]), "there is no region 0"),
        (lambda tree: tree.split(-3), "there is no region -3"),
        (lambda tree: tree.mask([999, 998]), "there is no region 998, 999"),
        (lambda tree: tree.join_by_contacts(-1), "must be 0 or more"),
        (lambda tree: tree.join_by_contacts(stop_at=-1), "must be 0 or more"),
        (lambda tree: tree.join_by_contacts(ids=[999]), "there is no region 999"),
    ],
)
def test_what_cannot_be_done_is_refused(operation, message):
    with pytest.raises(InputError, match=message):
        operation(segmentation().tree())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 99.0}, "above the map's maximum"),
        ({"level": np.nan}, "level is nan"),
        ({"steps": -1}, "-1 steps"),
        ({"step_px": -0.5}, "a step of smoothing of -0.5"),
        ({"smoothing_px": -1.0}, "smoothing of -1 voxels"),
        ({"voxel_size_angstrom": 0.0}, "voxel size of 0"),
    ],
)
def test_segmentations_that_cannot_be_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        segment(blobs(0), **{"level": LEVEL, **options})


def test_smoothing_beforehand_is_the_same_as_a_smoothed_map():
    volume = blobs(4, count=30)
    tree = segment(volume, LEVEL, smoothing_px=1.0).tree()
    same = segment(smooth(volume, 1.0), LEVEL).tree()
    np.testing.assert_array_equal(tree.labels(), same.labels())
    assert tree.regions() == same.regions()


def test_groel_comes_apart_into_its_14_subunits(shared_data: Path):
    groel = GROEL.read(shared_data)
    tree = segment(
        groel.data, GROEL.level, voxel_size_angstrom=groel.voxel_size_angstrom, steps=10
    ).tree()
    assert tree.counts() == GROEL.counts
    assert tree.group_to_count(14).level == 10
    sizes = np.array([region.voxels for region in tree.regions()])
    assert len(sizes) == 14
    # Of one kind: two rings of seven that differ a little in this map.
    assert np.ptp(sizes) < 0.05 * sizes.mean()
    rings = np.array([region.point_xyz[2] for region in tree.regions()])
    assert sorted(np.bincount(rings // 50).tolist()) == [7, 7]


def test_beta_galactosidase_comes_apart_into_its_4_subunits_of_one_size(shared_data: Path):
    volume = BETA_GALACTOSIDASE.read(shared_data).data
    tree = segment(volume, BETA_GALACTOSIDASE.level).tree(0).group_to_count(4)
    assert tree.level == 3
    regions = tree.regions()
    # The map has D2 symmetry; watershed regions on its axes fall to one side.
    sizes = [region.voxels for region in regions]
    assert np.ptp(sizes) < 0.05 * np.mean(sizes)
    assert len({region.maximum for region in regions}) == 1


@pytest.mark.parametrize("real", REAL_MAPS, ids=lambda real: Path(real.path).stem)
def test_masks_of_real_maps_add_up_to_the_threshold_mask(shared_data: Path, real):
    volume = real.read(shared_data).data
    tree = segment(volume, real.level, steps=len(real.counts) - 1).tree()
    assert tree.counts() == real.counts
    total = sum((tree.mask([id_]) for id_ in tree.ids), np.zeros(volume.shape, np.float32))
    np.testing.assert_array_equal(total, volume >= np.float32(real.level))
    assert total.dtype == np.float32
