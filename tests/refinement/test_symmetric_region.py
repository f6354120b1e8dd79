"""Symmetry in a refinement: what is refused, what is remarked on, and what the loop makes of it."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.engine.symmetry import point_group_operators
from locref_widgets.errors import InputError
from locref_widgets.io.duplicates import particle_of_row
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.consensus import reconstruct_consensus
from locref_widgets.refinement.problem import RefinementInput, choose_rows, pose_problem
from locref_widgets.refinement.references import scale_to
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.search_pass import folds_of
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.symmetric_region import (
    check_region_on_axes,
    mask_overlap,
    symmetry_warnings,
)
from tests.blobs import Blobs, Hinge, random_blobs, write_blob_set
from tests.refinement.following import Recorder

BOX, PIXEL = 40, 5.0
AXIS = np.array([0.0, 0.0, 1.0])
CENTRE = 30.0 * AXIS
FULCRUM = np.array([0.0, 0.0, 0.0])


def _ball(centre_angstrom, radius_angstrom, squeeze=1.0):
    """A soft ball; ``squeeze`` narrows it along x."""
    x = (np.arange(BOX) - BOX // 2) * PIXEL
    z, y, x = np.meshgrid(x, x, x, indexing="ij")
    away = np.stack([x / squeeze, y, z], axis=-1) - centre_angstrom
    values = np.clip((radius_angstrom - np.linalg.norm(away, axis=-1)) / 15.0, 0, 1)
    return Map(values.astype(np.float32), PIXEL)


@pytest.mark.parametrize(
    ("symmetry", "centre"),
    [("C4", (0, 0, 30)), ("D2", (0, 0, 0)), ("O", (1, -1, 2)), ("C1", (30, 0, 0))],
)
def test_a_region_on_the_axes_is_accepted(symmetry, centre):
    mask = _ball(np.array(centre, float), 40.0)
    check_region_on_axes(symmetry, mask)
    assert symmetry_warnings(symmetry, mask, np.array([0.0, 0.0, 0.0])) == []


@pytest.mark.parametrize(
    ("symmetry", "centre", "message"),
    [
        (
            "C4",
            (20, 0, 30),
            r"about the z axis \(voxel 20 of x and y\).*\(24, 20, 26\), 20.0 Å from",
        ),
        ("D2", (0, 0, 30), r"about the map's centre \(voxel 20 of x and y and z\).*30.0 Å"),
        ("I", (0, 15, 0), "relion_particle_symmetry_expand --sym I"),
    ],
)
def test_a_region_beside_the_axes_is_refused_with_what_to_do(symmetry, centre, message):
    with pytest.raises(InputError, match=message):
        check_region_on_axes(symmetry, _ball(np.array(centre, float), 40.0))


def test_a_mask_without_the_symmetry_is_remarked_on():
    mask = _ball(np.zeros(3), 50.0, squeeze=0.5)
    assert mask_overlap(point_group_operators("C2"), mask.data) > 0.99
    (warning,) = symmetry_warnings("C4", mask, np.zeros(3))
    assert "does not have the symmetry C4" in warning


def test_a_fulcrum_beside_the_axes_is_remarked_on():
    mask = _ball(CENTRE, 40.0)
    (warning,) = symmetry_warnings("C3", mask, np.array([0.0, 25.0, 10.0]))
    assert "25.0 Å off the axes" in warning


@pytest.fixture(scope="module")
def symmetric_set(tmp_path_factory):
    """A C3 part that turns about a point of its axis, on a body without symmetry: 150 images.

    Box, mask and extents are those of test_refine.py, whose compiled programs serve here too.
    """
    rng = np.random.default_rng(9)
    operators = point_group_operators("C3")
    body = random_blobs(rng, count=20, radius_angstrom=35.0)
    # Below the part by more than both radii: the mask holds nothing of the body.
    body = Blobs(body.centres_angstrom - [0.0, 0.0, 40.0], body.sigmas_angstrom, body.masses)
    third = random_blobs(rng, count=6, radius_angstrom=28.0)
    centres = np.einsum("mij,kj->mki", operators, third.centres_angstrom).reshape(-1, 3) + CENTRE
    part = Blobs(centres, np.tile(third.sigmas_angstrom, 3), np.tile(third.masses, 3))
    made = write_blob_set(
        tmp_path_factory.mktemp("c3"),
        rng,
        n=150,
        box_px=BOX,
        pixel_size_angstrom=PIXEL,
        noise=1.0,
        blobs=body,
        hinge=Hinge(part, FULCRUM, largest_deg=10.0),
    )
    volume = body.volume(BOX, PIXEL) + part.volume(BOX, PIXEL)
    inputs = RefinementInput(
        read_particles(made.star), Map(volume, PIXEL), _ball(CENTRE + 5.0 * AXIS, 48.0)
    )
    return made, inputs, part.volume(BOX, PIXEL) * inputs.mask.data


SETTINGS = RefinementSettings(
    fulcrum_angstrom=tuple(FULCRUM.tolist()),
    rotation_extent=0.26,
    shift_extent=2.0,
    initial_lowpass=20.0,
    iterations=2,
)


def _agreement(volume, truth, mask):
    return np.corrcoef((volume * mask).ravel(), truth.ravel())[0, 1]


def test_a_symmetric_region_is_refined_with_its_symmetry(symmetric_set):
    made, inputs, truth = symmetric_set
    recorders = {}
    for symmetry in ("C1", "C3"):
        recorders[symmetry] = Recorder()
        refine_loop(inputs, SETTINGS.model_copy(update={"symmetry": symmetry}), recorders[symmetry])
    mask = inputs.mask.data
    turned = Rotation.from_euler("z", 120, degrees=True).as_matrix()[::-1, ::-1]
    for result in recorders["C3"].results:
        centre = np.full(3, BOX // 2)
        for volume in (*result.half_maps, result.map):
            copy = affine_transform(volume, turned, centre - turned @ centre, order=5)
            # Of the first iterations' maps all is symmetric, of the others the region.
            inside = mask > 0.5
            assert np.corrcoef(volume[inside], copy[inside])[0, 1] > 0.995
    final = {name: recorder.results[-1] for name, recorder in recorders.items()}
    assert _agreement(final["C3"].map, truth, mask) > _agreement(final["C1"].map, truth, mask)
    turns, _ = motion_about_fulcrum(
        made.hinged_rotations,
        made.hinged_origins_angstrom,
        final["C3"].rotations,
        final["C3"].origins_angstrom,
        FULCRUM,
    )
    given = Rotation.from_matrix(
        made.hinged_rotations @ made.rotations.transpose(0, 2, 1)
    ).magnitude()
    assert np.median(np.linalg.norm(turns, axis=1)) < 0.7 * np.median(given)


def test_the_scale_of_the_map_is_not_told_by_what_the_symmetry_smears(symmetric_set):
    """The body is not symmetric; the map given is on the scale of the images."""
    _, inputs, _ = symmetric_set
    problem = pose_problem(inputs, SETTINGS.model_copy(update={"symmetry": "C3"}))
    consensus = reconstruct_consensus(problem, 32, lambda *_: None)
    scaled = scale_to(inputs.volume.data, consensus.both_as_seen, PIXEL, 20.0)
    factor = np.sum(scaled.data * inputs.volume.data) / np.sum(inputs.volume.data**2)
    # The part that turned is blurred: it shows less of what the map given holds, seen 0.95.
    assert factor == pytest.approx(1.0, abs=0.1)
    smeared = scale_to(inputs.volume.data, consensus.both, PIXEL, 20.0)
    assert np.sum(smeared.data * inputs.volume.data) < 0.9 * np.sum(
        scaled.data * inputs.volume.data
    )


def test_the_loop_refuses_a_region_beside_the_axis(symmetric_set):
    _, inputs, _ = symmetric_set
    beside = replace(inputs, mask=_ball(CENTRE + 30.0 * AXIS[::-1], 40.0))
    with pytest.raises(InputError, match="about the z axis"):
        pose_problem(beside, SETTINGS.model_copy(update={"symmetry": "C3"}))


def test_the_symmetry_setting_is_checked_when_it_is_given():
    assert RefinementSettings().symmetry == "C1"
    assert RefinementSettings(symmetry="i").symmetry == "I2"
    with pytest.raises(InputError, match=r"symmetry is 'D3h'; .*mirrors"):
        RefinementSettings(symmetry="D3h")
    with pytest.raises(InputError, match="symmetry is 'C0'; there is no point group"):
        RefinementSettings(symmetry="C0")


@pytest.fixture(scope="module")
def expanded(symmetric_set):
    """Inputs whose particles are all there three times, a few copies in the wrong half-set."""
    _, inputs, _ = symmetric_set
    particles = inputs.particles
    rows = np.repeat(np.arange(len(particles)), 3)
    rotations = (particles.rotations[:, None] @ point_group_operators("C3")).reshape(-1, 3, 3)
    copies = particles.take(rows)
    copies = copies.with_poses(rotations, copies.origins_angstrom)
    half_sets = copies.half_sets.copy()
    half_sets[[4, 8]] = 3 - half_sets[[4, 8]]
    return replace(inputs, particles=replace(copies, half_sets=half_sets))


def test_copies_stay_in_one_half_and_one_fold(expanded):
    problem = pose_problem(expanded, SETTINGS)
    for values in (problem.half_sets, folds_of(problem, 4)):
        assert np.all(np.ptp(values.reshape(-1, 3), axis=1) == 0)
    fold = folds_of(problem, 4)
    for half in (1, 2):
        assert np.ptp(np.bincount(fold[problem.half_sets == half], minlength=4)) <= 3


def test_a_subset_holds_all_copies_of_a_particle_or_none(expanded):
    rows = choose_rows(
        expanded.particles,
        particle_of_row(expanded.particles),
        SETTINGS.model_copy(update={"subset": 120}),
    )
    assert rows.size == 120
    assert np.all(np.bincount(rows // 3)[np.unique(rows // 3)] == 3)
    half_sets = expanded.particles.half_sets[rows[::3]]
    assert min(np.sum(half_sets == 1), np.sum(half_sets == 2)) >= 15
    problem = pose_problem(expanded, SETTINGS.model_copy(update={"subset": 120}))
    assert np.all(np.ptp(folds_of(problem, 4).reshape(-1, 3), axis=1) == 0)
