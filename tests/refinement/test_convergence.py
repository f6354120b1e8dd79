"""When a refinement may end, and when it has gone astray."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.refinement.convergence import (
    AGREEMENT_HISTORY,
    agreement_history,
    agreement_shells,
    agreement_warnings,
    has_settled,
    turns_between,
)

STILL = {"turn_since_last_rad": np.full(9, 0.001), "rotation_error_rad": np.full(9, 0.01)}
RESTLESS = {"turn_since_last_rad": np.full(9, 0.02), "rotation_error_rad": np.full(9, 0.01)}


@pytest.mark.parametrize(
    ("shells", "info", "settled"),
    [
        ((20.0,), STILL, False),
        ((20.0, 25.0, 25.0), STILL, False),  # too early to tell
        ((20.0, 25.0, 25.0, 25.0), STILL, True),
        ((20.0, 25.0, 25.0, 25.15), STILL, True),  # less than a fifth of a shell
        ((20.0, 25.0, 25.0, 25.25), STILL, False),
        ((20.0, 25.0, 25.6, 25.7), STILL, True),  # the last iteration counts
        ((20.0, 25.0, 25.6, 25.2, 25.7), STILL, True),  # against the best so far
        ((20.0, 25.0, 24.0, 23.0), STILL, True),  # worse is no gain
        ((40.0, 25.0, 30.0, 35.0), STILL, False),  # iteration 0 does not count
        ((20.0, 25.0, 25.0, 25.0), RESTLESS, False),
    ],
)
def test_ends_when_neither_agreement_nor_poses_improve(shells, info, settled):
    assert has_settled(np.array(shells), info) is settled


def test_particles_without_information_do_not_decide():
    flat = np.array([20.0, 25.0, 25.0, 25.0])
    errors = np.array([0.01, 0.01, 0.01, np.nan, np.inf])
    still = {"turn_since_last_rad": np.full(5, 0.001), "rotation_error_rad": errors}
    restless = {"turn_since_last_rad": np.full(5, 0.02), "rotation_error_rad": errors}
    assert has_settled(flat, still)
    assert not has_settled(flat, restless)


# Agreement of whole runs of 2,000 particles: a weak set before and after its searches were mended,
# one search that began badly and caught up, and the 30S set.
ASTRAY = (14.04, 7.54, 6.45, 4.0, 1.85, 0.99)
MENDED = (14.05, 16.81, 18.42, 18.96, 19.1, 19.58)
CAUGHT_UP = (14.04, 6.7, 11.19, 14.48, 17.38, 18.82)
LOST_LITTLE = (15.34, 14.5, 16.16, 16.43, 16.72)
HINGE = (22.95, 32.38, 36.05, 36.97, 37.17, 37.14)


def _warned_at(history):
    """Iterations of a run that goes on after all of them in which something is said."""
    past = {last: np.array(history[: last + 1]) for last in range(1, len(history))}
    return [last for last, shells in past.items() if agreement_warnings(shells, ended=False)]


def test_a_run_that_goes_astray_is_told_of_once_and_at_its_end():
    assert _warned_at(ASTRAY) == [2]
    (message,) = agreement_warnings(np.array(ASTRAY[:3]), ended=False)
    assert "(the FSC summed over shells is 6.5, and was 14.0)" in message
    assert "stop it" in message
    (message,) = agreement_warnings(np.array(ASTRAY), ended=True)
    assert "Compare the maps before you use the new poses" in message
    # A single iteration is told of where no other follows.
    assert len(agreement_warnings(np.array(ASTRAY[:2]), ended=True)) == 1


@pytest.mark.parametrize("history", [MENDED, CAUGHT_UP, LOST_LITTLE, HINGE])
def test_a_run_that_does_well_or_catches_up_is_not_told_of(history):
    assert _warned_at(history) == []
    assert agreement_warnings(np.array(history), ended=True) == []


def test_a_run_that_falls_back_after_it_caught_up_is_told_of():
    assert _warned_at((14.0, 7.7, 8.0, 8.3, 3.6, 7.1)) == [4]


def test_few_shells_say_nothing():
    assert agreement_warnings(np.array([2.0, 1.5, 1.1]), ended=True) == []


def _curve(values, notch=(0, 0)):
    return FSCCurve(np.arange(len(values)) / 100.0, np.array(values), notch)


def test_agreement_is_the_sum_of_what_agrees():
    # Neither the map's mean nor what is below zero counts, and a notch is bridged (0.7, 0.6).
    values = [1.0, 0.9, 0.8, 0.0, 0.1, 0.5, -0.2]
    assert agreement_shells(_curve(values, notch=(3, 5))) == pytest.approx(0.9 + 0.8 + 1.3 + 0.5)
    assert agreement_shells(_curve([1.0, 0.9, np.nan, -0.3])) == pytest.approx(0.9)


def test_history_goes_on_from_what_was_noted():
    curve = _curve([1.0, 0.5, 0.25])
    begun = agreement_history({}, curve)
    np.testing.assert_allclose(begun, [0.75])
    np.testing.assert_allclose(agreement_history({AGREEMENT_HISTORY: begun}, curve), [0.75, 0.75])


def test_turns_between_two_searches(rng):
    before = rng.normal(size=(20, 3)) * 0.3
    steps = rng.normal(size=(20, 3)) * 0.1
    after = (Rotation.from_rotvec(steps) * Rotation.from_rotvec(before)).as_rotvec()
    np.testing.assert_allclose(
        turns_between(before, after), np.linalg.norm(steps, axis=1), atol=1e-12
    )
    # Before the first search the poses are those given.
    np.testing.assert_allclose(turns_between(None, steps), np.linalg.norm(steps, axis=1))
