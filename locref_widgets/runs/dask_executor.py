"""Passes over the images computed by the workers of a Dask cluster.

Each chunk of particles is a task of its own, and its sums stay on the worker. What was found of the
particles comes here; the sums are added up on the workers, a strip of eight neighbouring chunks at
a time, and the strips here, in the order of `locref_widgets.refinement.chunks`: so the result does
not depend on who computed what. Dask sends anything that is lost with a worker to another one.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dask.config
from distributed import Client, Future, KilledWorker, wait
from distributed.comm.core import CommClosedError

from locref_widgets.errors import OutputError
from locref_widgets.refinement.chunks import Chunk, Strip
from locref_widgets.refinement.passes import Gathering, PassResult, Task
from locref_widgets.runs.chunk_worker import (
    Parcel,
    add_up,
    compute_chunk,
    found_of,
    hold,
    pack_bench,
    pack_chunk,
    pack_pass,
)

if TYPE_CHECKING:
    from locref_widgets.refinement.executor import Report

_LOOK_EVERY_SECONDS = 0.5
_RETRIES = 2
"""Times that a chunk whose computation failed is tried again: a file system may have been away."""
_TELL_AFTER_SECONDS = 30.0
_FIRST = 100
"""Priority of the short tasks, so that sums do not pile up behind chunks."""

Tell = Callable[[str], None]


class DaskExecutor:
    """Computes on the workers of a cluster, as many as there are at the time.

    Parameters
    ----------
    client
        Connected to the scheduler.
    run_folder
        On a file system that the workers see, too.
    tell
        Told in a sentence what whoever waits should know.
    """

    def __init__(self, client: Client, run_folder: Path, tell: Tell = lambda _: None) -> None:
        self.client, self._run_folder, self.tell = client, run_folder, tell
        self.address = client.scheduler.address if client.scheduler else "?"
        self._shared: tuple[Task, Future] | None = None

    def run(self, task: Task, report: "Report") -> PassResult:
        """Compute a pass (see `locref_widgets.refinement.executor.Executor`).

        Raises
        ------
        InputError
            When a worker does not see the run or its images.
        OutputError
            When the scheduler is lost, or a chunk keeps killing its workers.
        """
        report(0, task.total)
        with self.client.as_current(), self._faults_in_words():
            under_way = _PassUnderWay(self, task, self._bench_of(task), self.send(pack_pass(task)))
            try:
                return under_way.finish(report)
            finally:
                under_way.cancel()

    def send(self, parcel: Parcel) -> Future:
        """Have a parcel on the workers; they pass it on to each other.

        A task, and not scattered: should all who have it die, the scheduler still does.
        """
        # Dask warns of parcels of more than 10 MB, which references are.
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
            return self.client.submit(hold, parcel, key=parcel.name, priority=_FIRST)

    def holders(self, future: Future) -> list[str]:
        """Addresses of the workers that have a result."""
        who_has = cast("dict[str, list[str]]", self.client.who_has([future]))
        return [address for who in who_has.values() for address in who]

    def threads(self) -> dict[str, int]:
        """How many threads each worker has that there is at present."""
        return cast("dict[str, int]", self.client.nthreads())

    def room(self) -> int:
        """Chunks to be under way: one for each thread of each worker, and one each in reserve."""
        threads = self.threads()
        return sum(threads.values()) + max(1, len(threads))

    def _bench_of(self, task: Task) -> Future:
        """What this pass shares with others, sent once."""
        if self._shared is not None:
            known, future = self._shared
            if known.problem is task.problem and known.outside is task.outside:
                return future
        self._shared = task, self.send(pack_bench(self._run_folder, task))
        return self._shared[1]

    @contextmanager
    def _faults_in_words(self) -> Iterator[None]:
        safe = "What is finished is safe: resume the run"
        try:
            yield
        except _Failed as failed:
            error = failed.args[0]
            if not isinstance(error, KilledWorker):
                raise error from None
            raise OutputError(
                f"a chunk of particles was given to {error.allowed_failures + 1} workers that died"
                f" one after the other, the last at {error.last_worker.address}. Look into its log"
                f" (out of memory?), mend the cause, and go on. {safe}."
            ) from error
        except (CancelledError, CommClosedError, OSError, TimeoutError) as error:
            raise OutputError(
                f"the Dask scheduler at {self.address} was lost ({type(error).__name__})."
                f" {safe} once it is back, with another one, or with --executor local."
            ) from error


class _PassUnderWay:
    """One pass: chunks that wait, that are computed, and what became of them."""

    def __init__(self, owner: DaskExecutor, task: Task, bench: Future, work: Future) -> None:
        self._owner, self._task, self._bench, self._work = owner, task, bench, work
        self._gathering = Gathering(task)
        self._waiting = deque(task.chunks)
        self._computed: dict[Future, Chunk] = {}
        self._strips: dict[Strip, dict[int, Future]] = {}
        self._found: dict[Future, Chunk] = {}
        self._sums: dict[Future, Strip] = {}
        self._alone = _Alone(owner)

    def finish(self, report: "Report") -> PassResult:
        """Have all chunks computed."""
        done = 0
        while self._waiting or self._futures():
            self._fill()
            for future in self._some_finished():
                done += self._take(future)
            report(done, self._task.total)
        return self._gathering.result()

    def cancel(self) -> None:
        """Call off what is not done; a chunk under way is finished in vain."""
        with suppress(CancelledError, CommClosedError, OSError, TimeoutError):
            left = [*self._futures(), *(f for s in self._strips.values() for f in s.values())]
            if left:
                self._owner.client.cancel(left, force=True)

    def _futures(self) -> list[Future]:
        return [*self._computed, *self._found, *self._sums]

    def _fill(self) -> None:
        """Hand out chunks while there is room, so that a pause ends with those under way."""
        room = self._owner.room() - len(self._computed)
        for _ in range(min(room, len(self._waiting))):
            chunk = self._waiting.popleft()
            name = f"chunk-{chunk.half}-{chunk.group}-{chunk.number}"
            parcel = pack_chunk(self._task, chunk)
            future = self._submit(
                compute_chunk, self._bench, self._work, parcel, name=name, retries=_RETRIES
            )
            self._computed[future] = chunk

    def _submit(self, function: Callable, *arguments: Any, name: str, **options: Any) -> Future:
        key = f"locref-{name}-{self._work.key}"
        return self._owner.client.submit(function, *arguments, key=key, pure=False, **options)

    def _some_finished(self) -> set[Future]:
        """Wait for the first, or for half a second."""
        try:
            waited: Any = wait(self._futures(), _LOOK_EVERY_SECONDS, "FIRST_COMPLETED")
        except TimeoutError:
            self._alone.look()
            return set()
        for future in waited.done:
            if future.status == "error":
                raise _Failed(future.exception())
        return waited.done

    def _take(self, future: Future) -> int:
        """Take what is finished; return how many particles more are computed."""
        if future in self._found:
            self._gathering.note(self._found.pop(future), future.result())
            return 0
        if future in self._sums:
            self._gathering.sums.add_strip(self._sums.pop(future), future.result())
            return 0
        chunk = self._computed.pop(future)
        name = f"{chunk.half}-{chunk.group}-{chunk.number}"
        # Where it was computed, so that the sums are not moved only to look at what lies beside.
        found = self._submit(
            found_of,
            future,
            name=f"found-{name}",
            priority=_FIRST,
            workers=self._owner.holders(future) or None,
            allow_other_workers=True,
        )
        self._found[found] = chunk
        strip = self._strips.setdefault(chunk.strip, {})
        strip[chunk.number] = future
        if len(strip) == self._gathering.sums.chunks_in[chunk.strip]:
            ordered = [strip[number] for number in sorted(strip)]
            sums = self._submit(add_up, ordered, name=f"sums-{name}", priority=_FIRST)
            self._sums[sums] = chunk.strip
            del self._strips[chunk.strip]
        return chunk.positions.size


class _Failed(Exception):
    """Carries what a worker raised."""


class _Alone:
    """Tells, once, when there has been no worker for a while."""

    def __init__(self, owner: DaskExecutor) -> None:
        self._owner, self._since = owner, time.monotonic()

    def look(self) -> None:
        """Look whether there is one."""
        if self._owner.threads():
            self._since = time.monotonic()
        elif time.monotonic() - self._since > _TELL_AFTER_SECONDS:
            self._owner.tell(
                f"no worker is connected to the Dask scheduler at {self._owner.address}: waiting"
            )
            self._since = math.inf
