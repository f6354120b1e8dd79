"""Searches about the poses of the iteration before, and images kept between iterations."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fulcrum import motion_about_fulcrum, move_about_fulcrum
from locref_widgets.errors import InputError
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.search_pass import CROSS_FITTED, folds_at, groups_at
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import compose, first_start, next_start


def test_composed_motions_are_one_motion_after_the_other(rng):
    n = 20
    rotations = Rotation.random(n, random_state=3).as_matrix()
    origins, fulcrum = rng.normal(size=(n, 2)) * 5, np.array([10.0, -20.0, 7.0])
    first = rng.normal(size=(n, 3)) * 0.2, rng.normal(size=(n, 2))
    second = rng.normal(size=(n, 3)) * 0.1, rng.normal(size=(n, 2))
    start = next_start(*first, recenter_rotations=True, recenter_shifts=True)
    once = move_about_fulcrum(rotations, origins, *first, fulcrum)
    twice = move_about_fulcrum(*once, *second, fulcrum)
    turns, shifts = motion_about_fulcrum(rotations, origins, *twice, fulcrum)
    composed = compose(start, *second)
    np.testing.assert_allclose(composed[0], turns, atol=1e-12)
    np.testing.assert_allclose(composed[1], shifts, atol=1e-12)


def test_without_recentring_motions_count_from_the_poses_given(rng):
    turns, shifts = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    start = next_start(turns, shifts, recenter_rotations=False, recenter_shifts=False)
    assert not start.recentred
    assert not first_start(5).recentred
    found = compose(start, turns, shifts)
    # To the last bit: a resumed run must not differ.
    assert np.array_equal(found[0], turns)
    assert np.array_equal(found[1], shifts)


def test_each_half_of_a_start_can_be_recentred_alone(rng):
    turns, shifts = rng.normal(size=(5, 3)), rng.normal(size=(5, 2))
    only_shifts = next_start(turns, shifts, recenter_rotations=False, recenter_shifts=True)
    assert only_shifts.recentred
    assert not np.any(only_shifts.turns_rad)
    assert np.array_equal(only_shifts.shifts_px, shifts)


def test_extents_shrink_only_about_recentred_poses():
    with pytest.raises(InputError, match="recenter_rotations and recenter_shifts"):
        RefinementSettings(shrink_extents=True, recenter_rotations=True)


def test_a_prior_switched_on_gets_its_usual_width_and_extent():
    settings = RefinementSettings(prior_rotation=True, prior_shift=True)
    assert (settings.prior_rotation, settings.prior_shift) == (15.0, 7.0)
    assert settings.rotation_extent == pytest.approx(np.deg2rad(45.0))
    narrow = RefinementSettings(prior_rotation=5.0, rotation_extent=0.1)
    assert narrow.rotation_extent == 0.1
    assert RefinementSettings(prior_rotation=False).rotation_extent == 0.35


def test_kept_images_are_those_that_fit(rng):
    kept = PreparedImages(10, box_px=4, budget_bytes=6 * 4 * 16)
    boxes = rng.normal(size=(4, 4, 4)).astype(np.float32)
    kept.put(np.array([1, 5, 6, 9]), boxes)
    assert kept.holds(np.array([1, 5]))
    assert not kept.holds(np.array([1, 2]))
    assert np.array_equal(kept.get(np.array([5, 1])), boxes[[1, 0]])
    # There is room for six: the first to come are kept.
    kept.put(np.array([2, 3, 4]), boxes[:3])
    assert kept.holds(np.array([1, 5, 6, 9, 2, 3]))
    assert not kept.holds(np.array([4]))
    assert np.array_equal(kept.get(np.array([3, 9])), boxes[[1, 3]])


def test_cross_fitting_ends_after_its_iterations():
    settings = RefinementSettings(folds=4)
    folds = [folds_at(i, settings) for i in range(CROSS_FITTED + 2)]
    assert folds == [1, 4, 4, 1, 1]
    # A pass is divided as finely as its references or its sums.
    assert [groups_at(i, settings) for i in range(1, CROSS_FITTED + 2)] == [4, 4, 4, 1]
