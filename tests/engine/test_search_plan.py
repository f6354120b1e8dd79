"""The cells that cover the extents, and the levels that halve them."""

import numpy as np
import pytest

from locref_widgets.engine.rotations import ball_grid, child_offsets
from locref_widgets.engine.search_plan import plan_search
from tests.engine.simulated import in_ball


@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_cells_cover_the_ball(dimensions, rng):
    spacing, radius = 0.07, 0.3
    grid = ball_grid(radius, spacing, dimensions)
    points = in_ball(rng, 2000, radius, dimensions)
    nearest = np.abs(points[:, None] - grid).max(axis=2).min(axis=1)
    assert nearest.max() <= spacing / 2 * (1 + 1e-5)
    assert not np.any(grid[0])  # the given pose itself is a candidate


def test_halves_of_a_cell_fill_it():
    children = child_offsets(0.4, 3)
    assert children.shape == (8, 3)
    assert np.all(np.abs(children) == np.float32(0.1))


def test_plan_doubles_the_resolution_and_halves_the_cells():
    plan = plan_search(128, 63, 44.0, 0.35, 10.0)
    assert len(plan.levels) > 2
    for coarse, fine in zip(plan.levels, plan.levels[1:], strict=False):
        assert fine.radius_px == pytest.approx(2 * coarse.radius_px, abs=1)
        assert fine.rotation_spacing_rad == pytest.approx(coarse.rotation_spacing_rad / 2)
        assert fine.shift_spacing_px == pytest.approx(coarse.shift_spacing_px / 2)


def test_levels_end_where_the_reference_needs_it():
    plan = plan_search(128, 63, 44.0, 0.35, 10.0, reach_px=20)
    assert [level.radius_px for level in plan.levels] == [12, 24]
    # Half a cell changes the finest component's phase at the region's edge by one radian.
    first = plan.levels[0]
    assert np.pi * 12 / 128 * 44 * first.rotation_spacing_rad == pytest.approx(1)
    assert np.pi * 12 / 128 * first.shift_spacing_px == pytest.approx(1)


@pytest.mark.parametrize("box", [24, 25, 32, 33, 48, 64])
def test_turned_images_are_looked_up_within_their_spectrum(box):
    """The doubled image's spectrum ends at its Nyquist frequency, guard layer included."""
    plan = plan_search(box, box // 2 - 1, 0.3 * box, 0.3, 6.0)
    assert plan.turnable_radius + 1 <= box
    assert plan.turnable_radius >= 2 * plan.levels[-1].radius_px + 1


@pytest.mark.parametrize("extents", [(0.0, 5.0), (0.1, 0.0)])
def test_extents_of_zero_are_refused(extents):
    with pytest.raises(ValueError, match="must be positive"):
        plan_search(64, 20, 20.0, *extents)
