"""Volumes of a region worked on at the same time."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def side_by_side(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Apply ``work`` to each item in a thread of its own; the results in the items' order.

    Of a volume's transform XLA computes much in one thread. All volumes are in memory at once, so
    this is for boxes of a region.
    """
    items = list(items)
    with ThreadPoolExecutor(max(1, len(items)), thread_name_prefix="locref-volume") as pool:
        return list(pool.map(work, items))
