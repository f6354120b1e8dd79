"""The two half-sets side by side: batches of both are worked on at the same time.

Nothing of one half-set reaches the other here: each has its own reference, noise spectrum and sums.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import zip_longest

from locref_widgets.refinement.batches import Batch, positions_of_half, read_batches
from locref_widgets.refinement.problem import Problem

HALVES = (1, 2)


def for_each_batch(
    problem: Problem,
    size: int,
    work: Callable[[int, Batch], None],
    report: Callable[[int, int], None],
    limit: int | None = None,
) -> None:
    """Call ``work(half, batch)`` for all batches, one of each half-set at a time.

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
    """
    positions = {half: positions_of_half(problem, half) for half in HALVES}
    if limit is not None:
        positions = {half: p[:: max(1, p.size // limit)] for half, p in positions.items()}
    total = sum(p.size for p in positions.values())
    report(0, total)
    with ThreadPoolExecutor(len(HALVES), thread_name_prefix="locref-half") as pool:
        streams: list[Iterator[Batch]] = [
            read_batches(problem, positions[half], size) for half in HALVES
        ]
        for number, batches in enumerate(zip_longest(*streams)):
            jobs = [
                pool.submit(work, half, batch)
                for half, batch in zip(HALVES, batches, strict=True)
                if batch is not None
            ]
            for job in jobs:
                job.result()
            report(sum(min((number + 1) * size, p.size) for p in positions.values()), total)
