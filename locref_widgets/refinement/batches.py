"""Particles in batches of one size, read ahead of the computation."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.problem import Problem

BATCH_SIZE = 32
"""Particles in a batch, unless told otherwise."""


@dataclass(frozen=True)
class Batch:
    """Images and what is known of them.

    The last batch of a half-set is filled up with copies of its first particle, so that every
    batch has the same shape; ``valid`` is False for those, and for images that cannot be used.

    Attributes
    ----------
    positions
        Index of each particle in the problem's arrays.
    valid
        Whether the particle counts.
    images
        Real images ``[y, x]``; zeros where they cannot be used. None where prepared ones are kept.
    rotations, origins_px
        The poses given.
    ctf
        Optical parameters.
    count
        Particles in it, copies not counted.
    """

    positions: Int[np.ndarray, " b"]
    valid: Bool[np.ndarray, " b"]
    images: Float[np.ndarray, "b y x"] | None
    rotations: Float[np.ndarray, "b 3 3"]
    origins_px: Float[np.ndarray, "b 2"]
    ctf: CTFParameters
    count: int


def positions_of_half(problem: Problem, half: int) -> Int[np.ndarray, " m"]:
    """Positions, in the problem's arrays, of the particles of half-set 1 or 2."""
    return np.flatnonzero(problem.half_sets == half)


def read_batch(
    problem: Problem,
    positions: Int[np.ndarray, " m"],
    size: int,
    kept: PreparedImages | None = None,
) -> Batch:
    """Read up to ``size`` particles; not their images where ``kept`` holds all of these."""
    usable, images = np.ones(size, bool), None
    if kept is None or not kept.holds(positions):
        images = np.empty((size, problem.box_px, problem.box_px), np.float32)
        images[: positions.size] = problem.particles.images(problem.rows[positions])
        images[positions.size :] = images[0]
        flat = images.reshape(size, -1)
        usable = np.all(np.isfinite(flat), axis=-1)
        usable = usable & (np.ptp(np.where(usable[:, None], flat, 0.0), axis=-1) > 0)
        images[~usable] = 0.0
    return _told_of(problem, positions, usable, images)


def empty_batch(problem: Problem, positions: Int[np.ndarray, " m"], size: int) -> Batch:
    """A batch as `read_batch` has it, with zeros for images; none is read."""
    images = np.zeros((size, problem.box_px, problem.box_px), np.float32)
    return _told_of(problem, positions, np.ones(size, bool), images)


def _told_of(
    problem: Problem,
    positions: Int[np.ndarray, " m"],
    usable: Bool[np.ndarray, " b"],
    images: Float[np.ndarray, "b y x"] | None,
) -> Batch:
    """The batch of particles, filled up, with what the tables tell of each."""
    size = usable.size
    filled = np.concatenate([positions, np.full(size - positions.size, positions[0])])
    rows = problem.rows[filled]
    return Batch(
        positions=filled,
        valid=usable & (np.arange(size) < positions.size),
        images=images,
        rotations=problem.particles.rotations[rows].astype(np.float32),
        origins_px=(problem.particles.origins_angstrom[rows] / problem.pixel_size_angstrom).astype(
            np.float32
        ),
        ctf=problem.particles.ctf[rows],
        count=positions.size,
    )


def read_batches(
    problem: Problem,
    positions: Int[np.ndarray, " m"],
    size: int,
    kept: PreparedImages | None = None,
) -> Iterator[Batch]:
    """Batches over particles, each read while the one before is worked on."""
    pieces = [positions[start : start + size] for start in range(0, positions.size, size)]
    with ThreadPoolExecutor(1, thread_name_prefix="locref-read") as reader:
        ahead = None
        for piece in pieces:
            following = reader.submit(read_batch, problem, piece, size, kept)
            if ahead is not None:
                yield ahead.result()
            ahead = following
        if ahead is not None:
            yield ahead.result()
