"""How the search, and what is like it, is compiled for CPUs.

A search is a long chain of small operations in loops. XLA divides each of them among its threads,
and waits for all of them before it begins the next: that costs more than it brings, where there are
particles enough to give each processor a chain of its own, which is left to the caller. XLA's older
code generator for CPUs makes such chains faster, too (both together: a third less time, of the
processor and by the clock, with the same results), and the look-ups of slices twice as fast, and
takes half as long to compile. Sums into large arrays, as in back-projection, are slower with it:
they are compiled as usual, and so are steps on maps, which are for all threads, and what cuts
images to a region: there its last bits depend on how many images are cut together.
"""

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import equinox as eqx
import jax
from jax.core import Tracer

_FOR_CPUS = {"xla_cpu_multi_thread_eigen": False, "xla_cpu_use_fusion_emitters": False}

P = ParamSpec("P")
R = TypeVar("R")


@cache
def _options() -> dict[str, bool]:
    """Those of the options that the installed XLA knows; none on other devices than CPUs."""
    if jax.default_backend() != "cpu":
        return {}
    return {name: value for name, value in _FOR_CPUS.items() if _is_known(name, value)}


def _is_known(name: str, value: bool) -> bool:
    try:
        jax.jit(lambda x: x, compiler_options={name: value}).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return False
    return True


def jit_in_one_thread(function: Callable[P, R]) -> Callable[P, R]:
    """`equinox.filter_jit` for programs of many small steps.

    Where another program calls it, or a derivative is taken, it becomes a part of that, compiled
    as that is. JAX is started by the first call, not here.
    """

    @cache
    def compiled() -> Callable[P, R]:
        jit: Any = eqx.filter_jit  # which hands on to `jax.jit` what it does not know
        return jit(function, compiler_options=_options())

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves((args, kwargs)))
        return function(*args, **kwargs) if traced else compiled()(*args, **kwargs)

    return call
