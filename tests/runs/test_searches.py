"""Searches set up again from a run's folder, against what the run itself wrote down."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.search import search_particles
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.one_particle import ParticleSearches
from locref_widgets.refinement.pose_search import pose_search
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.run import refine
from locref_widgets.runs.searches import found_in_iteration, search_of_iteration
from locref_widgets.sample import sample_paths
from tests.benchmarks import hinge_30s

TOLD = {
    "turn_rad": "turn_rad",
    "shift_px": "shift_px",
    "log_likelihood": "log_likelihood",
    "margin": "log_likelihood_margin",
    "overflowed": "overflowed",
    "certified": "certified",
    "cells_evaluated": "cells_evaluated",
    "work": "work",
    "effective_cells": "effective_cells",
}


@pytest.fixture(scope="module")
def sample_run(tmp_path_factory):
    """Two iterations on 48 particles of the packaged sample."""
    sample = sample_paths()
    settings = RefinementSettings(
        fulcrum_angstrom=sample["fulcrum_angstrom"],
        rotation_extent=0.2,
        shift_extent=4.0,
        initial_lowpass=15.0,
        iterations=2,
        subset=48,
    )
    with pytest.MonkeyPatch.context() as patched:
        # It takes longer than the run, and nothing here looks at it.
        patched.setattr("locref_widgets.runs.job.write_report_of", lambda *_: None)
        return refine(
            read_particles(sample["particles"]),
            read_map(sample["map"]),
            read_map(sample["mask"]),
            settings,
            tmp_path_factory.mktemp("searches") / "run",
            progress=False,
            wait_for_device=False,
        )


@pytest.mark.parametrize("iteration", [1, 2])
def test_a_particle_is_searched_as_the_run_searched_it(sample_run, iteration):
    searches = ParticleSearches(search_of_iteration(sample_run.path, iteration))
    told = found_in_iteration(sample_run.path, iteration)
    assert len(searches) == len(told["turn_rad"]) == 48
    for position in (0, 30):
        trace = searches.search(position).trace
        for name, written in TOLD.items():
            np.testing.assert_array_equal(
                np.asarray(getattr(trace.outcome, name), float),
                np.asarray(told[written][position], float),
                name,
            )


def test_an_iteration_without_a_search_is_refused_in_words(sample_run):
    with pytest.raises(InputError, match="iteration 0 has no search to show"):
        search_of_iteration(sample_run.path, 0)
    searches = ParticleSearches(search_of_iteration(sample_run.path, 1))
    with pytest.raises(InputError, match="row 100001 takes no part"):
        searches.position_of_row(100_000)


def test_on_hinge_30s_the_trace_is_the_search(shared_data, tmp_path):
    facts = hinge_30s.unpack(shared_data / "hinge_30S", tmp_path)
    mask = hinge_30s.make_mask(tmp_path, facts)
    settings = RefinementSettings(
        fulcrum_angstrom=tuple(facts["fulcrum"]), subset=40, rotation_extent=0.2
    )
    inputs = RefinementInput(
        read_particles(tmp_path / "consensus.star"),
        read_map(tmp_path / "maps" / "A.mrc"),
        read_map(mask),
    )
    searches = ParticleSearches(pose_search(inputs, settings))
    position = 7
    particle = searches.search(position)
    trace, posed = particle.trace, searches.posed
    # Among others of its half-set, as in a run.
    batch = jax.tree.map(lambda a: jnp.concatenate([a] * 3), particle.images)
    found = search_particles(
        particle.region.projector,
        batch,
        particle.sigma2,
        jnp.asarray(particle.radius_px, jnp.float32),
        posed.prior.of(position),
        posed.plan,
        jnp.asarray(posed.problem.pixel_size_angstrom, jnp.float32),
        1,
    )
    for name in TOLD:
        np.testing.assert_array_equal(getattr(trace.outcome, name), getattr(found, name)[1], name)
    assert sum(level.scored for level in trace.levels) == found.cells_evaluated[1]
    assert not trace.certified
    assert "found no room" in trace.reason()
