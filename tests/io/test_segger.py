"""Segger's files: real ones, round trips, and what may be wrong with a file."""

import contextlib
import dataclasses
import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.segger import NAME_ATTRIBUTE, SeggerFile, read_segger, write_segger

ARRAYS = ("mask", "region_ids", "parent_ids", "ref_points_xyz", "smoothing_px", "colours")


def small(**changes) -> SeggerFile:
    """Two regions in one group, and one by itself."""
    mask = np.zeros((2, 3, 4), np.uint32)
    mask[0, 0, :2], mask[0, 1, 2], mask[1, 2, 3] = 1, 2, 3
    made = SeggerFile(
        mask=mask,
        region_ids=np.array([1, 2, 3, 7], np.int32),
        parent_ids=np.array([7, 7, 0, 0], np.int32),
        ref_points_xyz=np.array([[0, 0, 0], [2, 1, 0], [3, 2, 1], [1, 0, 0]], np.float32),
        smoothing_px=np.array([0, 0, 0, 1.5], np.float32),
        colours=np.full((4, 4), 0.5, np.float32),
        level=0.25,
        voxel_to_angstrom=np.eye(3, 4, dtype=np.float32),
        map_path="a map.mrc",
        name="a segmentation",
        attributes={
            NAME_ATTRIBUTE: {7: "Kopf – head", 3: ""},
            "chains": {1: 2, 2: 3},
            "map mean": {1: 0.5, 7: 2},
        },
    )
    return dataclasses.replace(made, **changes)


def assert_same(a: SeggerFile, b: SeggerFile) -> None:
    for name in ARRAYS:
        assert getattr(a, name).dtype == getattr(b, name).dtype
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    np.testing.assert_array_equal(a.voxel_to_angstrom, b.voxel_to_angstrom)
    assert (a.level, a.map_path, a.attributes) == (b.level, b.map_path, b.attributes)


def test_a_real_file_holds_what_segger_shows(shared_data: Path):
    read = read_segger(shared_data / "masks/emd_1832.seg")
    assert read.mask.shape == (64, 64, 64)
    assert read.level == 0.42
    assert len(read.region_ids) == 45
    assert read.map_path == "/homes/solanes/Downloads/Chimera/EMDB/emd_1832.map"
    assert read.names[85] == "GINS + Cdc45"
    assert len(read.names) == 6
    np.testing.assert_allclose(read.voxel_to_angstrom[0], [5.7, 0, 0, -182.4])
    assert read.left_out == ()


def test_pickled_attributes_are_never_opened(shared_data: Path, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(pickle, "loads", lambda *_: opened.append(1))
    read = read_segger(shared_data / "masks/test_data.seg")  # its name and map are pickled
    assert read.name is None
    assert read.map_path is None
    write_segger(tmp_path / "a.seg", small())
    with h5py.File(tmp_path / "a.seg", "a") as file:
        file.attrs["map_path"] = np.bytes_(b"cos\nsystem\n(S'touch /tmp/x'\ntR.")
    assert read_segger(tmp_path / "a.seg").map_path is None
    assert not opened


@pytest.mark.parametrize("name", ["emd_1832.seg", "test_data.seg"])
def test_real_files_come_back_as_they_were(shared_data: Path, tmp_path, name):
    read = read_segger(shared_data / "masks" / name)
    write_segger(tmp_path / name, read)
    assert_same(read_segger(tmp_path / name), read)
    with (
        h5py.File(shared_data / "masks" / name) as theirs,
        h5py.File(tmp_path / name) as ours,
    ):
        # PyTables and Segger find the same things, of the same types.
        assert set(ours) == set(theirs)
        assert set(theirs.attrs) - {"map_path"} <= set(ours.attrs)
        for key in theirs:
            if isinstance(theirs[key], h5py.Dataset):
                assert ours[key].dtype == theirs[key].dtype
                for attribute, value in theirs[key].attrs.items():
                    assert ours[key].attrs[attribute] == value


def test_everything_that_is_written_is_read_again(tmp_path):
    write_segger(tmp_path / "a.seg", small())
    read = read_segger(tmp_path / "a.seg")
    assert_same(read, small())
    assert read.name == "a segmentation"
    assert read.names == {7: "Kopf – head", 3: ""}
    write_segger(tmp_path / "b.seg", small(name=None, attributes={}, level=None, map_path=None))
    read = read_segger(tmp_path / "b.seg")
    assert read.name == "b.seg"  # Segger asks for one
    assert (read.level, read.map_path, read.attributes) == (None, None, {})


def test_texts_are_written_so_that_nobody_takes_them_for_pickled_objects(tmp_path):
    write_segger(tmp_path / "a.seg", small(map_path="odd name."))
    assert read_segger(tmp_path / "a.seg").map_path == "odd name"


def test_a_segmentation_without_regions_can_be_written_and_read(tmp_path):
    nothing = SeggerFile(
        mask=np.zeros((2, 2, 2), np.uint32),
        region_ids=np.zeros(0, np.int32),
        parent_ids=np.zeros(0, np.int32),
        ref_points_xyz=np.zeros((0, 3), np.float32),
        smoothing_px=np.zeros(0, np.float32),
        colours=np.zeros((0, 4), np.float32),
    )
    write_segger(tmp_path / "a.seg", nothing)
    read = read_segger(tmp_path / "a.seg")
    assert len(read.region_ids) == 0
    assert not read.mask.any()


def test_what_is_not_read_is_told(tmp_path):
    write_segger(tmp_path / "a.seg", small())
    with h5py.File(tmp_path / "a.seg", "a") as file:
        file["skeleton"] = np.zeros(3, "S1")
        file.create_group("patches")
    assert read_segger(tmp_path / "a.seg").left_out == ("patches", "skeleton")


def put(name: str, values: np.ndarray) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        del file[name]
        file[name] = values

    return change


def attribute(name: str, value: object) -> Callable[[h5py.File, Path], None]:
    def change(file: h5py.File, folder: Path) -> None:
        file.attrs[name] = value

    return change


def link_mask(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["mask"] = np.zeros((2, 3, 4), np.uint32)
    del file["mask"]
    file["mask"] = h5py.ExternalLink(str(folder / "other.h5"), "mask")


def raw_mask_elsewhere(file: h5py.File, folder: Path) -> None:
    (folder / "secret").write_bytes(b"\1\0\0\0" * 24)
    del file["mask"]
    file.create_dataset("mask", (2, 3, 4), "<u4", external=[(str(folder / "secret"), 0, 96)])


def virtual_mask(file: h5py.File, folder: Path) -> None:
    del file["mask"]
    layout = h5py.VirtualLayout((2, 3, 4), "<u4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "mask", (2, 3, 4))
    file.create_virtual_dataset("mask", layout)


def huge_mask(file: h5py.File, folder: Path) -> None:
    del file["mask"]
    file.create_dataset("mask", (40_000, 40_000, 40_000), "<u4", chunks=(64, 64, 64))


def text_mask(file: h5py.File, folder: Path) -> None:
    del file["mask"]
    file.create_dataset("mask", data=np.array(["a"], object), dtype=h5py.string_dtype())


FAULTS = {
    "another format": (attribute("format", np.bytes_(b"amira")), "no segmentation of Segger"),
    "another version": (attribute("format_version", 3), "of format 3.*expected 2"),
    "no version": (attribute("format_version", np.zeros(2)), "of format None"),
    "flat mask": (put("mask", np.zeros((6, 4), np.uint32)), "'mask' is 6 x 4 of uint32, expected"),
    "mask of reals": (put("mask", np.zeros((2, 3, 4), np.float32)), "of whole numbers"),
    "mask of texts": (text_mask, "'mask' is 1 of object"),
    "mask with an unknown id": (
        put("mask", np.full((2, 3, 4), 9, np.uint32)),
        "region 9 of the volume is not among the regions",
    ),
    "mask with ids out of range": (
        put("mask", np.full((2, 3, 4), 2**32 - 1, np.uint32)),
        "ids from 4294967295",
    ),
    "mask with a large unknown id": (
        put("mask", np.full((2, 3, 4), 2**31 - 1, np.uint32)),
        "region 2147483647 of the volume",
    ),
    "group with voxels": (put("mask", np.full((2, 3, 4), 7, np.uint32)), "group 7 has voxels"),
    "mask elsewhere": (link_mask, "holds no array 'mask'"),
    "raw values elsewhere": (raw_mask_elsewhere, "'mask' refers to another file"),
    "virtual mask": (virtual_mask, "'mask' refers to another file"),
    "mask that cannot be": (huge_mask, "more than a file of this size can hold"),
    "no mask": (lambda file, _: file.pop("mask"), "holds no array 'mask'"),
    "id twice": (put("region_ids", np.array([1, 2, 3, 3])), "id 3 is told twice"),
    "id of zero": (put("region_ids", np.array([1, 2, 3, 0])), "id 0 is told twice or is not above"),
    "negative id": (put("parent_ids", np.array([-7, 7, 0, 0])), "ids from -7 to 7, expected 0 to"),
    "absent group": (put("parent_ids", np.array([7, 7, 8, 0])), "group 8 that holds a region"),
    "group in itself": (put("parent_ids", np.array([7, 7, 0, 7])), "group 7 is held by itself"),
    "too few parents": (put("parent_ids", np.array([7, 7])), "'parent_ids' is 2 of int64"),
    "points of two": (put("ref_points", np.zeros((4, 2))), "'ref_points' is 4 x 2"),
    "NaN": (put("region_colors", np.full((4, 4), np.nan)), "'region_colors' holds NaN"),
    "names without ids": (
        lambda file, _: file["Segment name string"].pop("ids"),
        "holds no array 'ids'",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_files_that_cannot_be_are_refused(tmp_path, fault):
    change, message = FAULTS[fault]
    path = tmp_path / "a.seg"
    write_segger(path, small())
    with h5py.File(path, "a") as file:
        change(file, tmp_path)
    with pytest.raises(InputError, match=message) as refused:
        read_segger(path)
    assert str(path) in str(refused.value)


def test_what_is_no_file_or_no_hdf5_is_refused(tmp_path, shared_data: Path):
    with pytest.raises(InputError, match="no such file"):
        read_segger(tmp_path / "absent.seg")
    with pytest.raises(InputError, match="no HDF5 file, or a damaged one"):
        read_segger(shared_data / "masks/emd_1832.map")
    (tmp_path / "empty.seg").write_bytes(b"")
    with pytest.raises(InputError, match="no HDF5 file"):
        read_segger(tmp_path / "empty.seg")
    with pytest.raises(InputError):
        read_segger(tmp_path)


@pytest.mark.parametrize("share", [0.05, 0.3, 0.6, 0.99])
def test_files_that_end_early_are_refused(tmp_path, shared_data: Path, share):
    content = (shared_data / "masks/emd_1832.seg").read_bytes()
    (tmp_path / "cut.seg").write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"cut\.seg"):
        read_segger(tmp_path / "cut.seg")


def test_damaged_files_are_read_or_refused_and_nothing_else(tmp_path, shared_data: Path, rng):
    content = (shared_data / "masks/test_data.seg").read_bytes()
    path = tmp_path / "damaged.seg"
    for _ in range(150):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 4):
            damaged[place] ^= 1 << rng.integers(0, 8)
        path.write_bytes(damaged)
        with contextlib.suppress(InputError):
            read_segger(path)


def test_a_segmentation_that_does_not_fit_together_is_not_written(tmp_path):
    path = tmp_path / "a.seg"
    path.write_bytes(b"what was there")
    with pytest.raises(InputError, match="group 7 is held by itself"):
        write_segger(path, small(parent_ids=np.array([7, 7, 0, 7], np.int32)))
    assert path.read_bytes() == b"what was there"
    with pytest.raises(OutputError, match="folder does not exist"):
        write_segger(tmp_path / "absent" / "a.seg", small())
