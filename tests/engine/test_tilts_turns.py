"""Local rotations as tilts and turns: against SciPy, and cells that leave nothing out."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.search_plan import plan_search
from locref_widgets.engine.tilts_turns import (
    in_plane,
    root_tilts,
    root_turns,
    rotation_angle,
    rotation_vector,
    tilt_matrices,
)
from tests.engine.oracle import tilt_then_turn
from tests.engine.simulated import in_ball

# Angles of float32 matrices with entries near 1, which are rounded to 6e-8.
ROUNDING_RAD = 3e-7


def _random(rng, n=200, largest=1.4):
    return in_ball(rng, n, largest, 2), rng.uniform(-largest, largest, n)


def _matrices(tilts, turns):
    return [tilt_then_turn(t[None], u).as_matrix()[0] for t, u in zip(tilts, turns, strict=True)]


def test_angle_and_vector_are_those_of_the_composed_rotation(rng):
    tilts, turns = _random(rng)
    made = Rotation.from_matrix(np.array(_matrices(tilts, turns)))
    arrays = jnp.asarray(tilts, jnp.float32), jnp.asarray(turns, jnp.float32)
    np.testing.assert_allclose(rotation_angle(*arrays), made.magnitude(), atol=1e-6)
    np.testing.assert_allclose(rotation_vector(*arrays), made.as_rotvec(), atol=2e-6)


def test_small_angles_keep_their_digits(rng):
    """The cosine's formula would lose them: 1 - cos of 1e-4 is 5e-9, below float32's rounding."""
    tilts, turns = (1e-4 * a for a in _random(rng))
    expected = Rotation.from_matrix(np.array(_matrices(tilts, turns))).magnitude()
    found = rotation_angle(jnp.asarray(tilts, jnp.float32), jnp.asarray(turns, jnp.float32))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_turn_is_applied_after_the_tilt(rng):
    tilts, turns = _random(rng)
    expected = np.array(_matrices(tilts, turns))
    plane = np.tile(np.eye(3), (len(turns), 1, 1))
    plane[:, :2, :2] = np.asarray(in_plane(jnp.asarray(turns, jnp.float32)))
    found = plane @ np.asarray(tilt_matrices(jnp.asarray(tilts, jnp.float32)))
    np.testing.assert_allclose(found, expected, atol=ROUNDING_RAD)


def test_every_small_rotation_is_a_tilt_and_a_turn_within_the_same_angle(rng):
    """``E`` carries the view to where its tilt does; what is left is a turn."""
    vectors = in_ball(rng, 500, 0.6, 3)
    rotations = Rotation.from_rotvec(vectors)
    # E = Z T: the third row of E is that of T, (-sin|t| t_y, ...) turned by nothing.
    rows = rotations.as_matrix()[:, 2]
    lengths = np.arccos(np.clip(rows[:, 2], -1, 1))
    axis = np.stack([rows[:, 1], -rows[:, 0]], axis=-1)
    tilts = axis * (lengths / np.linalg.norm(axis, axis=1))[:, None]
    rest = rotations * Rotation.from_rotvec(np.pad(tilts, ((0, 0), (0, 1)))).inv()
    turns = rest.as_rotvec()
    np.testing.assert_allclose(turns[:, :2], 0, atol=1e-9)
    angles = np.linalg.norm(vectors, axis=1)
    assert np.all(lengths <= angles * (1 + 1e-9))
    assert np.all(np.abs(turns[:, 2]) <= angles * (1 + 1e-9))
    found = rotation_vector(jnp.asarray(tilts, jnp.float32), jnp.asarray(turns[:, 2], jnp.float32))
    np.testing.assert_allclose(found, vectors, atol=2e-6)


@pytest.mark.parametrize("extent", [0.06, 0.21, 0.35, 1.2])
def test_cells_of_tilts_and_turns_cover_the_ball_of_rotations(extent, rng):
    plan = plan_search(64, 31, 20.0, extent, 6.0)
    spacing = plan.levels[0].rotation_spacing_rad
    vectors = in_ball(rng, 3000, extent, 3)
    rows = Rotation.from_rotvec(vectors).as_matrix()[:, 2]
    lengths = np.arccos(np.clip(rows[:, 2], -1, 1))
    axis = np.stack([rows[:, 1], -rows[:, 0]], axis=-1)
    tilts = axis * (lengths / np.linalg.norm(axis, axis=1))[:, None]
    about = (
        Rotation.from_rotvec(vectors) * Rotation.from_rotvec(np.pad(tilts, ((0, 0), (0, 1)))).inv()
    )
    turns = about.as_rotvec()[:, 2]
    centres = plan.root_tilts_rad()
    near_tilt = np.abs(tilts[:, None] - centres).max(axis=2)
    near_turn = np.abs(turns[:, None] - plan.root_turns_rad())
    half = spacing / 2 * (1 + 1e-5)
    assert near_tilt.min(axis=1).max() <= half
    assert near_turn.min(axis=1).max() <= half
    # And none of the cells they lie in would be taken for one that misses the ball.
    angle = np.asarray(
        rotation_angle(
            jnp.asarray(centres[near_tilt.argmin(axis=1)]),
            jnp.asarray(plan.root_turns_rad()[near_turn.argmin(axis=1)]),
        )
    )
    assert angle.max() <= extent + spacing * 3**0.5 / 2


def test_the_given_pose_is_the_first_cell():
    assert not np.any(root_tilts(0.3, 0.1)[0])
    assert root_turns(0.3, 0.1)[0] == 0
