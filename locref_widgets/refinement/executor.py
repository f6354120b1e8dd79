"""Who computes the passes over the images: here, all devices of this machine.

`locref_widgets.runs.dask_executor` does the same on the machines of a cluster.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from locref_widgets.processors import processors
from locref_widgets.refinement.chunks import Chunk, Sums
from locref_widgets.refinement.passes import (
    Bench,
    ChunkResult,
    Gathering,
    PassResult,
    Task,
    Work,
    chunk_steps,
)
from locref_widgets.refinement.prepared import PreparedImages

Report = Callable[[int, int], None]
"""Called with the particles done and their total; may block (pause) or raise (stop)."""
_AT_ONCE = 2
"""Chunks side by side on a device: while one batch is computed, another is made ready."""
_SUMS_BYTES = 2**30
"""Memory for the sums of chunks that are side by side only to keep the processors busy."""


@runtime_checkable
class Executor(Protocol):
    """Computes passes; the result does not depend on how many devices or machines there are."""

    def run(self, task: Task, report: Report) -> PassResult:
        """Compute a pass. ``report`` is called in the calling thread, first with 0 done."""
        ...


class LocalExecutor:
    """Computes on devices of this machine: all of them, unless told which.

    Each device has its own copy of the references and takes chunk after chunk; see
    `locref_widgets.refinement.chunks` for how the sums are put together. JAX is started by the
    first pass.
    """

    def __init__(self, devices: Sequence[Any] | None = None) -> None:
        self._devices = devices
        self._benches: list[Bench] = []

    def run(self, task: Task, report: Report) -> PassResult:
        """Compute a pass (see `Executor`)."""
        gathering, chunks = Gathering(task), iter(task.chunks)
        slots: list[_Slot] = []
        for bench, work in self._set_up(task):
            platform = (bench.device or jax.local_devices()[0]).platform
            count = chunks_at_once(platform, len(self._benches), work.no_sums)
            slots += [_Slot(task, bench, work, chunks, gathering) for _ in range(count)]
        done, total = 0, task.total
        report(done, total)
        with ThreadPoolExecutor(len(slots), thread_name_prefix="locref-device") as pool:
            under_way: dict[Future[int], _Slot] = {pool.submit(slot.step): slot for slot in slots}
            while under_way:
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    slot = under_way.pop(future)
                    count = future.result()
                    if count:
                        done += count
                        report(done, total)
                        under_way[pool.submit(slot.step)] = slot
        return gathering.result()

    def devices(self) -> list[Any]:
        """Those it computes on; a single None for the only one there is."""
        devices = list(self._devices or jax.local_devices())
        return [None] if self._devices is None and len(devices) == 1 else devices

    def _set_up(self, task: Task) -> Iterator[tuple[Bench, Work]]:
        """A bench for each device, the same as before where problem and maps are, and the pass."""
        old = self._benches[0] if self._benches else None
        if old is None or old.problem is not task.problem or old.outside_maps is not task.outside:
            problem = task.problem
            kept = PreparedImages(problem.rows.size, problem.region_box_px)
            self._benches = [Bench(problem, task.outside, kept, d) for d in self.devices()]
        for bench in self._benches:
            with on_device(bench.device):
                yield bench, task.work.on(bench)


def chunks_at_once(platform: str, n_devices: int, no_sums: Callable[[], Sums]) -> int:
    """Chunks side by side on each device: on CPUs as many as there are processors for it.

    There a particle's search is a single thread's (see `locref_widgets.engine.compiling`), and JAX
    lets go of the interpreter while it computes. ``no_sums`` makes the sums of one chunk.
    """
    share = processors() // n_devices if platform == "cpu" else 0
    if share <= _AT_ONCE:
        return _AT_ONCE
    size = sum(np.asarray(part).nbytes for part in jax.tree.leaves(no_sums()))
    return max(_AT_ONCE, min(share, _SUMS_BYTES // max(size, 1)))


def on_device(device: Any) -> AbstractContextManager:
    """Make a device JAX's default in this thread; None leaves it as it is."""
    return nullcontext() if device is None else jax.default_device(device)


class _Slot:
    """Works through one chunk after the other, a batch at each step."""

    def __init__(
        self,
        task: Task,
        bench: Bench,
        work: Work,
        chunks: Iterator[Chunk],
        gathering: Gathering,
    ) -> None:
        self._task, self._bench, self._work = task, bench, work
        self._chunks, self._gathering = chunks, gathering
        self._steps: tuple[Chunk, Generator[int, None, ChunkResult]] | None = None

    def step(self) -> int:
        """Work on one batch; return how many particles it held, 0 when no chunk is left."""
        with on_device(self._bench.device):
            while (under_way := self._steps or self._begin()) is not None:
                chunk, steps = self._steps = under_way
                try:
                    return next(steps)
                except StopIteration as end:
                    self._gathering.add(chunk, end.value)
                    self._steps = None
        return 0

    def _begin(self) -> tuple[Chunk, Generator[int, None, ChunkResult]] | None:
        """Take the next chunk, if there is one."""
        chunk, task = next(self._chunks, None), self._task
        if chunk is None:
            return None
        given, keep = task.inputs_of(chunk), task.work.keep
        return chunk, chunk_steps(self._work, self._bench, keep, chunk, given, task.batch_size)
