"""The two half-sets side by side: batches of both are worked on at the same time.

Nothing of one half-set reaches the other here: each has its own reference, noise spectrum and sums.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

import numpy as np
from jaxtyping import Int

from locref_widgets.refinement.batches import Batch, positions_of_half, read_batches
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.problem import Problem

HALVES = (1, 2)


def for_each_batch(
    problem: Problem,
    size: int,
    work: Callable[[int, int, Batch], None],
    report: Callable[[int, int], None],
    limit: int | None = None,
    folds: Int[np.ndarray, " n"] | None = None,
    kept: PreparedImages | None = None,
) -> None:
    """Call ``work(half, fold, batch)`` for all batches, one of each half-set at a time.

    Parameters
    ----------
    problem
        Says which particles belong to which half-set.
    size
        Particles in a batch.
    work
        Called in two threads, one for each half-set; JAX releases the interpreter while it
        computes, so that both cores of a small machine are busy.
    report
        Called between batches, in the calling thread, with the particles done and their total; it
        may block (pause) or raise (stop).
    limit
        Use only about so many particles of each half-set, evenly spaced: neighbours in the table
        come from the same micrograph.
    folds
        Fold of each particle; no batch holds particles of two. Unset: all are in fold 0.
    kept
        Images that need not be read.
    """
    if folds is None:
        folds = np.zeros(problem.rows.size, int)
    positions = {half: positions_of_half(problem, half) for half in HALVES}
    if limit is not None:
        positions = {half: p[:: max(1, p.size // limit)] for half, p in positions.items()}
    total = sum(p.size for p in positions.values())
    report(0, total)

    def batches_of(half: int) -> Iterator[tuple[int, Batch]]:
        members = positions[half]
        for fold in range(int(folds.max()) + 1):
            for batch in read_batches(problem, members[folds[members] == fold], size, kept):
                yield fold, batch

    done = 0
    with ThreadPoolExecutor(len(HALVES), thread_name_prefix="locref-half") as pool:
        for pair in zip_longest(*(batches_of(half) for half in HALVES)):
            jobs = []
            for half, item in zip(HALVES, pair, strict=True):
                if item is not None:
                    fold, batch = item
                    jobs.append(pool.submit(work, half, fold, batch))
                    done += batch.count
            for job in jobs:
                job.result()
            report(done, total)
