"""Scores and search against brute force in float64, with the templates in closed form."""

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

    def __init__(self, rng, noise_sd, with_ctf=True):
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

    def projector(self):
        padded = 2 * BOX
        radius = min(slice_radius(RADIUS, BOX, padded), padded // 2 - 1)
        return make_projector(jnp.asarray(self.blobs.volume(BOX, 1.0)), radius)


def test_scores_equal_the_log_likelihood(rng):
    case = _Case(rng, noise_sd=1.0)
    turns = rng.uniform(-0.2, 0.2, (5, 3))
    shifts = rng.uniform(-2, 2, (4, 2))
    found = score_candidates(
        case.projector(),
        case.weighted(),
        jnp.asarray(turns, jnp.float32),
        jnp.asarray(shifts, jnp.float32),
        case.disc,
        case.disc.shells.size,
    )
    expected = np.array([[case.log_likelihood(u, t) for t in shifts] for u in turns])
    # The interpolation errs by 1-2 % in the template; scores are of the order of its power.
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def test_jacobian_against_finite_differences_of_the_closed_form(rng):
    case = _Case(rng, noise_sd=1.0)
    pose = np.concatenate([case.turn, case.shift])
    values, jacobian = template_and_jacobian(
        case.projector(), case.weighted(), case.disc, jnp.asarray(pose, jnp.float32)
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
        # The trilinear interpolant's slope is one-sided within a cell: measured 5-8 %.
        assert np.linalg.norm(jacobian[i] - slope) < 0.12 * np.linalg.norm(slope)


def _brute_force(case, plan):
    """Best candidate on the grid of the plan's finest cells, float64."""
    spacing = [plan.levels[-1].turn_spacing_rad, plan.levels[-1].shift_spacing_px]
    best, where = -np.inf, None
    turns = _finest(plan.root_turns_rad(), plan.levels, 3, plan.rotation_extent_rad)
    shifts = _finest(plan.root_shifts_px(), plan.levels, 2, plan.shift_radius_px)
    k = case.coordinates
    used = np.asarray(case.disc.shells) >= 1
    waves = np.exp(-2j * np.pi * (shifts @ k.T) / BOX)
    weighted = np.where(used, 2 * case.ctf * case.image / case.sigma2, 0)
    power = np.where(used, case.ctf**2 / case.sigma2, 0)
    for turn in turns:
        template = case.template(turn, np.zeros(2))
        scores = (waves @ (np.conj(template) * weighted)).real - np.abs(template) ** 2 @ power
        i = int(np.argmax(scores))
        if scores[i] > best:
            best, where = scores[i], (turn, shifts[i])
    return best, where, spacing


def _finest(points, levels, dimensions, reach):
    spacings = [
        level.turn_spacing_rad if dimensions == 3 else level.shift_spacing_px for level in levels
    ]
    points = np.asarray(points, np.float64)
    for spacing in spacings[:-1]:
        offsets = child_offsets(spacing, dimensions)
        points = (points[:, None] + offsets).reshape(-1, dimensions)
    return points[np.linalg.norm(points, axis=1) <= reach]


@pytest.mark.parametrize("noise_sd", [0.5, 2.0, 5.0])
def test_search_is_at_least_as_good_as_brute_force_on_its_finest_grid(noise_sd, rng):
    """The polished optimum must not lie below the best of all finest cells (float64)."""
    plan = plan_search(BOX, RADIUS, 9.0, EXTENT_RAD, SHIFT_EXTENT_PX)
    cases = [_Case(rng, noise_sd) for _ in range(4)]
    for case in cases:
        batch = jax.tree.map(lambda a: a[None], case.weighted())
        found = search_particles(case.projector(), batch, case.disc, plan, 1)
        turn = np.asarray(found.turn_rad[0], np.float64)
        shift = np.asarray(found.shift_px[0], np.float64)
        ours = case.log_likelihood(turn, shift)
        best, _, _ = _brute_force(case, plan)
        # 2 % for the interpolation, as in the scores' own test.
        assert ours > best - 0.02 * abs(best) - 0.1


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
