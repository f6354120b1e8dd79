"""A pass over the images: what is told to whoever computes it, and how one chunk is worked through.

A `Pass` holds arrays of the host and numbers only, so that it can be sent to another process. Told
which device it is for (a `Bench`), it becomes `Work`, which takes batch after batch.
"""

import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import jax
import numpy as np

from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.slicing import Projector
from locref_widgets.refinement.batches import Batch, read_batches
from locref_widgets.refinement.chunks import Chunk, ChunkSums, Place, Sums, cut_chunks
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import make_whole_projector

Arrays = Mapping[str, Any]
"""Of one entry for each particle, by name."""
OutsideMaps = dict[int, np.ndarray]
"""What is subtracted of each half-set's images; none where nothing is."""


class Bench:
    """What a device keeps from pass to pass: the projectors of what is subtracted, cut images.

    Several threads may work at it. What it makes lies on the device that is JAX's default at the
    first use.
    """

    def __init__(
        self,
        problem: Problem,
        outside: OutsideMaps | None,
        kept: PreparedImages | None = None,
        device: Any = None,
    ) -> None:
        self.problem, self.outside_maps, self.device = problem, outside, device
        self.kept = kept or PreparedImages(problem.rows.size, problem.region_box_px)
        self._projectors: dict[int, Projector] = {}
        self._lock = threading.Lock()

    def outside(self, half: int) -> Projector | None:
        """The map that is subtracted of a half-set's images; None where nothing is."""
        if not self.outside_maps:
            return None
        with self._lock:
            if half not in self._projectors:
                volume = self.outside_maps[half]
                self._projectors[half] = make_whole_projector(volume, self.problem)
            return self._projectors[half]

    def pixel_size(self) -> jax.Array:
        """The pixel size in Å as the engine takes it."""
        return on_device(self.problem.pixel_size_angstrom, np.float32)


@runtime_checkable
class Work(Protocol):
    """A pass on a device."""

    def no_sums(self) -> Sums:
        """Sums of nothing yet."""
        ...

    def add(
        self, sums: Sums, half: int, group: int, batch: Batch, given: Arrays, /
    ) -> tuple[Sums, Arrays]:
        """Add a batch to the sums; return these and what was found of each of its particles.

        ``given`` holds the task's inputs of the same particles.
        """
        ...


@runtime_checkable
class Pass(Protocol):
    """What a pass needs beside the images."""

    @property
    def keep(self) -> bool:
        """Whether it works on images cut at the poses given, which are kept for the next pass."""
        ...

    def on(self, bench: Bench) -> Work:
        """Set it up on a device."""
        ...


@dataclass(frozen=True)
class Task:
    """A pass ready to be computed.

    Attributes
    ----------
    problem, outside
        The same for many passes.
    work
        The pass.
    chunks
        Which particles, in which order.
    batch_size
        Particles in a batch.
    inputs
        Arrays with an entry for each particle of the problem.
    """

    problem: Problem
    outside: OutsideMaps | None
    work: Pass
    chunks: tuple[Chunk, ...]
    batch_size: int
    inputs: Arrays

    @property
    def total(self) -> int:
        """Particles in all chunks."""
        return sum(chunk.positions.size for chunk in self.chunks)

    def inputs_of(self, chunk: Chunk) -> Arrays:
        """The inputs of a chunk's particles."""
        return {name: values[chunk.positions] for name, values in self.inputs.items()}


def make_task(
    problem: Problem,
    work: Pass,
    batch_size: int,
    box_px: int,
    *,
    outside: OutsideMaps | None = None,
    inputs: Arrays | None = None,
    groups: np.ndarray | None = None,
    limit: int | None = None,
    only: int | None = None,
) -> Task:
    """Cut a pass into chunks (see `cut_chunks`); with ``only`` those of one group."""
    chunks = cut_chunks(problem, batch_size, box_px, groups, limit)
    if only is not None:
        chunks = tuple(chunk for chunk in chunks if chunk.group == only)
    return Task(problem, outside, work, chunks, batch_size, inputs or {})


@dataclass(frozen=True)
class ChunkResult:
    """Sums of a chunk, and what was found of its particles; arrays of the host."""

    sums: Sums
    found: dict[str, np.ndarray]


def chunk_steps(
    work: Work, bench: Bench, keep: bool, chunk: Chunk, given: Arrays, batch_size: int
) -> Generator[int, None, ChunkResult]:
    """Work through a chunk; yields the number of particles done after each batch.

    Of particles that cannot be used nothing is found: zeros.
    """
    sums, start = work.no_sums(), 0
    found: dict[str, np.ndarray] = {}
    kept = bench.kept if keep else None
    for batch in read_batches(bench.problem, chunk.positions, batch_size, kept):
        at = np.full(batch.positions.size, start)
        at[: batch.count] += np.arange(batch.count)
        batch_given = {name: values[at] for name, values in given.items()}
        sums, values = work.add(sums, chunk.half, chunk.group, batch, batch_given)
        for name, value in jax.tree.map(np.asarray, values).items():
            if name not in found:
                shape = (chunk.positions.size, *value.shape[1:])
                found[name] = np.zeros(shape, value.dtype)
            found[name][at[batch.valid]] = value[batch.valid]
        start += batch.count
        yield batch.count
    return ChunkResult(jax.tree.map(np.asarray, sums), found)


def to_device(sums: Sums) -> Sums:
    """Sums of the host as arrays of JAX."""
    return jax.tree.map(on_device, sums)


@dataclass(frozen=True)
class PassResult:
    """What a pass added up and found.

    Attributes
    ----------
    sums
        Of each half-set and group; arrays of the host.
    found
        By name, an entry for each particle of the problem; zeros for those not in the pass.
    """

    sums: dict[Place, Sums]
    found: dict[str, np.ndarray]


class Gathering:
    """Takes the results of chunks as they come, from several threads."""

    def __init__(self, task: Task) -> None:
        self._n_particles = task.problem.rows.size
        self._found: dict[str, np.ndarray] = {}
        self._lock = threading.Lock()
        self.sums = ChunkSums(task.chunks)

    def add(self, chunk: Chunk, result: ChunkResult) -> None:
        """Take the result of a chunk."""
        with self._lock:
            self.note(chunk, result.found)
            self.sums.add(chunk, result.sums)

    def note(self, chunk: Chunk, found: Arrays) -> None:
        """Take only what was found of a chunk's particles."""
        for name, values in found.items():
            if name not in self._found:
                shape = (self._n_particles, *values.shape[1:])
                self._found[name] = np.zeros(shape, values.dtype)
            self._found[name][chunk.positions] = values

    def result(self) -> PassResult:
        """Everything, once the last chunk has come."""
        return PassResult(self.sums.totals(), self._found)
