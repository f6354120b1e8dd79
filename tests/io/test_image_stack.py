"""Image stacks: any choice of images, from several threads, with little memory."""

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

from locref_widgets.errors import InputError
from locref_widgets.io.image_stack import ImageStack
from tests.io.test_mrc import DTYPES, patch, values_of_mode, write_mrc


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("mode", DTYPES)
def test_every_mode_and_byte_order(
    tmp_path: Path, rng: np.random.Generator, mode: int, order: str
) -> None:
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


def test_real_float16_stack(shared_data: Path) -> None:
    folder = next((shared_data / "particles/warptools_ribosome_40").glob("*/Unt_050"))
    path = folder / "Unt_050_12.00A_000001.mrcs"
    stack = ImageStack(path)
    assert (stack.mode, len(stack)) == (12, 37)
    with mrcfile.open(path, permissive=True) as handle:
        np.testing.assert_array_equal(stack.read(np.arange(37)), handle.data.astype("f4"))


@pytest.mark.parametrize(("tool", "packing"), [("gunzip", b"\x1f\x8b\x08"), ("bunzip2", b"BZh")])
def test_compressed_stacks_are_refused_with_the_way_out(
    tmp_path: Path, tool: str, packing: bytes
) -> None:
    import bz2
    import gzip

    pack = gzip.compress if tool == "gunzip" else bz2.compress
    path = write_mrc(tmp_path / "a.mrcs", np.zeros((3, 4, 4), np.float32))
    path.write_bytes(pack(path.read_bytes()))
    assert path.read_bytes().startswith(packing)
    with pytest.raises(InputError, match=rf"a.mrcs: is compressed .* first: {tool} a.mrcs"):
        ImageStack(path)
