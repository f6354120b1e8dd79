"""Cones against a float64 sum over the full spectrum, and objects with a known bad direction."""

import numpy as np
import pytest

from locref_widgets.engine.fsc_directional import (
    DirectionalFSC,
    directional_fsc,
    fibonacci_directions,
)

BOX, VOXEL = 48, 2.0
AXIS = np.array([1.0, 2.0, -2.0]) / 3.0


def frequencies(box_px: int) -> np.ndarray:
    """(kx, ky, kz) of every coefficient of the full spectrum, in Fourier pixels."""
    k = np.fft.fftfreq(box_px, 1.0 / box_px)
    kz, ky, kx = np.meshgrid(k, k, k, indexing="ij")
    return np.stack([kx, ky, kz], axis=-1)


def cosine_to(direction: np.ndarray, k: np.ndarray) -> np.ndarray:
    return np.abs(k @ direction) / np.maximum(np.linalg.norm(k, axis=-1), 1e-9)


def halves(rng: np.random.Generator, response: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Common noise under a response, plus independent white noise in each half."""
    signal = np.fft.ifftn(np.fft.fftn(rng.normal(size=(BOX,) * 3)) * response).real
    first, second = ((signal + rng.normal(size=signal.shape)).astype(np.float32) for _ in range(2))
    return first, second


def falling(k: np.ndarray, bfactor_factor: np.ndarray | float = 1.0) -> np.ndarray:
    radius = np.linalg.norm(k, axis=-1)
    return 10.0 * np.exp(-((radius / 9.0) ** 2) * bfactor_factor)


@pytest.mark.parametrize("box_px", [20, 21])
def test_cones_equal_the_float64_sum_over_the_full_spectrum(box_px, rng) -> None:
    first = rng.normal(size=(box_px,) * 3).astype(np.float32)
    second = (first + rng.normal(size=first.shape)).astype(np.float32)
    directions = fibonacci_directions(5)
    result = directional_fsc(first, second, VOXEL, directions=directions)

    k = frequencies(box_px)
    shell = np.rint(np.linalg.norm(k, axis=-1)).astype(int)
    f1, f2 = np.fft.fftn(first.astype(float)), np.fft.fftn(second.astype(float))
    for direction, curve in zip(directions, result.curves, strict=True):
        in_cone = cosine_to(direction, k) >= np.cos(np.deg2rad(20.0))
        # The direction of a coefficient at Nyquist of an even box is ambiguous: -N/2 is N/2.
        for number in range(5, (box_px - 1) // 2 + 1):
            chosen = in_cone & (shell == number)
            cross = np.sum((f1 * f2.conj()).real[chosen])
            scale = np.sqrt(np.sum(abs(f1[chosen]) ** 2) * np.sum(abs(f2[chosen]) ** 2))
            # float32 transforms and sums of some hundred terms.
            assert curve[number] == pytest.approx(cross / scale, abs=2e-5)


def test_directions_cover_the_half_sphere_evenly() -> None:
    directions = fibonacci_directions(200)
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1.0)
    assert directions[:, 2].min() > 0
    # Even means that the mean of the squares is a third for each axis.
    np.testing.assert_allclose((directions**2).mean(axis=0), 1 / 3, atol=0.01)
    nearest = np.sort(np.abs(directions @ directions.T), axis=1)[:, -2]
    # 200 caps share 2 pi: about 0.18 rad apart.
    assert np.rad2deg(np.arccos(nearest.min())) < 16.0


def test_an_isotropic_map_has_a_ratio_near_one(rng) -> None:
    result = directional_fsc(*halves(rng, falling(frequencies(BOX))), VOXEL)
    # What is missing to 1 is the sampling of a cone's shells (6 % of the sphere).
    assert result.area_ratio > 0.85
    # One shell of 24 at the resolution, in shell 16, is 6 %.
    resolutions = result.resolutions_angstrom
    assert resolutions.std() < 0.06 * np.median(resolutions)


def test_a_missing_cone_is_found_where_it_is(rng) -> None:
    k = frequencies(BOX)
    response = falling(k) * (cosine_to(AXIS, k) < np.cos(np.deg2rad(30.0)))
    result = directional_fsc(*halves(rng, response), VOXEL)
    assert result.area_ratio < 0.25
    assert result.is_anisotropic
    angle = np.rad2deg(np.arccos(abs(result.worst_direction @ AXIS)))
    # Any cone of 20 degrees within the missing one of 30 sees nothing: up to 10 degrees off, plus
    # half the 9 degrees between directions.
    assert angle < 15.0


def test_a_bfactor_along_one_direction_is_found(rng) -> None:
    k = frequencies(BOX)
    result = directional_fsc(*halves(rng, falling(k, 1.0 + 3.0 * cosine_to(AXIS, k) ** 2)), VOXEL)
    assert result.area_ratio < 0.65
    assert np.rad2deg(np.arccos(abs(result.worst_direction @ AXIS))) < 15.0
    best = result.directions[np.argmin(result.resolutions_angstrom)]
    assert np.rad2deg(np.arccos(abs(best @ AXIS))) > 55.0


def test_mask_multiplies_both_maps(rng) -> None:
    first, second = halves(rng, falling(frequencies(BOX)))
    mask = rng.random((BOX,) * 3).astype(np.float32)
    masked = directional_fsc(first, second, VOXEL, mask, directions=fibonacci_directions(4))
    ready = directional_fsc(first * mask, second * mask, VOXEL, directions=fibonacci_directions(4))
    np.testing.assert_array_equal(masked.curves, ready.curves)


def test_area_is_that_of_the_whole_curve_and_nothing_has_the_ratio_zero() -> None:
    frequency = np.arange(6) / 60.0
    curves = np.array([[1, 1, 0.5, 0.1, -0.1, 0.0], [1, 1, 1, 1, 0, 0]], dtype=float)
    result = DirectionalFSC(np.eye(3)[:2], curves, frequency)
    np.testing.assert_allclose(result.areas, np.array([1.5, 3.0]) / 60.0)
    assert result.area_ratio == pytest.approx(0.5)
    np.testing.assert_array_equal(result.worst_direction, [1, 0, 0])
    assert result.smallest.values[3] == pytest.approx(0.1)
    assert result.largest.values[2] == pytest.approx(1.0)
    empty = DirectionalFSC(np.eye(3)[:2], np.zeros((2, 6)), frequency)
    assert empty.area_ratio == 0.0


def test_one_shell_by_chance_below_the_threshold_is_no_end() -> None:
    frequency = np.arange(8) / 60.0
    curves = np.array([[1, 1, 1, 1, 0.0, 1, 1, 1]], dtype=float)
    result = DirectionalFSC(np.eye(3)[:1], curves, frequency)
    assert result.resolutions_angstrom[0] == pytest.approx(60 / 7)


def test_error_of_an_area_is_its_scatter_with_and_without_a_mask(rng) -> None:
    axis = np.arange(BOX) - BOX // 2
    distance = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    mask = np.exp(-((distance / 7.0) ** 2)).astype(np.float32)
    for used in (None, mask):
        ratios = []
        for _ in range(3):
            first, second = halves(rng, falling(frequencies(BOX)))
            cones = directional_fsc(first, second, VOXEL, used)
            ratios.append(cones.areas.std() / cones.area_error)
            assert not cones.is_anisotropic
        # 256 cones overlap: some 30 are independent, three maps tell the scatter to about 10 %.
        assert np.mean(ratios) == pytest.approx(1.0, abs=0.35)
