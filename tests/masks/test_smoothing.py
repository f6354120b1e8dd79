"""Segger's Gaussian: against its definition, and parts against the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.masks.smoothing import grown, reach_px, smooth


def by_definition(volume: np.ndarray, sd: float) -> np.ndarray:
    """Sums over a sampled Gaussian cut at floor(5 sd), in float64, with zeros outside."""
    reach = int(np.floor(5 * sd))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sd) ** 2)
    kernel /= kernel.sum()
    result = volume.astype(np.float64)
    for axis in range(3):
        result = np.apply_along_axis(
            lambda line: np.convolve(line, kernel)[reach : reach + len(line)], axis, result
        )
    return result


@pytest.mark.parametrize("sd", [0.5, 1.0, 2.3])
def test_it_is_a_sampled_gaussian_cut_at_five_sd_with_zeros_outside(rng, sd):
    volume = rng.normal(size=(13, 17, 11)).astype(np.float32)
    # Three roundings to float32, of sums of values of up to about 4.
    np.testing.assert_allclose(smooth(volume, sd), by_definition(volume, sd), atol=2e-6)


parts = st.tuples(*[st.tuples(st.integers(0, 15), st.integers(1, 16))] * 3)


@given(corners=parts, sd=st.floats(0.0, 3.0), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_part_is_bit_for_bit_that_of_the_whole(corners, sd, seed):
    volume = np.random.default_rng(seed).normal(size=(16, 16, 16)).astype(np.float32)
    z, y, x = (slice(min(a, b - 1), max(a + 1, b)) for a, b in corners)
    np.testing.assert_array_equal(smooth(volume, sd, (z, y, x)), smooth(volume, sd)[z, y, x])


def test_the_whole_is_scipys(rng):
    volume = rng.normal(size=(20, 18, 22)).astype(np.float32)
    theirs = ndimage.gaussian_filter(volume, 1.7, mode="constant", radius=reach_px(1.7))
    np.testing.assert_array_equal(smooth(volume, 1.7), theirs)


def test_none_is_a_copy(rng):
    volume = rng.normal(size=(4, 5, 6)).astype(np.float32)
    same = smooth(volume, 0.0)
    np.testing.assert_array_equal(same, volume)
    assert not np.shares_memory(same, volume)


def test_parts_grow_as_far_as_the_box():
    part = (slice(2, 5), slice(0, 9), slice(8, 10))
    assert grown(part, 3, (10, 10, 10)) == (slice(0, 8), slice(0, 10), slice(5, 10))


@pytest.mark.parametrize("sd", [-1.0, np.nan, np.inf])
def test_widths_that_cannot_be_are_refused(sd):
    with pytest.raises(InputError, match="standard deviation of a Gaussian, 0"):
        smooth(np.zeros((3, 3, 3), np.float32), sd)
