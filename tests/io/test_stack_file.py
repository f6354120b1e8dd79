"""Stacks written piece by piece."""

from concurrent.futures import ThreadPoolExecutor

import mrcfile
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.image_stack import ImageStack
from locref_widgets.io.stack_file import StackWriter


@pytest.mark.parametrize(("kind", "mode"), [("float32", 2), ("float16", 12)])
def test_images_put_in_any_order_by_several_threads(tmp_path, rng, kind, mode):
    images = rng.normal(size=(60, 6, 6)).astype(np.float32)
    order = np.array_split(rng.permutation(60), 13)
    with StackWriter(tmp_path / "s.mrcs", 6, 1.5, kind) as stack, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda places: stack.put(places, images[places]), order))
    assert mrcfile.validate(tmp_path / "s.mrcs")
    with mrcfile.open(tmp_path / "s.mrcs") as file:
        assert file.is_image_stack()
        assert int(file.header.mode) == mode
        assert float(file.voxel_size.x) == pytest.approx(1.5)
        # Half a unit in the last place of float16: 11 bits, and 2^-24 near zero.
        rounding = {"rtol": 0, "atol": 0} if mode == 2 else {"rtol": 2.0**-11, "atol": 2.0**-25}
        np.testing.assert_allclose(file.data, images, **rounding)
        # Of what is stored, and kept in the header as float32.
        held = file.data.astype(np.float64)
        assert float(file.header.dmean) == pytest.approx(held.mean(), rel=2.0**-23)
        assert float(file.header.rms) == pytest.approx(held.std(), rel=2.0**-23)
        assert (file.header.dmin, file.header.dmax) == (held.min(), held.max())
    assert ImageStack(tmp_path / "s.mrcs").read(np.arange(3)).shape == (3, 6, 6)


def test_what_float16_cannot_hold_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match="do not fit into float16"),
        StackWriter(tmp_path / "s.mrcs", 4, 1.0, "float16") as stack,
    ):
        stack.append(np.full((2, 4, 4), 1e5, np.float32))


@pytest.mark.parametrize("kind", ["float32", "float16", "int8"])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_no_number_is_refused_by_the_image(tmp_path, kind, value):
    images = np.ones((3, 4, 4), np.float32)
    images[1, 2, 3] = value
    with (
        pytest.raises(InputError, match="image 6 of the stack would hold NaN or infinite"),
        StackWriter(tmp_path / "s.mrcs", 4, 1.0, kind) as stack,
    ):
        stack.put(np.array([0, 5, 2]), images)


def test_int8_is_written_as_a_stack_of_its_mode(tmp_path):
    images = np.arange(-24, 24, dtype=np.float32).reshape(3, 4, 4)
    with StackWriter(tmp_path / "s.mrcs", 4, 1.0, "int8") as stack:
        stack.append(images)
    assert mrcfile.validate(tmp_path / "s.mrcs")
    with mrcfile.open(tmp_path / "s.mrcs") as file:
        assert file.is_image_stack()
        assert (int(file.header.mode), int(file.header.mz), float(file.header.cella.z)) == (0, 1, 1)
        np.testing.assert_array_equal(file.data, images)
