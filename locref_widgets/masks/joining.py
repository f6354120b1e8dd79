"""Joining by hand and by contacts: which regions become one."""

from collections.abc import Sequence
from itertools import chain

import numpy as np
from jaxtyping import Int32, Integer
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from locref_widgets.masks.contacts import Contacts


def joined_labels(
    nodes: Integer[np.ndarray, " leaves"], merges: Sequence[Sequence[int]]
) -> Int32[np.ndarray, " leaves"]:
    """Number the groups of leaves that are of one node, or of nodes that a merge brings together.

    ``nodes`` is the node of every leaf, 0 for none. A merge is a list of leaves; those of no node
    are passed over. Groups are numbered from 1; 0 stays 0.
    """
    flat = np.fromiter(chain.from_iterable(merges), np.int64)
    merge = np.repeat(np.arange(len(merges)), [len(leaves) for leaves in merges])
    live = nodes[flat] > 0
    flat, merge = nodes[flat[live]], merge[live]
    same = merge[1:] == merge[:-1]
    size = int(nodes.max(initial=0)) + 1
    edges = coo_array(
        (np.ones(int(same.sum()), np.int8), (flat[:-1][same], flat[1:][same])), (size, size)
    )
    _, component = connected_components(edges, directed=False)
    # No merge reaches node 0, so it is a component of its own.
    return np.where(nodes > 0, component[nodes] + 1, 0).astype(np.int32)


def joins_of_a_pass(contacts: Contacts) -> list[tuple[int, int]]:
    """Pairs of regions to join, those with the most contacts first, no region twice."""
    order = np.argsort(-contacts.pairs, kind="stable")  # of equals, lower ids first
    taken: set[int] = set()
    pairs = []
    for a, b in zip(contacts.first[order].tolist(), contacts.second[order].tolist(), strict=True):
        if a not in taken and b not in taken:
            taken.update((a, b))
            pairs.append((a, b))
    return pairs
