"""Copies of a particle: recognised, told, and kept in one half-set."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.symmetry import point_group_operators
from locref_widgets.errors import InputError
from locref_widgets.io.double_picks import double_picks_warnings
from locref_widgets.io.duplicates import (
    copies_warnings,
    find_copies,
    half_sets_with_copies_together,
    particle_of_row,
    with_copies_together,
)
from locref_widgets.io.particles import read_particles


@pytest.fixture(scope="module")
def particles(blob_set):
    return read_particles(blob_set.star)


def _expanded(particles, group, count=40, off_deg=0.0):
    """The first particles at every orientation of a group, copy by copy as RELION writes them."""
    operators = point_group_operators(group)
    rows = np.repeat(np.arange(count), len(operators))
    rotations = (particles.rotations[:count, None] @ operators).reshape(-1, 3, 3)
    rng = np.random.default_rng(4)
    off = Rotation.from_rotvec(np.deg2rad(off_deg) * rng.normal(size=(rows.size, 3)) / 3**0.5)
    return _at_poses(particles.take(rows), off.as_matrix() @ rotations)


def _at_poses(particles, rotations):
    return particles.with_poses(rotations, particles.origins_angstrom)


def _in_halves(particles, half_sets):
    table = particles.table.with_column("rlnRandomSubset", half_sets)
    blocks = {**particles.blocks, particles.table_name: table}
    return replace(particles, blocks=blocks, half_sets=np.asarray(half_sets))


def _with_column(particles, name, values):
    table = particles.table.with_column(name, values)
    return replace(particles, blocks={**particles.blocks, particles.table_name: table})


def test_a_plain_table_has_no_copies(particles):
    copies = find_copies(particles)
    np.testing.assert_array_equal(copies.particle, np.arange(len(particles)))
    assert not copies.is_copy.any()
    assert copies.describe() == []
    assert copies_warnings(particles) == []
    half_sets, messages = half_sets_with_copies_together(particles)
    np.testing.assert_array_equal(half_sets, particles.half_sets)
    assert messages == []
    assert with_copies_together(particles) is particles


@pytest.mark.parametrize("group", ["C2", "C3", "C7", "D2", "D4", "T", "O", "I1", "I2", "I3", "I4"])
@pytest.mark.parametrize("off_deg", [0.0, 0.7])
def test_symmetry_expansion_is_recognised_with_its_group(particles, group, off_deg):
    copies = find_copies(_expanded(particles, group, off_deg=off_deg))
    order = len(point_group_operators(group))
    np.testing.assert_array_equal(copies.particle, np.repeat(np.arange(40), order))
    assert copies.is_copy.sum() == 40 * (order - 1)
    assert not copies.is_repeated.any()
    assert copies.group == group
    (sentence,) = copies.describe()
    assert f"point group {group}" in sentence
    assert f"up to {order} times" in sentence


def test_expanded_particles_are_not_to_be_symmetrised_again(particles):
    expanded = _expanded(particles, "C3")
    assert not any("symmetry C1" in warning for warning in copies_warnings(expanded))
    assert "Refine expanded particles with symmetry C1" in copies_warnings(expanded, "C3")[1]


def test_a_selection_of_copies_still_tells_the_group(particles):
    expanded = _expanded(particles, "D3", count=100)
    kept = np.sort(np.random.default_rng(1).permutation(len(expanded))[: len(expanded) // 2])
    assert find_copies(expanded.take(kept)).group == "D3"


def test_copies_that_no_group_relates_are_said_to_be_so(particles):
    rows = np.repeat(np.arange(30), 2)
    turned = Rotation.random(rows.size, random_state=1).as_matrix()
    copies = find_copies(_at_poses(particles.take(rows), turned))
    assert copies.group is None
    assert "No point group" in copies.describe()[0]


def test_repeated_rows_are_counted_and_named(particles):
    rows = np.r_[np.arange(20), [3, 3, 11]]
    copies = find_copies(particles.take(rows))
    np.testing.assert_array_equal(np.flatnonzero(copies.is_repeated), [20, 21, 22])
    (sentence,) = copies.describe()
    assert "3 rows repeat" in sentence
    assert "rows 21, 22, 23" in sentence


def test_images_made_from_the_same_one_are_copies(particles):
    """RELION's subtraction writes an image for each copy and notes what it was made from."""
    names = [f"{i // 2 + 1:06d}@Extract/job1/mic.mrcs" for i in range(len(particles))]
    subtracted = _with_column(particles, "rlnImageOriginalName", names)
    np.testing.assert_array_equal(particle_of_row(subtracted), np.arange(len(particles)) // 2)
    # The same image by another way of writing its number.
    names[0] = "1@Extract/job1/mic.mrcs"
    assert particle_of_row(_with_column(particles, "rlnImageOriginalName", names))[1] == 0


@pytest.mark.parametrize("name", ["None", "Micrographs/mic001.mrc"])
def test_an_original_name_of_no_single_image_joins_nothing(particles, name):
    table = _with_column(particles, "rlnImageOriginalName", [name] * len(particles))
    np.testing.assert_array_equal(particle_of_row(table), np.arange(len(particles)))


def test_copies_are_brought_into_the_half_of_the_first(particles):
    expanded = _expanded(particles, "C4", count=20)
    half_sets = expanded.half_sets.copy()
    half_sets[[5, 30, 31]] = 3 - half_sets[[5, 30, 31]]
    torn = _in_halves(expanded, half_sets)
    together, messages = half_sets_with_copies_together(torn)
    np.testing.assert_array_equal(together, expanded.half_sets)
    (message,) = messages
    assert "3 rows are copies" in message
    assert "rows 6, 31, 32" in message
    assert str(particles.path) in message
    mended = with_copies_together(torn)
    np.testing.assert_array_equal(mended.half_sets, expanded.half_sets)
    np.testing.assert_array_equal(mended.table.ints("rlnRandomSubset"), expanded.half_sets)
    assert any("3 rows are copies" in w for w in copies_warnings(torn))


def test_the_particles_are_told_apart_once_for_all_warnings(particles, monkeypatch):
    calls = []

    def counted(given):
        calls.append(given)
        return particle_of_row(given)

    for module in ("duplicates", "double_picks"):
        monkeypatch.setattr(f"locref_widgets.io.{module}.particle_of_row", counted)
    place = _with_column(particles, "rlnMicrographName", ["m.mrc"] * len(particles))
    for axis in "XY":
        place = _with_column(place, f"rlnCoordinate{axis}", np.arange(len(particles)) * 0.1)
    assert copies_warnings(place) == []
    assert len(calls) == 1
    (warning,) = double_picks_warnings(place)
    assert "pairs of picks" in warning
    assert len(calls) == 2


@pytest.mark.parametrize(
    ("name", "absent"),
    [("recipe", "column rlnRandomSubset"), ("cs_recipe", "field alignments3D/split")],
)
def test_absent_half_sets_are_named_as_the_file_has_them(request, name, absent):
    particles = read_particles(request.getfixturevalue(name).write())
    with pytest.raises(InputError, match=rf"no half-sets: the {absent} is absent\. Give the"):
        half_sets_with_copies_together(replace(particles, half_sets=None))


def test_many_torn_rows_are_named_in_part(particles):
    expanded = _expanded(particles, "C2", count=60)
    torn = _in_halves(expanded, 1 + np.arange(120) % 2)
    # Every first row is in half 1: nothing would be left for the other.
    with pytest.raises(InputError, match=r"60 rows are copies .* and 50 more.*none would be left"):
        half_sets_with_copies_together(torn)


def test_copies_subtracted_by_cryosparc_are_told_by_their_source(cs_recipe):
    """Each copy has an image of its own by then; uids use all 64 bits."""
    sources = np.array([2**63 + 5, 7, 2**63 + 5, 7, 9, 11], np.uint64)
    cs_recipe.fields["sym_expand/src_uid"] = sources
    cs_recipe.fields["alignments3D/split"][:] = [0, 1, 1, 0, 0, 1]
    expanded = read_particles(cs_recipe.write())
    np.testing.assert_array_equal(particle_of_row(expanded), [0, 1, 0, 1, 2, 3])
    together = with_copies_together(expanded)
    np.testing.assert_array_equal(together.half_sets, [1, 2, 1, 2, 1, 2])
    assert together.cs is not None
    np.testing.assert_array_equal(together.cs.integers("alignments3D/split"), [0, 1, 0, 1, 0, 1])
