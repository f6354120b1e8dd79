"""A posterior cut off at the extents of the search, against random numbers."""

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.posterior import within_extents

EXTENT_RAD, RADIUS_PX = 0.3, 4.0
UNIFORM = np.array([EXTENT_RAD**2 / 5] * 3 + [RADIUS_PX**2 / 4] * 2)


def _drawn(rng, mode, covariance, count=100_000):
    """Samples of a Gaussian that fall within the ball of rotations and the disc of shifts."""
    drawn = rng.multivariate_normal(mode, covariance, count)
    turn, shift = np.linalg.norm(drawn[:, :3], axis=1), np.linalg.norm(drawn[:, 3:], axis=1)
    return drawn[(turn < EXTENT_RAD) & (shift < RADIUS_PX)]


def _bounded(mode, covariance):
    return within_extents(
        jnp.asarray(mode, jnp.float32), jnp.asarray(covariance, jnp.float32), EXTENT_RAD, RADIUS_PX
    )


def test_a_pose_that_is_known_keeps_its_mean_and_width(rng):
    root = rng.normal(size=(5, 5)) * 0.1
    scale = np.sqrt(UNIFORM)
    covariance = root @ root.T * 0.1 * np.outer(scale, scale)
    mode = 0.5 * scale
    mean, bounded = _bounded(mode, covariance)
    np.testing.assert_allclose(mean, mode, rtol=0.01)
    np.testing.assert_allclose(bounded, covariance, atol=0.01 * np.abs(covariance).max())


@pytest.mark.parametrize("unknown", [np.inf, 1e9])
def test_a_pose_of_which_nothing_is_known_is_uniform_about_the_middle(unknown):
    covariance = np.full((5, 5), np.inf) if np.isinf(unknown) else unknown * np.diag(UNIFORM)
    mean, bounded = _bounded([0.2, -0.1, 0.1, 3.0, -1.0], covariance)
    np.testing.assert_allclose(mean, 0, atol=1e-6)
    np.testing.assert_allclose(bounded, np.diag(UNIFORM), rtol=1e-4, atol=1e-9)


def test_the_uniform_variances_are_those_of_a_ball_and_a_disc(rng):
    turns = rng.uniform(-EXTENT_RAD, EXTENT_RAD, (100_000, 3))
    shifts = rng.uniform(-RADIUS_PX, RADIUS_PX, (100_000, 2))
    turns = turns[np.linalg.norm(turns, axis=1) < EXTENT_RAD]
    shifts = shifts[np.linalg.norm(shifts, axis=1) < RADIUS_PX]
    np.testing.assert_allclose([*turns.var(axis=0), *shifts.var(axis=0)], UNIFORM, rtol=0.03)


@pytest.mark.parametrize("variance", [0.05, 0.3, 1.0, 3.0, 10.0])
def test_between_the_two_it_follows_the_posterior_that_is_cut_off(variance, rng):
    """To 15 % of the uniform standard deviation in the mean, and of the variance."""
    mode = np.array([0.4, 0, 0, 0, -0.6]) * np.sqrt(UNIFORM)
    drawn = _drawn(rng, mode, variance * np.diag(UNIFORM))
    mean, bounded = _bounded(mode, variance * np.diag(UNIFORM))
    np.testing.assert_allclose(
        mean / np.sqrt(UNIFORM), drawn.mean(axis=0) / np.sqrt(UNIFORM), atol=0.15
    )
    np.testing.assert_allclose(np.diag(bounded) / UNIFORM, drawn.var(axis=0) / UNIFORM, atol=0.15)


def test_what_is_known_along_one_direction_stays_known(rng):
    """The directions mix rotation and shift, as the lever of a region far from its fulcrum does."""
    scale = np.sqrt(UNIFORM)
    axes = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    scaled = (axes * np.array([1e-4, 1e4, 1e4, 1e4, 1e4])) @ axes.T
    mode = 0.3 * scale
    mean, bounded = _bounded(mode, scaled * np.outer(scale, scale))
    known = axes[:, 0]
    # Float32: eigenvalues are resolved to 1e-7 of the largest, 0.001.
    assert known @ (np.asarray(bounded) / np.outer(scale, scale)) @ known < 0.01
    assert known @ (np.asarray(mean) / scale) == pytest.approx(known @ (mode / scale), rel=0.01)
    others = axes[:, 1:]
    np.testing.assert_allclose(others.T @ (np.asarray(mean) / scale), 0, atol=1e-3)
