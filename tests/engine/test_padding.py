"""Boxes about voxel n // 2 and about voxel 0, against shifts of the padded box as a whole."""

import numpy as np
import pytest

from locref_widgets.engine.padding import cut_about_origin, pad_from_origin


def _padded(volume, padded_px):
    low = padded_px // 2 - volume.shape[0] // 2
    margins = [(low, padded_px - volume.shape[0] - low)] * volume.ndim
    return np.fft.ifftshift(np.pad(volume, margins))


@pytest.mark.parametrize(("box", "padded"), [(6, 12), (7, 14), (6, 9), (5, 10), (6, 6)])
def test_padding_is_a_shift_of_the_padded_box(box, padded, rng):
    volume = rng.normal(size=(box,) * 3).astype(np.float32)
    np.testing.assert_array_equal(pad_from_origin(volume, padded), _padded(volume, padded))


@pytest.mark.parametrize(("box", "padded"), [(6, 12), (7, 14), (6, 9), (5, 10), (6, 6)])
def test_cutting_undoes_it(box, padded, rng):
    volume = rng.normal(size=(box,) * 3).astype(np.float32)
    np.testing.assert_array_equal(cut_about_origin(_padded(volume, padded), box), volume)


def test_a_stack_is_padded_image_by_image(rng):
    images = rng.normal(size=(3, 6, 6)).astype(np.float32)
    expected = np.stack([_padded(image, 12) for image in images])
    np.testing.assert_array_equal(pad_from_origin(images, 12, axes=(-2, -1)), expected)
