"""A device that is too small gets less to do at once, and the search goes on."""

import jax
import numpy as np
import pytest

from locref_widgets.engine.search_plan import plan_search
from locref_widgets.refinement.memory import FewerAtOnce, bytes_per_particle, particles_at_once


def test_half_as_many_until_it_fits():
    tried = []

    def search(at_once):
        tried.append(at_once)
        if at_once > 5:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return np.full(3, at_once)

    run = FewerAtOnce(32)
    assert run(search)[0] == 4
    assert tried == [32, 16, 8, 4]
    run(search)
    assert tried[4:] == [4]  # what fitted is remembered


@pytest.mark.parametrize(
    ("at_once", "words"), [(1, "RESOURCE_EXHAUSTED"), (8, "INTERNAL: something else")]
)
def test_other_faults_and_the_last_one_are_told(at_once, words):
    def search(_):
        raise jax.errors.JaxRuntimeError(words)

    with pytest.raises(jax.errors.JaxRuntimeError, match=words):
        FewerAtOnce(at_once)(search)


def test_memory_follows_the_largest_level():
    plan = plan_search(128, 48, 44.0, 0.35, 10.0)
    wide = plan_search(128, 48, 44.0, np.pi, 10.0)
    first = plan.levels[0]
    columns = plan.root_turns_rad().shape[0] * plan.root_shifts_px().shape[0]
    arrays = [(plan.root_tilts_rad().shape[0] + columns) * first.pixels]
    arrays += [
        (4 * a.keep_tilts + 2 * a.keep_turns * 4 * a.keep_shifts) * b.pixels
        for a, b in zip(plan.levels, plan.levels[1:], strict=False)
    ]
    # Real and imaginary parts in float32 of the templates and of the turned, shifted images.
    assert bytes_per_particle(plan) >= 8 * max(arrays)
    # Sixty times the tilts at the first level; the narrow plan's largest is the second, which does
    # not grow: 5,385 tilts and 747 columns of 245 pixels against 32 and 192 of 943 make 7.1.
    assert bytes_per_particle(wide) > 7 * bytes_per_particle(plan)


def test_a_cpu_works_on_one_particle_at_a_time():
    """Others would be carried along for as many steps as the slowest of them takes."""
    plan = plan_search(64, 24, 20.0, 0.3, 6.0)
    assert particles_at_once(plan, 32) == 1
