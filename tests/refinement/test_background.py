"""Images whose background is not zero are told of."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.background import background_of, background_warnings
from locref_widgets.sample import sample_paths

TABLE = Path("some.star")


@pytest.fixture(scope="module")
def images():
    return read_particles(sample_paths()["particles"]).images(np.arange(100))


def test_the_sample_is_normalised(images):
    background = background_of(images)
    # Of some 1,350 pixels outside the circle, correlated or not.
    assert np.abs(background).max() < 0.2
    assert background_warnings(TABLE, background) == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_is_told_in_standard_deviations(images, sign):
    # Not the same in all, as where a detector's background drifts.
    lift = sign * images.std() * (1.8 + 0.4 * (np.arange(len(images)) % 2))
    background = background_of(images + lift[:, None, None].astype(np.float32))
    (told,) = background_warnings(TABLE, background)
    assert "some.star" in told
    assert "mean 0" in told
    # The signal widens the spread of the whole image by a few hundredths.
    value = float(told.split("background lies ")[1].split(" ")[0])
    assert value == pytest.approx(2.0 * sign, abs=0.3)


def test_what_lies_inside_the_circle_does_not_count():
    y, x = np.indices((32, 32)) - 16
    images = np.zeros((2, 32, 32), np.float32)
    images[:, y**2 + x**2 <= 16**2] = 5.0
    np.testing.assert_array_equal(background_of(images), 0.0)
    images += np.random.default_rng(0).normal(size=images.shape).astype(np.float32)
    # Of 229 pixels, five standard errors.
    assert np.abs(background_of(images)).max() < 5 / np.sqrt(229)
