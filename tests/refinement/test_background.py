"""Images whose background is not zero are told of."""

import shutil

import mrcfile
import numpy as np
import pytest

from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.background import background_warnings
from locref_widgets.refinement.whole_particle import whole_problem
from locref_widgets.sample import sample_paths


def test_the_sample_is_normalised():
    assert background_warnings(whole_problem(read_particles(sample_paths()["particles"])), 32) == ()


@pytest.mark.parametrize("sign", [1, -1])
def test_a_constant_is_told_in_standard_deviations(tmp_path, sign):
    table = sample_paths()["particles"]
    shutil.copy(table, tmp_path / "some.star")
    images = mrcfile.read(table.parent / "particles.mrcs").astype(np.float32)
    # Not the same in all, as where a detector's background drifts.
    lift = sign * images.std() * (1.8 + 0.4 * (np.arange(len(images)) % 2))
    with mrcfile.new(tmp_path / "particles.mrcs") as stack:
        stack.set_data(images + lift[:, None, None].astype(np.float32))
        stack.set_image_stack()
        stack.voxel_size = 3.2
    (told,) = background_warnings(whole_problem(read_particles(tmp_path / "some.star")), 32)
    # The signal widens the spread of the whole image by a few hundredths.
    value = float(told.split("background lies ")[1].split(" ")[0])
    assert value == pytest.approx(2.0 * sign, abs=0.3)
    assert "mean 0" in told
