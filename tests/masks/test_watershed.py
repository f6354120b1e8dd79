"""Segger's watershed: against a walk voxel by voxel, scikit-image, and a file that Segger wrote."""

from itertools import product
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage
from skimage.segmentation import watershed as skimage_watershed

from locref_widgets.errors import InputError
from locref_widgets.masks.smoothing import smooth
from locref_widgets.masks.watershed import find_regions, watershed
from tests.masks.segmented import MCM, REAL_MAPS, RIBOSOME, blobs

# Few different values, so that there are ties and plateaus.
STEPPED = hnp.arrays(
    np.float32, st.tuples(*[st.integers(1, 6)] * 3), elements=st.integers(0, 5).map(float)
)


def walked(volume: np.ndarray, level: float) -> np.ndarray:
    """The rule in words, voxel by voxel."""

    def next_voxel(voxel):
        best = voxel
        for offset in product((-1, 0, 1), repeat=3):
            other = tuple(np.add(voxel, offset))
            inside = all(0 <= i < n for i, n in zip(other, volume.shape, strict=True))
            if inside and volume[other] > volume[best]:
                best = other
        return best

    labels = np.zeros(volume.shape, np.int32)
    number: dict[tuple, int] = {}
    for voxel in np.ndindex(volume.shape):
        if volume[voxel] >= level:
            end = voxel
            while (higher := next_voxel(end)) != end:
                end = higher
            labels[voxel] = number.setdefault(end, len(number) + 1)
    return labels


@given(volume=STEPPED, level=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_regions_are_those_of_a_walk_voxel_by_voxel(volume, level):
    if level > volume.max():
        with pytest.raises(InputError, match="above the map's maximum"):
            watershed(volume, level)
    else:
        np.testing.assert_array_equal(watershed(volume, level), walked(volume, level))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_regions_of_noise_are_those_of_a_walk(rng, dtype):
    volume = rng.normal(size=(9, 11, 10)).astype(dtype)
    np.testing.assert_array_equal(watershed(volume, 0.3), walked(volume, 0.3))


def test_regions_and_points_are_bit_for_bit_those_that_segger_stored(shared_data: Path):
    regions = find_regions(MCM.read(shared_data).data, MCM.level)
    with h5py.File(shared_data / "masks/emd_1832.seg") as stored:
        assert np.array_equal(regions.labels, stored["mask"][:])
        assert np.array_equal(regions.points_xyz, stored["ref_points"][:28])
    assert regions.labels.max() == 28
    assert np.count_nonzero(regions.labels) == 5_910


@pytest.mark.parametrize("real", REAL_MAPS, ids=lambda real: Path(real.path).stem)
def test_real_maps_have_as_many_regions_as_were_found_before(shared_data: Path, real):
    labels = watershed(real.read(shared_data).data, real.level)
    assert np.count_nonzero(labels) == real.voxels
    assert labels.max() == real.counts[0]


def test_scikit_image_finds_the_same_regions_where_no_neighbours_are_equal(shared_data: Path):
    for volume, level in ((RIBOSOME.read(shared_data).data, RIBOSOME.level), (blobs(3), 0.15)):
        regions = find_regions(volume, level)
        markers = np.zeros(volume.shape, np.int32)
        x, y, z = regions.points_xyz.T
        markers[z, y, x] = np.arange(1, len(x) + 1)
        theirs = skimage_watershed(
            -volume, markers, mask=volume >= level, connectivity=np.ones((3, 3, 3))
        )
        # It floods by order of height, which parts from steepest ascent only where a voxel has two
        # neighbours of one height.
        assert np.count_nonzero(theirs != regions.labels) <= equal_choices(volume, level)


def equal_choices(volume: np.ndarray, level: float) -> int:
    """How many voxels have two highest neighbours."""
    around = np.ones((3, 3, 3), bool)
    around[1, 1, 1] = False
    offsets = np.argwhere(around) - 1
    padded = np.pad(volume, 1, constant_values=-np.inf)
    neighbours = np.stack(
        [
            padded[
                tuple(slice(1 + o, 1 + o + n) for o, n in zip(offset, volume.shape, strict=True))
            ]
            for offset in offsets
        ]
    )
    highest = neighbours.max(axis=0)
    twice = (neighbours == highest).sum(axis=0) > 1
    return int(np.count_nonzero(twice & (highest > volume) & (volume >= level)))


def test_labels_cover_what_reaches_the_level_and_nothing_else(rng):
    volume = rng.normal(size=(12, 8, 10)).astype(np.float32)
    level = float(volume[3, 4, 5])  # a value of the map itself belongs to it
    np.testing.assert_array_equal(watershed(volume, level) > 0, volume >= level)


def test_every_region_is_in_one_piece_around_its_maximum(rng):
    volume = ndimage.gaussian_filter(rng.normal(size=(24, 24, 24)), 1.5).astype(np.float32)
    regions = find_regions(volume, 0.05)
    for number, (x, y, z) in enumerate(regions.points_xyz.tolist(), start=1):
        inside = regions.labels == number
        assert inside[z, y, x]
        assert volume[z, y, x] == volume[inside].max()
        assert ndimage.label(inside, np.ones((3, 3, 3)))[1] == 1


def test_the_first_voxel_of_the_box_is_a_voxel_like_others():
    volume = np.zeros((3, 3, 3), np.float32)
    volume[0, 0, 0] = 1.0
    np.testing.assert_array_equal(np.argwhere(watershed(volume, 0.5)), [[0, 0, 0]])


def test_a_plateau_is_not_joined_and_ties_go_to_the_first_in_raster_order():
    np.testing.assert_array_equal(watershed(np.ones((1, 1, 4), np.float32), 0.5), [[[1, 2, 3, 4]]])
    np.testing.assert_array_equal(
        watershed(np.array([[[2.0, 1.0, 2.0]]], np.float32), 0.5), [[[1, 1, 2]]]
    )


def test_smoothing_beforehand_is_the_same_as_a_smoothed_map():
    volume = blobs(5)
    np.testing.assert_array_equal(
        watershed(volume, 0.2, smoothing_px=1.5), watershed(smooth(volume, 1.5), 0.2)
    )


def test_a_level_below_all_values_keeps_all_of_them():
    volume = blobs(2)
    assert watershed(volume, -1e300).all()


@pytest.mark.parametrize(
    ("level", "smoothing_px", "message"),
    [
        (3.0, 0.0, r"level 3 is above the map's maximum 2.*lower level"),
        (1e300, 0.0, "above the map's maximum"),
        (np.nan, 0.0, "level is nan"),
        (np.inf, 0.0, "level is inf"),
        (1.0, -1.0, "smoothing of -1 voxels"),
        (1.0, np.nan, "smoothing of nan voxels"),
    ],
)
def test_what_cannot_be_is_refused(level, smoothing_px, message):
    volume = np.zeros((4, 4, 4), np.float32)
    volume[1, 2, 3] = 2.0
    with pytest.raises(InputError, match=message):
        watershed(volume, level, smoothing_px=smoothing_px)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_maps_with_values_that_are_no_numbers_are_refused(value):
    volume = np.ones((4, 4, 4), np.float32)
    volume[1, 1, 1] = value
    with pytest.raises(InputError, match="holds NaN or infinite"):
        watershed(volume, 0.5)
