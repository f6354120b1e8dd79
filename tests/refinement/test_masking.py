"""The mask and the cut-off field that an iteration leaves for the next one."""

import numpy as np
import pytest

from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.masks.dynamic import dynamic_mask
from locref_widgets.refinement.masking import cutoff_shells, draw_mask
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.references import paste_region
from locref_widgets.refinement.settings import RefinementSettings
from tests.refinement.following import soft_ball


@pytest.fixture(scope="module")
def blobs(hinged_blob_set):
    s = hinged_blob_set
    return s.hinge.body.volume(s.box_px, s.pixel_size_angstrom)


@pytest.fixture(scope="module")
def user_mask(hinged_blob_set):
    s = hinged_blob_set
    centre = s.hinge.body.centres_angstrom.mean(axis=0)
    return soft_ball(s.box_px, s.pixel_size_angstrom, centre)


@pytest.fixture(scope="module")
def problem(hinged_blob_set, blobs, user_mask):
    particles = read_particles(hinged_blob_set.star)
    voxel = particles.pixel_size_angstrom
    inputs = RefinementInput(particles, Map(blobs, voxel), Map(user_mask, voxel))
    return pose_problem(inputs, RefinementSettings(fulcrum="mask"))


@pytest.fixture(scope="module")
def maps(blobs):
    noise = 0.2 * blobs.std() * np.random.default_rng(3).normal(size=(2, *blobs.shape))
    halves = (blobs + noise).astype(np.float32)
    return (halves[0], halves[1]), halves.mean(axis=0)


def _draw(problem, user_mask, maps, *, searched=True, **settings):
    settings = RefinementSettings(**{"initial_lowpass": 20.0, **settings})
    return draw_mask(problem, settings, user_mask, *maps, searched=searched)


def test_the_dynamic_mask_lies_about_the_density_inside_the_one_given(
    problem, user_mask, maps, blobs
):
    # The start resolution is far off what 10 Å pixels can reach at most.
    mask = _draw(problem, user_mask, maps, dynamic_mask_start_resolution=40.0).mask
    assert np.all(mask <= user_mask)
    assert mask.sum() < 0.9 * user_mask.sum()
    dense = (blobs > 0.3 * blobs.max()) & (user_mask == 1)
    assert mask[dense].min() > 0.99


def test_until_there_was_a_search_the_mask_given_serves(problem, user_mask, maps):
    drawn = _draw(problem, user_mask, maps, searched=False, dynamic_mask_start_resolution=40.0)
    np.testing.assert_array_equal(drawn.mask, user_mask)
    assert drawn.cutoff_resolution_angstrom is not None


@pytest.mark.parametrize("settings", [{"masking": "static"}, {"dynamic_mask_start_resolution": 1}])
def test_the_mask_given_serves_where_it_should(settings, problem, user_mask, maps):
    np.testing.assert_array_equal(_draw(problem, user_mask, maps, **settings).mask, user_mask)


def test_without_a_mask_the_ball_about_the_region_is_kept(problem, user_mask, maps):
    mask = _draw(problem, user_mask, maps, masking="none").mask
    assert np.all(mask[user_mask > 0.99] == 1.0)
    assert mask.sum() > user_mask.sum()
    outside = paste_region(np.ones((problem.region_box_px,) * 3, np.float32), problem) == 0
    assert np.all(mask[outside] == 0)


def test_distances_may_be_multiples_of_the_resolution(problem, user_mask, maps):
    voxel = problem.pixel_size_angstrom
    common = {"dynamic_mask_start_resolution": 40.0, "non_uniform": False}
    from locref_widgets.engine.filters import lowpass_cosine
    from locref_widgets.engine.fsc import compute_fsc_curve

    resolution = compute_fsc_curve(*maps[0], voxel, user_mask).resolution_angstrom()
    drawn = _draw(
        problem,
        user_mask,
        maps,
        dynamic_mask_near=0.2,
        dynamic_mask_far=1.0,
        dynamic_mask_in_resolutions=True,
        **common,
    )
    smooth = np.asarray(lowpass_cosine(maps[1], voxel, 20.0))
    expected = dynamic_mask(
        smooth, user_mask, voxel, near_angstrom=0.2 * resolution, far_angstrom=resolution
    )
    np.testing.assert_array_equal(drawn.mask, expected)
    assert drawn.cutoff_resolution_angstrom is None


def test_density_below_zero_counts_when_asked(problem, user_mask, maps):
    (first, second), both = maps
    negative = (-first, -second), -both
    common = {"dynamic_mask_start_resolution": 40.0, "non_uniform": False}
    plain = _draw(problem, user_mask, maps, dynamic_mask_absolute=True, **common).mask
    mirrored = _draw(problem, user_mask, negative, dynamic_mask_absolute=True, **common).mask
    np.testing.assert_array_equal(plain, mirrored)


def test_the_field_is_finer_where_the_halves_agree(problem, user_mask, maps, blobs):
    field = _draw(problem, user_mask, maps, masking="static").cutoff_resolution_angstrom
    assert field is not None
    assert field.shape == user_mask.shape
    dense = (blobs > 0.3 * blobs.max()) & (user_mask == 1)
    empty = (blobs < 0.01 * blobs.max()) & (user_mask == 0)
    assert np.median(field[dense]) < 0.7 * np.median(field[empty])
    shells = cutoff_shells(problem, field)
    assert shells is not None
    assert shells.shape == (problem.region_box_px,) * 3
    extent = problem.region_box_px * problem.pixel_size_angstrom
    # There and back again, to rounding.
    inside = paste_region(shells, problem)
    np.testing.assert_allclose(extent / inside[inside > 0], field[inside > 0], rtol=1e-6)
