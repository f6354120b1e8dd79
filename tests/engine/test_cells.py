"""Which of the last level's cells the continuous refinement starts from."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.cells import Cells, effective_number, place_of_best, summits
from locref_widgets.engine.search_plan import plan_search

PLAN = plan_search(32, 12, 9.0, 0.6, 12.0, reach_px=12)
LEVEL = PLAN.levels[-1]
LINE = np.arange(-2, 3)
PLANE = np.stack(np.meshgrid(LINE, LINE), axis=-1).reshape(-1, 2)
MIDDLE = (12, 2, 12)


@pytest.fixture
def cells():
    """Neighbours about the pose given, five along each axis."""
    return Cells(
        jnp.asarray(PLANE * LEVEL.rotation_spacing_rad),
        jnp.asarray(LINE * LEVEL.rotation_spacing_rad),
        jnp.asarray(PLANE * LEVEL.shift_spacing_px),
        jnp.ones((len(PLANE), len(LINE), len(PLANE)), bool),
    )


@pytest.fixture
def scores():
    """A peak in the middle, the same along all lists; its neighbours lie 5.5 below it."""
    flat = (PLANE**2).sum(-1)
    squared = flat[:, None, None] + LINE[:, None] ** 2 + flat
    return 400.0 * np.exp(-squared / 72.0)


def starts(cells: Cells, scores: np.ndarray) -> int:
    """Number of candidates."""
    _, found = summits(PLAN, cells, jnp.asarray(scores, jnp.float32), 24)
    return int(np.isfinite(np.asarray(found)).sum())


def test_the_shoulders_of_a_peak_are_no_candidates(cells, scores):
    assert starts(cells, scores) == 1
    poses, _ = summits(PLAN, cells, jnp.asarray(scores, jnp.float32), 24)
    np.testing.assert_allclose(poses[0], 0.0, atol=1e-6)


def test_a_neighbour_that_is_hardly_ahead_hides_no_cell(cells, scores):
    beside = (MIDDLE[0], MIDDLE[1] + 1, MIDDLE[2])
    for behind, expected in ((0.2, 2), (0.5, 1)):
        scores[beside] = scores[MIDDLE] - behind
        assert starts(cells, scores) == expected


def test_the_many_cells_of_a_flat_peak_leave_room_for_another_summit(cells, scores):
    flat = 1e-3 * scores
    corner = (0, 0, 0)
    # Its neighbours are pulled down, or they would be summits in its place.
    flat.reshape(5, 5, 5, 5, 5)[:2, :2, :2, :2, :2] = -1.0
    flat[corner] = -0.5
    poses, found = summits(PLAN, cells, jnp.asarray(flat, jnp.float32), 4)
    pose, found = np.asarray(poses), np.asarray(found)
    assert np.isfinite(found).sum() == 2 + 4, "two summits, and as many in doubt as there is room"
    assert np.array_equal(found, np.sort(found)[::-1]), "the best first"
    assert found[5] == pytest.approx(flat[corner])
    assert np.linalg.norm(pose[5]) > np.linalg.norm(pose[0])


@pytest.mark.parametrize("kind", ["all different", "ties", "one left", "none"])
def test_the_best_cell_is_the_first_of_the_highest(kind, rng):
    scores = rng.normal(size=(5, 3, 4)).astype(np.float32)
    if kind == "ties":
        scores = np.round(scores)
    elif kind != "all different":
        scores[:] = -np.inf
        if kind == "one left":
            scores[3, 1, 2] = 1.0
    place = int(place_of_best(jnp.asarray(scores)))
    # Without any it does not matter which, so long as it is one of the cells.
    assert place == (int(np.argmax(scores)) if kind != "none" else 0)


def test_the_posterior_is_spread_over_so_many_cells(rng):
    scores = rng.normal(size=(5, 3, 4)).astype(np.float32) * 3 - 1000
    scores[1:3] = -np.inf
    odds = np.exp(scores.astype(np.float64) - scores.max())
    expected = 1 / np.sum((odds / odds.sum()) ** 2)
    found = effective_number(jnp.asarray(scores), jnp.asarray(np.argmax(scores)))
    assert float(found) == pytest.approx(expected, rel=1e-5)
