"""The refinement as a whole, on images of blobs whose hinge motion is known."""

from dataclasses import replace

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.problem import pose_problem
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.state import ROTATION_PRIOR, StopRequested
from tests.refinement.following import Recorder
from tests.refinement.hinged import hinged_input, hinged_settings


@pytest.fixture(scope="module")
def inputs(hinged_blob_set):
    # Another scale than the images': the refinement must not depend on it.
    return hinged_input(hinged_blob_set, scale=7)


@pytest.fixture(scope="module")
def settings(hinged_blob_set):
    return hinged_settings(hinged_blob_set)


@pytest.fixture(scope="module")
def finished(inputs, settings):
    recorder = Recorder()
    refine_loop(inputs, settings, recorder)
    return recorder


def _errors_deg(blob_set, result):
    turns, _ = motion_about_fulcrum(
        blob_set.hinged_rotations,
        blob_set.hinged_origins_angstrom,
        result.rotations,
        result.origins_angstrom,
        blob_set.hinge.fulcrum_angstrom,
    )
    return np.rad2deg(np.linalg.norm(turns, axis=1))


def test_the_hinge_motion_is_found(finished, hinged_blob_set):
    before, *_, after = (_errors_deg(hinged_blob_set, r) for r in finished.results)
    # At this noise the images allow about 1.5 degrees; half of the start is the promise.
    assert np.median(after) < 0.5 * np.median(before)


def test_given_poses_are_iteration_zero(finished, inputs):
    first = finished.results[0]
    assert first.iteration == 0
    np.testing.assert_array_equal(first.rotations, inputs.particles.rotations)
    np.testing.assert_array_equal(first.origins_angstrom, inputs.particles.origins_angstrom)
    assert not np.any(first.info["pose_change_rad"])


def test_changes_are_those_of_the_poses_in_the_fulcrum_frame(finished, inputs, settings):
    last, particles = finished.results[-1], inputs.particles
    turns, shifts = motion_about_fulcrum(
        particles.rotations,
        particles.origins_angstrom,
        last.rotations,
        last.origins_angstrom,
        np.array(settings.fulcrum_angstrom),
    )
    np.testing.assert_allclose(
        np.linalg.norm(turns, axis=1), last.info["pose_change_rad"], atol=1e-6
    )
    shift_px = np.linalg.norm(shifts, axis=1) / particles.pixel_size_angstrom
    np.testing.assert_allclose(shift_px, last.info["shift_change_px"], atol=1e-5)
    # Both stay within the extents, which are a radius and a diameter.
    assert last.info["pose_change_rad"].max() <= 0.26 * (1 + 1e-5)
    assert last.info["shift_change_px"].max() <= 1.0 * (1 + 1e-5)


def test_the_signal_outside_the_mask_is_gone_from_the_map(finished, inputs):
    start, last = finished.results[0], finished.results[-1]
    outside = inputs.mask.data < 0.01
    assert np.sum(last.map[outside] ** 2) < 0.2 * np.sum(start.map[outside] ** 2)


def test_resuming_gives_the_same_to_the_last_bit(finished, inputs, settings):
    again = Recorder()
    refine_loop(inputs, settings, again, resume=finished.results[1])
    assert [r.iteration for r in again.results] == [2]
    last, expected = again.results[-1], finished.results[2]
    np.testing.assert_array_equal(last.rotations, expected.rotations)
    np.testing.assert_array_equal(last.origins_angstrom, expected.origins_angstrom)
    for a, b in zip(last.half_maps, expected.half_maps, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_observer_can_stop_it(inputs, settings):
    recorder = Recorder(stop_after=0)
    with pytest.raises(StopRequested):
        refine_loop(inputs, settings, recorder)
    assert [r.iteration for r in recorder.results] == [0]


def test_progress_counts_every_particle(finished, inputs):
    done = [v for k, v in finished.events if k == "progress" and v["phase"] == "search"]
    assert {v["total"] for v in done} == {len(inputs.particles)}
    assert [v["done"] for v in done if v["iteration"] == 1][-1] == len(inputs.particles)


def test_broken_images_are_set_aside_and_named(inputs, settings, hinged_blob_set, tmp_path):
    images = hinged_blob_set.images.copy()
    images[4] = np.nan
    images[17] = 3.0
    with mrcfile.new(tmp_path / "particles.mrcs") as file:
        file.set_data(images)
        file.set_image_stack()
        file.voxel_size = hinged_blob_set.pixel_size_angstrom
    star = tmp_path / "particles.star"
    star.write_text(hinged_blob_set.star.read_text())
    recorder = Recorder()
    result = refine_loop(
        replace(inputs, particles=read_particles(star)),
        settings.model_copy(update={"iterations": 1}),
        recorder,
    )
    assert 4 not in result.indices
    assert 17 not in result.indices
    assert result.rotations.shape == (len(images) - 2, 3, 3)
    assert np.isfinite(result.map).all()
    messages = [v["message"] for k, v in recorder.events if k == "warning"]
    assert any("rows 5, 18" in m for m in messages)


def test_a_map_of_something_else_is_remarked_on(inputs, settings, rng):
    other = Map(
        rng.normal(size=inputs.volume.data.shape).astype(np.float32),
        inputs.volume.voxel_size_angstrom,
    )
    recorder = Recorder(stop_after=0)
    with pytest.raises(StopRequested):
        refine_loop(replace(inputs, volume=other), settings, recorder)
    messages = [v["message"] for k, v in recorder.events if k == "warning"]
    (remark,) = [message for message in messages if "correlate only" in message]
    assert remark.startswith("the map given and a reconstruction")


def test_a_run_that_is_led_astray_is_remarked_on(finished, inputs, settings):
    mirrored = replace(inputs.volume, data=np.ascontiguousarray(inputs.volume.data[::-1]))
    once, recorder = settings.model_copy(update={"iterations": 1}), Recorder()
    refine_loop(replace(inputs, volume=mirrored), once, recorder)

    def remarks(events):
        messages = [v["message"] for kind, v in events if kind == "warning"]
        return [message for message in messages if "agree less than at the poses" in message]

    assert len(remarks(recorder.events)) == 1
    assert remarks(finished.events) == []


def test_a_map_of_another_box_is_refused(inputs, settings):
    small = Map(inputs.volume.data[:-2, :-2, :-2], inputs.volume.voxel_size_angstrom)
    with pytest.raises(InputError, match="38"):
        pose_problem(replace(inputs, volume=small), settings)


def test_a_map_of_another_voxel_size_is_refused(inputs, settings):
    wrong = Map(inputs.volume.data, 4.0)
    with pytest.raises(InputError, match=r"voxels of 4\.0000 Å"):
        pose_problem(replace(inputs, volume=wrong), settings)


def test_a_subset_keeps_the_half_sets_in_proportion(inputs, settings):
    problem = pose_problem(inputs, settings.model_copy(update={"subset": 100}))
    assert np.bincount(problem.half_sets).tolist() == [0, 50, 50]
    again = pose_problem(inputs, settings.model_copy(update={"subset": 100}))
    np.testing.assert_array_equal(problem.rows, again.rows)


def test_never_more_than_a_batch_of_images_in_memory(inputs, settings, monkeypatch):
    asked = []
    read = type(inputs.particles).images

    def counted(self, indices):
        asked.append(len(indices))
        return read(self, indices)

    monkeypatch.setattr(type(inputs.particles), "images", counted)
    few = settings.model_copy(update={"iterations": 1, "batch_size": 16, "subset": 100})
    refine_loop(inputs, few, Recorder())
    assert max(asked) == 16
    # For the reconstruction at the given poses, the noise, the search, and for the final maps.
    assert sum(asked) == 4 * 100


def test_half_maps_in_the_wrong_order_are_refused(inputs, settings, finished):
    voxel = inputs.volume.voxel_size_angstrom
    first, second = (Map(half, voxel) for half in finished.results[0].half_maps)
    right = Recorder(stop_after=0)
    with pytest.raises(StopRequested):
        refine_loop(replace(inputs, half_maps=(first, second)), settings, right)
    with pytest.raises(InputError, match="wrong order"):
        refine_loop(replace(inputs, half_maps=(second, first)), settings, Recorder())


def test_an_inverted_map_is_refused(inputs, settings):
    inverted = Map(-inputs.volume.data, inputs.volume.voxel_size_angstrom)
    with pytest.raises(InputError, match="inverted"):
        refine_loop(replace(inputs, volume=inverted), settings, Recorder())


def test_a_mask_of_a_few_voxels_is_refused(inputs, settings):
    speck = np.zeros_like(inputs.mask.data)
    speck[20:22, 20:22, 20:22] = 1
    with pytest.raises(InputError, match="nothing so small"):
        pose_problem(replace(inputs, mask=Map(speck, inputs.mask.voxel_size_angstrom)), settings)


def test_a_half_set_without_a_usable_image_is_refused(inputs, settings, monkeypatch):
    read = type(inputs.particles).images

    def broken(self, indices):
        images = read(self, indices)
        images[np.asarray(inputs.particles.half_sets)[np.asarray(indices)] == 2] = np.nan
        return images

    monkeypatch.setattr(type(inputs.particles), "images", broken)
    with pytest.raises(InputError, match="no usable image"):
        refine_loop(inputs, settings, Recorder())


def test_recentred_searches_with_shrinking_extents_find_the_motion_too(
    inputs, settings, finished, hinged_blob_set
):
    recentred = settings.model_copy(
        update={
            "recenter_rotations": True,
            "recenter_shifts": True,
            "shrink_extents": True,
            # Or the first search leaves the second nothing to find (see the last assertion).
            "folds": 1,
        }
    )
    recorder = Recorder()
    refine_loop(inputs, recentred, recorder)
    before, first, last = (_errors_deg(hinged_blob_set, r) for r in recorder.results)
    assert np.median(last) < np.median(first) < 0.5 * np.median(before)
    info = recorder.results[-1].info
    # What was found counts from the poses of the first iteration, what is told from those given.
    assert np.array_equal(info["start_turn_rad"], recorder.results[1].info["turn_rad"])
    start, end = (Rotation.from_rotvec(info[name]) for name in ("start_turn_rad", "turn_rad"))
    assert np.median((end * start.inv()).magnitude()) < np.deg2rad(3.0)
    assert np.median(info["pose_change_rad"]) > np.deg2rad(3.0)
    # In folds, of which each learns from those before it, the first search alone comes to where two
    # come otherwise.
    learning = _errors_deg(hinged_blob_set, finished.results[1])
    assert np.median(learning) < np.median(last)


def test_a_prior_holds_poses_that_the_images_say_little_about(inputs, settings):
    problem_settings = settings.model_copy(update={"iterations": 1, "prior_rotation": 0.5})
    free, held = Recorder(), Recorder()
    refine_loop(inputs, settings.model_copy(update={"iterations": 1}), free)
    refine_loop(inputs, problem_settings, held)
    change = [np.median(r.results[-1].info["pose_change_rad"]) for r in (free, held)]
    # Half a degree against motions of 5.7 and errors of 1.8: the prior wins.
    assert change[1] < 0.5 * change[0]


def _told_deg(result):
    """Widths of the priors of each half-set's folds in an iteration; infinite for none."""
    with np.errstate(divide="ignore"):
        return np.rad2deg(result.info[ROTATION_PRIOR] ** -0.5)


def test_how_far_particles_turn_is_learned_as_it_goes(finished, hinged_blob_set, inputs):
    true, _ = motion_about_fulcrum(
        inputs.particles.rotations,
        inputs.particles.origins_angstrom,
        hinged_blob_set.hinged_rotations,
        hinged_blob_set.hinged_origins_angstrom,
        hinged_blob_set.hinge.fulcrum_angstrom,
    )
    width = np.rad2deg(np.sqrt(np.mean(true**2)))
    first, second = (_told_deg(result) for result in finished.results[1:])
    # 50 particles a half-set and fold. The first ones of the first search know of nothing; 50 of
    # others tell a width to 9 % (1.5 / sqrt(6 n): errors of half the variance): thrice is allowed.
    assert np.mean(np.isinf(first)) == pytest.approx(0.25)
    assert len(np.unique(second)) == 8
    for told in (first[np.isfinite(first)], second):
        assert np.all(np.abs(told / width - 1) < 0.3)


def test_some_particles_are_searched_first_to_learn_a_prior(inputs, settings, monkeypatch):
    monkeypatch.setattr("locref_widgets.refinement.search_pass._PILOT", 100)
    monkeypatch.setattr("locref_widgets.refinement.search_pass._PILOT_SHARE", 4)
    once = Recorder()
    refine_loop(inputs, settings.model_copy(update={"iterations": 1}), once)
    told = _told_deg(once.results[1])
    assert np.all(np.isfinite(told))
    assert len(np.unique(told)) == 8
    # None of them is counted twice.
    searched = [v for k, v in once.events if k == "progress" and v["phase"] == "search"]
    done = [v["done"] for v in searched]
    assert done == sorted(done)
    assert done[-1] == 400
    assert {v["total"] for v in searched} == {400}


def test_without_learning_nothing_is_told(inputs, settings):
    once = Recorder()
    told = {"iterations": 1, "learn_prior": False}
    refine_loop(inputs, settings.model_copy(update=told), once)
    assert not np.any(once.results[1].info[ROTATION_PRIOR])
