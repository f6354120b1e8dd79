"""Settings changed between iterations: from a result on the disc, to the last bit as in memory."""

from dataclasses import replace

import numpy as np
import pytest

from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.observing import Change
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.settings import RefinementSettings
from tests.refinement.following import Recorder, soft_ball


class Changing(Recorder):
    """Changes the settings before some iterations."""

    def __init__(self, changes: dict[int, Change]):
        super().__init__()
        self.changes = changes

    def before_iteration(self, iteration: int) -> Change | None:
        return self.changes.get(iteration)


@pytest.fixture(scope="module")
def inputs(hinged_blob_set):
    s = hinged_blob_set
    a = s.pixel_size_angstrom
    volume = s.blobs.volume(s.box_px, a) + s.hinge.body.volume(s.box_px, a)
    centre = s.hinge.body.centres_angstrom.mean(axis=0)
    particles = read_particles(s.star).take(np.arange(100))
    return RefinementInput(particles, Map(volume, a), Map(soft_ball(s.box_px, a, centre), a))


@pytest.fixture(scope="module")
def settings(hinged_blob_set):
    fulcrum = tuple(float(x) for x in hinged_blob_set.hinge.fulcrum_angstrom)
    return RefinementSettings(
        fulcrum_angstrom=fulcrum,
        rotation_extent=0.2,
        shift_extent=2.0,
        initial_lowpass=20.0,
        dynamic_mask_start_resolution=30.0,
        iterations=3,
    )


@pytest.fixture(scope="module")
def unchanged(inputs, settings):
    recorder = Recorder()
    refine_loop(inputs, settings, recorder)
    return recorder.results


def _other_mask(inputs, hinged_blob_set) -> Map:
    """Smaller, and elsewhere: the region's box is another one, too."""
    s = hinged_blob_set
    centre = s.hinge.body.centres_angstrom.mean(axis=0) + np.array([5.0, -5.0, 0.0])
    return Map(soft_ball(s.box_px, s.pixel_size_angstrom, centre, 40.0), s.pixel_size_angstrom)


CHANGES = {
    "extents and priors": {
        "rotation_extent": 0.15,
        "shift_extent": 3.0,
        "prior_rotation": 6.0,
        "marginalize": False,
    },
    "about the poses found": {"recenter_rotations": True, "recenter_shifts": True},
    "fulcrum": {"fulcrum_angstrom": (40.0, -10.0, 8.0)},
    "fulcrum, about the poses found": {
        "fulcrum_angstrom": (40.0, -10.0, 8.0),
        "recenter_rotations": True,
        "recenter_shifts": True,
    },
    "references": {"non_uniform": False, "masking": "static"},
    "batches and folds": {"batch_size": 16, "folds": 2},
    "mask": {},
    "mask and fulcrum": {"fulcrum_angstrom": None, "fulcrum": "mask"},
}


@pytest.mark.parametrize(
    ("what", "before"), [*((what, 2) for what in CHANGES), ("fulcrum", 1), ("mask", 1)]
)
def test_from_the_disc_it_is_the_same_to_the_last_bit(
    inputs, settings, unchanged, hinged_blob_set, what, before
):
    mask = _other_mask(inputs, hinged_blob_set) if "mask" in what else None
    change = Change(settings.model_copy(update=CHANGES[what]), mask)
    whole = Changing({before: change})
    refine_loop(inputs, settings, whole)
    assert [result.iteration for result in whole.results] == [0, 1, 2, 3]
    # Until then it is what it would have been, in the end something else.
    for result in whole.results[:before]:
        assert_same(result, unchanged[result.iteration])
    assert not np.array_equal(whole.results[-1].map, unchanged[-1].map)

    # A kill while iteration `before` is searched, and one while the next is.
    again = Changing({before: change})
    refine_loop(inputs, settings, again, resume=whole.results[before - 1])
    assert_same(again.results[-1], whole.results[-1])
    later = replace(inputs, mask=mask or inputs.mask)
    again = Changing({})
    refine_loop(later, change.settings, again, resume=whole.results[before])
    assert_same(again.results[-1], whole.results[-1])


def test_no_pose_jumps_with_the_fulcrum(inputs, settings, hinged_blob_set):
    """About the poses found, in next to no room: all stay where they are, whatever they are about.

    The shifts that describe them are others, by half a pixel in the median.
    """
    s = hinged_blob_set
    away = tuple(s.hinge.fulcrum_angstrom + np.array([60.0, -50.0, 30.0]))
    narrow = settings.model_copy(
        update={
            "fulcrum_angstrom": away,
            "recenter_rotations": True,
            "recenter_shifts": True,
            "rotation_extent": 1e-3,
            "shift_extent": 0.02,
            "iterations": 2,
        }
    )
    recorder = Changing({2: Change(narrow)})
    refine_loop(inputs, settings, recorder)
    before, after = recorder.results[1:]
    assert np.median(np.abs(after.info["shift_px"] - before.info["shift_px"])) > 0.3
    turned = np.linalg.norm(after.rotations @ np.swapaxes(before.rotations, 1, 2) - np.eye(3))
    assert turned / len(after.rotations) < 1e-3
    # The region's centre: within the shifts allowed, and what a turn of 1e-3 rad moves it.
    centre = s.hinge.body.centres_angstrom.mean(axis=0)
    lever = np.linalg.norm(centre - np.array(away))
    seen = [r.rotations[:, :2] @ centre - r.origins_angstrom for r in (before, after)]
    moved = np.linalg.norm(seen[1] - seen[0], axis=1)
    assert moved.max() < 0.01 * s.pixel_size_angstrom * 1.01 + 1e-3 * lever * 1.01


def test_a_change_gives_the_refinement_time_to_settle_anew(inputs, settings, unchanged):
    """The resolutions of iterations before say nothing about what follows."""
    last = replace(unchanged[2], converged=True)
    recorder = Changing({3: Change(settings.model_copy(update={"shift_extent": 3.0}))})
    refine_loop(inputs, settings, recorder, resume=last)
    (result,) = recorder.results
    assert result.info["agreement_history_shells"].size == 1
    # Fewer or more iterations alone do not make it another refinement.
    recorder = Changing({3: Change(settings.model_copy(update={"iterations": 4}))})
    refine_loop(inputs, settings, recorder, resume=last)
    assert [r.info["agreement_history_shells"].size for r in recorder.results] == [3, 4]


def test_another_mask_moves_the_region(inputs, settings, unchanged, hinged_blob_set):
    mask = _other_mask(inputs, hinged_blob_set)
    static = settings.model_copy(update={"masking": "static"})
    recorder = Changing({2: Change(static, mask)})
    refine_loop(inputs, settings, recorder)
    np.testing.assert_array_equal(recorder.results[2].mask, mask.data)
    ((_, told),) = [(k, v) for k, v in recorder.events if k == "settings_changed"]
    assert told["iteration"] == 2
    assert told["settings"]["masking"] == "static"


def assert_same(one, other):
    np.testing.assert_array_equal(one.rotations, other.rotations)
    np.testing.assert_array_equal(one.origins_angstrom, other.origins_angstrom)
    for a, b in zip(one.half_maps, other.half_maps, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.map, other.map)
    np.testing.assert_array_equal(one.mask, other.mask)
    assert one.info.keys() == other.info.keys()
    for name, values in one.info.items():
        np.testing.assert_array_equal(values, other.info[name], err_msg=name)
    assert (one.iteration, one.converged) == (other.iteration, other.converged)
    assert one.resolution_angstrom == other.resolution_angstrom
