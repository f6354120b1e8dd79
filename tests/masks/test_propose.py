"""A moving head is found, a rigid particle left alone; pose changes must agree with half-maps."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.engine.local_blur import LocalPower
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.masks import proposal
from locref_widgets.masks.blur_field import blur_field
from locref_widgets.masks.checks import examine_mask
from locref_widgets.masks.flexible_part import find_flexible_part, find_moving_part, otsu_threshold
from locref_widgets.masks.proposal import verdict_of
from locref_widgets.masks.propose import (
    Proposal,
    blur_of_turns,
    describe_proposal,
    propose_from_half_maps,
    propose_from_pose_changes,
)
from locref_widgets.refinement.reconstruct_job import reconstruct
from locref_widgets.simulation import simulate_hinge_dataset

SAMPLE = Path(__file__).parents[2] / "locref_widgets" / "sample"
FULCRUM = np.array([1.7, 36.8, -17.67])
"""Of the 30S subunit's head, Å from the centre (as in the packaged sample)."""


def half_maps(folder: Path) -> tuple[Map, Map]:
    first, second = (read_map(folder / f"consensus_half{i}.mrc") for i in (1, 2))
    return first, second


def true_turns(folder: Path) -> np.ndarray:
    body, head = (
        read_particles(folder / f"{name}.star").rotations for name in ("consensus", "truth_B")
    )
    return Rotation.from_matrix(np.swapaxes(body, 1, 2) @ head).as_rotvec()


def simulated(factory: pytest.TempPathFactory, name: str, **motion: float) -> Path:
    """The 30S subunit at 4 Å a voxel; its head moves as told."""
    return simulate_hinge_dataset(
        factory.mktemp("proposals") / name,
        n=400,
        box_px=64,
        pixel_size_angstrom=4.0,
        snr=0.13,
        seed=5,
        **motion,
    )


@pytest.fixture(scope="module")
def hinged(tmp_path_factory) -> Path:
    return simulated(tmp_path_factory, "hinged", hinge_deg=10.0, shift_px=0.5)


@pytest.fixture(scope="module")
def rigid(tmp_path_factory) -> Path:
    return simulated(tmp_path_factory, "rigid", hinge_deg=0.0, shift_px=0.0)


@pytest.fixture(scope="module")
def found(hinged) -> Proposal:
    return propose_from_half_maps(*half_maps(hinged))


def shares(mask: Map, folder: Path) -> tuple[float, float]:
    """How much of the head's and of the body's density the mask holds."""
    held = []
    for name in ("B", "A"):
        density = np.maximum(read_map(folder / "maps" / f"{name}.mrc").data, 0.0)
        held.append(float((density * mask.data).sum() / density.sum()))
    return held[0], held[1]


# From half-maps


def test_a_moving_head_is_found(found, hinged):
    assert found.verdict == "yes"
    assert found.mask is not None
    head, body = shares(found.mask, hinged)
    assert head > 0.85
    assert body < 0.35
    assert found.part is not None
    assert found.part.one_sided > 1.0
    # 5.7 degrees rms on levers of some 50 Å: some 3 Å along an axis.
    assert 2.0 < np.sqrt(found.part.excess_angstrom2) < 5.0


def test_a_rigid_particle_comes_out_as_no(rigid):
    proposal = propose_from_half_maps(*half_maps(rigid))
    assert proposal.verdict == "no"
    assert proposal.sure < 0.3
    assert "no mask is proposed" in describe_proposal(proposal)[0]


def test_the_packaged_sample_has_a_head_that_moves(tmp_path):
    reconstruct(read_particles(SAMPLE / "consensus.star"), tmp_path / "maps")
    first, second = (read_map(tmp_path / "maps" / f"half{i}.mrc") for i in (1, 2))
    proposal = propose_from_half_maps(first, second)
    assert proposal.verdict == "yes"
    assert proposal.mask is not None
    packaged = read_map(SAMPLE / "mask.mrc").data >= 0.5
    proposed = proposal.mask.data >= 0.5
    assert (packaged & proposed).sum() > 0.7 * (packaged | proposed).sum()


def test_the_mask_is_one_to_refine_with(found, hinged):
    checks = examine_mask(found.mask, half_maps(hinged)[0])
    state = {check.name: check.state for check in checks}
    wanted = ("grid", "origin", "values", "range", "size", "islands", "holes", "binary", "density")
    assert {name: state[name] for name in wanted} == dict.fromkeys(wanted, "ok")


def test_the_mask_holds_a_margin_of_a_quarter_of_the_resolution(found, hinged, monkeypatch):
    first, second = half_maps(hinged)
    field = blur_field(first, second)
    monkeypatch.setattr(proposal, "_MARGIN_OF_RESOLUTION", 0.0)
    part = proposal.mask_of_part(found.part, field, first).data == 1
    assert "then a soft edge of 6 voxels (24.0 Å)" in found.mask.remarks[0]
    away_angstrom = ndimage.distance_transform_edt(~part, sampling=first.voxel_size_angstrom)
    beyond = np.clip((away_angstrom - field.resolution_angstrom / 4) / 24.0, 0.0, 1.0)
    # float32 values; without the margin they differ by up to 0.16.
    np.testing.assert_allclose(found.mask.data, (1 + np.cos(np.pi * beyond)) / 2, atol=1e-6)


def test_the_blur_is_shown_over_the_particle(found):
    shown = found.blur_angstrom
    assert shown is not None
    inside = shown.data > 0
    assert np.median(shown.data[inside & (found.mask.data >= 0.99)]) > 2 * np.median(
        shown.data[inside & (found.mask.data < 0.01)]
    )


def test_where_the_particle_lies_in_the_box_makes_no_difference(found, hinged):
    by = (3, -4, 2)
    first, second = (
        replace(half, data=np.roll(half.data, by, axis=(0, 1, 2))) for half in half_maps(hinged)
    )
    moved = propose_from_half_maps(first, second)
    back = np.roll(moved.mask.data, [-shift for shift in by], axis=(0, 1, 2)) >= 0.5
    there = found.mask.data >= 0.5
    assert (back & there).sum() > 0.9 * (back | there).sum()


def test_the_mask_lies_where_the_half_maps_lie(hinged):
    place = BoxPosition(origin_angstrom=(12.0, -8.0, 4.0))
    first, second = (replace(half, position=place) for half in half_maps(hinged))
    proposal = propose_from_half_maps(first, second)
    assert proposal.mask.position == place
    assert proposal.blur_angstrom.position == place


# With pose changes


def test_true_pose_changes_find_what_moves_by_them(found, hinged):
    turns = true_turns(hinged)
    proposal = propose_from_pose_changes(
        *half_maps(hinged), turns, FULCRUM, shift_variance_angstrom2=4.0**2 * 0.5**2 / 3.0
    )
    assert proposal.verdict == "yes"
    head, body = shares(proposal.mask, hinged)
    assert head > 0.85
    assert body < 0.3
    told = float(proposal.reason.split("the part proposed is ")[1].split()[0])
    assert 0.6 < told < 1.6  # times as blurred as if it had moved by them


def test_pose_changes_that_are_all_error_propose_nothing(hinged, rng):
    error = np.deg2rad(2.0)
    turns = rng.normal(scale=error / np.sqrt(3), size=(400, 3))
    proposal = propose_from_pose_changes(
        *half_maps(hinged), turns, FULCRUM, turn_error_rad=np.full(400, error)
    )
    assert proposal.verdict == "no"
    assert proposal.mask is None
    assert "no more than their errors" in proposal.reason


def test_pose_changes_of_a_rigid_particle_find_no_part_as_blurred(rigid, rng):
    """Poses that follow noise, with errors told too small: the half-maps do not bear them out."""
    turns = rng.normal(scale=np.deg2rad(5.0), size=(400, 3))
    proposal = propose_from_pose_changes(*half_maps(rigid), turns, FULCRUM)
    assert proposal.verdict == "no"


def test_too_few_pose_changes_are_refused(hinged):
    with pytest.raises(InputError, match="9 pose changes"):
        propose_from_pose_changes(*half_maps(hinged), np.zeros((9, 3)), FULCRUM)


def test_blur_of_turns_is_that_of_turned_points(rng):
    covariance = np.diag([0.02, 0.05, 0.01]) ** 2
    lever = rng.normal(scale=40.0, size=(5, 3))
    turns = rng.multivariate_normal(np.zeros(3), covariance, size=40_000)
    moved = Rotation.from_rotvec(turns).as_matrix() @ lever.T - lever.T
    expected = np.sum(np.var(moved, axis=0), axis=0) / 3.0
    # To first order in the turns, and to 1 % by the number drawn.
    np.testing.assert_allclose(blur_of_turns(lever, covariance), expected, rtol=0.04)


# Parts of the way


def made_up(rng: np.random.Generator, blur_angstrom2: np.ndarray, scatter: float) -> LocalPower:
    """Power of bands of a particle that fills its box, blurred as told."""
    k = np.arange(0.03, 0.13, 0.02)
    fall = np.exp(-4 * np.pi**2 * k[:, None, None, None] ** 2 * blur_angstrom2)
    cross = np.exp(-60.0 * k**2)[:, None, None, None] * fall
    cross = cross * (1 + scatter * rng.normal(size=cross.shape))
    power = np.broadcast_to(np.exp(-60.0 * k**2)[:, None, None, None], cross.shape)
    return LocalPower(cross, power.copy(), k, np.full(len(k), scatter**-2), 1)


HALF = np.broadcast_to(np.arange(16) >= 11, (16, 16, 16))
"""The part of x from point 11 on."""


def test_a_blurred_part_is_found_point_by_point(rng):
    power = made_up(rng, np.where(HALF, 6.0, 0.0), 0.1)
    part = find_flexible_part(
        power, np.ones(HALF.shape, bool), 8.0, step_angstrom=5.0, smooth_angstrom=4.0
    )
    assert part is not None
    assert np.mean(part.inside != HALF) < 0.01
    assert part.excess_angstrom2 == pytest.approx(6.0, rel=0.1)
    assert part.of_blurred > 0.99


def test_a_rim_that_grows_outwards_on_all_sides_keeps_its_power(rng):
    axis = np.arange(16) - 7.5
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis**2
    power = made_up(rng, 0.02 * squared, 0.1)
    part = find_flexible_part(power, squared < 60, 8.0, step_angstrom=5.0, smooth_angstrom=4.0)
    assert part is None or part.kept > 0.8


def test_expected_blur_decides_where_it_is_large_enough_to(rng):
    expected = np.where(HALF, 6.0, 3.0)
    power = made_up(rng, np.where(HALF, 6.0, 0.0), 0.2)
    region = np.ones(HALF.shape, bool)
    part = find_moving_part(
        power, region, 8.0, expected.ravel(), step_angstrom=5.0, smooth_angstrom=4.0
    )
    assert part is not None
    assert np.mean(part.inside != HALF) < 0.01


@given(st.lists(st.floats(-5.0, 5.0), min_size=2, max_size=30, unique=True))
@settings(max_examples=50, deadline=None)
def test_otsu_parts_values_where_the_squares_are_least(values):
    values = np.array(values)

    def within(threshold: float) -> float:
        sides = [values[values < threshold], values[values >= threshold]]
        return sum(side.size * side.var() for side in sides if side.size)

    ordered = np.sort(values)
    best = min(within(0.5 * (a + b)) for a, b in pairwise(ordered))
    assert within(otsu_threshold(values)) <= best + 1e-9 * (1 + best)


def test_words_follow_numbers(found):
    assert [verdict_of(sure) for sure in (0.1, 0.5, 0.9)] == ["no", "perhaps", "yes"]
    lines = describe_proposal(found)
    assert lines[0].startswith("A part moves")
    assert f"(sure to {100 * found.sure:.0f} %)" in lines[0]
    assert "blurred by" in lines[1]


# Wrong input


def test_maps_without_density_are_refused(rng):
    noise = [Map(rng.normal(size=(32,) * 3).astype(np.float32) - 50, 4.0) for _ in range(2)]
    with pytest.raises(InputError, match="density"):
        propose_from_half_maps(noise[0], noise[1])


def test_one_half_map_twice_is_refused(hinged):
    first, _ = half_maps(hinged)
    with pytest.raises(InputError):
        propose_from_half_maps(first, first)
