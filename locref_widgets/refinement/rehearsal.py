"""Empty images searched for nothing, so that the search is ready to run when it begins.

To trace them, and to compile them or fetch them from the cache, takes a processor more than a
second. Meanwhile the first reconstructions are made, which leave one half idle.
"""

from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

import jax
import numpy as np

from locref_widgets.refinement.batches import empty_batch, positions_of_half
from locref_widgets.refinement.executor import Executor, LocalExecutor, on_device
from locref_widgets.refinement.fold_references import HalfReference
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.passes import Bench
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.search_pass import RegionPass, plan_for
from locref_widgets.refinement.settings import RefinementSettings


class Rehearsal:
    """A rehearsal of the first search in a thread of its own, where it is computed here.

    What goes wrong in it goes wrong again in the search, and is told there.
    """

    def __init__(
        self, problem: Problem, settings: RefinementSettings, batch_size: int, executor: Executor
    ) -> None:
        self._told, self._executor = (problem, settings, batch_size), executor
        self._under_way: list[Future[None]] = []

    def begin(self) -> None:
        """Begin."""
        if isinstance(self._executor, LocalExecutor):
            device = self._executor.devices()[0]
            pool = ThreadPoolExecutor(1, thread_name_prefix="locref-rehearsal")
            self._under_way.append(pool.submit(rehearse, *self._told, device))
            pool.shutdown(wait=False)

    def wait(self) -> None:
        """Wait for its end, if it has begun."""
        wait(self._under_way)


def rehearse(
    problem: Problem, settings: RefinementSettings, batch_size: int, device: Any = None
) -> None:
    """Search empty images against empty maps, in the very shapes of the first search."""
    plan = plan_for(problem, settings, problem.region_shell(settings.initial_lowpass))
    nothing = HalfReference(
        np.zeros((problem.region_box_px,) * 3, np.float32),
        np.ones(problem.disc.radius_px + 1),
        plan.radius_px,
    )
    references: dict[int, HalfReference] = dict.fromkeys(HALVES, nothing)
    precisions: dict[int, tuple[float, float]] = dict.fromkeys(HALVES, (0.0, 0.0))
    work = RegionPass(references, plan, precisions, settings.marginalize, batch_size, keep=False)
    positions = positions_of_half(problem, HALVES[0])[:batch_size]
    given = {
        "start_turn_rad": np.zeros((batch_size, 3)),
        "start_shift_px": np.zeros((batch_size, 2)),
    }
    with on_device(device):
        search = work.on(Bench(problem, None, device=device))
        batch = empty_batch(problem, positions, batch_size)
        jax.block_until_ready(search.add(search.no_sums(), HALVES[0], 0, batch, given))
