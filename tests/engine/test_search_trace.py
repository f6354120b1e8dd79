"""A trace is the search's own tree: cells, fates and bounds against what the search worked with."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine import search_level as level_module
from locref_widgets.engine.cells import subdivide
from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.likelihood import make_prior
from locref_widgets.engine.search import search_particle
from locref_widgets.engine.search_plan import plan_search
from locref_widgets.engine.search_trace import (
    CROWDED_OUT,
    DROPPED,
    KEPT,
    NOT_ASKED,
    OUTSIDE,
    SearchTrace,
    trace_search,
)
from tests.engine.objects import compact_blobs
from tests.engine.simulated import PIXEL_ANGSTROM, Simulation, project_blobs, simulate

BOX, RADIUS = 32, 15
PLAN = plan_search(BOX, RADIUS, 9.0, 0.3, 6.0)
ROOMY = dataclasses.replace(
    PLAN,
    levels=tuple(
        dataclasses.replace(level, keep_tilts=99, keep_turns=99, keep_shifts=99)
        for level in PLAN.levels
    ),
)


@pytest.fixture(scope="module")
def particles():
    rng = np.random.default_rng(5)
    truth = project_blobs(compact_blobs(rng, BOX, radius=0.2), BOX, RADIUS)
    return simulate(rng, 2, Simulation(plan=PLAN, truth=truth, snr=0.05))


def _told(particles, plan):
    return (
        jnp.asarray(particles.sigma2, jnp.float32),
        jnp.asarray(float(RADIUS)),
        make_prior(*particles.prior),
        plan,
        jnp.asarray(PIXEL_ANGSTROM),
    )


def _trace(particles, number=1, plan=PLAN) -> SearchTrace:
    image = jax.tree.map(lambda a: a[number : number + 1], particles.images)
    return trace_search(particles.oracles[0].projector, image, *_told(particles, plan))


@pytest.fixture(scope="module")
def trace(particles):
    return _trace(particles)


def test_the_outcome_is_that_of_the_search_to_the_last_bit(particles, trace):
    found = particles.search(at_once=1)
    for name in ("turn_rad", "shift_px", "log_likelihood", "margin", "cells_evaluated", "work"):
        np.testing.assert_array_equal(getattr(trace.outcome, name), getattr(found, name)[1], name)


def test_what_survived_is_what_the_search_handed_on(particles, trace, monkeypatch):
    seen = []

    def watched(cells, scores, survives, level):
        children, handed = subdivide(cells, scores, survives, level)
        jax.debug.callback(lambda *a: seen.append(a), scores, survives, handed, children.tilts)
        return children, handed

    monkeypatch.setattr(level_module, "subdivide", watched)
    disc = make_disc(BOX, RADIUS)
    image = jax.tree.map(lambda a: a[1], particles.images)
    _, radius, prior, plan, pixel = _told(particles, PLAN)
    run = eqx.filter_jit(
        lambda image: search_particle(
            particles.oracles[0].projector,
            image,
            particles.weights(),
            prior,
            disc,
            plan,
            radius,
            pixel,
        )[0]
    )
    jax.block_until_ready(run(image))
    jax.effects_barrier()
    assert len(seen) == len(PLAN.levels) - 1
    for level, after, (scores, survives, handed, tilts) in zip(
        trace.levels, trace.levels[1:], seen, strict=False
    ):
        np.testing.assert_array_equal(level.scores, scores)
        above = np.isin(level.fates, (CROWDED_OUT, KEPT))
        np.testing.assert_array_equal(above, survives)
        np.testing.assert_array_equal(after.tilts_rad, tilts)
        kept = np.zeros_like(above)
        kept[np.ix_(handed.tilts, handed.turns, handed.shifts)] = True
        np.testing.assert_array_equal(level.fates == KEPT, above & kept)


def test_fates_follow_from_scores_parents_and_extents(trace):
    first, second = trace.levels[:2]
    assert first.count(NOT_ASKED) == 0
    assert first.threshold == pytest.approx(
        first.best_score - first.noise_allowance - first.cell_allowance, abs=1e-3
    )
    scored = first.fates >= DROPPED
    np.testing.assert_array_equal(np.isfinite(first.scores), scored)
    np.testing.assert_array_equal(
        first.scores[scored] < first.threshold, (first.fates == DROPPED)[scored]
    )
    # Children: of a kept parent, at most half a spacing away, and asked for where it was kept.
    tilts, turns, shifts = second.parents
    moved = second.tilts_rad - first.tilts_rad[tilts]
    np.testing.assert_allclose(np.abs(moved), first.plan.rotation_spacing_rad / 4, rtol=1e-4)
    kept = (first.fates == KEPT)[np.ix_(tilts, turns, shifts)]
    np.testing.assert_array_equal(second.fates != NOT_ASKED, kept)
    angle = np.linalg.norm(second.rotations_rad(), axis=-1)
    beyond = PLAN.rotation_extent_rad + second.plan.rotation_spacing_rad * 3**0.5 / 2
    assert np.all(second.fates[angle > beyond + 1e-5] <= OUTSIDE)
    assert sum(level.scored for level in trace.levels) == trace.outcome.cells_evaluated


def test_a_failed_certificate_says_where_and_by_how_much(trace):
    assert not trace.certified
    first = trace.levels[0]
    assert first.count(CROWDED_OUT) > 0
    words = trace.reason()
    assert f"{first.count(CROWDED_OUT):,} of" in words
    assert "level 1 (shell 12)" in words
    worst = float(max(level.lost.max() - level.threshold for level in trace.levels[:-1]))
    assert worst == pytest.approx(-float(trace.outcome.margin), abs=1e-3)
    assert f"{first.lost.max() - first.threshold:.1f} above the bound" in words


def test_with_room_for_all_it_is_certified_and_finds_the_same(particles, trace):
    roomy = _trace(particles, plan=ROOMY)
    assert roomy.certified
    assert roomy.levels[0].count(CROWDED_OUT) == 0
    assert "none was left out" in roomy.reason()
    # Measured: 30.498 both, to the last bit. Polished from another cell it may differ by rounding.
    assert float(roomy.outcome.log_likelihood) >= float(trace.outcome.log_likelihood) - 1e-3
