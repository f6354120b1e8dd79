"""Runs compared: particles matched by who they are, maps by their grid, settings by name."""

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.filters import lowpass_cosine
from locref_widgets.errors import InputError
from locref_widgets.figures.comparison_page import write_comparison
from locref_widgets.io.identity import match_identities, read_identities
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.refinement.pose_agreement import compare_poses
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.compare import compare_runs
from locref_widgets.runs.map_difference import RunVolumes, difference_of
from locref_widgets.runs.run import refine
from tests.runs.fake_job import make_loop, read_job, soft_ball


@pytest.fixture(scope="module")
def runs(job_folder, tmp_path_factory):
    """Two runs of the same particles, and one of every third of them in another order."""
    job, out = read_job(job_folder), tmp_path_factory.mktemp("compared")
    some = job.particles.take(np.arange(len(job.particles))[::-3])
    made = []
    for name, particles, settings in (
        ("narrow", job.particles, RefinementSettings(iterations=2, rotation_extent=0.1)),
        ("wide", job.particles, RefinementSettings(iterations=2, rotation_extent=0.3, seed=1)),
        ("some", some, RefinementSettings(iterations=1, rotation_extent=0.1)),
    ):
        options = {"progress": False, "refine_loop": make_loop(), "wait_for_device": False}
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("locref_widgets.runs.job.write_report_of", lambda *_: None)
            made.append(refine(particles, job.volume, job.mask, settings, out / name, **options))
    return made


def test_settings_that_differ_are_listed_and_no_others(runs):
    found = compare_runs(runs[:2])
    assert found.settings == {"rotation_extent": [0.1, 0.3], "seed": [0, 1]}
    assert [run.name for run in found.runs] == ["narrow", "wide"]


def test_a_setting_that_was_changed_on_the_way_is_told_as_it_was_at_the_end(runs, monkeypatch):
    found = compare_runs(runs[:2])
    change = {
        "iteration": 2,
        "settings": {"rotation_extent": {"before": 0.1, "after": 0.2}},
        "mask": None,
    }
    monkeypatch.setitem(found.runs[0].data.record, "changes", [change])
    assert found.settings["rotation_extent"] == [0.2, 0.3]


def test_poses_are_compared_without_reading_maps(runs, monkeypatch):
    read = []

    def note(path, **options):
        read.append(path.name)
        return read_map(path, **options)

    monkeypatch.setattr("locref_widgets.runs.compare.read_map", note)
    assert len(compare_runs(runs).pairs) == 3
    # One mask for each run that comes first in a pair.
    assert read == ["mask.mrc", "mask.mrc"]


def test_particles_are_matched_whatever_their_order(runs):
    pair = compare_runs([runs[0], runs[2]]).pairs[0]
    n_some = len(runs[2].iteration(1).indices)
    assert pair.n_common == n_some
    assert pair.summary(with_maps=False)["n_only_first"] == 40 - n_some
    # The fake refinement leaves rotations alone, so that matched particles have the same.
    np.testing.assert_allclose(pair.poses.turn_deg, 0, atol=1e-4)


def test_the_page_holds_every_part_and_needs_no_network(runs, tmp_path):
    path = write_comparison(compare_runs(runs), tmp_path / "page.html")
    text = path.read_text()
    for words in ("rotation extent", "FSC inside the same mask", "difference", "Particle by part"):
        assert words in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert text.count("<svg") == 8


def test_two_to_six_different_runs_are_compared(runs, tmp_path):
    with pytest.raises(InputError, match="2 to 6 can be compared"):
        compare_runs(runs[:1])
    with pytest.raises(InputError, match="given twice"):
        compare_runs([runs[0], runs[0].path])
    with pytest.raises(InputError, match="is not a run folder"):
        compare_runs([runs[0], tmp_path])


def test_runs_without_a_particle_in_common_say_so(runs, monkeypatch):
    monkeypatch.setattr(
        "locref_widgets.runs.compare._match", lambda *_: (np.zeros(0, int), np.zeros(0, int))
    )
    found = compare_runs(runs[:2])
    assert "no particle in common" in found.pairs[0].notes[0]
    assert found.summary()["pairs"][0]["n_common"] == 0


def test_copies_of_an_image_are_told_apart_by_their_order(tmp_path):
    lines = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnAngleRot #2\n"
    names = ["2@a.mrcs", "1@a.mrcs", "2@a.mrcs"]
    first, second = tmp_path / "first.star", tmp_path / "second.star"
    first.write_text(lines + "".join(f"{name} 0\n" for name in names))
    second.write_text(lines + "".join(f"{name} 0\n" for name in ["3@a.mrcs", *names]))
    here, there = match_identities(read_identities(first)[1], read_identities(second)[1])
    np.testing.assert_array_equal(here, [0, 1, 2])
    np.testing.assert_array_equal(there, [1, 2, 3])


def test_images_named_from_the_project_are_those_named_from_the_tables_own_folder(tmp_path):
    """RELION's names start from the project's folder, wherever the table lies below it."""
    job = tmp_path / "Refine3D" / "job012"
    job.mkdir(parents=True)
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks" / "a.mrcs").write_bytes(b"")
    lines = "data_particles\n\nloop_\n_rlnImageName #1\n_rlnAngleRot #2\n"
    first, second = job / "first.star", job / "second.star"
    first.write_text(lines + "1@stacks/a.mrcs 0\n1@stacks/gone.mrcs 0\n")
    second.write_text(lines + "1@gone.mrcs 0\n1@../../stacks/a.mrcs 0\n")
    here, there = match_identities(read_identities(first)[1], read_identities(second)[1])
    np.testing.assert_array_equal(here, [0])
    np.testing.assert_array_equal(there, [1])


def test_a_map_turned_as_a_whole_is_no_disagreement_of_its_particles(rng):
    rotations = Rotation.random(50, random_state=rng).as_matrix()
    frame = Rotation.from_rotvec([0.0, 0.0, np.deg2rad(4.0)]).as_matrix()
    noise = Rotation.from_rotvec(np.deg2rad(0.1) * rng.normal(size=(50, 3))).as_matrix()
    centre = np.array([10.0, 0.0, 0.0])
    origins = rng.normal(size=(50, 2))
    found = compare_poses(rotations, origins, rotations @ frame @ noise, origins, centre)
    assert found.frame_turn_deg == pytest.approx(4.0, abs=0.1)
    assert np.median(found.turn_deg) == pytest.approx(4.0, abs=0.3)
    assert np.median(found.turn_in_frame_deg) < 0.4
    # 4 degrees move a point 10 Å from the axis by 0.7 Å, seen from the side by less.
    assert 0.2 < np.median(found.shift_angstrom) < 0.8


def test_maps_that_differ_by_noise_alone_differ_by_one_sigma(rng):
    shape = (32,) * 3
    signal = np.asarray(lowpass_cosine(rng.normal(size=shape).astype(np.float32), 2.0, 10.0))
    mask = Map(soft_ball(32, (0, 0, 0), 10.0, 3.0), 2.0)

    def run(scale, n=shape):
        halves = [scale * (signal + 0.3 * rng.normal(size=n).astype(np.float32)) for _ in "12"]
        both = Map(((halves[0] + halves[1]) / 2).astype(np.float32), 2.0)
        first, second = (Map(h.astype(np.float32), 2.0) for h in halves)
        return RunVolumes(both, (first, second), mask, 8.0)

    found = difference_of(run(1.0), run(2.5))
    # 6,400 voxels at 8 Å, a sixteenth of the spectrum: 400 independent values, whose standard
    # deviation over that of as many others errs by 1 in sqrt(800). Over 20 draws: 1.01 +- 0.036.
    assert found.sigma[mask.data > 0.5].std() == pytest.approx(1.0, abs=0.15)
    # Signal of variance 0.034 and noise of 0.003 in each map: 0.92; over 20 draws 0.924 +- 0.009.
    assert found.correlation > 0.88
    assert not found.resampled


def test_a_map_on_another_grid_is_brought_to_that_of_the_first(rng):
    fine = np.asarray(lowpass_cosine(rng.normal(size=(48,) * 3).astype(np.float32), 2.0, 24.0))
    coarse = fine[::2, ::2, ::2].copy()

    def run(volume, voxel):
        n = volume.shape[0]
        halves = [Map((volume + 1e-3 * rng.normal(size=(n,) * 3)).astype(np.float32), voxel)] * 2
        mask = Map(soft_ball(n, (0, 0, 0), 28.0 / voxel, 6.0 / voxel), voxel)
        return RunVolumes(Map(volume, voxel), tuple(halves), mask, 24.0)

    found = difference_of(run(fine, 2.0), run(coarse, 4.0))
    assert found.resampled
    # Six voxels of the coarser grid to a period, by cubic splines; over 20 draws all 0.99999.
    assert found.correlation > 0.9999


def test_masks_apart_give_words_in_place_of_numbers(runs, monkeypatch):
    found = compare_runs(runs[:2])
    first, second = (run.volumes for run in found.runs)
    apart = Map(np.where(first.mask.data > 0, 0, 1).astype(np.float32), 5.0)
    monkeypatch.setitem(found.runs[1].__dict__, "volumes", replace(second, mask=apart))
    told = found.summary()["pairs"][0]
    assert "map_correlation" not in told
    assert "the masks of the two runs have no voxel in common" in told["notes"][-1]
    assert found.common_curves() == {}
    json.dumps(found.summary(), allow_nan=False)


def test_a_run_without_iterations_is_named(runs, monkeypatch):
    monkeypatch.setattr("locref_widgets.runs.folder.RunFolder.iterations", lambda _: [])
    found = compare_runs(runs[:2])
    assert found.pairs[0].notes == ["narrow and wide: no iteration has finished yet."]
    assert found.common_curves() == {}
    assert found.summary()["runs"][0]["iteration"] is None
