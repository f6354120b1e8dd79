"""Rotation algebra in float32 JAX against SciPy in float64."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from locref_widgets.engine.rotations import ball_grid, child_offsets, exp_rotation, log_rotation

component = st.floats(-1.0, 1.0, width=32)
direction = st.tuples(component, component, component)
exp_of, log_of = jax.jit(exp_rotation), jax.jit(log_rotation)

# A float32 entry of a matrix is right to about 1e-7; products and the axis add a few of them.
MATRIX = 2e-6


def vector(axis, angle: float) -> np.ndarray:
    axis = np.array(axis, dtype=np.float64)
    length = np.linalg.norm(axis)
    assume(length > 1e-3)
    return (axis / length * angle).astype(np.float32)


def exact(v: np.ndarray) -> np.ndarray:
    return Rotation.from_rotvec(v.astype(np.float64)).as_matrix()


@settings(deadline=None)
@given(direction, st.floats(0.0, np.pi))
@example((1.0, 0.0, 0.0), 0.0)
@example((0.3, -0.4, 0.5), 1e-6)
@example((0.3, -0.4, 0.5), 0.99e-3)  # the two sides of the switch to the series
@example((0.3, -0.4, 0.5), 1.01e-3)
@example((0.0, 0.0, 1.0), np.pi)
def test_exponential_is_scipys(axis, angle):
    v = vector(axis, angle)
    np.testing.assert_allclose(exp_of(v), exact(v), atol=MATRIX)


@settings(deadline=None)
@given(direction, st.floats(0.0, 3.13))
@example((0.3, -0.4, 0.5), 1e-6)
@example((0.3, -0.4, 0.5), 1.99e-3)
@example((0.3, -0.4, 0.5), 2.01e-3)
@example((1.0, 1.0, 1.0), 2.0943951)  # trace 0: all four quaternion components equal
@example((-1.0, 0.01, 0.0), 3.13)
def test_logarithm_undoes_the_exponential(axis, angle):
    v = vector(axis, angle)
    np.testing.assert_allclose(log_of(exp_of(v)), v, atol=5e-6)


@settings(deadline=None)
@given(direction, st.floats(-1e-5, 1e-5))
@example((1.0, 0.0, 0.0), 0.0)
@example((0.0, -1.0, 0.0), 0.0)
@example((1.0, 1.0, -1.0), 0.0)
def test_logarithm_near_pi_has_the_right_rotation(axis, excess):
    """At pi the vector may be either of two; the rotation it stands for is the same."""
    matrix = exact(vector(axis, 1.0).astype(np.float64) * (np.pi + excess))
    v = np.asarray(log_of(matrix.astype(np.float32)))
    assert np.linalg.norm(v) == pytest.approx(np.pi, abs=2e-5)
    np.testing.assert_allclose(exact(v), matrix, atol=5e-6)


@settings(deadline=None)
@given(direction, direction, direction)
def test_rotations_are_a_group(a, b, c):
    r, s, t = (np.asarray(exp_of(np.array(v, dtype=np.float32) * 1.8)) for v in (a, b, c))
    np.testing.assert_allclose((r @ s) @ t, r @ (s @ t), atol=MATRIX)
    np.testing.assert_allclose(r @ r.T, np.eye(3), atol=MATRIX)
    assert np.linalg.det(r) == pytest.approx(1.0, abs=1e-5)
    inverse = np.asarray(exp_of(np.array(a, dtype=np.float32) * -1.8))
    np.testing.assert_allclose(inverse, r.T, atol=MATRIX)


@settings(deadline=None)
@given(direction, direction)
def test_composition_is_scipys(a, b):
    va, vb = (np.array(v, dtype=np.float32) * 0.7 for v in (a, b))  # angles stay under pi
    composed = Rotation.from_rotvec(va.astype(float)) * Rotation.from_rotvec(vb.astype(float))
    result = np.asarray(log_of(exp_of(va) @ exp_of(vb)))
    np.testing.assert_allclose(result, composed.as_rotvec(), atol=1e-5)


def test_batches_are_one_by_one(rng):
    v = rng.normal(size=(4, 5, 3)).astype(np.float32)
    matrices = exp_rotation(jnp.asarray(v))
    np.testing.assert_allclose(matrices, exact(v.reshape(-1, 3)).reshape(4, 5, 3, 3), atol=MATRIX)
    np.testing.assert_allclose(log_rotation(matrices), v, atol=1e-5)


@pytest.mark.parametrize("angle", [0.0, 1e-5, 0.9e-3, 1.1e-3, 0.5])
def test_derivatives_are_finite_and_right_down_to_zero(angle):
    v = jnp.array([angle, 0.0, 0.0])
    jacobian = np.asarray(jax.jacfwd(exp_rotation)(v))
    step = 1e-4
    for i in range(3):
        plus, minus = (exact(np.asarray(v) + s * step * np.eye(3)[i]) for s in (1, -1))
        # Central differences in float64 err by step^2 = 1e-8; float32 by 1e-6.
        np.testing.assert_allclose(jacobian[..., i], (plus - minus) / (2 * step), atol=2e-5)
    back = np.asarray(jax.jacfwd(lambda u: log_rotation(exp_rotation(u)))(v))
    np.testing.assert_allclose(back, np.eye(3), atol=2e-3)  # log cancels digits at small angles


# ---------------------------------------------------------------------------------- grids


@pytest.mark.parametrize("dimensions", [2, 3])
@settings(max_examples=30, deadline=None)
@given(radius=st.floats(0.05, 3.0), cells=st.floats(0.4, 6.0), seed=st.integers(0, 1000))
def test_cells_cover_the_ball_and_each_meets_it(dimensions, radius, cells, seed):
    spacing = radius / cells
    points = ball_grid(radius, spacing, dimensions)
    inside = np.random.default_rng(seed).normal(size=(500, dimensions))
    inside *= (
        radius
        * np.random.default_rng(seed + 1).random((500, 1))
        / np.linalg.norm(inside, axis=1, keepdims=True)
    )
    farthest = np.abs(inside[:, None, :] - points[None]).max(axis=-1)
    assert (farthest.min(axis=1) <= spacing / 2 * (1 + 1e-5)).all()
    nearest = np.linalg.norm(np.maximum(np.abs(points) - spacing / 2, 0.0), axis=1)
    assert (nearest <= radius * (1 + 1e-5)).all()
    np.testing.assert_array_equal(points[0], 0.0)
    assert len({tuple(np.rint(p / spacing).astype(int)) for p in points}) == len(points)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_children_tile_their_cell(dimensions):
    spacing = 0.8
    offsets = child_offsets(spacing, dimensions)
    assert offsets.shape == (2**dimensions, dimensions)
    axis = np.array([-0.25, 0.25]) * spacing
    expected = np.array(list(itertools.product(axis, repeat=dimensions)))
    np.testing.assert_allclose(offsets, expected, rtol=1e-6)
