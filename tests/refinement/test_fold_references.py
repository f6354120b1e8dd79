"""What a fold is compared with: the newest sums of all the others, and nothing of its own."""

from dataclasses import replace
from itertools import pairwise

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.slicing import Accumulator, grid_shape
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.fold_references import (
    FoldReferences,
    fixed,
    fold_count,
    half_map_references,
    solve_region,
    starting_references,
)
from locref_widgets.refinement.growing_references import GrowingReferences
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.references import cut_region, paste_region, region_projector
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult
from tests.refinement.following import soft_ball

FOLDS = 3
RADIUS_PX = 8


@pytest.fixture(scope="module")
def problem(hinged_blob_set):
    data = hinged_blob_set
    voxel = data.pixel_size_angstrom
    centre = data.hinge.body.centres_angstrom.mean(axis=0)
    mask = soft_ball(data.box_px, voxel, centre)
    volume = data.hinge.body.volume(data.box_px, voxel).astype(np.float32)
    particles = read_particles(data.star)
    inputs = RefinementInput(particles, Map(volume, voxel), Map(mask, voxel))
    return pose_problem(inputs, RefinementSettings(fulcrum="mask"))


@pytest.fixture(scope="module")
def last(problem):
    """An iteration whose half-maps agree everywhere, so that the filter lets all through."""
    n = problem.box_px
    rng = np.random.default_rng(7)
    half_maps = tuple(rng.normal(size=(2, n, n, n)).astype(np.float32))
    frequency = np.arange(n // 2 + 1) / (n * problem.pixel_size_angstrom)
    curve = FSCCurve(frequency, np.full(n // 2 + 1, 0.9))
    return IterationResult(
        iteration=2,
        half_maps=(half_maps[0], half_maps[1]),
        map=half_maps[0],
        mask=np.ones((n, n, n), np.float32),
        fsc={CORRECTED_CURVE: curve},
        resolution_angstrom=10.0,
        converged=False,
        seconds=0.0,
        indices=problem.rows,
        rotations=problem.particles.rotations[problem.rows],
        origins_angstrom=problem.particles.origins_angstrom[problem.rows],
        info={f"sigma2_half{half}": np.full(n // 2 + 1, float(half)) for half in HALVES},
    )


def _sums(problem, seed, folds=FOLDS):
    """Random sums of every half-set and fold, all weights one."""
    empty = np.zeros((problem.region_box_px,) * 3, np.float32)
    grid = region_projector(empty, problem)
    rng = np.random.default_rng(seed)

    def one():
        sums = rng.normal(size=(*grid_shape(grid.radius), 3)).astype(np.float32)
        sums[..., 2] = 1.0
        return Accumulator(jnp.asarray(sums), grid.padded_px, grid.radius)

    return {(half, fold): one() for half in HALVES for fold in range(folds)}


def _references(problem, sums, last, renewed=None):
    return FoldReferences(problem, sums, last.measured, last.sigma2, RADIUS_PX, renewed)


def _cubes(references, fold):
    return [reference.cube for reference in references.of(fold).values()]


def test_a_fold_sees_what_those_before_it_have_gained_and_nothing_of_its_own(problem, last):
    old, new, other = (_sums(problem, seed) for seed in (1, 2, 3))
    assert fold_count(old) == FOLDS
    references = _references(problem, dict(old), last)
    for fold in range(FOLDS):
        # Had the folds before been so from the start, and this one something else altogether.
        mixed = {
            (half, f): other[half, f] if f == fold else (new if f < fold else old)[half, f]
            for half, f in old
        }
        expected = _cubes(_references(problem, mixed, last), fold)
        for found, cube in zip(_cubes(references, fold), expected, strict=True):
            assert np.array_equal(found, cube)
            assert np.linalg.norm(found) > 0
        references.renew(fold, {(half, fold): new[half, fold] for half in HALVES})


def test_references_of_a_search_that_was_made_are_those_that_it_used(problem, last):
    old, new = _sums(problem, 1), _sums(problem, 2)
    running = _references(problem, dict(old), last)
    shown = fixed(_references(problem, old, last, new))
    assert shown.folds == running.folds == FOLDS
    for fold in range(FOLDS):
        for used, seen in zip(_cubes(running, fold), _cubes(shown, fold), strict=True):
            assert np.array_equal(used, seen)
        running.renew(fold, {(half, fold): new[half, fold] for half in HALVES})
    assert np.array_equal(shown.sigma2[2], running.sigma2[2])


def test_half_sets_do_not_mix(problem, last):
    old, new = _sums(problem, 1), _sums(problem, 2)
    changed = {place: (new if place[0] == 2 else old)[place] for place in old}
    for fold in range(FOLDS):
        one = _references(problem, dict(old), last).of(fold)
        two = _references(problem, dict(changed), last).of(fold)
        assert np.array_equal(one[1].cube, two[1].cube)
        assert not np.array_equal(one[2].cube, two[2].cube)


def test_fewer_particles_than_folds_leave_folds_empty(problem, last):
    old, new = _sums(problem, 1), _sums(problem, 2)
    del old[1, 2], new[1, 2]
    references = _references(problem, dict(old), last)
    for fold in range(FOLDS):
        assert all(np.linalg.norm(cube) > 0 for cube in _cubes(references, fold))
        references.renew(fold, {place: new[place] for place in new if place[1] == fold})


def test_one_fold_is_compared_with_itself(problem, last):
    sums = {place: total for place, total in _sums(problem, 1).items() if place[1] == 0}
    references = _references(problem, dict(sums), last)
    assert references.folds == 1
    assert all(np.linalg.norm(cube) > 0 for cube in _cubes(references, 0))


def test_the_first_references_are_the_maps_given_in_the_mask(problem, last, rng):
    maps = {half: rng.normal(size=last.map.shape).astype(np.float32) for half in HALVES}
    references = starting_references(problem, maps, last, RADIUS_PX)
    assert references.folds == 1
    for half, reference in references.of(0).items():
        assert np.array_equal(reference.cube, cut_region(maps[half], problem))
        assert np.array_equal(reference.sigma2, last.info[f"sigma2_half{half}"])
        assert reference.radius_px == RADIUS_PX


def test_later_searches_have_each_half_sets_own_map(problem, last):
    """The only fold of a half-set is compared with what its half-map shows of the region."""
    sums = {place: total for place, total in _sums(problem, 1).items() if place[1] == 0}
    solved = {half: np.asarray(solve_region(sums[half, 0], problem)) for half in HALVES}
    pasted = tuple(paste_region(solved[half], problem) for half in HALVES)
    measured = replace(last.measured, half_maps=pasted)
    by_sums = FoldReferences(problem, sums, measured, last.sigma2, RADIUS_PX)
    by_maps = half_map_references(problem, measured, last.sigma2, RADIUS_PX)
    for half, reference in by_maps.of(0).items():
        assert np.array_equal(reference.cube, by_sums.of(0)[half].cube)
        assert reference.radius_px == RADIUS_PX


def _growing(problem, last, reached_px, renewed=None, folds=FOLDS):
    """References of a first search whose partial maps reach so many shells, and what was made."""
    rng = np.random.default_rng(5)
    maps = {half: rng.normal(size=last.map.shape).astype(np.float32) for half in HALVES}
    given, asked = starting_references(problem, maps, last, RADIUS_PX), []

    def measure(sums, _folds):
        asked.append(sums)
        solved = tuple(
            paste_region(np.asarray(solve_region(sums[half, 0], problem)), problem)
            for half in HALVES
        )
        return replace(last.measured, half_maps=solved), reached_px

    return GrowingReferences(problem, given, folds, measure, renewed), given, asked


def test_in_the_first_search_a_fold_sees_what_those_before_it_made(problem, last):
    new = _sums(problem, 2)
    references, given, asked = _growing(problem, last, RADIUS_PX + 1)
    for fold in range(FOLDS):
        found = references.of(fold)
        if fold == 0:
            assert all(np.array_equal(found[h].cube, given.of(0)[h].cube) for h in HALVES)
            assert not asked
        else:
            before = [new[1, f].sums for f in range(fold)]
            np.testing.assert_allclose(asked[-1][1, 0].sums, sum(before), rtol=1e-6, atol=1e-6)
            assert found[1].radius_px == RADIUS_PX + 1
            assert not np.array_equal(found[1].cube, given.of(0)[1].cube)
        references.renew(fold, {(half, fold): new[half, fold] for half in HALVES})
    shown = fixed(_growing(problem, last, RADIUS_PX + 1, new)[0])
    assert shown.folds == FOLDS
    for half in HALVES:
        assert np.array_equal(shown.of(FOLDS - 1)[half].cube, found[half].cube)
        assert np.array_equal(shown.sigma2[half], last.sigma2[half])


def test_the_map_of_the_first_search_is_made_anew_when_twice_as_much_is_there(problem, last):
    new = _sums(problem, 2, folds=6)
    references, _, asked = _growing(problem, last, RADIUS_PX + 1, folds=6)
    cubes = []
    for fold in range(6):
        cubes.append(_cubes(references, fold)[0])
        references.renew(fold, {(half, fold): new[half, fold] for half in HALVES})
    # Of one fold for the second, of two for those up to the fourth, then of four.
    changes = [not np.array_equal(a, b) for a, b in pairwise(cubes)]
    assert changes == [True, True, False, True, False]
    for sums, so_far in zip(asked, (1, 2, 4), strict=True):
        before = [new[2, fold].sums for fold in range(so_far)]
        np.testing.assert_allclose(sums[2, 0].sums, sum(before), rtol=1e-6, atol=1e-6)


def test_half_sets_do_not_mix_in_the_first_search(problem, last):
    """But for the mask and the FSC, which are of both: here they are the same."""
    old, new = _sums(problem, 1), _sums(problem, 2)
    changed = {place: (new if place[0] == 2 else old)[place] for place in old}
    one = _growing(problem, last, RADIUS_PX + 1, old)[0].of(1)
    two = _growing(problem, last, RADIUS_PX + 1, changed)[0].of(1)
    assert np.array_equal(one[1].cube, two[1].cube)
    assert not np.array_equal(one[2].cube, two[2].cube)


def test_the_map_given_serves_until_what_was_found_is_finer(problem, last):
    references, given, asked = _growing(problem, last, RADIUS_PX, _sums(problem, 2))
    found = references.of(2)
    assert asked
    assert all(np.array_equal(found[half].cube, given.of(0)[half].cube) for half in HALVES)
    # A half-set whose earlier folds hold no particle has no map yet.
    lacking = {place: sums for place, sums in _sums(problem, 2).items() if place != (2, 0)}
    references, given, asked = _growing(problem, last, RADIUS_PX + 1, lacking)
    assert np.array_equal(references.of(1)[2].cube, given.of(0)[2].cube)
    assert not asked
