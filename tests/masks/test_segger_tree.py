"""Trees from Segger's files and into them."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map
from locref_widgets.io.segger import SeggerFile, read_segger, write_segger
from locref_widgets.masks.region_tree import RegionTree
from locref_widgets.masks.segger_tree import segger_from_tree, tree_from_segger
from locref_widgets.masks.segmentation import Segmentation, segment
from tests.masks.segmented import MCM, blobs
from tests.masks.test_region_tree import draw_tree, partition

MAP = Map(
    blobs(21, count=30), 1.5, Path("blobs.mrc"), BoxPosition(origin_angstrom=(3.0, -6.0, 1.5))
)


@cache
def segmentation() -> Segmentation:
    return segment(MAP.data, 0.5, voxel_size_angstrom=1.5, steps=4, step_px=0.6)


def forest(file: SeggerFile) -> set[tuple]:
    """Every region and group by its voxels, with smoothing, point and group; without ids."""
    parent = dict(zip(file.region_ids.tolist(), file.parent_ids.tolist(), strict=True))
    first: dict[int, set[int]] = {id_: set() for id_ in parent}
    for leaf in np.unique(file.mask[file.mask > 0]).tolist():
        voxel = int(np.flatnonzero(file.mask == leaf)[0])
        node = leaf
        while node:
            first[node].add(voxel)
            node = parent[node]
    return {
        (frozenset(first[id_]), sd, *point, frozenset(first.get(parent[id_], ())))
        for id_, sd, point in zip(
            file.region_ids.tolist(),
            file.smoothing_px.tolist(),
            file.ref_points_xyz.tolist(),
            strict=True,
        )
    }


def test_a_real_file_gives_the_regions_groups_and_names_that_segger_shows(shared_data: Path):
    file = read_segger(shared_data / "masks/emd_1832.seg")
    read = tree_from_segger(file, MCM.read(shared_data))
    tree = read.tree
    assert len(tree) == 6
    np.testing.assert_array_equal(tree.segmentation.labels, file.mask)
    assert tree.segmentation.hierarchy.smoothing_px == (0.0, 1.0, 2.0, 4.0)
    (gins,) = (id_ for id_, name in read.names.items() if name == "GINS + Cdc45")
    (region,) = (region for region in tree.regions() if region.id == gins)
    assert region.leaves == 10
    assert read.colours[gins] == tuple(file.colours[file.region_ids == 85][0, :3].tolist())
    # Ungrouped once it is the two groups of smoothing by 2, and the other named ones stay.
    apart = tree.split(gins)
    assert len(apart) == 7
    assert {8, 9, 11, 21, 24, 28} in partition(apart)
    assert {12, 15, 25, 26} in partition(apart)


def test_a_real_file_comes_back_with_all_regions_groups_points_names_and_colours(
    shared_data: Path, tmp_path
):
    volume = MCM.read(shared_data)
    file = read_segger(shared_data / "masks/emd_1832.seg")
    read = tree_from_segger(file, volume)
    back = segger_from_tree(read.tree, volume, names=read.names, colours=read.colours)
    assert forest(back) == forest(file)
    assert set(back.names.values()) == set(file.names.values())
    np.testing.assert_array_equal(back.mask, file.mask)
    np.testing.assert_array_equal(back.voxel_to_angstrom, file.voxel_to_angstrom)
    assert back.level == file.level
    write_segger(tmp_path / "back.seg", back)
    again = tree_from_segger(read_segger(tmp_path / "back.seg"), volume)
    assert again.tree.regions() == read.tree.regions()
    assert again.names == read.names
    assert again.colours == read.colours


def test_our_segmentation_of_the_real_map_is_the_file_without_what_was_done_by_hand(
    shared_data: Path,
):
    volume = MCM.read(shared_data)
    ours = segger_from_tree(segment(volume.data, MCM.level).tree(0), volume)
    theirs = read_segger(shared_data / "masks/emd_1832.seg")
    np.testing.assert_array_equal(ours.mask, theirs.mask)
    np.testing.assert_array_equal(ours.region_ids, theirs.region_ids[:28])
    np.testing.assert_array_equal(ours.ref_points_xyz, theirs.ref_points_xyz[:28])


def undone(tree: RegionTree) -> list[set[frozenset[int]]]:
    """Regions as they come apart, the largest first."""
    seen = [partition(tree)]
    for region in tree.regions():
        if region.leaves > 1:
            tree = tree.split(region.id)
            seen.append(partition(tree))
    return seen


@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_tree_comes_back_from_a_file(data):
    tree = draw_tree(data)
    file = segger_from_tree(tree, MAP)
    read = tree_from_segger(file, MAP).tree
    np.testing.assert_array_equal(read.mask(), tree.mask())
    number = dict(enumerate(np.unique(file.mask[file.mask > 0]).tolist(), start=1))
    renamed = {frozenset(number[leaf] for leaf in leaves) for leaves in partition(read)}
    assert renamed == partition(tree)
    back = segger_from_tree(read, MAP)
    assert forest(back) == forest(file)
    assert undone(tree_from_segger(back, MAP).tree) == undone(read)
    told = [(region.voxels, region.point_xyz, region.contacts) for region in read.regions()]
    assert sorted(told) == sorted(
        (region.voxels, region.point_xyz, region.contacts) for region in tree.regions()
    )


def test_the_file_says_where_the_box_lies():
    file = segger_from_tree(segmentation().tree(), MAP)
    np.testing.assert_array_equal(
        file.voxel_to_angstrom, [[1.5, 0, 0, 3], [0, 1.5, 0, -6], [0, 0, 1.5, 1.5]]
    )
    assert file.map_path == "blobs.mrc"
    assert file.level == 0.5


def test_colours_are_light_and_a_groups_is_that_of_its_largest_region():
    tree = segmentation().tree()
    file = segger_from_tree(tree, MAP, colours={tree.ids[0]: (1.0, 0.0, 0.25)})
    colour = dict(zip(file.region_ids.tolist(), file.colours.tolist(), strict=True))
    assert colour[tree.ids[0]] == [1.0, 0.0, 0.25, 1.0]
    labels = segmentation().labels
    for id_ in tree.ids[1:]:
        leaves, sizes = np.unique(labels[tree.labels() == id_], return_counts=True)
        largest = int(leaves[np.argmax(sizes)])
        assert colour[id_] == colour[largest]
        assert min(colour[id_]) >= 0.5


def test_what_is_deleted_is_not_in_the_file():
    tree = segmentation().tree()
    kept = tree.delete(tree.ids[:1])
    file = segger_from_tree(kept, MAP)
    np.testing.assert_array_equal(file.mask > 0, kept.mask() > 0)
    nothing = segger_from_tree(tree.delete(tree.ids), MAP)
    assert len(nothing.region_ids) == 0
    assert len(tree_from_segger(nothing, MAP).tree) == 0


def test_a_file_of_which_segger_deleted_regions_can_be_read():
    full = segger_from_tree(segmentation().tree(), MAP)
    left_alone = np.isin(full.mask, [2, 3, 5], invert=True)
    file = SeggerFile(
        full.mask * left_alone,
        full.region_ids,
        full.parent_ids,
        full.ref_points_xyz,
        full.smoothing_px,
        full.colours,
    )
    read = tree_from_segger(file, MAP).tree
    np.testing.assert_array_equal(read.mask() > 0, file.mask > 0)
    assert read.segmentation.level >= 0.5  # the lowest density there is


def test_another_map_is_refused():
    file = segger_from_tree(segmentation().tree(), MAP)
    other = Map(np.zeros((22, 20, 25), np.float32), 1.5, Path("other.mrc"))
    with pytest.raises(
        InputError, match=r"24 x 20 x 22 .*other\.mrc has 25 x 20 x 22.*\(blobs\.mrc\)"
    ):
        tree_from_segger(file, other)


def test_names_of_regions_that_are_not_there_are_refused():
    tree = segmentation().tree()
    with pytest.raises(InputError, match="there is no region 999 to give a name"):
        segger_from_tree(tree, MAP, names={999: "head"})
