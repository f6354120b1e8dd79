"""Chunks depend on the particles alone, and their sums are added up in one order."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.chunks import STRIP, Chunk, ChunkSums, chunk_size, cut_chunks
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.whole_particle import whole_problem


@pytest.fixture(scope="module")
def problem(blob_set):
    return whole_problem(read_particles(blob_set.star))


@given(
    st.integers(1, 40), st.lists(st.integers(0, 3), min_size=300, max_size=300), st.integers(1, 3)
)
@settings(max_examples=20, deadline=None)
def test_every_particle_is_in_one_chunk_of_its_half_set_and_group(
    problem, batch_size, groups, times
):
    groups = np.array(groups)
    chunks = cut_chunks(problem, batch_size, 64 * times, groups)
    positions = np.concatenate([chunk.positions for chunk in chunks])
    np.testing.assert_array_equal(np.sort(positions), np.arange(300))
    for chunk in chunks:
        assert np.all(problem.half_sets[chunk.positions] == chunk.half)
        assert np.all(groups[chunk.positions] == chunk.group)
        assert np.all(np.diff(chunk.positions) > 0)
    for place in {chunk.place for chunk in chunks}:
        of_place = [chunk for chunk in chunks if chunk.place == place]
        assert [chunk.number for chunk in of_place] == list(range(len(of_place)))
        # Whole batches, but for the last.
        assert all(chunk.positions.size % batch_size == 0 for chunk in of_place[:-1])


@given(st.integers(1, 10**7), st.integers(1, 256), st.sampled_from([40, 64, 128, 256, 400]))
def test_a_group_has_64_chunks_at_most_and_none_is_small_without_need(n, batch_size, box_px):
    size = chunk_size(n, batch_size, box_px)
    assert size % batch_size == 0
    assert math.ceil(n / size) <= 64
    assert size >= 8 * batch_size * max(1, box_px // 64)


def test_a_limit_takes_particles_evenly_spaced(problem):
    chunks = cut_chunks(problem, 4, 64, limit=30)
    for half in (1, 2):
        members = np.flatnonzero(problem.half_sets == half)
        taken = np.concatenate([chunk.positions for chunk in chunks if chunk.half == half])
        np.testing.assert_array_equal(taken, members[:: members.size // 30])


def test_a_half_set_without_particles_has_no_chunks(problem):
    alone = replace(problem, half_sets=np.ones(300, int))
    assert {chunk.half for chunk in cut_chunks(alone, 32, 64)} == {1}


def _terms(count: int) -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(count)
    # Of very different sizes, so that another order gives another sum.
    values = rng.normal(size=(count, 50)) * 10.0 ** rng.uniform(-4, 4, (count, 50))
    return [{"sums": term, "count": 1} for term in values.astype(np.float32)]


@given(st.integers(1, 3 * STRIP + 2), st.randoms(use_true_random=False))
def test_sums_do_not_depend_on_the_order_in_which_chunks_come(count, random):
    terms = _terms(count)
    before = [term["sums"].copy() for term in terms]
    order = list(range(count))
    random.shuffle(order)
    chunks = tuple(Chunk(1, 0, number, np.array([number])) for number in range(count))
    sums = ChunkSums(chunks)
    for number in order:
        sums.add(chunks[number], terms[number])
    found = sums.totals()[1, 0]
    assert found["count"] == count
    # Strips of eight one after the other, and then the strips one after the other.
    strips = []
    for start in range(0, count, STRIP):
        strip = before[start]
        for term in before[start + 1 : start + STRIP]:
            strip = strip + term
        strips.append(strip)
    expected = strips[0]
    for strip in strips[1:]:
        expected = expected + strip
    np.testing.assert_array_equal(found["sums"], expected)
    # What was given may be needed again, and is as it was.
    for term, copy in zip(terms, before, strict=True):
        np.testing.assert_array_equal(term["sums"], copy)


def test_prepared_images_are_kept_as_they_come_until_there_is_no_room():
    kept = PreparedImages(100, 4, budget_bytes=5 * 4 * 16)
    boxes = np.arange(100 * 16, dtype=np.float32).reshape(100, 4, 4)
    # The last batch of a half-set is filled up with its first particle.
    kept.put(np.array([70, 90, 70]), boxes[[70, 90, 70]])
    kept.put(np.array([3, 4, 5, 6]), boxes[3:7])
    assert kept.holds(np.array([70, 90, 3, 4, 5]))
    assert not kept.holds(np.array([5, 6]))
    np.testing.assert_array_equal(kept.get(np.array([5, 70, 3])), boxes[[5, 70, 3]])
    kept.put(np.array([6, 70]), boxes[[6, 70]])
    assert not kept.holds(np.array([6]))
