"""Another fulcrum describes the same poses by other numbers, and no pose jumps."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fulcrum import motion_about_fulcrum, move_about_fulcrum
from locref_widgets.engine.posterior import image_scatter_px2
from locref_widgets.refinement.moved_fulcrum import FULCRUM, about_fulcrum
from locref_widgets.refinement.starts import compose, next_start
from locref_widgets.refinement.state import IterationResult

PIXEL_ANGSTROM = 1.7
FIRST, SECOND = np.array([12.0, -30.0, 8.0]), np.array([-20.0, 5.0, 41.0])


def a_result(
    rng, n: int = 30, recentred: bool = True, magnified: bool = False
) -> tuple[IterationResult, dict]:
    """A search about ``FIRST`` that began at some motions, with the poses it was given."""
    largest = 0.05 if magnified else 0.0
    magnifications = np.eye(2) + np.random.default_rng(6).uniform(-largest, largest, (n, 2, 2))
    rotations = Rotation.random(n, random_state=5).as_matrix()
    origins = rng.normal(size=(n, 2)) * 4
    start = next_start(
        rng.normal(size=(n, 3)) * 0.2, rng.normal(size=(n, 2)) * 2, recentred, recentred
    )
    found = rng.normal(size=(n, 3)) * 0.1, rng.normal(size=(n, 2))
    mean = rng.normal(size=(n, 3)) * 0.1, rng.normal(size=(n, 2))
    turns, shifts = compose(start, *found)
    root = rng.normal(size=(n, 5, 5)) * 0.05
    shifts_angstrom = shifts * PIXEL_ANGSTROM
    moved = move_about_fulcrum(rotations, origins, turns, shifts_angstrom, FIRST, magnifications)
    empty = np.zeros((2, 2, 2), np.float32)
    result = IterationResult(
        iteration=3,
        half_maps=(empty, empty),
        map=empty,
        mask=empty,
        fsc={},
        resolution_angstrom=5.0,
        converged=False,
        seconds=1.0,
        indices=np.arange(n),
        rotations=moved[0],
        origins_angstrom=moved[1],
        info={
            FULCRUM: FIRST,
            "turn_rad": turns,
            "shift_px": shifts,
            "start_turn_rad": start.turns_rad,
            "start_shift_px": start.shifts_px,
            "mean_turn_rad": mean[0],
            "mean_shift_px": mean[1],
            "pose_covariance": (root @ np.swapaxes(root, 1, 2)).astype(np.float32),
            "shift_change_px": np.linalg.norm(shifts, axis=1),
            "pose_change_rad": np.linalg.norm(turns, axis=1),
        },
    )
    given = {"rotations": rotations, "origins": origins, "magnifications": magnifications}
    return result, given


def poses(result, given, turns: str, shifts: str, start: bool) -> tuple[np.ndarray, np.ndarray]:
    """Poses that motions in ``info`` stand for, counted from the search's start or the given."""
    info, at = result.info, (given["rotations"], given["origins"])
    magnifications = given["magnifications"]
    if start:
        shift = info["start_shift_px"] * PIXEL_ANGSTROM
        at = move_about_fulcrum(*at, info["start_turn_rad"], shift, info[FULCRUM], magnifications)
    shift = info[shifts] * PIXEL_ANGSTROM
    return move_about_fulcrum(*at, info[turns], shift, info[FULCRUM], magnifications)


@pytest.mark.parametrize("magnified", [True, False])
@pytest.mark.parametrize("recentred", [True, False])
def test_no_pose_jumps(rng, recentred, magnified):
    result, given = a_result(rng, recentred=recentred, magnified=magnified)
    magnifications = given["magnifications"]
    other = about_fulcrum(
        result, given["rotations"], SECOND, PIXEL_ANGSTROM, magnifications if magnified else None
    )
    assert np.array_equal(other.info[FULCRUM], SECOND)
    for turns, shifts, start in (
        ("turn_rad", "shift_px", False),
        ("start_turn_rad", "start_shift_px", False),
        ("mean_turn_rad", "mean_shift_px", True),
    ):
        before, after = (poses(r, given, turns, shifts, start) for r in (result, other))
        np.testing.assert_allclose(after[0], before[0], atol=1e-12)
        np.testing.assert_allclose(after[1], before[1], atol=1e-9)
    turns, shifts = motion_about_fulcrum(
        given["rotations"],
        given["origins"],
        other.rotations,
        other.origins_angstrom,
        SECOND,
        magnifications,
    )
    np.testing.assert_allclose(other.info["turn_rad"], turns, atol=1e-9)
    change_px = np.linalg.norm(shifts, axis=1) / PIXEL_ANGSTROM
    np.testing.assert_allclose(other.info["shift_change_px"], change_px, atol=1e-9)
    assert np.array_equal(other.info["pose_change_rad"], result.info["pose_change_rad"])


def test_the_scatter_of_the_regions_centre_does_not_depend_on_the_fulcrum(rng):
    """Measured by the engine's own formula, with the lever that belongs to each fulcrum."""
    result, given = a_result(rng)
    other = about_fulcrum(result, given["rotations"], SECOND, PIXEL_ANGSTROM)
    centre = np.array([3.0, 50.0, -17.0])
    start = Rotation.from_rotvec(result.info["start_turn_rad"]).as_matrix() @ given["rotations"]
    entered = Rotation.from_rotvec(result.info["mean_turn_rad"]).as_matrix() @ start
    for i in range(5):
        scatter = [
            image_scatter_px2(
                jnp.asarray(r.info["pose_covariance"][i], jnp.float32),
                jnp.asarray(entered[i] @ (centre - r.info[FULCRUM]) / PIXEL_ANGSTROM, jnp.float32),
                jnp.asarray(2.0, jnp.float32),
            )
            for r in (result, other)
        ]
        np.testing.assert_allclose(scatter[1], scatter[0], rtol=2e-4, atol=1e-4)


def test_there_and_back_is_where_it_was(rng):
    result, given = a_result(rng)
    there = about_fulcrum(result, given["rotations"], SECOND, PIXEL_ANGSTROM)
    back = about_fulcrum(there, given["rotations"], FIRST, PIXEL_ANGSTROM)
    for name, values in result.info.items():
        np.testing.assert_allclose(back.info[name], values, rtol=1e-5, atol=2e-6, err_msg=name)


def test_the_same_fulcrum_changes_no_bit_and_an_unknown_one_nothing(rng):
    result, given = a_result(rng)
    assert about_fulcrum(result, given["rotations"], FIRST.copy(), PIXEL_ANGSTROM) is result
    info = {name: values for name, values in result.info.items() if name != FULCRUM}
    old = replace(result, info=info)
    assert about_fulcrum(old, given["rotations"], SECOND, PIXEL_ANGSTROM) is old


def test_before_any_search_only_the_name_changes(rng):
    result, given = a_result(rng)
    first = replace(result, iteration=0, info={FULCRUM: FIRST, "shift_change_px": np.zeros(30)})
    moved = about_fulcrum(first, given["rotations"], SECOND, PIXEL_ANGSTROM)
    assert np.array_equal(moved.info[FULCRUM], SECOND)
    assert not moved.info["shift_change_px"].any()
