"""Priors learned from motions: against brute force, against the truth, and in a refinement."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from locref_widgets.refinement.learned_prior import (
    learn_rotation_precision,
    learned_precisions,
    search_prior,
    without_prior,
)
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import Start, first_start
from locref_widgets.refinement.state import ROTATION_PRIOR

WIDTH_RAD = np.deg2rad(3.0)


def _seen(rng, n, width_rad=WIDTH_RAD):
    """Rotations of the likelihood's optimum, and its covariances, of motions of a width."""
    axes = np.linalg.qr(rng.normal(size=(n, 3, 3)))[0]
    errors = np.deg2rad(rng.uniform(0.5, 4.0, size=(n, 3)))
    covariance = np.einsum("nij,nj,nkj->nik", axes, errors**2, axes)
    noise = np.einsum("nij,nj->ni", axes, errors * rng.normal(size=(n, 3)))
    return width_rad * rng.normal(size=(n, 3)) + noise, covariance


def _drawn(turns, covariance, precision):
    """What a search under a prior finds."""
    width = np.linalg.inv(np.linalg.inv(covariance) + precision * np.eye(covariance.shape[1]))
    return np.einsum("nij,njk,nk->ni", width, np.linalg.inv(covariance), turns), width


def _width_deg(*found):
    return np.rad2deg(learn_rotation_precision(*found) ** -0.5)


def test_the_width_is_the_most_likely_one(rng):
    turns, covariance = _seen(rng, 150)
    widths = np.linspace(2.4, 3.6, 121)

    def evidence(width_deg):
        spread = covariance + np.deg2rad(width_deg) ** 2 * np.eye(3)
        pairs = zip(turns, spread, strict=True)
        return sum(multivariate_normal.logpdf(x, cov=s) for x, s in pairs)

    best = widths[np.argmax([evidence(w) for w in widths])]
    assert _width_deg(turns, covariance, np.zeros(150)) == pytest.approx(best, abs=0.011)


def test_the_width_is_that_of_the_motions(rng):
    n = 4000
    turns, covariance = _seen(rng, n)
    scatter = np.rad2deg(np.sqrt(np.mean(turns**2)))
    # A width from 3 n numbers, errors of half its variance included: 1.5 / sqrt(6 n), 1 %.
    assert _width_deg(turns, covariance, np.zeros(n)) == pytest.approx(3.0, rel=0.04)
    assert scatter > 3.6


@pytest.mark.parametrize("told_deg", [2.0, 3.0, 20.0])
def test_it_does_not_depend_on_the_prior_that_the_search_was_told(rng, told_deg):
    n = 500
    turns, covariance = _seen(rng, n)
    free = _width_deg(turns, covariance, np.zeros(n))
    precision = np.deg2rad(told_deg) ** -2
    # Exact but for where the search for the width ends: at 0.1 % each.
    assert _width_deg(*_drawn(turns, covariance, precision), np.full(n, precision)) == (
        pytest.approx(free, rel=0.005)
    )


def test_it_is_never_narrower_than_a_degree(rng):
    turns, covariance = _seen(rng, 200, width_rad=0.0)
    assert _width_deg(turns, covariance, np.zeros(200)) == pytest.approx(1.0, rel=0.01)


def test_images_that_tell_nothing_are_borne(rng):
    precision = np.float32(0.05) ** -2
    # As rounding leaves it: wider than the prior itself.
    covariance = np.tile(np.eye(3) / precision * (1 + 1e-5), (50, 1, 1)).astype(np.float32)
    turns = 1e-3 * rng.normal(size=(50, 3))
    assert np.isfinite(_width_deg(turns, covariance, np.full(50, precision)))


def _pass(rng, n):
    turns, rotation = _seen(rng, n)
    covariance = np.tile(np.eye(5) * 0.1, (n, 1, 1))
    covariance[:, :3, :3] = rotation
    return turns, covariance


def test_half_sets_learn_apart(rng):
    turns, covariance = _pass(rng, 200)
    half_sets, which = np.tile([1, 2], 100), np.ones(200, bool)
    before = learned_precisions(half_sets, which, turns, covariance, np.zeros(200))
    turns[half_sets == 2] *= 3.0
    after = learned_precisions(half_sets, which, turns, covariance, np.zeros(200))
    assert np.array_equal(before[half_sets == 1], after[half_sets == 1])
    assert np.all(after[half_sets == 2] < 0.2 * before[half_sets == 2])


def test_a_few_particles_teach_nothing(rng):
    turns, covariance = _pass(rng, 200)
    half_sets, told = np.tile([1, 2], 100), np.full(200, 77.0)
    which = np.arange(200) < 40
    assert np.array_equal(learned_precisions(half_sets, which, turns, covariance, told), told)


def test_what_a_prior_has_drawn_is_let_go(rng):
    turns, covariance = _pass(rng, 60)
    motions = np.concatenate([turns, rng.normal(size=(60, 2))], axis=1)
    tilt = np.eye(5) + 0.3 * rng.normal(size=(5, 5))
    covariance = tilt @ covariance @ tilt.T
    precision = np.array([900.0, 900.0, 900.0, 2.0, 2.0])
    width = np.linalg.inv(np.linalg.inv(covariance) + np.diag(precision))
    drawn = np.einsum("nij,njk,nk->ni", width, np.linalg.inv(covariance), motions)
    free = without_prior(drawn, width, np.tile(precision, (60, 1)))
    np.testing.assert_allclose(free[0], motions, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(free[1], covariance, rtol=1e-7, atol=1e-12)


HALF_SETS = np.tile([1, 2], 50)


def _prior(settings, last, found=None, start=None):
    return search_prior(settings, start or first_start(100), HALF_SETS, 2.0, last, found)


def _info(rng):
    turns, covariance = _pass(rng, 100)
    return {"turn_rad": turns, "pose_covariance": covariance, ROTATION_PRIOR: np.zeros(100)}


def test_a_prior_that_is_given_is_told_as_it_is(rng):
    prior = _prior(RefinementSettings(prior_rotation=3.0, prior_shift=4.0), _info(rng))
    assert not prior.learned
    np.testing.assert_allclose(prior.rotation_precision, WIDTH_RAD**-2, rtol=1e-6)
    # In the units of the engine: pixels.
    assert prior.shift_precision == pytest.approx(2.0**-2)
    told = prior.of(7)
    assert float(told.rotation_precision) == pytest.approx(WIDTH_RAD**-2)
    assert float(told.shift_precision) == pytest.approx(0.25)


def test_a_search_learns_from_the_one_before(rng):
    first = _prior(RefinementSettings(), {})
    assert first.learned
    assert not np.any(first.rotation_precision)
    assert first.shift_precision == 0.0
    second = _prior(RefinementSettings(), _info(rng))
    # 50 particles a half-set tell a width to 9 %, and a precision to 17 %, thrice which is allowed.
    np.testing.assert_allclose(second.rotation_precision, WIDTH_RAD**-2, rtol=0.5)
    found = {ROTATION_PRIOR: np.arange(100.0)}
    again = _prior(RefinementSettings(), _info(rng), found)
    assert np.array_equal(again.rotation_precision, found[ROTATION_PRIOR])


@pytest.mark.parametrize("why", ["switched off", "re-centred", "a run of an earlier version"])
def test_nothing_is_learned(rng, why):
    settings, info = RefinementSettings(learn_prior=why != "switched off"), _info(rng)
    turns = np.full((100, 3), 0.01 if why == "re-centred" else 0.0)
    if why.startswith("a run"):
        del info[ROTATION_PRIOR]
    prior = _prior(settings, info, start=Start(turns, np.zeros((100, 2))))
    assert not np.any(prior.rotation_precision)
