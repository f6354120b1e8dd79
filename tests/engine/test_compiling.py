"""Programs compiled for one thread: the same results, on any XLA that may be installed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.experimental.serialize_executable import serialize

from locref_widgets.engine import compiling, reconstruction
from locref_widgets.engine.compiling import jit_in_one_thread
from locref_widgets.engine.gridding import gridding_kernel
from locref_widgets.engine.slicing import empty_accumulator, make_projector


def _climb(start, steps):
    def step(_, x):
        return x + 0.1 * jnp.cos(x) @ jnp.eye(x.size)

    return jax.lax.fori_loop(0, steps, step, start)


def test_a_program_gives_what_it_gives_without(rng):
    start = jnp.asarray(rng.normal(size=5), jnp.float32)
    compiled = jit_in_one_thread(_climb)
    np.testing.assert_allclose(compiled(start, 20), _climb(start, 20), rtol=1e-5)
    assert compiled.__name__ == "_climb"


def test_within_another_program_or_a_derivative_it_is_a_part_of_that(rng):
    start = jnp.asarray(rng.normal(size=5), jnp.float32)
    compiled = jit_in_one_thread(lambda x: jnp.sum(jnp.sin(x)))
    twice = jax.jit(lambda x: 2 * compiled(x))
    np.testing.assert_allclose(twice(start), 2 * jnp.sum(jnp.sin(start)), rtol=1e-5)
    np.testing.assert_allclose(jax.grad(compiled)(start), jnp.cos(start), rtol=1e-5)


def test_what_xla_does_not_know_is_left_out(monkeypatch):
    monkeypatch.setattr(
        compiling, "_FOR_CPUS", {"xla_cpu_of_another_day": False, **compiling._FOR_CPUS}
    )
    compiling._options.cache_clear()
    try:
        assert "xla_cpu_of_another_day" not in compiling._options()
        assert jit_in_one_thread(jnp.sum)(jnp.ones(3)) == 3
    finally:
        compiling._options.cache_clear()


def test_other_devices_than_cpus_are_told_nothing(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    compiling._options.cache_clear()
    try:
        assert compiling._options() == {}
    finally:
        compiling._options.cache_clear()


@pytest.mark.parametrize("program", ["make_projector", "solve"])
def test_compiled_programs_hold_no_volume(program):
    box = 48
    if program == "make_projector":
        lowered = jax.jit(lambda volume: make_projector(volume, box - 1).parts).lower(
            jnp.zeros((box,) * 3)
        )
    else:
        shells, kernel = jnp.zeros(box), jnp.asarray(gridding_kernel(2 * box, box))
        empty = empty_accumulator(2 * box, box - 1)
        lowered = reconstruction._solve.lower(empty, shells, shells, kernel, box, 1)
    content, *_ = serialize(lowered.compile())
    assert len(content) < 0.5 * np.dtype(np.float32).itemsize * box**3
