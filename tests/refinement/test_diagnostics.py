"""Binning on the view sphere, histograms of the changes, the summary of an iteration."""

import json
import math

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.conventions import rotation_from_euler
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.refinement.diagnostics import (
    change_histogram,
    jsonable,
    summarise_iteration,
    viewing_directions,
    viewing_grid,
    viewing_heatmap,
)
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult


def random_rotations(n: int, seed: int = 0) -> np.ndarray:
    return Rotation.random(n, random_state=seed).as_matrix()


def test_direction_is_rot_and_ninety_minus_tilt() -> None:
    rot = np.array([10.0, -170.0, 90.0])
    tilt = np.array([30.0, 90.0, 180.0])
    psi = np.array([5.0, 6.0, 7.0])
    azimuth, elevation = viewing_directions(rotation_from_euler(rot, tilt, psi))
    np.testing.assert_allclose(np.rad2deg(elevation), 90 - tilt, atol=1e-6)
    # The azimuth is undefined at the pole (third particle).
    np.testing.assert_allclose(np.rad2deg(azimuth[:2]), rot[:2], atol=1e-9)


def test_azimuth_of_plus_pi_is_minus_pi() -> None:
    rotation = np.zeros((1, 3, 3))
    rotation[0, 2] = (-1.0, 0.0, 0.0)
    azimuth, _ = viewing_directions(rotation)
    assert azimuth[0] == -math.pi


def test_heatmap_agrees_with_a_count_by_hand() -> None:
    rotations = random_rotations(400)
    values = np.random.default_rng(1).uniform(size=400)
    heatmap = viewing_heatmap(rotations, {"change": values}, n_azimuth=8, n_elevation=5)
    azimuth, elevation = viewing_directions(rotations)
    for row in range(5):
        for column in range(8):
            inside = (
                (elevation >= heatmap.elevation_edges_rad[row])
                & (elevation < heatmap.elevation_edges_rad[row + 1])
                & (azimuth >= heatmap.azimuth_edges_rad[column])
                & (azimuth < heatmap.azimuth_edges_rad[column + 1])
            )
            assert heatmap.count[row, column] == inside.sum()
            expected = values[inside].mean() if inside.any() else np.nan
            np.testing.assert_allclose(heatmap.mean["change"][row, column], expected)


def test_uniform_views_fill_the_bins_evenly() -> None:
    n, n_azimuth, n_elevation = 60_000, 12, 6
    count = viewing_heatmap(random_rotations(n), {}, n_azimuth, n_elevation).count
    expected = n / count.size
    # Counts are near Poisson: 5 standard deviations over 72 bins are never met by chance.
    assert np.abs(count - expected).max() < 5 * math.sqrt(expected)
    assert count.sum() == n


def test_empty_bins_are_nan_and_zero_change_is_zero() -> None:
    heatmap = viewing_heatmap(random_rotations(3), {"change": np.zeros(3)})
    mean = heatmap.mean["change"]
    assert np.isnan(mean[heatmap.count == 0]).all()
    assert (mean[heatmap.count > 0] == 0).all()
    assert (heatmap.count == 0).any()


def test_poles_fall_into_the_outermost_rows() -> None:
    rotations = rotation_from_euler(np.zeros(2), np.array([0.0, 180.0]), np.zeros(2))
    count = viewing_heatmap(rotations, {}, 4, 3).count
    assert count[2].sum() == 1
    assert count[0].sum() == 1


def test_unknown_changes_leave_the_mean_of_the_others() -> None:
    rotations = np.repeat(random_rotations(1), 3, axis=0)
    heatmap = viewing_heatmap(rotations, {"change": np.array([1.0, 3.0, np.nan])})
    assert np.nanmax(heatmap.mean["change"]) == 2.0
    assert heatmap.count.max() == 3


def test_histogram_counts_every_finite_value() -> None:
    values = np.array([0.0, 1.0, 5.0, 5.2, np.nan])
    histogram = change_histogram(values, extent=5.0, bins=10)
    assert histogram.counts.sum() == 4
    assert histogram.edges[0] == 0
    assert histogram.edges[-1] == 5.2
    assert histogram.median == pytest.approx(3.0)


def test_histogram_reaches_the_extent_when_the_values_do_not() -> None:
    histogram = change_histogram(np.array([0.1, 0.2]), extent=20.0)
    assert histogram.edges[-1] == 20.0
    assert len(histogram.counts) == 40


def test_histogram_of_nothing_is_empty() -> None:
    histogram = change_histogram(np.array([]), extent=1.0)
    assert histogram.counts.sum() == 0
    assert math.isnan(histogram.median)


def test_the_grid_is_coarser_for_fewer_particles() -> None:
    assert viewing_grid(20_000) == (72, 36)
    assert viewing_grid(10_000) == (36, 18)
    assert viewing_grid(500) == (18, 9)


def test_summary_is_strict_json_with_null_for_empty_bins() -> None:
    rotations = random_rotations(50)
    values = np.array([1.0, 0.9, 0.5, 0.1, np.nan])
    volume = np.zeros((8, 8, 8), dtype=np.float32)
    result = IterationResult(
        iteration=2,
        half_maps=(volume, volume),
        map=volume,
        mask=volume,
        fsc={"dynamic mask corrected": FSCCurve(np.linspace(0, 0.1, 5), values)},
        resolution_angstrom=14.0,
        converged=False,
        seconds=3.0,
        indices=np.arange(50),
        rotations=rotations,
        origins_angstrom=np.zeros((50, 2)),
        info={
            "pose_change_rad": np.full(50, 0.1),
            "shift_change_px": np.full(50, 2.0),
            "at_bound": np.arange(50) < 5,
        },
    )
    settings = RefinementSettings(rotation_extent=0.35, shift_extent=10.0)
    summary = summarise_iteration(result, rotations, settings, 1.5)
    parsed = json.loads(json.dumps(summary, allow_nan=False))
    assert parsed["at_bound_fraction"] == pytest.approx(0.1)
    assert parsed["pose_change"]["median_deg"] == pytest.approx(math.degrees(0.1), rel=1e-5)
    assert parsed["shift_change"]["median_angstrom"] == pytest.approx(3.0)
    assert parsed["shift_change"]["limit_px"] == 5.0
    assert sum(parsed["pose_change"]["counts"]) == 50
    cells = [cell for row in parsed["heatmap"]["pose_change_deg"] for cell in row]
    assert None in cells
    assert any(cell is not None for cell in cells)
    assert parsed["fsc"]["dynamic mask corrected"]["values"][-1] is None
    with pytest.raises(ValueError, match="49 initial rotations"):
        summarise_iteration(result, rotations[1:], settings, 1.5)


def test_jsonable_keeps_text_counts_and_truth_values() -> None:
    assert jsonable({"a": (np.int64(3), "x", True, math.inf)}) == {"a": [3, "x", True, None]}
