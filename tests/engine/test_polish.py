"""Climbs end where they should, and standard errors are what they say.

For the errors, templates are sliced from the projector that the images show, on a grid fine enough
that the interpolant's slopes are those of a smooth function: interpolation error does not enter.
"""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from locref_widgets.engine.polish import clamp_pose, pose_units
from locref_widgets.engine.search_plan import plan_search
from tests.engine.objects import compact_blobs
from tests.engine.simulated import Simulation, project_blobs, simulate

BOX, RADIUS, COUNT = 32, 15, 400
PLAN = plan_search(BOX, RADIUS, 9.0, 0.2, 4.0)
WIDE = plan_search(BOX, RADIUS, 9.0, 0.3, 6.0)
COLOURED = 1 + 3 * np.exp(-np.arange(RADIUS + 1) / 4)


def _whitened(particles):
    """Pose errors (n, 5) in units of their own covariance, and the found covariances' error."""
    found = particles.search()
    turns = Rotation.from_rotvec(np.asarray(found.turn_rad, np.float64))
    # The covariance is that of a small rotation after the pose's own.
    off = (turns * Rotation.from_rotvec(particles.turns).inv()).as_rotvec()
    errors = np.concatenate([off, np.asarray(found.shift_px) - particles.shifts], axis=1)
    roots = np.linalg.cholesky(np.linalg.inv(np.asarray(found.covariance, np.float64)))
    return np.einsum("nji,nj->ni", roots, errors), errors, found


def _inside(particles, found):
    """Particles whose optimum is not on the rim, where errors are cut off."""
    turns = np.linalg.norm(found.turn_rad, axis=1) < 0.99 * PLAN.rotation_extent_rad
    return turns & (np.linalg.norm(found.shift_px, axis=1) < 0.99 * PLAN.shift_radius_px)


@pytest.mark.parametrize("ctf", [False, True], ids=["no CTF", "CTF"])
@pytest.mark.parametrize("coloured", [False, True], ids=["white", "coloured"])
def test_standard_errors_are_calibrated(ctf, coloured, rng):
    blobs = compact_blobs(rng, BOX, radius=0.25, sigmas=(0.9, 1.4))
    shells = np.arange(RADIUS + 1)
    made = Simulation(
        plan=PLAN,
        truth=project_blobs(blobs, BOX, RADIUS, padding=4),
        snr=1.0,
        ctf=ctf,
        noise_power=1 + 3 * np.exp(-shells / 4) if coloured else None,
    )
    n = COUNT
    turns = 0.5 * PLAN.rotation_extent_rad * _directions(rng, n, 3)
    shifts = 0.5 * PLAN.shift_radius_px * _directions(rng, n, 2)
    particles = simulate(rng, n, made, turns=turns, shifts=shifts)
    whitened, errors, found = _whitened(particles)
    used = _inside(particles, found)
    assert used.mean() > 0.98
    whitened, errors = whitened[used], errors[used]
    # 2,000 deviates: their standard deviation is known to 1.6 %, that of each direction to 3.5 %.
    assert whitened.std() == pytest.approx(1, abs=0.1)
    assert np.abs(whitened.mean(axis=0)).max() < 0.2
    assert np.abs(whitened.std(axis=0) - 1).max() < 0.15
    # And so are the summed errors that are reported.
    turn_ratio = np.sqrt(np.mean(np.sum(errors[:, :3] ** 2, axis=1)))
    turn_ratio /= np.sqrt(np.mean(np.square(found.turn_error_rad)[used]))
    shift_ratio = np.sqrt(np.mean(np.sum(errors[:, 3:] ** 2, axis=1)))
    shift_ratio /= np.sqrt(np.mean(np.square(found.shift_error_px)[used]))
    assert turn_ratio == pytest.approx(1, abs=0.1)
    assert shift_ratio == pytest.approx(1, abs=0.1)


def _directions(rng, n, dimensions):
    points = rng.normal(size=(n, dimensions))
    return points / np.linalg.norm(points, axis=1, keepdims=True) * rng.uniform(0, 1, (n, 1))


def _one(rng, snr, padding=2):
    blobs = compact_blobs(rng, BOX, radius=0.2)
    truth = project_blobs(blobs, BOX, RADIUS, padding)
    return simulate(rng, 1, Simulation(plan=WIDE, truth=truth, snr=snr, noise_power=COLOURED))


def test_polish_never_lowers_the_score_and_stays_in_the_extents(rng):
    particles = _one(rng, 0.1)
    start = np.array([0.4, 0.0, 0.0, 4.0, 0.0], np.float32)
    end = particles.polish_first(start)
    # To float32 rounding of the shortened vector.
    assert np.linalg.norm(end.pose[:3]) <= WIDE.rotation_extent_rad * (1 + 1e-5)
    assert np.linalg.norm(end.pose[3:]) <= WIDE.shift_radius_px * (1 + 1e-5)
    clamped = np.asarray(clamp_pose(jnp.asarray(start), WIDE))
    before = particles.first_model(clamped[:3], clamped[3:])
    assert float(end.model.score) >= float(before.score)
    after = particles.first_model(np.asarray(end.pose[:3]), np.asarray(end.pose[3:]))
    # The same sums, of the same terms, compiled twice.
    size = particles.oracles[0].sum_of_sizes(clamped[:3])
    assert float(end.model.score) == pytest.approx(float(after.score), abs=1e-6 * size)


def test_polish_finds_the_optimum_that_scipy_finds(rng):
    """From a start within the summit, without noise to speak of."""
    particles = _one(rng, 2.0, padding=4)
    oracle, truth = particles.oracles[0], np.concatenate([particles.turns[0], particles.shifts[0]])
    end = particles.polish_first(truth + rng.normal(size=5) * [0.02, 0.02, 0.02, 0.2, 0.2])
    scale = np.asarray(pose_units(WIDE), np.float64)
    best = minimize(
        lambda x: -oracle.log_posterior((x * scale)[:3], (x * scale)[3:]),
        np.asarray(end.pose, np.float64) / scale,
        method="Nelder-Mead",
        options={"xatol": 1e-4, "fatol": 1e-4},
    )
    # A tenth of the log-likelihood is a shift of 0.45 standard errors along one direction.
    assert float(end.model.score) >= -best.fun - 0.1


def _off(particles):
    """A start so far off that there is something to climb, and the score there."""
    start = np.concatenate([particles.turns[0] + 0.05, particles.shifts[0]]).astype(np.float32)
    start = np.asarray(clamp_pose(jnp.asarray(start), WIDE))
    return start, float(particles.first_model(start[:3], start[3:]).score)


def test_polish_goes_on_until_next_to_nothing_is_promised(rng):
    particles = _one(rng, 0.1)
    start, begun = _off(particles)
    end = particles.polish_first(start, begun - 1.0)
    assert float(end.model.score) > begun + 1
    assert float(end.promise) <= 0.02


def test_polish_gives_up_at_once_where_a_better_candidate_is_out_of_reach(rng):
    particles = _one(rng, 0.1)
    start, begun = _off(particles)
    end = particles.polish_first(start, begun + 1e6)
    np.testing.assert_allclose(end.pose, start, atol=1e-6)
    assert float(end.promise) > 0.1


def test_polish_does_not_even_look_below_an_infinite_floor(rng):
    end = _one(rng, 0.1).polish_first(np.zeros(5), np.inf)
    assert float(end.model.score) < -1e30
    assert float(end.promise) == 0
