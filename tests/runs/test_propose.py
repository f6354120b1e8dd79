"""A mask proposed from a run's folder: what is read, and what is refused."""

import numpy as np
import pytest

from locref_widgets.engine.fulcrum import move_about_fulcrum
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.state import IterationResult
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.propose import propose_from_run
from tests.runs.fake_job import Job

FULCRUM = np.array([12.0, -6.0, 18.0])
SHIFT_SD_ANGSTROM = 1.5


def result(job: Job, iteration: int, rotations, origins, **info: np.ndarray) -> IterationResult:
    box = job.volume.box_px
    halves = [np.full((box,) * 3, float(i + iteration), np.float32) for i in (1, 2)]
    return IterationResult(
        iteration=iteration,
        half_maps=(halves[0], halves[1]),
        map=halves[0],
        mask=np.ones((box,) * 3, np.float32),
        fsc={},
        resolution_angstrom=12.0,
        converged=False,
        seconds=1.0,
        indices=np.arange(len(rotations)),
        rotations=rotations,
        origins_angstrom=origins,
        info=dict(info),
    )


@pytest.fixture
def turns_in_map(job, rng) -> np.ndarray:
    return rng.normal(scale=0.1, size=(len(job.particles), 3))


@pytest.fixture
def run(job, run_path, turns_in_map, rng) -> RunFolder:
    """A run whose particles all turned about FULCRUM, but took another one to begin with."""
    run_path.mkdir()
    particles = job.particles
    folder = RunFolder.create(run_path, {"settings": {}})
    log = EventLog(folder.events_path)
    log.append("run_started", fulcrum_angstrom=[0.0, 0.0, 0.0])
    log.append("settings_changed", iteration=2, fulcrum_angstrom=FULCRUM.tolist())
    log.append("settings_changed", iteration=9, fulcrum_angstrom=[99.0, 0.0, 0.0])
    given = result(job, 0, particles.rotations, particles.origins_angstrom)
    folder.write_iteration(given, particles, 6.0)
    in_image = np.einsum("nij,nj->ni", particles.rotations, turns_in_map)
    shifts = rng.normal(scale=SHIFT_SD_ANGSTROM, size=(len(particles), 2))
    rotations, origins = move_about_fulcrum(
        particles.rotations, particles.origins_angstrom, in_image, shifts, FULCRUM
    )
    errors = np.full(len(particles), 0.02)
    folder.write_iteration(
        result(job, 2, rotations, origins, rotation_error_rad=errors), particles, 6.0
    )
    return folder


@pytest.fixture
def asked(monkeypatch) -> dict:
    """What `propose_from_pose_changes` was asked, in place of its work."""
    kept: dict = {}

    def take(half1: Map, half2: Map, turns, fulcrum, **options):
        kept.update(half1=half1, half2=half2, turns=turns, fulcrum=fulcrum, **options)
        return "proposal"

    monkeypatch.setattr("locref_widgets.masks.propose.propose_from_pose_changes", take)
    return kept


def test_pose_changes_are_those_of_the_last_iteration_in_the_maps_frame(run, asked, turns_in_map):
    assert propose_from_run(run.path) == "proposal"
    np.testing.assert_allclose(asked["turns"], turns_in_map, atol=1e-6)
    np.testing.assert_allclose(asked["fulcrum"], FULCRUM)
    np.testing.assert_allclose(asked["turn_error_rad"], 0.02)
    n = len(turns_in_map)
    assert asked["shift_variance_angstrom2"] == pytest.approx(
        SHIFT_SD_ANGSTROM**2, rel=4 / np.sqrt(n)
    )


def test_half_maps_are_those_at_the_poses_given(run, asked):
    propose_from_run(run.path)
    assert asked["half1"].data[0, 0, 0] == 1.0
    assert asked["half2"].data[0, 0, 0] == 2.0
    assert asked["half1"].voxel_size_angstrom == 6.0


def test_a_fitted_fulcrum_goes_before_the_one_used(run, asked):
    point = [1.0, 2.0, 3.0]
    run.set_values(summary={"fulcrum_estimate": {"is_offered": True, "point_angstrom": point}})
    propose_from_run(run.path)
    np.testing.assert_allclose(asked["fulcrum"], point)


def test_what_is_no_run_or_has_not_searched_is_refused(run, job, tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        propose_from_run(tmp_path)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    folder = RunFolder.create(fresh, {"settings": {}})
    with pytest.raises(InputError, match="no iteration with a search"):
        propose_from_run(fresh)
    particles = job.particles
    only = result(job, 0, particles.rotations, particles.origins_angstrom)
    folder.write_iteration(only, particles, 6.0)
    with pytest.raises(InputError, match="no iteration with a search"):
        propose_from_run(fresh)


def test_a_run_without_events_is_told(run):
    run.events_path.unlink()
    with pytest.raises(InputError, match="about which fulcrum"):
        propose_from_run(run.path)
