"""Scores and search against brute force in float64, with the templates in closed form."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.likelihood import WeightedImage, score_candidates, weigh_image
from locref_widgets.engine.polish import clamp_pose, polish, template_and_jacobian
from locref_widgets.engine.rotations import ball_grid, child_offsets
from locref_widgets.engine.search import search_particles
from locref_widgets.engine.search_plan import plan_search
from locref_widgets.engine.slicing import make_projector, slice_radius
from tests.engine.objects import compact_blobs, random_rotation
from tests.engine.oracle import Oracle

BOX, RADIUS = 32, 15
EXTENT_RAD, SHIFT_EXTENT_PX = 0.3, 6.0
LEVER = np.array([6.0, -4.0, 5.0])


def _ctf(disc, defocus):
    k2 = np.sum(np.asarray(disc.coordinates, np.float64) ** 2, axis=-1)
    return np.sin(0.1 + defocus * k2)


def _truth(blobs, rotation, lever, turn, shift, coordinates):
    """Coefficients of the region at a local motion, phase origin at its place before it."""
    moved = Rotation.from_rotvec(turn).as_matrix()
    spectrum = blobs.spectra((moved @ rotation)[None], coordinates / BOX)[0]
    swing = (moved @ lever - lever)[:2] - shift
    return spectrum * np.exp(-2j * np.pi * coordinates @ swing / BOX)


class _Case:
    """A noisy image of a region that moved about a fulcrum, and its exact log-likelihood."""

    def __init__(self, rng, noise_sd, with_ctf=True, turn=None, shift=None):
        self.disc = make_disc(BOX, RADIUS)
        self.coordinates = np.asarray(self.disc.coordinates, np.float64)
        self.blobs = compact_blobs(rng, BOX, radius=0.2)
        self.rotation = random_rotation(rng)
        self.lever = self.rotation @ LEVER
        direction = rng.normal(size=3)
        self.turn = direction / np.linalg.norm(direction) * rng.uniform(0, 0.9 * EXTENT_RAD)
        angle = rng.uniform(0, 2 * np.pi)
        length = rng.uniform(0, 0.45 * SHIFT_EXTENT_PX)
        self.shift = length * np.array([np.cos(angle), np.sin(angle)])
        self.turn = self.turn if turn is None else turn
        self.shift = self.shift if shift is None else shift
        self.ctf = _ctf(self.disc, 0.02) if with_ctf else np.ones(len(self.coordinates))
        clean = self.ctf * self.template(self.turn, self.shift)
        shells = np.asarray(self.disc.shells)
        self.sigma2 = noise_sd**2 * (1 + 3 * np.exp(-shells / 4))  # coloured
        n = rng.normal(size=(2, len(clean))) * np.sqrt(self.sigma2 / 2)
        self.image = clean + n[0] + 1j * n[1]

    def template(self, turn, shift):
        return _truth(self.blobs, self.rotation, self.lever, turn, shift, self.coordinates)

    def log_likelihood(self, turn, shift, radius=RADIUS):
        """-sum |X - C T|^2 / sigma^2, less its value for an empty template; float64."""
        used = (np.asarray(self.disc.shells) >= 1) & (np.asarray(self.disc.shells) <= radius)
        rest = np.abs(self.image - self.ctf * self.template(turn, shift)) ** 2
        return np.sum(((np.abs(self.image) ** 2 - rest) / self.sigma2)[used])

    def weighted(self):
        values, weights = weigh_image(
            jnp.asarray(self.image, jnp.complex64),
            jnp.asarray(self.ctf, jnp.complex64),
            jnp.asarray(self.sigma2, jnp.float32),
            self.disc,
            jnp.asarray(float(RADIUS)),
        )
        return WeightedImage(
            jnp.real(values),
            jnp.imag(values),
            weights,
            jnp.asarray(self.disc.coordinates),
            jnp.asarray(self.rotation, jnp.float32),
            jnp.asarray(self.lever, jnp.float32),
        )

    def oracle(self):
        return Oracle(
            self.projector(),
            BOX,
            self.coordinates,
            self.rotation,
            self.lever,
            self.image,
            self.ctf,
            self.sigma2,
            np.asarray(self.disc.shells) >= 1,
        )

    def projector(self, padding=2):
        padded = padding * BOX
        radius = min(slice_radius(RADIUS, BOX, padded), padded // 2 - 1)
        return make_projector(jnp.asarray(self.blobs.volume(BOX, 1.0)), radius, padding)


def _score_all(case, turns, shifts):
    return np.asarray(
        score_candidates(
            case.projector(),
            case.weighted(),
            jnp.asarray(turns, jnp.float32),
            jnp.asarray(shifts, jnp.float32),
            case.disc,
            case.disc.shells.size,
        )
    )


@pytest.mark.parametrize("with_ctf", [True, False])
@pytest.mark.parametrize("noise_sd", [0.5, 5.0])
def test_scores_equal_the_log_likelihood_of_the_same_interpolant(noise_sd, with_ctf, rng):
    case = _Case(rng, noise_sd, with_ctf)
    oracle = case.oracle()
    turns, shifts = rng.uniform(-0.2, 0.2, (6, 3)), rng.uniform(-2, 2, (5, 2))
    found = _score_all(case, turns, shifts)
    expected = np.array([[oracle.log_likelihood(u, t) for t in shifts] for u in turns])
    np.testing.assert_allclose(oracle.scores(turns, shifts), expected, rtol=1e-9, atol=1e-9)
    # Float32: points reach |q| = 31 and are rounded to 2e-6 of a cell, phases to 1e-6 rad, and
    # the terms to 1e-7.
    np.testing.assert_allclose(found, expected, atol=1e-5 * np.abs(expected).max(), rtol=0)


def test_scores_equal_the_log_likelihood_in_closed_form(rng):
    case = _Case(rng, noise_sd=1.0)
    turns, shifts = rng.uniform(-0.2, 0.2, (5, 3)), rng.uniform(-2, 2, (4, 2))
    expected = np.array([[case.log_likelihood(u, t) for t in shifts] for u in turns])
    # The interpolation errs by 1-2 % in the template; scores are of the order of its power.
    np.testing.assert_allclose(
        _score_all(case, turns, shifts), expected, atol=0.02 * np.abs(expected).max()
    )


def test_jacobian_is_that_of_the_interpolant(rng):
    case = _Case(rng, noise_sd=1.0)
    oracle = case.oracle()
    pose = np.concatenate([case.turn, case.shift])
    values, jacobian = template_and_jacobian(
        case.projector(), case.weighted(), case.disc, jnp.asarray(pose, jnp.float32)
    )
    pixels = len(case.coordinates)
    values = np.asarray(values[:pixels] + 1j * values[pixels:])
    jacobian = np.asarray(jacobian[:, :pixels] + 1j * jacobian[:, pixels:])
    # The interpolant has a kink at a cell's face. The differences below move points by 3e-5 cells
    # and float32 places them to 1e-5: pixels nearer than that to a face are left out.
    points = oracle.points(case.turn)
    inner = np.all(np.abs(points - np.rint(points)) > 1e-4, axis=1)
    assert inner.sum() > 0.95 * pixels

    def moved(change):
        turn = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(case.turn)
        return oracle.template(turn.as_rotvec(), case.shift + change[3:])[inner]

    expected = moved(np.zeros(5))
    # Both to float32's rounding of points and phases.
    assert np.linalg.norm(values[inner] - expected) < 1e-5 * np.linalg.norm(expected)
    for i in range(5):
        step = 1e-6 * np.eye(5)[i]
        slope = (moved(step) - moved(-step)) / 2e-6
        assert np.linalg.norm(jacobian[i][inner] - slope) < 1e-4 * np.linalg.norm(slope)


def test_jacobian_against_finite_differences_of_the_closed_form(rng):
    case = _Case(rng, noise_sd=1.0)
    pose = np.concatenate([case.turn, case.shift])
    values, jacobian = template_and_jacobian(
        case.projector(padding=4), case.weighted(), case.disc, jnp.asarray(pose, jnp.float32)
    )

    def closed_form(change):
        turn = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(case.turn)
        t = case.template(turn.as_rotvec(), case.shift + change[3:])
        return np.concatenate([t.real, t.imag])

    expected = closed_form(np.zeros(5))
    assert np.linalg.norm(values - expected) < 0.03 * np.linalg.norm(expected)
    for i in range(5):
        step = 1e-5 * np.eye(5)[i]
        slope = (closed_form(step) - closed_form(-step)) / 2e-5
        # The trilinear interpolant's slope is constant within a cell: on the usual doubled grid it
        # is off by up to 15 %, on this finer one by half of that. That it is the interpolant's own
        # slope is held to rounding above.
        assert np.linalg.norm(jacobian[i] - slope) < 0.12 * np.linalg.norm(slope)


def _finest(points, spacings, reach):
    """Centres, within the extent, of all cells of the last level that the roots contain."""
    points = np.asarray(points, np.float64)
    dimensions = points.shape[1]
    for spacing in spacings[:-1]:
        offsets = child_offsets(spacing, dimensions)
        points = (points[:, None] + offsets).reshape(-1, dimensions)
    return points[np.linalg.norm(points, axis=1) <= reach]


def _brute_force(case, plan):
    """Best log-likelihood (float64) of all of the finest level's cells."""
    turns = _finest(
        plan.root_turns_rad(),
        [level.turn_spacing_rad for level in plan.levels],
        plan.rotation_extent_rad,
    )
    shifts = _finest(
        plan.root_shifts_px(),
        [level.shift_spacing_px for level in plan.levels],
        plan.shift_radius_px,
    )
    return float(case.oracle().scores(turns, shifts).max())


def _shortfall(case, plan):
    """How far the optimum found lies below brute force, in float64, and whether it is certified."""
    batch = jax.tree.map(lambda a: a[None], case.weighted())
    found = search_particles(case.projector(), batch, case.disc, plan, 1)
    turn = np.asarray(found.turn_rad[0], np.float64)
    shift = np.asarray(found.shift_px[0], np.float64)
    assert np.linalg.norm(turn) <= EXTENT_RAD * (1 + 1e-5)
    assert np.linalg.norm(shift) <= SHIFT_EXTENT_PX / 2 * (1 + 1e-5)
    oracle = case.oracle()
    # Rounding may hide this much from the search: a score's terms are off by a few float32
    # roundings (6e-8), here 16 of them, all to the same side.
    allowance = 1e-6 * oracle.sum_of_sizes(turn)
    missing = _brute_force(case, plan) - oracle.log_likelihood(turn, shift) - allowance
    return missing, bool(found.certified[0])


@pytest.mark.parametrize("with_ctf", [True, False])
@pytest.mark.parametrize("noise_sd", [0.5, 2.0, 5.0])
def test_certified_search_is_at_least_as_good_as_brute_force(noise_sd, with_ctf, rng):
    """With lists that lose nothing only the bound leaves cells out: never that of the optimum."""
    plan = plan_search(BOX, RADIUS, 9.0, EXTENT_RAD, SHIFT_EXTENT_PX)
    levels = tuple(replace(a, keep_turns=10**5, keep_shifts=10**5) for a in plan.levels)
    plan = replace(plan, levels=levels)
    for _ in range(2):
        missing, certified = _shortfall(_Case(rng, noise_sd, with_ctf), plan)
        assert certified
        assert missing <= 0


@pytest.mark.parametrize("with_ctf", [True, False])
def test_search_with_its_own_lists_is_at_least_as_good_as_brute_force(with_ctf, rng):
    """Where the image says something of the pose, the lists' capacity costs nothing either.

    (Where it says nothing, a cell that the lists lost may win by noise: of 120 such particles one
    lost 0.04 in log-likelihood by it, and it was reported as not certified.)
    """
    plan = plan_search(BOX, RADIUS, 9.0, EXTENT_RAD, SHIFT_EXTENT_PX)
    for _ in range(6):
        missing, _ = _shortfall(_Case(rng, 0.5, with_ctf), plan)
        assert missing <= 0


def test_search_ends_inside_the_extents_where_the_truth_lies_beyond_them(rng):
    """Cells at the rim whose centres lie outside must not win by what is not allowed."""
    plan = plan_search(BOX, RADIUS, 9.0, EXTENT_RAD, SHIFT_EXTENT_PX)
    for _ in range(4):
        turn = rng.normal(size=3)
        turn *= 1.15 * EXTENT_RAD / np.linalg.norm(turn)
        case = _Case(rng, 0.5, with_ctf=False, turn=turn, shift=np.array([2.9, 1.2]))
        missing, _ = _shortfall(case, plan)
        assert missing <= 0


def test_errors_are_those_of_the_noise(rng):
    """At a high signal the optimum lies within its own standard errors of the truth."""
    plan = plan_search(BOX, RADIUS, 9.0, EXTENT_RAD, SHIFT_EXTENT_PX)
    normalised = []
    for _ in range(12):
        case = _Case(rng, noise_sd=0.5)
        batch = jax.tree.map(lambda a: a[None], case.weighted())
        found = search_particles(case.projector(), batch, case.disc, plan, 1)
        off = Rotation.from_rotvec(np.asarray(found.turn_rad[0])) * Rotation.from_rotvec(-case.turn)
        normalised.append(off.magnitude() / float(found.turn_error_rad[0]))
        assert np.linalg.norm(found.shift_px[0] - case.shift) < 6 * found.shift_error_px[0] + 0.05
    # sqrt(chi2_3 / 3) has mean 0.92; 12 of them average within 0.4 of it, interpolation aside.
    assert 0.5 < np.mean(normalised) < 2.0


def test_polish_never_lowers_the_score_and_stays_in_the_extents(rng):
    plan = plan_search(BOX, RADIUS, 9.0, 0.1, 2.0)
    case = _Case(rng, noise_sd=1.0)
    start = np.array([0.2, 0.0, 0.0])
    pose = polish(
        case.projector(),
        case.weighted(),
        case.disc,
        plan,
        jnp.asarray(start, jnp.float32),
        jnp.asarray([3.0, 0.0], jnp.float32),
    )
    # To float32 rounding of the shortened vector.
    assert np.linalg.norm(pose.turn_rad) <= 0.1 * (1 + 1e-5)
    assert np.linalg.norm(pose.shift_px) <= 1.0 * (1 + 1e-5)
    clamped = np.asarray(clamp_pose(jnp.asarray([0.2, 0, 0, 3.0, 0]), plan))
    scores = score_candidates(
        case.projector(),
        case.weighted(),
        jnp.asarray(clamped[None, :3]),
        jnp.asarray(clamped[None, 3:]),
        case.disc,
        case.disc.shells.size,
    )
    assert float(pose.score) >= float(scores[0, 0]) - 1e-3 * abs(float(scores[0, 0]))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_cells_cover_the_ball(dimensions, rng):
    spacing, radius = 0.07, 0.3
    grid = ball_grid(radius, spacing, dimensions)
    points = rng.normal(size=(2000, dimensions))
    points *= (radius * rng.uniform(0, 1, (2000, 1)) ** (1 / dimensions)) / np.linalg.norm(
        points, axis=1, keepdims=True
    )
    nearest = np.abs(points[:, None] - grid).max(axis=2).min(axis=1)
    assert nearest.max() <= spacing / 2 * (1 + 1e-5)
    assert not np.any(grid[0])  # the given pose itself is a candidate


def test_halves_of_a_cell_fill_it():
    children = child_offsets(0.4, 3)
    assert children.shape == (8, 3)
    assert np.all(np.abs(children) == np.float32(0.1))


def test_plan_doubles_the_resolution_and_halves_the_cells():
    plan = plan_search(128, 48, 44.0, 0.35, 10.0)
    for coarse, fine in zip(plan.levels, plan.levels[1:], strict=False):
        assert fine.radius_px == pytest.approx(2 * coarse.radius_px, abs=1)
        assert fine.turn_spacing_rad == pytest.approx(coarse.turn_spacing_rad / 2)
        assert fine.shift_spacing_px == pytest.approx(coarse.shift_spacing_px / 2)


@pytest.mark.parametrize("extents", [(0.0, 5.0), (0.1, 0.0)])
def test_extents_of_zero_are_refused(extents):
    with pytest.raises(ValueError, match="must be positive"):
        plan_search(64, 20, 20.0, *extents)
