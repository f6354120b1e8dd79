"""Scores, bounds' ingredients and search against float64 versions and templates in closed form."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.likelihood import make_prior, score_level
from locref_widgets.engine.polish import (
    block_image,
    pose_units,
    template_and_jacobian,
)
from locref_widgets.engine.search_plan import plan_search
from tests.engine.exactness import brute_force
from tests.engine.objects import compact_blobs
from tests.engine.simulated import PIXEL_ANGSTROM, Simulation, project_blobs, simulate

BOX, RADIUS = 32, 15
EXTENT_RAD, SHIFT_EXTENT_PX = 0.3, 6.0
PLAN = plan_search(BOX, RADIUS, 9.0, EXTENT_RAD, SHIFT_EXTENT_PX)
COLOURED = 1 + 3 * np.exp(-np.arange(RADIUS + 1) / 4)
MAGNIFIED = np.array([[1.03, 0.02], [0.01, 0.98]])


def _blobs(rng):
    return compact_blobs(rng, BOX, radius=0.2)


def _simulation(rng, snr, *, padding=2, **more):
    truth = project_blobs(_blobs(rng), BOX, RADIUS, padding)
    return Simulation(plan=PLAN, truth=truth, snr=snr, noise_power=COLOURED, **more)


@eqx.filter_jit
def _scores(projector, image, prior, tilts, turns, shifts, weights):
    """Compiled once for each shape and kind of input."""
    coordinates, pixel = make_disc(BOX, RADIUS).coordinates, jnp.asarray(PIXEL_ANGSTROM)
    given = projector, image, prior, tilts, turns, shifts, weights
    return score_level(*given, coordinates, BOX, pixel).scores


def _level_scores(particles, tilts, turns, shifts):
    """Scores of the first particle over all pixels of the disc (of its finest level)."""
    arrays = (jnp.asarray(a, jnp.float32) for a in (tilts, turns, shifts))
    given = particles.oracles[0].projector, particles.first_image(), make_prior(*particles.prior)
    return np.asarray(_scores(*given, *arrays, particles.weights()))


CASES = {
    "plain": {"ctf": False},
    "CTF": {},
    "priors": {"prior_rad": 0.1, "prior_px": 1.0},
    "box not centred on the given pose": {"offset_px": 1.5},
    "anisotropic magnification": {"magnification": MAGNIFIED, "offset_px": 1.0},
}


@pytest.mark.parametrize("snr", [0.005, 0.5])
@pytest.mark.parametrize("more", CASES.values(), ids=CASES)
def test_polished_scores_equal_the_log_posterior_of_the_same_interpolant(snr, more, rng):
    particles = simulate(rng, 1, _simulation(rng, snr, **more))
    oracle = particles.oracles[0]
    turns, shifts = rng.uniform(-0.2, 0.2, (6, 3)), rng.uniform(-2, 2, (6, 2))
    found = [float(particles.first_model(u, t).score) for u, t in zip(turns, shifts, strict=True)]
    expected = [oracle.log_posterior(u, t) for u, t in zip(turns, shifts, strict=True)]
    # Float32: points reach |q| = 31 and are rounded to 2e-6 of a cell, phases to 1e-6 rad, and
    # the terms to 1e-7.
    size = max(oracle.sum_of_sizes(u) for u in turns)
    np.testing.assert_allclose(found, expected, atol=1e-5 * size, rtol=0)
    # The terms of priors and offsets are not lost in that.
    assert np.ptp(expected) > 1e-3 * size


def test_the_oracles_square_multiplied_out_is_its_log_posterior(rng):
    more = {"prior_rad": 0.1, "prior_px": 1.0, "offset_px": 1.0, "magnification": MAGNIFIED}
    oracle = simulate(rng, 1, _simulation(rng, 0.1, **more)).oracles[0]
    tilts, turns = rng.uniform(-0.2, 0.2, (3, 2)), rng.uniform(-0.2, 0.2, 2)
    shifts = rng.uniform(-2, 2, (3, 2))
    found = oracle.scores(tilts, turns, shifts)
    for i, tilt in enumerate(tilts):
        for j, turn in enumerate(turns):
            about_view = Rotation.from_rotvec([0, 0, turn])
            whole = (about_view * Rotation.from_rotvec([*tilt, 0])).as_rotvec()
            moved = shifts @ about_view.as_matrix()[:2, :2].T
            expected = [oracle.log_posterior(whole, shift) for shift in moved]
            np.testing.assert_allclose(found[i, j], expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("turn", [0.0, 0.02, 0.1, -0.2, 0.29])
@pytest.mark.parametrize("more", CASES.values(), ids=CASES)
def test_level_scores_equal_the_log_posterior_to_the_accuracy_of_turning_images(turn, more, rng):
    """All signal, and a signal that the noise hides."""
    for snr in (5.0, 0.02):
        particles = simulate(rng, 1, _simulation(rng, snr, **more))
        oracle = particles.oracles[0]
        tilts = rng.uniform(-0.2, 0.2, (5, 2))
        shifts = np.concatenate([rng.uniform(-2, 2, (6, 2)), particles.shifts])
        found = _level_scores(particles, tilts, [turn], shifts)
        expected = oracle.scores(tilts, np.array([turn]), shifts)
        # The turned image is looked up bilinearly on a doubled grid, divided by the mean envelope
        # of that: exact on average over places in a cell only. For a region of a quarter of the
        # box it errs by 1 % of the image where no pixel is turned by much, by less elsewhere; the
        # noise beyond the region and |C|^2 on a turned grid add some. Measured: up to 2 % of the
        # largest score where all is signal, 5 % where the region lies off the box's centre or the
        # image is magnified (levels take a shift in the object's frame, 2 % of up to 3 px off);
        # 1 % of the sizes of a score's terms in noise.
        by_size = 0.02 * oracle.sum_of_sizes(np.zeros(3))
        allowed = (0.06 if more else 0.03) * np.abs(expected).max() if snr > 1 else by_size
        assert np.abs(found - expected).max() < allowed


def test_scores_over_fewer_shells_are_those_of_a_prefix(rng):
    """A level's pixels are the first of the list, whatever the disc's radius."""
    particles = simulate(rng, 1, _simulation(rng, 1.0))
    disc, small = make_disc(BOX, RADIUS), make_disc(BOX, 8)
    pixels = len(small.shells)
    image, plane = particles.first_image(), disc.coordinates[:pixels]
    tilts, turns, shifts = (jnp.asarray(rng.uniform(-0.2, 0.2, s)) for s in ((3, 2), 2, (2, 2)))

    def score(weights, plane):
        pixel = jnp.asarray(PIXEL_ANGSTROM)
        found = score_level(
            particles.oracles[0].projector,
            image,
            make_prior(*particles.prior),
            tilts,
            turns,
            shifts,
            weights,
            plane,
            BOX,
            pixel,
        )
        return found.scores

    cut = score(particles.weights()[:pixels], plane)
    whole = score(particles.weights(radius_px=8), disc.coordinates)
    np.testing.assert_allclose(cut, whole, atol=1e-5 * float(jnp.abs(whole).max()))


def test_scores_equal_the_log_likelihood_in_closed_form(rng):
    blobs = _blobs(rng)
    made = Simulation(PLAN, project_blobs(blobs, BOX, RADIUS), 0.5, noise_power=COLOURED)
    particles = simulate(rng, 1, made)
    oracle = particles.oracles[0]
    turns, shifts = rng.uniform(-0.2, 0.2, (5, 3)), rng.uniform(-2, 2, (5, 2))

    def closed_form(turn, shift):
        template = _closed_form(blobs, oracle, turn, shift)
        rest = np.abs(oracle.image - oracle.transfer * template) ** 2
        return np.sum(((np.abs(oracle.image) ** 2 - rest) / oracle.sigma2)[oracle.used])

    expected = [closed_form(u, t) for u, t in zip(turns, shifts, strict=True)]
    found = [float(particles.first_model(u, t).score) for u, t in zip(turns, shifts, strict=True)]
    # The interpolation errs by 1-2 % in the template; scores are of the order of its power.
    np.testing.assert_allclose(found, expected, atol=0.02 * np.abs(expected).max())


def _closed_form(blobs, oracle, turn, shift):
    """Template of blobs at a local motion, phase origin at the region's place before it."""
    moved = Rotation.from_rotvec(turn).as_matrix()
    spectrum = blobs.spectra((moved @ oracle.rotation)[None], oracle.coordinates / BOX)[0]
    swing = (moved @ oracle.lever_px - oracle.lever_px)[:2] - shift
    return spectrum * np.exp(-2j * np.pi * oracle.coordinates @ swing / BOX)


def _tangent(particles, pose):
    """Template and derivatives of the first particle, complex, on all pixels."""
    disc = make_disc(BOX, RADIUS)
    pixels = len(disc.shells)
    image = block_image(particles.first_image(), particles.weights())
    values, jacobian = template_and_jacobian(
        particles.oracles[0].projector,
        image,
        jnp.asarray(particles.oracles[0].coordinates, jnp.float32),
        jnp.asarray(disc.coordinates),
        jnp.asarray(pose, jnp.float32),
        BOX,
    )
    return (
        np.asarray(values[:pixels] + 1j * values[pixels:]),
        np.asarray(jacobian[:, :pixels] + 1j * jacobian[:, pixels:]),
    )


@pytest.mark.parametrize("more", [{}, {"magnification": MAGNIFIED, "offset_px": 1.0}])
def test_jacobian_is_that_of_the_interpolant(more, rng):
    particles = simulate(rng, 1, _simulation(rng, 0.2, **more))
    oracle, turn, shift = particles.oracles[0], particles.turns[0], particles.shifts[0]
    values, jacobian = _tangent(particles, np.concatenate([turn, shift]))
    # The interpolant has a kink at a cell's face. The differences below move points by 3e-5 cells
    # and float32 places them to 1e-5: pixels nearer than that to a face are left out.
    points = oracle.points(turn)
    inner = np.all(np.abs(points - np.rint(points)) > 1e-4, axis=1)
    # So are those that a magnified radius cuts off.
    inner &= np.linalg.norm(points, axis=1) < oracle.projector.radius - 1e-3
    assert inner.sum() > 0.93 * len(inner)

    def moved(change):
        new = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(turn)
        return oracle.template(new.as_rotvec(), shift + change[3:])[inner]

    expected = moved(np.zeros(5))
    # Both to float32's rounding of points and phases.
    assert np.linalg.norm(values[inner] - expected) < 1e-5 * np.linalg.norm(expected)
    for i in range(5):
        step = 1e-6 * np.eye(5)[i]
        slope = (moved(step) - moved(-step)) / 2e-6
        assert np.linalg.norm(jacobian[i][inner] - slope) < 1e-4 * np.linalg.norm(slope)


def test_jacobian_against_finite_differences_of_the_closed_form(rng):
    blobs = _blobs(rng)
    made = Simulation(PLAN, project_blobs(blobs, BOX, RADIUS, padding=4), 0.2)
    particles = simulate(rng, 1, made)
    oracle, turn, shift = particles.oracles[0], particles.turns[0], particles.shifts[0]
    values, jacobian = _tangent(particles, np.concatenate([turn, shift]))

    def closed_form(change):
        new = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(turn)
        return _closed_form(blobs, oracle, new.as_rotvec(), shift + change[3:])

    expected = closed_form(np.zeros(5))
    assert np.linalg.norm(values - expected) < 0.03 * np.linalg.norm(expected)
    for i in range(5):
        step = 1e-5 * np.eye(5)[i]
        slope = (closed_form(step) - closed_form(-step)) / 2e-5
        # The trilinear interpolant's slope is constant within a cell: on the usual doubled grid it
        # is off by up to 15 %, on this finer one by half of that. That it is the interpolant's own
        # slope is held to rounding above.
        assert np.linalg.norm(jacobian[i] - slope) < 0.12 * np.linalg.norm(slope)


@pytest.mark.parametrize("more", CASES.values(), ids=CASES)
def test_gradient_and_information_are_those_of_the_log_posterior(more, rng):
    """The gradient by differences of the oracle, the information from its templates' slopes."""
    particles = simulate(rng, 1, _simulation(rng, 0.2, padding=4, **more))
    oracle, turn, shift = particles.oracles[0], particles.turns[0], particles.shifts[0]
    model = particles.first_model(turn, shift)
    units = np.asarray(pose_units(PLAN), np.float64)

    def moved(change):
        new = Rotation.from_rotvec(change[:3]) * Rotation.from_rotvec(turn)
        return new.as_rotvec(), shift + change[3:]

    steps = 1e-6 * np.eye(5) * units
    slopes = [(oracle.template(*moved(h)) - oracle.template(*moved(-h))) / 2e-6 for h in steps]
    weight = 2 * oracle.transfer**2 / oracle.sigma2 * oracle.used
    slopes = np.array(slopes)
    information = ((weight * slopes) @ np.conj(slopes).T).real
    precision = np.repeat(oracle.precisions, [3, 2])
    information += np.diag(precision * units**2)
    # Pixels within a step of a cell's face, one in a thousand, have another slope on its far side.
    np.testing.assert_allclose(
        model.information, information, atol=2e-3 * np.abs(information).max(), rtol=0
    )
    gradient = [
        (oracle.log_posterior(*moved(h)) - oracle.log_posterior(*moved(-h))) / 2e-6 for h in steps
    ]
    scale = np.sqrt(np.diag(information) * len(oracle.image))
    np.testing.assert_allclose(model.gradient, gradient, atol=1e-3 * scale.max(), rtol=0)


def test_search_ends_inside_the_extents_where_the_truth_lies_beyond_them(rng):
    """Cells at the rim whose centres lie outside must not win by what is not allowed."""
    n = 6
    turns = rng.normal(size=(n, 3))
    turns *= 1.15 * EXTENT_RAD / np.linalg.norm(turns, axis=1, keepdims=True)
    made = _simulation(rng, 0.5, ctf=False)
    particles = simulate(rng, n, made, turns=turns, shifts=np.tile([2.9, 1.2], (n, 1)))
    found = particles.search()
    for i, oracle in enumerate(particles.oracles):
        turn = np.asarray(found.turn_rad[i], np.float64)
        shift = np.asarray(found.shift_px[i], np.float64)
        # To float32's rounding of the shortened vectors.
        assert np.linalg.norm(turn) <= EXTENT_RAD * (1 + 1e-5)
        assert np.linalg.norm(shift) <= SHIFT_EXTENT_PX / 2 * (1 + 1e-5)
        allowance = 1e-6 * oracle.sum_of_sizes(turn)
        assert oracle.log_posterior(turn, shift) >= brute_force(oracle, PLAN) - allowance


def test_resolution_is_limited_at_run_time(rng):
    """Shells beyond the limit count for nothing, in scores as in errors."""
    particles = simulate(rng, 8, _simulation(rng, 0.5))
    limited, full = particles.search(radius_px=9), particles.search()
    for i, oracle in enumerate(particles.oracles):
        oracle.used &= make_disc(BOX, RADIUS).shells <= 9
        expected = oracle.log_posterior(
            np.asarray(limited.turn_rad[i], np.float64), np.asarray(limited.shift_px[i], np.float64)
        )
        size = oracle.sum_of_sizes(np.asarray(limited.turn_rad[i]))
        assert float(limited.log_likelihood[i]) == pytest.approx(expected, abs=1e-5 * size)
    # Less information, but each at an optimum of its own, which moves the errors by per cents.
    assert np.mean(limited.turn_error_rad) > 0.99 * np.mean(full.turn_error_rad)
