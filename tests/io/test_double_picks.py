"""Particles picked twice, on one micrograph and in different half-sets."""

from dataclasses import replace

import numpy as np
import pytest

from locref_widgets.io.double_picks import double_picks, double_picks_warnings
from locref_widgets.io.particles import read_particles


@pytest.fixture(scope="module")
def particles(blob_set):
    return read_particles(blob_set.star)


def _with_column(particles, name, values):
    table = particles.table.with_column(name, values)
    return replace(particles, blocks={**particles.blocks, particles.table_name: table})


def _on_micrographs(particles, place_px, micrograph):
    for axis, name in enumerate(("rlnCoordinateX", "rlnCoordinateY")):
        particles = _with_column(particles, name, place_px[:, axis])
    return _with_column(particles, "rlnMicrographName", micrograph)


def test_double_picks_are_found_on_the_same_micrograph_only(particles):
    n = len(particles)
    pixel = particles.pixel_size_angstrom
    # A grid of 100 Å, less the origins, so that the centres are where the grid is.
    grid = 100.0 * np.stack([np.arange(n) % 17, np.arange(n) // 17], axis=-1)
    grid[1] = grid[0] + [12.0, 0.0]  # half-sets 1 and 2
    grid[5] = grid[3] + [0.0, -15.0]  # both in half-set 2
    grid[9] = grid[8] + [0.0, 21.0]  # too far
    grid[12] = grid[11]  # on another micrograph
    names = np.full(n, "a.mrc", dtype=object)
    names[12] = "b.mrc"
    picked = _on_micrographs(particles, (grid + particles.origins_angstrom) / pixel, list(names))
    pairs = {tuple(sorted(pair)) for pair in double_picks(picked).tolist()}
    assert pairs == {(0, 1), (3, 5)}
    (warning,) = double_picks_warnings(picked.take(np.arange(100)))
    assert "pairs of picks lie within 20 Å: 1" in warning
    assert "rows 1 and 2" in warning
    # One in hundreds of particles is chance.
    assert n > 200
    assert double_picks_warnings(picked.take(np.arange(201))) == []


def test_a_table_without_coordinates_has_none(particles):
    assert double_picks(particles).shape == (0, 2)
    assert double_picks_warnings(particles) == []


def test_the_pixel_of_the_micrograph_counts(particles):
    """Coordinates are of the micrograph, whose pixels are smaller than those of binned images."""
    n = len(particles)
    optics = particles.blocks["optics"].with_column("rlnMicrographPixelSize", [1.0])
    place = 30.0 * np.stack([np.arange(n), np.zeros(n)], axis=-1)
    still = particles.with_poses(particles.rotations, np.zeros((n, 2)))
    picked = _on_micrographs(still, place, ["a.mrc"] * n)
    assert len(double_picks(picked)) == 0
    fine = replace(picked, blocks={**picked.blocks, "optics": optics})
    assert len(double_picks(fine, closer_than_angstrom=31.0)) == n - 1


def test_copies_are_no_double_picks(particles):
    expanded = particles.take(np.repeat(np.arange(10), 3))
    place = np.zeros((len(expanded), 2))
    assert (
        len(double_picks(_on_micrographs(expanded, place, [f"{i // 3}.mrc" for i in range(30)])))
        == 0
    )


def test_copies_of_two_particles_at_one_place_are_one_pair(particles):
    """Not one for each two copies: those of an icosahedral table would fill the memory."""
    expanded = particles.take(np.repeat(np.arange(2), 60))
    picked = _on_micrographs(expanded, np.zeros((120, 2)), ["a.mrc"] * 120)
    np.testing.assert_array_equal(np.sort(double_picks(picked)), [[0, 60]])
