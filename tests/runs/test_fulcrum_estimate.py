"""The fulcrum that a run ends with: fitted when the poses are free to tell, and told where read."""

from dataclasses import replace

import numpy as np
import pytest

from locref_widgets.cli.run_words import describe_status
from locref_widgets.engine.fulcrum import motion_about_fulcrum, move_about_fulcrum
from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import ROTATION_PRIOR, IterationResult
from locref_widgets.runs.fulcrum_estimate import describe_estimate, estimate_fulcrum
from locref_widgets.runs.run import refine
from tests.runs.fake_job import Job, make_loop

HINGE = np.array([30.0, -12.0, 6.0])  # the job's box is 24 voxels of 6 Å
SETTINGS = RefinementSettings(iterations=2, seed=3, shift_extent=10.0)


def hinged(result: IterationResult, job: Job, hinge=HINGE, largest_rad=0.2) -> IterationResult:
    """The result with every particle turned about a hinge, and the errors of a real search."""
    n = len(result.indices)
    rng = np.random.default_rng(11)
    rows = result.indices
    turns = rng.uniform(-largest_rad, largest_rad, (n, 3))
    rotations, origins = move_about_fulcrum(
        job.particles.rotations[rows],
        job.particles.origins_angstrom[rows],
        turns,
        rng.normal(0.0, 0.2, (n, 2)),
        hinge,
    )
    info = {
        "rotation_error_rad": np.full(n, 0.002),
        "shift_error_px": np.full(n, 0.02),
        "at_bound": np.zeros(n, dtype=bool),
        "shift_change_px": rng.uniform(0.0, 2.0, n),
    }
    return replace(result, rotations=rotations, origins_angstrom=origins, info=result.info | info)


@pytest.fixture
def result(job) -> IterationResult:
    """The second iteration of the fake job, its particles turned about the hinge."""
    kept = []

    class Observer:
        def event(self, kind, **values): ...
        def checkpoint(self): ...
        def iteration_finished(self, result):
            kept.append(result)

    make_loop()(RefinementInput(*job.arguments), SETTINGS, Observer())
    return hinged(kept[-1], job)


def estimate(result, job, settings=SETTINGS):
    return estimate_fulcrum(result, RefinementInput(*job.arguments), settings)


def changed(result: IterationResult, **info) -> IterationResult:
    return replace(result, info=result.info | info)


def test_the_hinge_is_found_and_told_in_both_units(result, job):
    found = estimate(result, job)
    assert found["is_offered"]
    np.testing.assert_allclose(found["point_angstrom"], HINGE, atol=1.5)
    np.testing.assert_allclose(found["point_voxels"], HINGE / 6 + 12, atol=0.25)
    assert found["used_voxels"] == [12.0, 12.0, 12.0]
    assert found["distance_angstrom"] == pytest.approx(np.linalg.norm(HINGE), abs=1.5)
    assert not found["agrees"]
    assert max(found["standard_error_angstrom"]) < 1.0
    assert found["explained_fraction"] > 0.9
    words = " ".join(describe_estimate(found))
    x, y, z = found["point_angstrom"]
    assert f"--fulcrum-angstrom={x:.1f},{y:.1f},{z:.1f}" in words
    assert "(12.0, 12.0, 12.0) voxels" in words


def test_each_half_set_tells_its_own(result, job):
    found = estimate(result, job)
    first, second = (np.array(point) for point in found["half_points_angstrom"])
    np.testing.assert_allclose(first, HINGE, atol=2.5)
    np.testing.assert_allclose(second, HINGE, atol=2.5)
    assert not np.array_equal(first, second)
    assert found["halves_agree"]
    assert "half-sets" not in " ".join(describe_estimate(found))


def test_half_sets_that_disagree_are_told(result, job):
    """Half of the particles turned about another point."""
    other = hinged(result, job, hinge=HINGE + np.array([0.0, 25.0, 0.0]))
    second = job.particles.half_sets[result.indices] == 2
    rotations, origins = result.rotations.copy(), result.origins_angstrom.copy()
    rotations[second], origins[second] = other.rotations[second], other.origins_angstrom[second]
    found = estimate(replace(result, rotations=rotations, origins_angstrom=origins), job)
    assert not found["halves_agree"]
    assert "The half-sets alone give" in describe_estimate(found | {"is_offered": True})[0]


def test_the_fulcrum_used_is_confirmed(result, job):
    settings = SETTINGS.model_copy(update={"fulcrum_angstrom": tuple(HINGE)})
    found = estimate(result, job, settings)
    assert found["agrees"]
    assert "--fulcrum-angstrom" not in " ".join(describe_estimate(found))


def drawn_by_a_prior(
    result: IterationResult, job: Job, centre: np.ndarray, seed: int
) -> IterationResult:
    """Turns known to 0.04 rad about each axis, drawn back by a prior of 0.08 rad, about a centre.

    Where the centre is seen does not depend on the turn, so that shifts about it are not drawn.
    """
    given = job.particles.rotations[result.indices], job.particles.origins_angstrom[result.indices]
    pixel, n = job.particles.pixel_size_angstrom, len(result.indices)
    motion = motion_about_fulcrum(*given, result.rotations, result.origins_angstrom, centre)
    error, prior = 0.04, 0.08
    turns = motion[0] + np.random.default_rng(seed).normal(0.0, error, (n, 3))
    turns /= 1.0 + (error / prior) ** 2
    rotations, origins = move_about_fulcrum(*given, turns, motion[1], centre)
    variance = [1.0 / (error**-2 + prior**-2)] * 3 + [0.02**2] * 2
    info = {
        "turn_rad": turns,
        "shift_px": motion[1] / pixel,
        "start_turn_rad": np.zeros((n, 3)),
        "pose_covariance": np.tile(np.diag(variance), (n, 1, 1)),
        "rotation_error_rad": np.full(n, np.sqrt(sum(variance[:3]))),
        "fulcrum_angstrom": centre,
        ROTATION_PRIOR: np.full(n, prior**-2),
    }
    return replace(result, rotations=rotations, origins_angstrom=origins, info=result.info | info)


def test_turns_drawn_back_by_a_prior_do_not_move_the_hinge(result, job):
    mask = job.mask
    centre = centre_of_mass_angstrom(mask.data, mask.voxel_size_angstrom)
    centre = np.rint(centre / mask.voxel_size_angstrom) * mask.voxel_size_angstrom
    settings = SETTINGS.model_copy(update={"fulcrum_angstrom": tuple(centre)})
    lever, found = HINGE - centre, {"freed": [], "held": []}
    for seed in range(8):
        drawn = drawn_by_a_prior(result, job, centre, seed)
        none = changed(drawn, **{ROTATION_PRIOR: np.zeros(len(drawn.indices))})
        for name, one in (("freed", drawn), ("held", none)):
            point = np.array(estimate(one, job, settings)["point_angstrom"])
            found[name].append((point - centre) @ lever / (lever @ lever))
    # In lengths of the lever. A single fit scatters by 0.03: the mean of eight by 0.01.
    assert np.mean(found["freed"]) == pytest.approx(1.0, abs=0.04)
    # Turns that are a fifth too small want a lever that is a quarter too long, or more.
    assert np.mean(found["held"]) > 1.2


def test_shifts_left_widen_the_errors_along_the_lever(result, job, monkeypatch):
    """A search takes some of them for rotation, which moves the point along its lever."""
    shifts = np.random.default_rng(2).normal(0, 2.0, (40, 2))
    result = replace(result, origins_angstrom=result.origins_angstrom + shifts)
    found = estimate(result, job)
    lever = np.array(found["point_angstrom"]) - [12.0, -6.0, 18.0]  # the mask's centre
    left = 1 / found["explained_fraction"] - 1
    expected = 0.15 * left * np.linalg.norm(lever)
    assert found["systematic_error_angstrom"] == pytest.approx(expected, rel=1e-3)
    farther = np.array(found["point_angstrom"]) + 10.0 * lever / np.linalg.norm(lever)
    settings = SETTINGS.model_copy(update={"fulcrum_angstrom": tuple(farther)})
    assert estimate(result, job, settings)["agrees"]
    monkeypatch.setattr("locref_widgets.runs.fulcrum_estimate._MISREAD", 0.0)
    assert not estimate(result, job, settings)["agrees"]


def test_shifts_that_ran_into_their_bound_offer_none(result, job):
    at_rim = np.arange(len(result.indices)) < 3
    held = changed(
        result,
        at_bound=at_rim,
        shift_change_px=np.where(at_rim, 5.0, result.info["shift_change_px"]),
    )
    found = estimate(held, job)
    assert not found["is_offered"]
    assert "8 % of the particles ended at the bound of the shifts" in found["reason"]
    assert "point_angstrom" not in found
    assert describe_estimate(found)[1].startswith("8 % of the particles")


def test_rotations_at_their_bound_are_left_out(result, job):
    """They are wrong by as much as is cut off, but say nothing against the others' shifts."""
    bound = np.arange(len(result.indices)) % 4 == 0
    rotations = result.rotations.copy()
    rotations[bound] = job.particles.rotations[bound]
    found = estimate(replace(changed(result, at_bound=bound), rotations=rotations), job)
    assert found["is_offered"]
    assert found["n_used"] == 30
    np.testing.assert_allclose(found["point_angstrom"], HINGE, atol=2.0)


@pytest.mark.parametrize(
    ("prior", "word"), [({"prior_shift": 0.3}, "shift"), ({"prior_rotation": 0.2}, "rotation")]
)
def test_a_tight_prior_offers_none(result, job, prior, word):
    found = estimate(result, job, SETTINGS.model_copy(update=prior))
    assert not found["is_offered"]
    assert f"the prior on the {word}" in found["reason"]


def test_a_wide_prior_does_no_harm(result, job):
    priors = {"prior_shift": 7.0, "prior_rotation": 15.0}
    assert estimate(result, job, SETTINGS.model_copy(update=priors))["is_offered"]


def test_a_point_outside_the_box_is_not_offered(result, job):
    found = estimate(hinged(result, job, hinge=np.array([90.0, 0.0, 0.0])), job)
    assert not found["is_offered"]
    assert "outside the box" in found["reason"]


def test_particles_that_hardly_turned_offer_none(result, job):
    found = estimate(hinged(result, job, largest_rad=1e-4), job)
    assert not found["is_offered"]
    assert "hardly turned" in found["reason"]
    assert found["standard_error_angstrom"] == [None, None, None]


def test_before_a_search_there_is_nothing_to_tell(result, job):
    assert estimate(replace(result, iteration=0), job) is None


def hinged_loop(job: Job):
    """The fake refinement, its last iteration hinged."""

    def loop(inputs, settings, observer, resume=None):
        return hinged(make_loop()(inputs, settings, observer, resume=resume), job)

    return loop


def test_a_run_ends_with_the_fulcrum_in_summary_events_and_status(job, run_path):
    run = refine(*job.arguments, SETTINGS, run_path, progress=False, refine_loop=hinged_loop(job))
    found = run.summary["fulcrum_estimate"]
    np.testing.assert_allclose(found["point_angstrom"], HINGE, atol=1.5)
    (event,) = [e for e in run.events() if e["kind"] == "fulcrum_estimate"]
    assert event["point_voxels"] == found["point_voxels"]
    assert run.events()[-1]["kind"] == "run_finished"
    assert "--fulcrum-angstrom=" in describe_status(run)


def test_a_fit_that_fails_is_a_warning_and_the_run_is_finished(job, run_path, monkeypatch):
    def fail(*arguments):
        raise RuntimeError("no lever")

    monkeypatch.setattr("locref_widgets.runs.finish.estimate_fulcrum", fail)
    run = refine(*job.arguments, SETTINGS, run_path, progress=False, refine_loop=make_loop())
    assert run.status == "finished"
    warnings = [e["message"] for e in run.events() if e["kind"] == "warning"]
    assert any("no lever" in message for message in warnings)
    assert "fulcrum_estimate" not in run.summary
