"""Metrics of a fit against SciPy's interpolation in float64, and slopes against differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.masks.fit_metrics import (
    Metric,
    PointSet,
    interpolate,
    make_flat_map,
    make_point_set,
    quantised,
    score,
    score_and_slope,
)

METRICS: tuple[Metric, ...] = ("average", "correlation", "correlation about mean")
SHAPE = (17, 23, 20)
compiled = jax.jit(score_and_slope, static_argnums=0)


def smooth_map(rng: np.random.Generator, shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    noise = ndimage.gaussian_filter(rng.normal(size=shape), 1.5)
    return (noise / noise.std()).astype(np.float32)


def formula(metric: Metric, weights: np.ndarray, values: np.ndarray) -> float:
    if metric == "average":
        return float((weights * values).sum() / weights.sum())
    if metric == "correlation about mean":
        weights, values = weights - weights.mean(), values - values.mean()
    return float((weights * values).sum() / np.sqrt((weights**2).sum() * (values**2).sum()))


def in_float64(
    metric: Metric,
    data: np.ndarray,
    offsets: np.ndarray,
    weights: np.ndarray,
    rotation: np.ndarray,
    centre: np.ndarray,
) -> float:
    places = offsets @ rotation.T + centre
    values = ndimage.map_coordinates(data.astype(np.float64), places[:, ::-1].T, order=1)
    return formula(metric, weights, values)


def test_values_are_those_of_scipy_everywhere(rng: np.random.Generator) -> None:
    data = smooth_map(rng)
    size = np.array(SHAPE[::-1])
    places = rng.uniform(-3, size + 3, (4000, 3))
    # On voxels, planes and the rim itself, and just outside of it.
    corners = np.array([[0, 0, 0], size - 1, [0, 5, 16], [19, 22, 3.5], [7, 8, 9], [7.5, 8, 9]])
    nearly = np.array([[-1e-3, 5, 5], [19.001, 5, 5], [5, 22.001, 5], [5, 5, 16.001]])
    places = np.concatenate([places, corners, nearly]).astype(np.float32)
    values, _ = interpolate(make_flat_map(data), jnp.asarray(places))
    truth = ndimage.map_coordinates(
        data.astype(np.float64), places[:, ::-1].T.astype(np.float64), order=1, cval=0.0
    )
    # Places have 24 bits; slopes are below 2 a voxel here.
    np.testing.assert_allclose(values, truth, atol=5e-6)


def test_a_linear_map_has_its_slope(rng: np.random.Generator) -> None:
    z, y, x = np.indices(SHAPE)
    flat = make_flat_map((0.5 * x - 0.25 * y + 2.0 * z).astype(np.float32))
    places = rng.uniform(0, np.array(SHAPE[::-1]) - 1, (300, 3)).astype(np.float32)
    values, slopes = interpolate(flat, jnp.asarray(places))
    np.testing.assert_allclose(values, places @ [0.5, -0.25, 2.0], atol=1e-5)
    np.testing.assert_allclose(slopes, np.tile([0.5, -0.25, 2.0], (300, 1)), atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_scores_are_those_of_the_formula(rng: np.random.Generator, metric: Metric) -> None:
    data = smooth_map(rng)
    offsets, weights = rng.uniform(-9, 9, (500, 3)), rng.uniform(0.5, 20, 500)
    rotation = Rotation.random(random_state=4).as_matrix()
    centre = np.array([9.3, 12.1, 7.7])
    value, _ = compiled(
        metric,
        make_flat_map(data),
        make_point_set(offsets, weights),
        jnp.asarray(rotation, jnp.float32),
        jnp.asarray(centre, jnp.float32),
    )
    truth = in_float64(metric, data, offsets, weights, rotation, centre)
    assert float(value) == pytest.approx(truth, abs=2e-6)


@pytest.mark.parametrize("metric", METRICS)
def test_derivatives_by_values_are_those_of_automatic_differentiation(
    rng: np.random.Generator, metric: Metric
) -> None:
    points = make_point_set(rng.normal(size=(300, 3)), rng.uniform(0.5, 20, 300))
    values = jnp.asarray(rng.normal(size=len(points.real)), jnp.float32)
    _, by_value = score(metric, values, points)
    automatic = jax.grad(lambda v: score(metric, v, points)[0])(values)
    np.testing.assert_allclose(by_value, automatic, atol=1e-6 * float(jnp.abs(automatic).max()))
    assert not np.asarray(by_value)[300:].any()


@pytest.mark.parametrize("metric", METRICS)
def test_slopes_are_those_of_differences(rng: np.random.Generator, metric: Metric) -> None:
    """In float64 differences of a step that keeps points in their cells, where all is smooth."""
    data = smooth_map(rng)
    offsets, weights = rng.uniform(-7, 7, (40, 3)), rng.uniform(0.5, 20, 40)
    rotation = Rotation.random(random_state=7).as_matrix()
    centre = np.array([9.3, 12.1, 7.7])
    places = offsets @ rotation.T + centre
    step = 1e-5
    assert np.abs(places - np.rint(places)).min() > 20 * step
    _, slope = compiled(
        metric,
        make_flat_map(data),
        make_point_set(offsets, weights),
        jnp.asarray(rotation, jnp.float32),
        jnp.asarray(centre, jnp.float32),
    )
    differences = []
    for axis in range(6):
        ends = []
        for sign in (-1, 1):
            shift, turn = np.zeros(3), np.zeros(3)
            (shift if axis < 3 else turn)[axis % 3] = sign * step
            turned = Rotation.from_rotvec(turn).as_matrix() @ rotation
            ends.append(in_float64(metric, data, offsets, weights, turned, centre + shift))
        differences.append((ends[1] - ends[0]) / (2 * step))
    np.testing.assert_allclose(slope, differences, atol=3e-6 * np.abs(differences).max())


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.floats(1e-3, 1e3), st.sampled_from(METRICS))
def test_scale_of_the_map_scales_the_average_and_no_correlation(
    seed: int, factor: float, metric: Metric
) -> None:
    rng = np.random.default_rng(seed)
    data = smooth_map(rng)
    points = make_point_set(rng.uniform(-6, 6, (200, 3)), rng.uniform(0.5, 20, 200))
    pose = (jnp.eye(3), jnp.array([9.0, 11.0, 8.0]))
    once, slope = compiled(metric, make_flat_map(data), points, *pose)
    times, steeper = compiled(
        metric, make_flat_map((data * factor).astype(np.float32)), points, *pose
    )
    expected = factor if metric == "average" else 1.0
    assert float(times) == pytest.approx(expected * float(once), abs=2e-5 * expected)
    size = float(jnp.abs(slope).max())
    np.testing.assert_allclose(steeper, expected * slope, atol=1e-4 * expected * size)


def test_padding_changes_no_score(rng: np.random.Generator) -> None:
    data = smooth_map(rng)
    offsets, weights = rng.uniform(-6, 6, (128, 3)), rng.uniform(0.5, 20, 128)
    exact = make_point_set(offsets, weights)
    assert len(exact.real) == 128
    more = PointSet(
        jnp.concatenate([exact.offsets_px, jnp.ones((128, 3))]),
        jnp.concatenate([exact.weights, jnp.zeros(128)]),
        jnp.concatenate([exact.real, jnp.zeros(128)]),
    )
    for metric in METRICS:
        pose = (jnp.eye(3), jnp.array([9.0, 11.0, 8.0]))
        once, slope = compiled(metric, make_flat_map(data), exact, *pose)
        padded, same = compiled(metric, make_flat_map(data), more, *pose)
        assert float(padded) == pytest.approx(float(once), rel=1e-6)
        np.testing.assert_allclose(same, slope, atol=1e-6 * float(jnp.abs(slope).max()))


def test_sums_of_a_million_points_keep_six_digits(rng: np.random.Generator) -> None:
    weights = rng.uniform(0.5, 20, 1_000_000)
    points = make_point_set(np.zeros((len(weights), 3)), weights)
    values: Float[np.ndarray, " n"] = np.zeros(len(points.real), np.float32)
    values[: len(weights)] = 3.0 + rng.normal(size=len(weights))
    for metric in METRICS:
        ours, _ = score(metric, jnp.asarray(values), points)
        truth = formula(metric, weights, values[: len(weights)].astype(np.float64))
        assert float(ours) == pytest.approx(truth, abs=3e-6)


def test_sizes_come_in_steps_of_half_a_power_of_two() -> None:
    assert [quantised(n) for n in (1, 128, 129, 192, 193, 256, 257, 3668)] == [
        *(128, 128, 192, 192, 256, 256, 384, 4096)
    ]
    for n in range(1, 3000):
        assert n <= quantised(n) <= max(128, 1.5 * n)
        assert quantised(n) % 64 == 0
