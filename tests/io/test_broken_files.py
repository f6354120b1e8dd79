"""Real files with bytes changed or cut off: a clear message or a sound result, and little memory.

The changes are drawn from fixed seeds, so that every run of the tests meets the same files.
"""

import bz2
import gzip
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.image_stack import ImageStack
from locref_widgets.io.info import describe
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.io.star import read_star, write_star

MRC_FILES = [
    "maps/EMD-3197.map",
    "maps/emd_3197.map.gz",
    "maps/EMD-3001.map.bz2",
    "maps/emd_2479.map",
    "maps/emd_1099.map",
    "maps/emd_1155.ccp4",
    "masks/emd_5168_monomer.mrc",
    "particles/relion31_microtubule_5/relion31.mrcs",
]
STAR_FILES = [
    "star/relion31_emtools_refine3d/run_it016_half1_model.star",
    "star/teamtomo_starfile/loop_double_quote.star",
    "star/teamtomo_starfile/basic_single_quote.star",
    "star/scipion_relion31_nonumbers.star",
    "star/cryocat_relion_3.1_optics.star",
    "particles/relion31_microtubule_5/relion31.v2.star",
]
BUNZIP2_BYTES = 6 * 2**20
"""What unpacking bzip2 takes by itself: four times its block of 900,000 bytes, and a piece."""

KEPT_BYTES = 40_000
"""Of larger files only so much is used: cut off where they stand, their headers are still whole."""

EXTREMES = np.array([0, 1, -1, 2, 255, 2**24 - 1, 2**30, 2**31 - 1, -(2**31)], "<i4").tobytes()
EXTREMES += np.array([np.nan, np.inf, -np.inf, -1.0, 1e-38, 1e38, 0.5], "<f4").tobytes()


def broken(raw: bytes, rng: np.random.Generator, header_bytes: int) -> bytes:
    """Change some bytes or words of the header, or some of all bytes, or cut the end off."""
    spoiled = bytearray(raw)
    reach = min(header_bytes, len(raw))
    kind = rng.integers(4)
    if kind == 0:
        for place in rng.integers(reach, size=rng.integers(1, 8)):
            spoiled[place] = rng.integers(256)
    elif kind == 1:
        for place in rng.integers(reach // 4, size=rng.integers(1, 4)):
            which = 4 * rng.integers(len(EXTREMES) // 4)
            spoiled[4 * place : 4 * place + 4] = EXTREMES[which : which + 4]
    elif kind == 2:
        for place in rng.integers(len(raw), size=rng.integers(1, 30)):
            spoiled[place] = rng.integers(256)
    else:
        del spoiled[int(len(raw) * rng.random() ** 2) :]
    return bytes(spoiled)


@contextmanager
def little_memory(most_bytes: int) -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < most_bytes
    finally:
        tracemalloc.stop()


def attempt(action: Callable[[], object], path: Path) -> bool:
    """Whether it went well; any error but an InputError that names the file fails the test."""
    try:
        action()
    except InputError as error:
        message = str(error)
    else:
        return True
    assert message.startswith(str(path))
    return False


def unpacks(packed: bytes) -> bool:
    """Whether the library's own unpacker accepts the whole file."""
    try:
        (bz2 if packed.startswith(b"BZ") else gzip).decompress(packed)
    except (OSError, EOFError, ValueError, zlib.error):
        return False
    return True


@pytest.mark.parametrize("name", MRC_FILES)
def test_broken_maps_and_stacks(shared_data: Path, tmp_path: Path, name: str) -> None:
    raw = (shared_data / name).read_bytes()
    packed = name.endswith(("gz", "bz2"))
    raw = raw if packed else raw[:KEPT_BYTES]
    path = tmp_path / Path(name).name
    rng = np.random.default_rng(len(raw))
    # What comes out of the compressed ones is at most twice as long as the file.
    rounds = 30 if packed else 60
    files = [broken(raw, rng, len(raw) if packed else 224) for _ in range(rounds)]
    read = 0
    with little_memory(40 * len(raw) + BUNZIP2_BYTES):
        for spoiled in files:
            path.write_bytes(spoiled)
            read += attempt(lambda: read_map(path, cubic=False), path)
            attempt(lambda: ImageStack(path).read(np.array([0])), path)
            describe(path)
    assert read < rounds
    if packed:
        # The checksum at the end tells of every change; the file as it was given is read.
        assert read == sum(unpacks(spoiled) for spoiled in files)
        path.write_bytes(raw)
        is_oblique = name == "maps/EMD-3001.map.bz2"
        assert attempt(lambda: read_map(path, cubic=False), path) != is_oblique
    else:
        assert read > 0 or len(raw) == KEPT_BYTES


@pytest.mark.parametrize("packed_as", ["gzip", "bzip2"])
def test_what_is_packed_is_broken_before_packing(
    shared_data: Path, tmp_path: Path, packed_as: str
) -> None:
    raw = (shared_data / "maps/EMD-3197.map").read_bytes()
    pack = {"gzip": lambda b: gzip.compress(b, 1), "bzip2": bz2.compress}[packed_as]
    path = tmp_path / "a.map"
    rng = np.random.default_rng(5)
    files = [pack(broken(raw, rng, 224)) for _ in range(40)]
    read = 0
    with little_memory(40 * len(raw) + BUNZIP2_BYTES):
        for packed in files:
            path.write_bytes(packed)
            read += attempt(lambda: read_map(path, cubic=False), path)
    assert 0 < read < 40


def header_of(size: tuple[int, int, int], folder: Path, extended_bytes: int = 0) -> bytes:
    write_map(folder / "small.mrc", np.zeros((4, 4, 4), np.float32), 1.5)
    raw = bytearray((folder / "small.mrc").read_bytes()[:1024])
    raw[0:12] = np.array(size, "<i4").tobytes()
    raw[92:96] = np.array(extended_bytes, "<i4").tobytes()
    return bytes(raw)


HUGE = (2**24 - 1,) * 3
ZEROS = bytes(30 * 2**20)
CLAIMS: dict[str, tuple[tuple[int, int, int], int, bytes, bool]] = {
    # size in the header, length of the extended header, what follows, whether it can be read
    "huge size": (HUGE, 0, bytes(256), False),
    "huge extended header": ((4, 4, 4), 2**30 - 1, bytes(300), False),
    "far more behind than it says": ((4, 4, 4), 0, ZEROS, True),
    "less than it says": ((512, 512, 32), 0, bytes(4096), False),
    "as much as it says": ((64, 64, 64), 4096, bytes(4096 + 4 * 64**3), True),
}


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress], ids=["", "gzip", "bzip2"])
@pytest.mark.parametrize(
    ("size", "extended", "body", "readable"), CLAIMS.values(), ids=CLAIMS.keys()
)
def test_memory_goes_with_what_is_there_not_with_what_is_claimed(
    tmp_path: Path, pack, size: tuple[int, int, int], extended: int, body: bytes, readable: bool
) -> None:
    path = tmp_path / "a.mrc"
    path.write_bytes(pack(header_of(size, tmp_path, extended) + body))
    # The last of them holds 1 MiB of values: unpacked, turned to float32, checked.
    with little_memory(4 * 2**20 + BUNZIP2_BYTES):
        assert attempt(lambda: read_map(path), path) == readable


def broken_text(raw: bytes, rng: np.random.Generator) -> bytes:
    lines = raw.split(b"\n")
    kind = rng.integers(5)
    at = rng.integers(len(lines))
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(at, lines[rng.integers(len(lines))])
    elif kind == 2:
        signs = [
            b"'",
            b'"',
            b"#",
            b"_",
            b"loop_",
            b"data_",
            b"\t",
            b"\r",
            b"\x00",
            b"\xa0",
            b"\xff",
        ]
        cut = rng.integers(len(lines[at]) + 1)
        lines[at] = lines[at][:cut] + signs[rng.integers(len(signs))] + lines[at][cut:]
    else:
        return broken(raw, rng, len(raw))
    return b"\n".join(lines)


@pytest.mark.parametrize("name", STAR_FILES)
def test_broken_star_files(shared_data: Path, tmp_path: Path, name: str) -> None:
    """What can be read at all is written and read again as it was."""
    lines = (shared_data / name).read_bytes()[:KEPT_BYTES].split(b"\n")
    raw = b"\n".join(lines[:-1])
    path, again = tmp_path / "a.star", tmp_path / "again.star"
    rng = np.random.default_rng(len(raw))
    read = 0
    for _ in range(60):
        path.write_bytes(broken_text(raw, rng))
        if not attempt(lambda: read_star(path), path):
            continue
        read += 1
        blocks = read_star(path)
        write_star(again, blocks)
        back = read_star(again)
        assert list(back) == list(blocks)
        for block, table in blocks.items():
            assert {k: v.tolist() for k, v in back[block].columns.items()} == {
                k: v.tolist() for k, v in table.columns.items()
            }
            for column in table.columns:
                attempt(lambda t=table, c=column: t.floats(c), path)
    assert 0 < read < 60


PATHOLOGICAL: dict[str, tuple[str, dict[str, tuple[int, int]] | None]] = {
    # the text, and rows and columns of what is read by block, or None where it is refused
    "quotes that never close": ("data_a\n_x " + "'a \"b " * 100_000 + "\n", None),
    "comments without end": (
        "data_a\nloop_\n_x\n_y\n1 2\n" + "# remark\n" * 20_000 + "3 4\n",
        {"a": (2, 2)},
    ),
    "one comment a row": (
        "data_a\nloop_\n_x\n_y\n" + "1 2\n# remark\n\n" * 10_000,
        {"a": (10_000, 2)},
    ),
    "many short loops": (
        "".join(f"data_{i}\nloop_\n_x\n_y\n1 2\n" for i in range(1_000)),
        {str(i): (1, 2) for i in range(1_000)},
    ),
    "many labels": (
        "data_a\nloop_\n" + "".join(f"_{i}\n" for i in range(20_000)),
        {"a": (0, 20_000)},
    ),
}


@pytest.mark.parametrize(("text", "expected"), PATHOLOGICAL.values(), ids=PATHOLOGICAL.keys())
def test_time_grows_no_faster_than_the_file(
    tmp_path: Path, text: str, expected: dict[str, tuple[int, int]] | None
) -> None:
    """A step whose time goes with the square of the length would take minutes for each of these."""
    path = tmp_path / "a.star"
    path.write_text(text)
    if expected is None:
        with pytest.raises(InputError, match=rf"^{path}: line 2: expected a label and its value"):
            read_star(path)
        return
    blocks = read_star(path)
    assert {n: (len(table), len(table.columns)) for n, table in blocks.items()} == expected
