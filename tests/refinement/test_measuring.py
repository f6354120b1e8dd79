"""How many views fill Fourier space, tried on views at random."""

import numpy as np
import pytest

from locref_widgets.refinement.measuring import shells_filled


def test_so_many_views_as_crowther_asks_for_and_twice_that():
    assert shells_filled(0) == 0
    assert shells_filled(250) == 39
    assert shells_filled(2 * 314) == 99


@pytest.mark.parametrize("views", [100, 400])
def test_views_at_random_leave_few_gaps(views):
    """Of points on the last shell that is filled nearly all lie within half a pixel of a slice."""
    rng = np.random.default_rng(views)
    normals = rng.normal(size=(views, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    points = rng.normal(size=(4000, 3))
    points *= shells_filled(views) / np.linalg.norm(points, axis=1, keepdims=True)
    nearest = np.abs(points @ normals.T).min(axis=1)
    # A slice is within half a pixel of a share 1 / (2 R) of the shell: e^(-n / 2R) = e^-pi is left.
    assert np.mean(nearest > 0.5) == pytest.approx(np.exp(-np.pi), abs=0.02)
