"""Maps against the mrcfile package, in every mode and byte order that is read."""

import bz2
import errno
import gzip
import os
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.mrc import Map, check_same_grid, read_map, write_map

DTYPES = {0: np.int8, 1: np.int16, 2: np.float32, 6: np.uint16, 12: np.float16}


def values_of_mode(mode: int, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    dtype = DTYPES[mode]
    if np.issubdtype(dtype, np.integer):
        info = np.iinfo(dtype)
        return rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    return rng.normal(size=shape).astype(dtype)


def write_mrc(path: Path, data: np.ndarray, voxel: float = 1.5, order: str = "<") -> Path:
    """Write with mrcfile; big-endian by swapping what it wrote."""
    with mrcfile.new(path, overwrite=True) as handle:
        handle.set_data(data)
        handle.voxel_size = voxel
        if data.ndim == 3 and path.suffix == ".mrc":
            handle.set_volume()
    if order == ">":
        raw = path.read_bytes()
        header = np.frombuffer(raw[:1024], mrcfile.dtypes.HEADER_DTYPE)
        swapped = header.astype(mrcfile.dtypes.HEADER_DTYPE.newbyteorder(">"))
        body = data.astype(data.dtype.newbyteorder(">")).tobytes()
        path.write_bytes(swapped.tobytes() + body)
    return path


def patch(path: Path, offset: int, value: np.ndarray) -> Path:
    raw = bytearray(path.read_bytes())
    raw[offset : offset + value.nbytes] = value.tobytes()
    path.write_bytes(bytes(raw))
    return path


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", DTYPES)
def test_every_mode_and_byte_order(
    tmp_path: Path, rng: np.random.Generator, mode: int, order: str
) -> None:
    cube = values_of_mode(mode, (8, 8, 8), rng)
    volume = read_map(write_mrc(tmp_path / "a.mrc", cube, order=order))
    np.testing.assert_array_equal(volume.data, cube.astype(np.float32))
    assert volume.data.dtype == np.float32
    assert volume.voxel_size_angstrom == 1.5


@given(axes=st.permutations([1, 2, 3]))
@settings(
    deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_order_of_axes(tmp_path: Path, axes: list[int]) -> None:
    zyx = np.random.default_rng(0).normal(size=(4, 4, 4)).astype("f4")
    # Columns run along axes[0], rows along axes[1], sections along axes[2].
    stored = zyx.transpose([3 - axes[2], 3 - axes[1], 3 - axes[0]])
    path = write_mrc(tmp_path / "a.mrc", np.ascontiguousarray(stored))
    patch(path, 64, np.array(axes, "<i4"))
    np.testing.assert_array_equal(read_map(path).data, zyx)


def test_maps_are_written_as_mrc2014(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.normal(size=(12, 12, 12)).astype(np.float32)
    path = tmp_path / "a.mrc"
    write_map(path, data, 1.237)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as handle:
        np.testing.assert_array_equal(handle.data, data)
        assert handle.is_volume()
        assert handle.voxel_size.x == pytest.approx(1.237, rel=1e-6)
        assert handle.header.rms == pytest.approx(data.std(), rel=1e-5)
    back = read_map(path)
    np.testing.assert_array_equal(back.data, data)
    # float32 cell lengths hold 7 digits
    assert back.voxel_size_angstrom == pytest.approx(1.237, rel=2e-7)


def test_a_full_disc_leaves_the_old_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.mrc"
    write_map(path, np.ones((4, 4, 4), np.float32), 1.0)
    old = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match=r"a\.mrc: cannot write .*disc is full"):
        write_map(path, np.zeros((4, 4, 4), np.float32), 1.0)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]


def test_results_are_as_readable_as_the_umask_says(tmp_path: Path) -> None:
    old = os.umask(0o027)
    try:
        write_map(tmp_path / "a.mrc", np.ones((2, 2, 2), np.float32), 1.0)
    finally:
        os.umask(old)
    assert (tmp_path / "a.mrc").stat().st_mode & 0o777 == 0o640


def test_maps_on_one_grid_are_told_from_others() -> None:
    one = Map(np.zeros((8, 8, 8), np.float32), 2.0, Path("map.mrc"))
    check_same_grid(one, Map(np.zeros((8, 8, 8), np.float32), 2.0005), "the mask")
    with pytest.raises(
        InputError, match=r"the mask has a box of 6 voxels, but the map map.mrc has 8"
    ):
        check_same_grid(one, Map(np.zeros((6, 6, 6), np.float32), 2.0), "the mask")
    with pytest.raises(InputError, match=r"mask.mrc: the mask has voxels of 2.1000 Å"):
        check_same_grid(
            one, Map(np.zeros((8, 8, 8), np.float32), 2.1, Path("mask.mrc")), "the mask"
        )


def flip_a_bit(raw: bytes) -> bytes:
    middle = len(raw) // 2
    return raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :]


FIELDS = {
    "unknown mode": (12, np.array(7, "<i4")),
    "no voxel size": (40, np.zeros(3, "<f4")),
    "unequal voxels": (40, np.array([9, 9, 10], "<f4")),
    "impossible voxel size": (40, np.array([1e30, 1e30, 1e30], "<f4")),
    "negative cell": (40, np.array([9, -9, 9], "<f4")),
    "cell is not a number": (40, np.array([np.nan, 9, 9], "<f4")),
    "oblique cell": (52, np.array([90, 104.5, 90], "<f4")),
    "4-bit values": (12, np.array(101, "<i4")),
}
BYTES = {
    "truncated": lambda raw: raw[:-40],
    "header only in part": lambda raw: raw[:500],
    "corrupt": lambda raw: b"\xfa" * len(raw),
    "gzip, cut off": lambda raw: gzip.compress(raw)[:-200],
    "gzip, a bit flipped": lambda raw: flip_a_bit(gzip.compress(raw)),
    "bzip2, cut off": lambda raw: bz2.compress(raw)[:-200],
    "bzip2, a bit flipped": lambda raw: flip_a_bit(bz2.compress(raw)),
    "gzip of a truncated map": lambda raw: gzip.compress(raw[:-40]),
    "gzip that says more than it can hold": lambda raw: gzip.compress(
        np.array([2000, 2000, 2000], "<i4").tobytes() + raw[12:]
    ),
}


def spoiled_map(case: str, path: Path) -> Path:
    """A map file with one fault."""
    cube = np.random.default_rng(0).normal(size=(6, 6, 6)).astype("f4")
    write_mrc(path, cube[:4] if case == "not cubic" else cube)
    if case in FIELDS:
        patch(path, *FIELDS[case])
    elif case in BYTES:
        path.write_bytes(BYTES[case](path.read_bytes()))
    elif case == "NaN":
        patch(path, 1024 + 4 * (36 + 2 * 6 + 3), np.array(np.nan, "<f4"))
    elif case == "absent":
        path.unlink()
    return path


FAULTS_OF_MAPS = {
    "not cubic": "not cubic: 6 x 6 x 4 (x, y, z)",
    "NaN": "the first at voxel x=3, y=2, z=1",
    "truncated": "5 whole sections",
    "header only in part": "has 500 bytes, less than an MRC header",
    "corrupt": "is not an MRC file",
    "unknown mode": "MRC mode 7 is not known",
    "4-bit values": "MRC mode 101 holds 4-bit values",
    "impossible voxel size": "holds no voxel size",
    "negative cell": "holds no voxel size",
    "cell is not a number": "holds no voxel size",
    "oblique cell": "the cell is not rectangular: its angles are 90.00, 104.50, 90.00",
    "no voxel size": "holds no voxel size",
    "unequal voxels": "voxel sizes along x, y, z differ: 1.5000, 1.5000, 1.6667",
    "gzip, cut off": "the compressed data are corrupt or cut off",
    "gzip, a bit flipped": "the compressed data are corrupt or cut off",
    "bzip2, cut off": "the compressed data are corrupt or cut off",
    "bzip2, a bit flipped": "the compressed data are corrupt or cut off",
    "gzip of a truncated map": "is truncated: its header says 216 values, but it holds 206",
    "gzip that says more than it can hold": "is truncated or corrupt: its header says 32000001024",
    "absent": "no such file",
}


@pytest.mark.parametrize(("case", "message"), FAULTS_OF_MAPS.items(), ids=FAULTS_OF_MAPS.keys())
def test_faulty_maps_are_refused(tmp_path: Path, case: str, message: str) -> None:
    path = spoiled_map(case, tmp_path / "a.mrc")
    with pytest.raises(InputError) as caught:
        read_map(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress], ids=["gzip", "bzip2"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_compressed_maps(tmp_path: Path, rng: np.random.Generator, pack, order: str) -> None:
    cube = values_of_mode(1, (8, 8, 8), rng)
    path = write_mrc(tmp_path / "a.mrc", cube, order=order)
    path.write_bytes(pack(path.read_bytes()))  # the name does not matter
    volume = read_map(path)
    np.testing.assert_array_equal(volume.data, cube.astype(np.float32))
    assert volume.voxel_size_angstrom == 1.5


def test_a_voxel_size_may_be_given_where_the_header_has_none(tmp_path: Path) -> None:
    path = spoiled_map("no voxel size", tmp_path / "a.mrc")
    assert read_map(path, voxel_size_angstrom=3.0).voxel_size_angstrom == 3.0
    for wrong in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match=r"a.mrc: the voxel size given is .* above 0"):
            read_map(path, voxel_size_angstrom=wrong)
