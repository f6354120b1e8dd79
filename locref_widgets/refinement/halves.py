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
        Use only so many particles of each half-set.
    """
    positions = {half: positions_of_half(problem, half)[:limit] for half in HALVES}
    total = sum(p.size for p in positions.values())
    done = 0
    report(done, total)
    with ThreadPoolExecutor(len(HALVES), thread_name_prefix="locref-half") as pool:
        streams: list[Iterator[Batch]] = [
            read_batches(problem, positions[half], size) for half in HALVES
        ]
        for batches in zip_longest(*streams):
            jobs = [
                pool.submit(work, half, batch)
                for half, batch in zip(HALVES, batches, strict=True)
                if batch is not None
            ]
            for job in jobs:
                job.result()
            done += sum(
                min(size, positions[half].size)
                for half, b in zip(HALVES, batches, strict=True)
                if b is not None
            )
            report(min(done, total), total)
