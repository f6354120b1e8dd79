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
        np.testing.assert_allclose(file.data, images, atol=0 if mode == 2 else 2e-3)
        assert float(file.header.dmean) == pytest.approx(float(images.mean()), abs=1e-3)
        assert float(file.header.rms) == pytest.approx(float(images.std()), rel=1e-3)
    assert ImageStack(tmp_path / "s.mrcs").read(np.arange(3)).shape == (3, 6, 6)


def test_what_float16_cannot_hold_is_refused(tmp_path):
    with (
        pytest.raises(InputError, match="do not fit into float16"),
        StackWriter(tmp_path / "s.mrcs", 4, 1.0, "float16") as stack,
    ):
        stack.append(np.full((2, 4, 4), 1e5, np.float32))
