"""The packaged sample: small enough, whole, and what its README says."""

import hashlib
import json

import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.io.mrc import check_same_grid, read_map
from locref_widgets.io.particles import check_particles_match_map, read_particles
from locref_widgets.sample import sample_paths


def test_sample_is_whole_and_small() -> None:
    paths = sample_paths()
    folder = paths["particles"].parent
    assert sum(p.stat().st_size for p in folder.iterdir() if p.is_file()) <= 8e6
    facts = json.loads((folder / "dataset.json").read_text())
    digest = hashlib.sha256((folder / "particles.mrcs").read_bytes()).hexdigest()
    assert digest == facts["sha256_of_particles"]
    particles, volume, mask = (
        read_particles(paths["particles"]),
        read_map(paths["map"]),
        read_map(paths["mask"]),
    )
    assert len(particles) == 800
    assert np.bincount(particles.half_sets).tolist() == [0, 400, 400]
    check_particles_match_map(particles, volume)
    check_same_grid(volume, mask, "mask")
    assert mask.data.min() >= 0
    assert mask.data.max() == 1
    images = particles.images(np.arange(10))
    assert images.std() > facts["noise_sd"]


def test_sample_truth_is_a_hinge_motion_about_the_fulcrum() -> None:
    paths = sample_paths()
    given, truth = read_particles(paths["particles"]), read_particles(paths["truth"])
    motion = np.swapaxes(given.rotations, 1, 2) @ truth.rotations
    angles = np.rad2deg(Rotation.from_matrix(motion).magnitude())
    assert 9.0 < angles.max() < 10.0
    lever = ((truth.rotations - given.rotations) @ np.array(paths["fulcrum_angstrom"]))[:, :2]
    shifts = (truth.origins_angstrom - given.origins_angstrom - lever) / 3.2
    # Fulcrum and poses are written with 3 and 6 decimals.
    assert np.abs(shifts).max() < 1.801
