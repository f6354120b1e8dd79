"""Contacts between regions, counted pair by pair."""

from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.masks.contacts import Contacts, find_contacts
from locref_widgets.masks.joining import joins_of_a_pass
from locref_widgets.masks.watershed import watershed
from tests.masks.segmented import BETA_GALACTOSIDASE


def counted(labels: np.ndarray, volume: np.ndarray) -> dict[tuple[int, int], list[tuple]]:
    """Densities of every pair of face-sharing voxels of two regions."""
    found: dict[tuple[int, int], list[tuple]] = {}
    for voxel in np.ndindex(labels.shape):
        for step in np.eye(3, dtype=int):
            other = tuple(np.add(voxel, step).tolist())
            if any(i >= n for i, n in zip(other, labels.shape, strict=True)):
                continue
            a, b = int(labels[voxel]), int(labels[other])
            if a and b and a != b:
                pair = (float(volume[voxel]), float(volume[other]))
                found.setdefault((min(a, b), max(a, b)), []).append(pair)
    return found


def check_counted(contacts: Contacts, labels: np.ndarray, volume: np.ndarray) -> None:
    expected = counted(labels, volume)
    pairs = list(zip(contacts.first.tolist(), contacts.second.tolist(), strict=True))
    assert pairs == sorted(expected)
    for i, pair in enumerate(pairs):
        densities = np.array(expected[pair])
        assert contacts.pairs[i] == len(densities)
        np.testing.assert_allclose(contacts.mean[i], densities.mean(), rtol=1e-12)
        assert contacts.maximum[i] == densities.max()


@given(
    seed=st.integers(0, 999), shape=st.tuples(*[st.integers(1, 6)] * 3), regions=st.integers(0, 5)
)
@settings(max_examples=60, deadline=None)
def test_contacts_are_those_counted_pair_by_pair_also_of_groups(seed, shape, regions):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, regions + 1, shape).astype(np.int32)
    volume = rng.normal(size=shape).astype(np.float32)
    contacts = find_contacts(labels, volume)
    check_counted(contacts, labels, volume)
    group_of = np.concatenate([[0], rng.integers(0, 4, regions)]).astype(np.int32)
    check_counted(contacts.grouped(group_of), group_of[labels], volume)
    totals = np.zeros(regions + 1, np.int64)
    for pair, densities in counted(labels, volume).items():
        totals[list(pair)] += len(densities)
    np.testing.assert_array_equal(contacts.totals(regions), totals)


def test_a_real_map_has_as_many_contacts_as_were_found_before(shared_data: Path):
    volume = BETA_GALACTOSIDASE.read(shared_data).data
    assert len(find_contacts(watershed(volume, BETA_GALACTOSIDASE.level), volume)) == 808


def test_pairs_with_most_contacts_are_joined_first_and_no_region_twice():
    nothing = np.zeros(4)
    contacts = Contacts(
        first=np.array([1, 1, 2, 3]),
        second=np.array([2, 3, 4, 4]),
        pairs=np.array([5, 9, 5, 2]),
        mean=nothing,
        maximum=nothing,
    )
    assert joins_of_a_pass(contacts) == [(1, 3), (2, 4)]
