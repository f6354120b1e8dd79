"""Where a map's box lies: the rule for start and origin, and keeping it when writing."""

from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.io.mrc_header import read_header

VOXEL = 1.5
START, CELL_AXES, EXTENDED, ORIGIN, MAP_WORD = 16, 64, 92, 196, 208


def spoil(path: Path, **words: np.ndarray) -> Path:
    """Write words into a header at the offsets named (at_16=...)."""
    raw = bytearray(path.read_bytes())
    for name, value in words.items():
        offset = int(name.removeprefix("at_"))
        raw[offset : offset + value.nbytes] = value.tobytes()
    path.write_bytes(bytes(raw))
    return path


def start(*values: int) -> dict[str, np.ndarray]:
    return {f"at_{START}": np.array(values, "<i4")}


def origin(*values: float) -> dict[str, np.ndarray]:
    return {f"at_{ORIGIN}": np.array(values, "<f4")}


NO_MAP_WORD = {f"at_{MAP_WORD}": np.zeros(4, "u1")}

# Header -> corner in voxels; ChimeraX's reader decides each of them the same way.
RULE = {
    "nothing": ({}, (0, 0, 0)),
    "start": (start(4, -2, 0), (4, -2, 0)),
    "origin": (origin(6.0, -3.0, 0.75), (4, -2, 0.5)),
    "origin along one axis only": (origin(0, 0, 3.0) | start(1, 1, 1), (0, 0, 2)),
    "both: the origin counts": (origin(6.0, 6.0, 6.0) | start(9, 9, 9), (4, 4, 4)),
    "origin is not a number": (origin(np.nan, 1.0, 0) | start(1, 2, 3), (1, 2, 3)),
    "origin beyond all voxels": (origin(1e30, 1.0, 0) | start(1, 2, 3), (1, 2, 3)),
    "before MRC2000": (origin(6.0, 6.0, 6.0) | start(1, 2, 3) | NO_MAP_WORD, (1, 2, 3)),
    "start was never set": (start(10**8, 0, 0), (0, 0, 0)),
}


@pytest.mark.parametrize(("words", "corner"), RULE.values(), ids=RULE.keys())
def test_origin_counts_and_start_where_there_is_none(
    tmp_path: Path, words: dict[str, np.ndarray], corner: tuple[float, ...]
) -> None:
    path = tmp_path / "a.mrc"
    write_map(path, np.ones((6, 6, 6), np.float32), VOXEL)
    volume = read_map(spoil(path, **words))
    np.testing.assert_allclose(volume.corner_angstrom, np.array(corner) * VOXEL)


@given(
    axes=st.permutations([1, 2, 3]),
    size=st.tuples(*[st.integers(2, 6)] * 3),
    first=st.tuples(*[st.integers(-7, 7)] * 3),
)
@settings(
    deadline=None,
    max_examples=40,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_axes_of_any_order_keep_hand_and_place(
    tmp_path: Path, axes: list[int], size: tuple[int, ...], first: tuple[int, ...]
) -> None:
    """Against gemmi, which puts the box into its place in a periodic cell."""
    values = np.random.default_rng(0).normal(size=size).astype(np.float32)
    path = tmp_path / "a.mrc"
    write_map(path, values, VOXEL)
    # Now the file's columns, rows and sections are called by other axes, the start with them; the
    # cell along an axis is as long as the box.
    sizes_xyz = np.empty(3, "<i4")
    sizes_xyz[np.array(axes) - 1] = values.shape[::-1]
    spoil(
        path,
        **start(*first),
        at_28=sizes_xyz,
        at_40=(sizes_xyz * VOXEL).astype("<f4"),
        at_64=np.array(axes, "<i4"),
    )
    volume = read_map(path, cubic=False)
    assert volume.size_xyz == tuple(sizes_xyz)
    theirs = gemmi.read_ccp4_map(str(path), setup=False)
    theirs.setup(float("nan"), gemmi.MapSetup.NoSymmetry)
    cell = np.array(theirs.grid, copy=True)
    places = [
        (begin + np.arange(n)) % n
        for begin, n in zip(volume.position.start_px, volume.size_xyz, strict=True)
    ]
    np.testing.assert_array_equal(volume.data, cell[np.ix_(*places)].T)


def test_a_mirrored_file_is_told_from_an_axis_order(tmp_path: Path) -> None:
    """A screw keeps its turn when the file swaps two axes and says so."""
    z = np.arange(8)
    screw = np.zeros((8, 8, 8), np.float32)
    screw[z, np.rint(4 + 3 * np.sin(z)).astype(int), np.rint(4 + 3 * np.cos(z)).astype(int)] = 1
    path = tmp_path / "swapped.mrc"
    write_map(path, screw.transpose(0, 2, 1), VOXEL)
    assert not np.array_equal(read_map(path).data, screw)
    spoil(path, at_64=np.array([2, 1, 3], "<i4"))
    np.testing.assert_array_equal(read_map(path).data, screw)


def test_positions_are_kept_in_writing(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.normal(size=(4, 5, 6)).astype(np.float32)
    position = BoxPosition((-3, 4, 0), (1.25, -7.5, 0.0))
    write_map(tmp_path / "a.mrc", data, VOXEL, position)
    assert mrcfile.validate(tmp_path / "a.mrc")
    with mrcfile.open(tmp_path / "a.mrc") as handle:
        np.testing.assert_array_equal(handle.data, data)
        assert tuple(handle.nstart.item()) == (-3, 4, 0)
        assert tuple(handle.header.origin.item()) == (1.25, -7.5, 0.0)
    assert read_map(tmp_path / "a.mrc", cubic=False).position == position


def test_at_zero_not_a_byte_of_the_header_differs(tmp_path: Path) -> None:
    data = np.arange(8, dtype=np.float32).reshape(2, 2, 2)
    write_map(tmp_path / "a.mrc", data, 2.0)
    with mrcfile.new(tmp_path / "b.mrc", data) as handle:
        handle.voxel_size = 2.0
        handle.set_volume()
        handle.header.label[:] = b""
        handle.header.label[0] = b"locref_widgets"
        handle.header.nversion = 20140
    ours, theirs = ((tmp_path / name).read_bytes() for name in ("a.mrc", "b.mrc"))
    assert ours == theirs


def test_half_precision_on_request(tmp_path: Path, rng: np.random.Generator) -> None:
    data = rng.normal(size=(6, 6, 6)).astype(np.float32)
    path = tmp_path / "a.mrc"
    write_map(path, data, VOXEL, mode=12)
    assert mrcfile.validate(path)
    with mrcfile.open(path) as handle:
        np.testing.assert_array_equal(handle.data, data.astype(np.float16))
    np.testing.assert_array_equal(read_map(path).data, data.astype(np.float16))
    old = path.read_bytes()
    with pytest.raises(InputError, match=r"a.mrc: values up to 7e\+04 do not fit into float16"):
        write_map(path, np.full((6, 6, 6), 7e4, np.float32), VOXEL, mode=12)
    assert path.read_bytes() == old


@pytest.mark.parametrize(("flags", "expected"), [(0, [0, 127, 128, 255]), (1, [0, 127, -128, -1])])
def test_imods_flag_says_whether_bytes_are_signed(
    tmp_path: Path, flags: int, expected: list[int]
) -> None:
    path = tmp_path / "a.mrc"
    with mrcfile.new(path) as handle:
        handle.set_data(np.array([0, 127, -128, -1] * 16, np.int8).reshape(4, 4, 4))
        handle.voxel_size = VOXEL
        handle.set_volume()
    assert read_map(path).data[0, 0].tolist() == [0, 127, -128, -1]  # MRC2014: signed
    spoil(path, at_152=np.array([1146047817, flags], "<i4"))
    assert read_map(path).data[0, 0].tolist() == expected


def test_symmetry_records_that_are_not_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mrc"
    data = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    write_map(path, data, VOXEL)
    spoil(path, at_92=np.array(80, "<i4"))
    np.testing.assert_array_equal(read_map(path).data, data)


def test_start_and_origin_that_disagree_are_told(tmp_path: Path) -> None:
    from locref_widgets.io.info import describe

    path = tmp_path / "a.mrc"
    data = np.arange(27, dtype=np.float32).reshape(3, 3, 3)
    write_map(path, data, VOXEL, BoxPosition((2, 0, 0), (3.0, 0.0, 0.0)))
    told = describe(path)
    assert (told["faults"], told["facts"]["corner_angstrom"]) == ([], [3.0, 0.0, 0.0])
    write_map(path, data, VOXEL, BoxPosition((2, 0, 0), (4.5, 0.0, 0.0)))
    (fault,) = describe(path)["faults"]
    assert "put the first voxel at different places. The origin is used" in fault
    assert read_header(path).position.corner_px(VOXEL).tolist() == [3.0, 0.0, 0.0]
