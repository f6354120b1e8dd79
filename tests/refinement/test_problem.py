"""The region a mask cuts out: odd boxes, masks at the box's edge, regions reaching beyond it."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.slicing import slice_volume
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.references import cut_region, make_region, paste_region
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.search_pass import folds_of
from locref_widgets.refinement.settings import RefinementSettings
from tests.blobs import Blobs, Hinge, random_blobs, write_blob_set
from tests.engine.objects import random_rotation
from tests.refinement.following import Recorder

PIXEL = 5.0
FULCRUM = np.array([8.0, 0.0, 2.0])


def _ball(box_px, centre_px, radius_px):
    """A ball with a soft edge of 3 voxels, cut by the box where it reaches beyond."""
    x = np.arange(box_px) - box_px // 2
    z, y, x = np.meshgrid(x, x, x, indexing="ij")
    distance = np.sqrt(sum((a - c) ** 2 for a, c in zip((x, y, z), centre_px, strict=True)))
    return np.clip((radius_px + 3 - distance) / 3, 0, 1).astype(np.float32)


def _make_inputs(folder, box_px, body_x_angstrom, mask_radius_px):
    """Two bodies of blobs, the second at ``body_x_angstrom`` and hinged; 120 images."""
    rng = np.random.default_rng(box_px)
    large = random_blobs(rng, count=20, radius_angstrom=28.0)
    small = random_blobs(rng, count=12, radius_angstrom=20.0)
    centre = np.array([body_x_angstrom, -6.0, 4.0])
    body = Blobs(small.centres_angstrom + centre, small.sigmas_angstrom, small.masses)
    made = write_blob_set(
        folder,
        rng,
        n=120,
        box_px=box_px,
        pixel_size_angstrom=PIXEL,
        noise=0.1,
        blobs=Blobs(
            large.centres_angstrom + np.array([-22.0, 4.0, 0.0]),
            large.sigmas_angstrom,
            large.masses,
        ),
        hinge=Hinge(body, FULCRUM, largest_deg=12.0),
    )
    volume = made.blobs.volume(box_px, PIXEL) + body.volume(box_px, PIXEL)
    mask = _ball(box_px, centre / PIXEL, mask_radius_px)
    inputs = RefinementInput(read_particles(made.star), Map(volume, PIXEL), Map(mask, PIXEL))
    return made, inputs


@pytest.fixture(scope="module", params=["odd box", "mask cut by the edge"])
def case(request, tmp_path_factory):
    """An odd box, and an even one whose mask runs into the box's side."""
    folder = tmp_path_factory.mktemp("region")
    if request.param == "odd box":
        return _make_inputs(folder, 33, 34.0, 6.0)
    return _make_inputs(folder, 32, 50.0, 8.0)


SETTINGS = RefinementSettings(
    fulcrum_angstrom=tuple(FULCRUM.tolist()),
    rotation_extent=0.26,
    shift_extent=2.0,
    initial_lowpass=12.0,
    iterations=1,
)


def _exact_slice(volume, rotation, disc):
    """Sum over the voxels in float64: the transform of the projection without interpolation."""
    n = volume.shape[0]
    z, y, x = np.nonzero(volume)
    seen = (np.stack([x, y, z], axis=-1) - n // 2) @ rotation[:2].T
    waves = np.exp(-2j * np.pi / disc.box_px * (np.asarray(disc.coordinates, float) @ seen.T))
    return waves @ volume[z, y, x].astype(float)


def test_the_mask_of_the_second_case_is_cut(case):
    _, inputs = case
    mask = inputs.mask.data
    touches = max(mask[:, :, 0].max(), mask[:, :, -1].max())
    problem = pose_problem(inputs, SETTINGS)
    n, m = problem.box_px, problem.region_box_px
    reach = problem.region_centre_voxels + n // 2 + m // 2
    if n % 2:
        assert touches == 0
    else:
        assert touches == 1
        assert reach[0] > n  # the cube about the region reaches beyond the map


def test_the_cube_holds_the_whole_mask_about_its_centre(case):
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    masked = inputs.volume.data * inputs.mask.data
    cube = cut_region(masked, problem)
    assert cube.shape == (problem.region_box_px,) * 3
    np.testing.assert_allclose(cube.sum(dtype=float), masked.sum(dtype=float), rtol=1e-6)
    # The voxel of the cube's own centre is the map's voxel at the region's centre.
    n, m = problem.box_px, problem.region_box_px
    x, y, z = problem.region_centre_voxels + n // 2
    assert cube[m // 2, m // 2, m // 2] == masked[z, y, x]
    assert cube[m // 2, m // 2 + 1, m // 2 - 2] == masked[z, y + 1, x - 2]


def test_slices_of_the_region_are_those_of_the_masked_map(case, rng):
    """About the box's centre, once the phase of the region's centre is put on."""
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    masked = inputs.volume.data * inputs.mask.data
    disc = make_disc(problem.box_px, 12)
    region = make_region(cut_region(masked, problem), problem)
    k = np.asarray(disc.coordinates, float)
    for _ in range(3):
        rotation = random_rotation(rng)
        centre = (rotation @ np.asarray(region.centre_px, float))[:2]
        found = np.asarray(
            slice_volume(region.projector, jnp.asarray(rotation, jnp.float32), disc)
        ) * np.exp(-2j * np.pi * (k @ centre) / problem.box_px)
        expected = _exact_slice(masked, rotation, disc)
        # Trilinear interpolation on a doubled grid: 1-2 % (see test_slicing.py).
        assert np.linalg.norm(found - expected) < 0.025 * np.linalg.norm(expected)
        # A centre off by one voxel would be seen.
        off = expected * np.exp(-2j * np.pi * k[:, 0] / problem.box_px)
        assert np.linalg.norm(found - off) > 0.1 * np.linalg.norm(expected)


def test_templates_reach_the_whole_disc_whatever_the_reference_holds(case):
    """Else the search would compile anew with every shell gained."""
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    cube = cut_region(inputs.volume.data, problem)
    projector = make_region(cube, problem).projector
    assert projector.padded_px == 2 * problem.region_box_px
    assert projector.radius >= 2 * problem.region_disc.radius_px
    assert make_region(0 * cube, problem).projector.parts.shape == projector.parts.shape


def test_pasting_undoes_cutting(case, rng):
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    n, m = problem.box_px, problem.region_box_px
    volume = rng.normal(size=(n, n, n)).astype(np.float32)
    cube = cut_region(volume, problem)
    assert cube.shape == (m, m, m)
    pasted = paste_region(cube, problem)
    # The same where the cube is, nothing elsewhere.
    where = paste_region(np.ones_like(cube), problem)
    np.testing.assert_array_equal(pasted, volume * where)
    np.testing.assert_array_equal(cut_region(pasted, problem), cube)
    low = np.maximum(problem.region_centre_voxels + n // 2 - m // 2, 0)
    high = np.minimum(problem.region_centre_voxels + n // 2 - m // 2 + m, n)
    assert where.sum() == np.prod(high - low)


def test_the_regions_size_is_that_of_its_mask(case):
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    mask = inputs.mask.data
    z, y, x = np.nonzero(mask >= 0.5)
    points = np.stack([x, y, z], axis=-1) - problem.box_px // 2 - problem.region_centre_voxels
    # Turned about any axis it stays in the box of the images that are cut to it.
    assert problem.region_box_px // 2 >= np.linalg.norm(points, axis=1).max() + 1
    z, y, x = np.nonzero(mask)
    points = np.stack([x, y, z], axis=-1) - problem.box_px // 2 - problem.region_centre_voxels
    by_axis = np.average(points**2, axis=0, weights=mask[z, y, x])
    assert problem.region_spread_px2 == pytest.approx(by_axis.mean())
    assert problem.region_radius_px == pytest.approx(np.sqrt(5 * by_axis.mean()))


def test_the_radius_is_a_balls_own_and_a_few_voxels_far_out_hardly_count(case):
    _, inputs = case
    n = inputs.mask.box_px
    z, y, x = np.indices((n, n, n)) - n // 2
    ball = (x**2 + y**2 + z**2 <= 9.0**2).astype(np.float32)
    spiked = ball.copy()
    spiked[n // 2, n // 2, n // 2 - 13 : n // 2 + 14] = 1.0
    for values in (ball, spiked):
        given = replace(inputs, mask=replace(inputs.mask, data=values))
        # Eight voxels 10 to 13 from the centre raise the mean square of 3,000 by 0.7 %.
        assert pose_problem(given, SETTINGS).region_radius_px == pytest.approx(9.0, rel=0.01)


@pytest.mark.parametrize("folds", [1, 2, 3, 5])
def test_folds_are_balanced_within_each_half_set(case, folds):
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    fold = folds_of(problem, folds)
    for half in (1, 2):
        counts = np.bincount(fold[problem.half_sets == half], minlength=folds)
        assert counts.size == folds
        assert np.ptp(counts) <= 1
        # Neighbours, which come from the same micrograph, are apart.
        members = fold[problem.half_sets == half]
        assert folds == 1 or np.all(members[1:] != members[:-1])


def test_the_lever_runs_from_the_fulcrum_to_the_region(case):
    _, inputs = case
    problem = pose_problem(inputs, SETTINGS)
    np.testing.assert_allclose(
        problem.lever_px() * PIXEL + FULCRUM, problem.region_centre_voxels * PIXEL
    )


def test_the_hinge_is_found(case):
    made, inputs = case
    observer = Recorder()
    result = refine_loop(inputs, SETTINGS, observer)

    def errors(rotations, origins):
        turns, shifts = motion_about_fulcrum(
            rotations,
            origins,
            made.hinged_rotations[result.indices],
            made.hinged_origins_angstrom[result.indices],
            FULCRUM,
        )
        angle = np.rad2deg(np.linalg.norm(turns, axis=1))
        return np.median(angle), np.median(np.linalg.norm(shifts, axis=1)) / PIXEL

    before, _ = errors(made.rotations[result.indices], made.origins_angstrom[result.indices])
    after, shift_px = errors(result.rotations, result.origins_angstrom)
    assert 4.0 < before < 8.0
    assert after < 0.5 * before
    assert shift_px < 0.5
    assert result.map.shape == (made.box_px,) * 3


def test_a_region_too_small_to_align_is_refused(case):
    _, inputs = case
    tiny = np.zeros_like(inputs.mask.data)
    tiny[10:13, 10:13, 10:13] = 1
    with pytest.raises(InputError, match="nothing so small can be aligned"):
        pose_problem(replace(inputs, mask=Map(tiny, PIXEL)), SETTINGS)
