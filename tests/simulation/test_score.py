"""Pose errors: known ones are found, and what the whole map did is told apart."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError
from locref_widgets.io.particles import read_particles
from locref_widgets.simulation.hinge import random_poses
from locref_widgets.simulation.score import score_arrays, score_poses

CENTRE = np.array([20.0, -35.0, 12.0])


def test_known_errors_are_found(rng: np.random.Generator) -> None:
    poses = random_poses(rng, 200, 10.0)
    vectors = rng.normal(0, 0.03, (200, 3))
    rotations = poses.rotations @ Rotation.from_rotvec(vectors).as_matrix()
    moved = ((rotations - poses.rotations) @ CENTRE)[:, :2]
    slips = rng.normal(0, 3.0, (200, 2))
    score = score_arrays(
        rotations,
        poses.origins_angstrom + moved + slips,
        poses.rotations,
        poses.origins_angstrom,
        CENTRE,
        2.0,
    )
    np.testing.assert_allclose(
        score.raw.rotation_deg, np.rad2deg(np.linalg.norm(vectors, axis=1)), atol=1e-6
    )
    np.testing.assert_allclose(score.raw.shift_px, np.linalg.norm(slips, axis=1) / 2, atol=1e-9)
    # 200 random errors average to a gauge of about 0.03 / sqrt(200) rad: not much is taken out.
    assert score.gauge.summary()["rotation_median_deg"] == pytest.approx(
        score.raw.summary()["rotation_median_deg"], rel=0.1
    )


def test_motion_of_the_whole_map_is_a_gauge(rng: np.random.Generator) -> None:
    poses = random_poses(rng, 60, 10.0)
    gauge = Rotation.from_rotvec([0.05, -0.08, 0.02]).as_matrix()
    shift = np.array([3.0, -5.0, 2.0])
    # A map turned by G^T and displaced by s is seen alike at R G, o + (R G s)_xy.
    rotations = poses.rotations @ gauge
    origins = poses.origins_angstrom + (rotations @ shift)[:, :2]
    origins[:5] += 60.0  # outliers do not spoil the gauge
    score = score_arrays(rotations, origins, poses.rotations, poses.origins_angstrom, CENTRE, 2.0)
    assert score.raw.rotation_deg.min() == pytest.approx(5.526, abs=0.01)
    assert score.gauge.rotation_deg.max() < 1e-5
    assert score.gauge.shift_px[5:].max() < 1e-6
    np.testing.assert_allclose(score.map_rotation, gauge, atol=1e-8)
    np.testing.assert_allclose(score.map_shift_angstrom, shift, atol=1e-6)


def test_rows_are_matched_by_image(dataset: Path) -> None:
    truth = read_particles(dataset / "truth_B.star")
    chosen = truth.take(np.array([7, 3, 19]))
    score = score_poses(chosen, truth, CENTRE)
    # Angles are written with 6 decimals, the two tables are the same file.
    assert score.raw.rotation_deg.max() < 1e-5
    assert score.raw.shift_px.max() < 1e-9
    with pytest.raises(InputError, match="is not in"):
        score_poses(truth, chosen, CENTRE)
