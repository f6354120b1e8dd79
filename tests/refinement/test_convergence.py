"""When a refinement may end."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.refinement.convergence import has_settled, turns_between

BOX_ANGSTROM = 200.0
STILL = {"turn_since_last_rad": np.full(9, 0.001), "rotation_error_rad": np.full(9, 0.01)}
RESTLESS = {"turn_since_last_rad": np.full(9, 0.02), "rotation_error_rad": np.full(9, 0.01)}


def _history(*shells):
    return [BOX_ANGSTROM / shell for shell in shells]


@pytest.mark.parametrize(
    ("shells", "info", "settled"),
    [
        ((20.0,), STILL, False),
        ((20.0, 25.0, 25.0), STILL, False),  # too early to tell
        ((20.0, 25.0, 25.0, 25.0), STILL, True),
        ((20.0, 25.0, 25.0, 25.4), STILL, True),  # less than half a shell
        ((20.0, 25.0, 25.0, 25.6), STILL, False),
        ((20.0, 25.0, 25.6, 25.0), STILL, False),  # a gain in either of the last two counts
        ((20.0, 25.0, 24.0, 23.0), STILL, True),  # worse is no gain
        ((40.0, 25.0, 30.0, 35.0), STILL, False),  # iteration 0 does not count
        ((20.0, 25.0, 25.0, 25.0), RESTLESS, False),
        ((20.0, 30.0, 30.4, 30.4, 30.4), STILL, True),
    ],
)
def test_ends_when_neither_resolution_nor_poses_improve(shells, info, settled):
    assert has_settled(_history(*shells), info, BOX_ANGSTROM) is settled


def test_particles_without_information_do_not_decide():
    flat = _history(20, 25, 25, 25)
    errors = np.array([0.01, 0.01, 0.01, np.nan, np.inf])
    still = {"turn_since_last_rad": np.full(5, 0.001), "rotation_error_rad": errors}
    restless = {"turn_since_last_rad": np.full(5, 0.02), "rotation_error_rad": errors}
    assert has_settled(flat, still, BOX_ANGSTROM)
    assert not has_settled(flat, restless, BOX_ANGSTROM)


def test_turns_between_two_searches(rng):
    before = rng.normal(size=(20, 3)) * 0.3
    steps = rng.normal(size=(20, 3)) * 0.1
    after = (Rotation.from_rotvec(steps) * Rotation.from_rotvec(before)).as_rotvec()
    np.testing.assert_allclose(
        turns_between(before, after), np.linalg.norm(steps, axis=1), atol=1e-12
    )
    # Before the first search the poses are those given.
    np.testing.assert_allclose(turns_between(None, steps), np.linalg.norm(steps, axis=1))
