"""Maps and stacks against the mrcfile package, in every mode and byte order that is read."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.image_stack import ImageStack
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
    images = values_of_mode(mode, (7, 4, 6), rng)
    stack = ImageStack(write_mrc(tmp_path / "a.mrcs", images, order=order))
    assert (len(stack), stack.box, stack.mode) == (7, (4, 6), mode)
    assert stack.pixel_size_angstrom == pytest.approx(1.5)
    np.testing.assert_array_equal(stack.read(np.arange(7)), images.astype(np.float32))


@given(wanted=st.lists(st.integers(0, 40), max_size=60), run_bytes=st.integers(1, 5000))
@settings(
    deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_any_choice_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: list[int], run_bytes: int
) -> None:
    # Small pieces, so that runs are broken up as they are in large stacks.
    monkeypatch.setattr("locref_widgets.io.image_stack._RUN_BYTES", run_bytes)
    images = np.arange(41 * 5 * 3, dtype=np.int16).reshape(41, 5, 3)
    path = tmp_path / "a.mrcs"
    if not path.exists():
        write_mrc(path, images)
    read = ImageStack(path).read(np.array(wanted, dtype=np.int64))
    np.testing.assert_array_equal(read, images[wanted])


def test_one_stack_may_be_read_from_several_threads(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(200, 16, 16)).astype("f4")
    stack = ImageStack(write_mrc(tmp_path / "a.mrcs", images))
    choices = [np.arange(i, 200, 7) for i in range(7)] * 10
    with ThreadPoolExecutor(8) as pool:
        for choice, read in zip(choices, pool.map(stack.read, choices), strict=True):
            np.testing.assert_array_equal(read, images[choice])


def test_images_outside_the_stack_are_refused(tmp_path: Path) -> None:
    stack = ImageStack(write_mrc(tmp_path / "a.mrcs", np.zeros((3, 4, 4), np.float32)))
    for index in (3, -1):
        with pytest.raises(InputError, match="holds 3"):
            stack.read(np.array([index]))


READ_ALL = """
import resource, sys
import numpy as np
from locref_widgets.io.image_stack import ImageStack
stack = ImageStack(sys.argv[1])
stack.read(np.arange(50))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for start in range(0, len(stack), 50):
    stack.read(np.arange(start, start + 50))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_the_stack(tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "a.mrcs", np.zeros((50, 128, 128), np.float32))
    patch(path, 8, np.array(10_000, "<i4"))
    os.truncate(path, 1024 + 10_000 * 128 * 128 * 4)  # a file of 655 MB that takes no disc
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, str(path)], capture_output=True, text=True, check=True
    )
    # In kilobytes on Linux, bytes on macOS; one batch is 3.3 MB, the stack 655 MB.
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(done.stdout) * unit < 20e6


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


@pytest.mark.parametrize(
    "name", ["maps/EMD-1997.map", "maps/emd_2479.map", "maps/betaGal.mrc", "masks/emd_1832.map"]
)
def test_real_maps_read_as_mrcfile_reads_them(shared_data: Path, name: str) -> None:
    volume = read_map(shared_data / name)
    with mrcfile.open(shared_data / name, permissive=True) as handle:
        np.testing.assert_array_equal(volume.data, handle.data)
        assert volume.voxel_size_angstrom == pytest.approx(float(handle.voxel_size.x), rel=1e-5)


@pytest.mark.parametrize("name", ["maps/emd_1099.map", "maps/low-res-emd-32143.map"])
def test_real_maps_with_other_axes_read_as_gemmi_reads_them(shared_data: Path, name: str) -> None:
    import gemmi

    theirs = gemmi.read_ccp4_map(str(shared_data / name), setup=True)
    # gemmi indexes x, y, z and rolls the grid by the start of the box.
    grid = np.array(theirs.grid, copy=True).transpose(2, 1, 0)
    ours = read_map(shared_data / name)
    shift = -32 if "1099" in name else 0
    np.testing.assert_array_equal(np.roll(ours.data, shift, axis=(0, 1, 2)), grid)


def test_real_float16_stack(shared_data: Path) -> None:
    folder = next((shared_data / "particles/warptools_ribosome_40").glob("*/Unt_050"))
    path = folder / "Unt_050_12.00A_000001.mrcs"
    stack = ImageStack(path)
    assert (stack.mode, len(stack)) == (12, 37)
    with mrcfile.open(path, permissive=True) as handle:
        np.testing.assert_array_equal(stack.read(np.arange(37)), handle.data.astype("f4"))


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


FIELDS = {
    "unknown mode": (12, np.array(4, "<i4")),
    "no voxel size": (40, np.zeros(3, "<f4")),
    "unequal voxels": (40, np.array([9, 9, 10], "<f4")),
    "start": (16, np.array([0, 2, 0], "<i4")),
    "origin": (196, np.array([10, 0, 0], "<f4")),
}
BYTES = {
    "truncated": lambda raw: raw[:-40],
    "header only in part": lambda raw: raw[:500],
    "corrupt": lambda raw: b"\xfa" * len(raw),
    "gzip": lambda raw: b"\x1f\x8b" + raw,
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
    "unknown mode": "MRC mode 4 is not known",
    "no voxel size": "holds no voxel size",
    "unequal voxels": "voxel sizes along x, y, z differ: 1.5000, 1.5000, 1.6667",
    "start": "nxstart, nystart, nzstart = (0, 2, 0)",
    "origin": "origin is 10.00, 0.00, 0.00 Å",
    "gzip": "compressed with gzip. Unpack it first: gunzip a.mrc",
    "absent": "no such file",
}


@pytest.mark.parametrize(("case", "message"), FAULTS_OF_MAPS.items(), ids=FAULTS_OF_MAPS.keys())
def test_faulty_maps_are_refused(tmp_path: Path, case: str, message: str) -> None:
    path = spoiled_map(case, tmp_path / "a.mrc")
    with pytest.raises(InputError) as caught:
        read_map(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_starts_and_origins_that_only_name_the_centre_are_fine(tmp_path: Path) -> None:
    path = write_mrc(tmp_path / "a.mrc", np.ones((6, 6, 6), "f4"))
    patch(path, 16, np.array([-3, -3, -3], "<i4"))
    patch(path, 196, np.array([-4.5, -4.5, -4.5], "<f4"))
    assert read_map(path).data.sum() == 216


def test_a_voxel_size_may_be_given_where_the_header_has_none(tmp_path: Path) -> None:
    path = spoiled_map("no voxel size", tmp_path / "a.mrc")
    assert read_map(path, voxel_size_angstrom=3.0).voxel_size_angstrom == 3.0
