"""What a Dask worker does for a run: it works through chunks of particles.

A worker finds the particles through the run folder and reads their images itself. What else it
needs comes as parcels, which it opens once and keeps for the chunks that follow. Importing this
module loads neither JAX nor Dask, since the scheduler imports it, too.
"""

import os
import pickle
import socket
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import locref_widgets
from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.refinement.chunks import Chunk, Sums
    from locref_widgets.refinement.passes import Bench, ChunkResult, Task, Work


@dataclass(frozen=True)
class Parcel:
    """Something on its way to the workers; closed, so that the scheduler need not understand it."""

    name: str
    content: bytes

    @classmethod
    def pack(cls, what: str, content: Any) -> "Parcel":
        """Close a parcel; no two have the same name."""
        packed = pickle.dumps(content, protocol=pickle.HIGHEST_PROTOCOL)
        return cls(f"{what}-{uuid.uuid4().hex}", packed)

    def open(self) -> Any:
        """What was packed. It came through Dask's own connection, which pickles all it moves."""
        return pickle.loads(self.content)  # noqa: S301


def hold(parcel: Parcel) -> Parcel:
    """Have a parcel on a worker, from where the others get it."""
    return parcel


def pack_bench(run_folder: Path, task: "Task") -> Parcel:
    """What many passes share: the problem without its particles, and what is subtracted."""
    problem = task.problem
    known = {f.name: getattr(problem, f.name) for f in fields(problem) if f.name != "particles"}
    version = locref_widgets.__version__
    return Parcel.pack("bench", (str(run_folder), version, known, task.outside))


def pack_pass(task: "Task") -> Parcel:
    """What is told of one pass."""
    return Parcel.pack("pass", (task.work, task.batch_size))


def pack_chunk(task: "Task", chunk: "Chunk") -> Parcel:
    """A chunk and the inputs of its particles."""
    return Parcel.pack("chunk", (chunk, task.inputs_of(chunk)))


def compute_chunk(bench: Parcel, work: Parcel, chunk: Parcel) -> "ChunkResult":
    """Work through a chunk on this worker's device.

    Raises `InputError` when this machine does not see the run as it is.
    """
    _prepare()
    from locref_widgets.refinement.passes import chunk_steps

    try:
        the_bench = _benches.get(bench.name, lambda: _set_up_bench(bench))
        told, batch_size, the_work = _works.get(work.name, lambda: _set_up(work, the_bench))
        which, given = chunk.open()
        steps = chunk_steps(the_work, the_bench, told.keep, which, given, batch_size)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                return end.value
    except InputError as error:
        raise InputError(f"on {socket.gethostname()}: {error}") from error


def found_of(result: "ChunkResult") -> dict[str, Any]:
    """What was found of a chunk's particles."""
    return result.found


def add_up(results: Sequence["ChunkResult"]) -> "Sums":
    """The sums of a strip of chunks, one after the other."""
    from locref_widgets.refinement.chunks import RunningSum

    total = RunningSum()
    for result in results:
        total.add(result.sums)
    return total.total


def _set_up_bench(parcel: Parcel) -> "Bench":
    from locref_widgets.refinement.passes import Bench
    from locref_widgets.refinement.problem import Problem

    run_folder, version, known, outside = parcel.open()
    if version != locref_widgets.__version__:
        raise InputError(
            f"locref_widgets {locref_widgets.__version__} is installed, but the run is computed"
            f" with {version}. Install the same on all machines."
        )
    particles = _particles.get(run_folder, lambda: _read_particles(run_folder))
    return Bench(Problem(particles=particles, **known), outside)


def _read_particles(run_folder: str) -> Any:
    from locref_widgets.runs.folder import RunFolder
    from locref_widgets.runs.inputs import load_particles

    return load_particles(RunFolder(run_folder).read_record()["inputs"])


def _set_up(parcel: Parcel, bench: "Bench") -> tuple[Any, int, "Work"]:
    told, batch_size = parcel.open()
    return told, batch_size, told.on(bench)


class _Kept:
    """The things made last, by name; each is made once, also when two threads ask for it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._things: OrderedDict[str, Any] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str, make: Callable[[], Any]) -> Any:
        with self._lock:
            if name not in self._things:
                while len(self._things) >= self._most:
                    self._things.popitem(last=False)
                self._things[name] = make()
            self._things.move_to_end(name)
            return self._things[name]


# Two runs may share a worker; references of a pass take memory of the device, so only one's.
_particles, _benches, _works = _Kept(2), _Kept(2), _Kept(1)
_preparing = threading.Lock()
_prepared: list[int] = []
"""Of this process, its id; a process that was forked has to be prepared itself."""


def _prepare() -> None:
    """Set this process up before anything imports JAX: its device, the cache of programs."""
    with _preparing:
        if os.getpid() not in _prepared:
            from locref_widgets.runs.one_gpu import take_one_gpu
            from locref_widgets.runs.process_setup import prepare_process

            take_one_gpu()
            prepare_process()
            _prepared.append(os.getpid())
