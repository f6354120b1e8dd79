"""Standard errors are what they say: pose errors, whitened by their covariance, have unit spread.

Templates are sliced from the projector that the images show, on a grid fine enough that the
interpolant's slopes are those of a smooth function: interpolation error does not enter.
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.search_plan import plan_search
from tests.engine.objects import compact_blobs
from tests.engine.simulated import Simulation, project_blobs, simulate

BOX, RADIUS, COUNT = 32, 15, 400
PLAN = plan_search(BOX, RADIUS, 9.0, 0.2, 4.0)


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
