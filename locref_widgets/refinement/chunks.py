"""The images of a pass cut into chunks, and the sums of the chunks added up in one fixed order.

Floating-point sums depend on their order. The chunks therefore follow from the particles alone,
each is worked through batch by batch, and their sums are always added up in the same way: of each
half-set and group first those of every eight neighbouring chunks (a strip), then those of the
strips. Whoever computes the chunks, and in whichever order they come in, the result is the same to
the last bit, as long as the devices compute alike.
"""

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Int

from locref_widgets.refinement.batches import positions_of_half
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import Problem

STRIP = 8
"""Neighbouring chunks whose sums are added up before they are added to the rest."""
_MOST_CHUNKS = 64
"""Of a half-set's group: enough for as many devices, few enough for their sums to be moved."""
_FEWEST_BATCHES = 8
"""In a chunk, for each 64 pixels of the sums' box: these grow with its cube, the work with its
square, and moving them must stay cheap beside the work."""
_BOX_PX = 64

Place = tuple[int, int]
"""Half-set and group."""
Strip = tuple[Place, int]
"""Its number within its place."""
Sums = Any
"""A tree of arrays that can be added up."""


@dataclass(frozen=True)
class Chunk:
    """Particles of one half-set and group that are worked on one after the other.

    ``positions`` index the problem's arrays, ascending; ``number`` counts the chunks of the group.
    """

    half: int
    group: int
    number: int
    positions: Int[np.ndarray, " m"]

    @property
    def place(self) -> Place:
        """Where its sums belong."""
        return self.half, self.group

    @property
    def strip(self) -> "Strip":
        """With which neighbours they are added up first."""
        return self.place, self.number // STRIP


def chunk_size(n: int, batch_size: int, box_px: int) -> int:
    """Particles in a chunk: whole batches, about 64 chunks at most.

    ``n`` is the size of the group, ``box_px`` the edge of the box that the sums are of.
    """
    least = _FEWEST_BATCHES * max(1, box_px // _BOX_PX)
    return batch_size * max(least, math.ceil(n / (_MOST_CHUNKS * batch_size)))


def cut_chunks(
    problem: Problem,
    batch_size: int,
    box_px: int,
    groups: Int[np.ndarray, " n"] | None = None,
    limit: int | None = None,
) -> tuple[Chunk, ...]:
    """Cut the work of a pass; neighbours in the list belong to different half-sets.

    Parameters
    ----------
    problem
        Says which particles belong to which half-set.
    batch_size, box_px
        See `chunk_size`.
    groups
        Group of each particle; no chunk holds particles of two. Unset: all are in group 0.
    limit
        Use only about so many particles of each half-set, evenly spaced: neighbours in the table
        come from the same micrograph.
    """
    if groups is None:
        groups = np.zeros(problem.rows.size, int)
    chunks = []
    for half in HALVES:
        members = positions_of_half(problem, half)
        if limit is not None:
            members = members[:: max(1, members.size // limit)]
        for group in range(int(groups.max(initial=0)) + 1):
            some = members[groups[members] == group]
            size = chunk_size(some.size, batch_size, box_px)
            pieces = [some[start : start + size] for start in range(0, some.size, size)]
            chunks += [Chunk(half, group, number, piece) for number, piece in enumerate(pieces)]
    return tuple(sorted(chunks, key=lambda chunk: (chunk.group, chunk.number, chunk.half)))


@dataclass
class RunningSum:
    """Sums added up one after the other, of the host's arrays; those given are left as they are."""

    total: Sums = None
    _count: int = 0

    def add(self, sums: Sums) -> None:
        """Add one more."""
        if self._count == 0:
            self.total = sums
        elif self._count == 1:
            self.total = jax.tree.map(np.add, self.total, sums)
        else:
            self.total = jax.tree.map(_add_into, self.total, sums)
        self._count += 1


def _add_into(total: Any, more: Any) -> Any:
    return np.add(total, more, out=total) if isinstance(total, np.ndarray) else total + more


class SumInOrder:
    """Sums numbered from 0, which may come in any order, added up in theirs."""

    def __init__(self) -> None:
        self._sum = RunningSum()
        self._early: dict[int, Sums] = {}
        self.count = 0

    def add(self, number: int, sums: Sums) -> None:
        """Take one of them."""
        self._early[number] = sums
        while self.count in self._early:
            self._sum.add(self._early.pop(self.count))
            self.count += 1

    @property
    def total(self) -> Sums:
        """What is added up so far."""
        return self._sum.total


class ChunkSums:
    """The sums of all chunks of a pass, added up as this module says."""

    def __init__(self, chunks: tuple[Chunk, ...]) -> None:
        self.chunks_in: Counter[Strip] = Counter(chunk.strip for chunk in chunks)
        self._strips: dict[Strip, SumInOrder] = {}
        self._places = {chunk.place: SumInOrder() for chunk in chunks}

    def add(self, chunk: Chunk, sums: Sums) -> None:
        """Take those of a chunk."""
        strip = self._strips.setdefault(chunk.strip, SumInOrder())
        strip.add(chunk.number % STRIP, sums)
        if strip.count == self.chunks_in[chunk.strip]:
            self.add_strip(chunk.strip, self._strips.pop(chunk.strip).total)

    def add_strip(self, strip: Strip, sums: Sums) -> None:
        """Take those of a strip's chunks, added up in their order."""
        place, number = strip
        self._places[place].add(number, sums)

    def totals(self) -> dict[Place, Sums]:
        """Of each half-set and group, once all have come."""
        return {place: added.total for place, added in sorted(self._places.items())}
