"""Local resolution of objects whose regions are known, against brute force, and of a real map."""

from itertools import pairwise
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy import ndimage
from scipy.stats import spearmanr

from locref_widgets.engine.local_resolution import (
    LOWEST_ANGSTROM,
    band_centres,
    local_resolution,
)

VOXEL = 1.5


def radius(box_px: int) -> np.ndarray:
    full, half = np.fft.fftfreq(box_px, 1 / box_px), np.fft.rfftfreq(box_px, 1 / box_px)
    return np.sqrt(full[:, None, None] ** 2 + full[:, None] ** 2 + half**2)


def filtered(volume: np.ndarray, response: np.ndarray) -> np.ndarray:
    return np.fft.irfftn(np.fft.rfftn(volume) * response, s=volume.shape, axes=(0, 1, 2))


def cut_off(volume: np.ndarray, resolution: float) -> np.ndarray:
    """Low-pass that is steep, so that signal over noise crosses 1 close to the resolution."""
    box = volume.shape[0]
    return filtered(volume, 1 / (1 + (radius(box) * resolution / (box * VOXEL)) ** 24))


@pytest.fixture(scope="module")
def two_regions() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Half-maps of 5 Å at x < 0 and 9 Å at x > 0 in a ball, x in voxels, and the result."""
    rng = np.random.default_rng(3)
    box = 96
    x = np.arange(box) - box // 2
    distance = np.sqrt(x[:, None, None] ** 2 + x[:, None] ** 2 + x**2)
    white = rng.normal(size=(box,) * 3)
    signal = np.where(x < 0, cut_off(white, 5.0), cut_off(white, 9.0)) * (distance < 0.4 * box)
    first, second = (
        (signal + 0.15 * rng.normal(size=signal.shape)).astype(np.float32) for _ in range(2)
    )
    return (
        first,
        second,
        np.broadcast_to(x, signal.shape),
        local_resolution(first, second, VOXEL),
    )


def test_two_regions_have_their_own_resolutions(two_regions) -> None:
    _, _, x, result = two_regions
    y = x.transpose(0, 2, 1)
    z = x.transpose(2, 1, 0)
    middle = (np.abs(y) < 18) & (np.abs(z) < 18)
    fine = result[middle & (x < -14) & (x > -30)]
    coarse = result[middle & (x > 14) & (x < 30)]
    # FSC 0.5 is where signal and noise are equal: the response of 0.15 lies at 1.155 times the
    # cut-off frequency, 4.33 and 7.79 Å. Bands are 15 % wide.
    assert np.median(fine) == pytest.approx(4.33, rel=0.08)
    assert np.median(coarse) == pytest.approx(7.79, rel=0.08)
    assert np.percentile(fine, 95) < 5.0
    assert np.percentile(coarse, 5) > 6.0


def test_correlation_in_a_window_is_the_brute_force_sum(two_regions) -> None:
    """The resolution at a voxel, from band-passed maps summed under the window in float64."""
    first, second, _, result = two_regions
    box = first.shape[0]
    centres = band_centres(box, VOXEL)
    voxels = ((48, 48, 30), (48, 40, 62))
    values = np.ones((len(voxels), len(centres)))
    for number, centre in enumerate(centres):
        away = np.clip(np.abs(radius(box) - centre) / max(0.15 * centre, 2.0), 0, 1)
        one, two = (filtered(half, 0.5 + 0.5 * np.cos(np.pi * away)) for half in (first, second))
        sigma = min(1.5 * box / centre, 15.0 / VOXEL)
        for row, voxel in enumerate(voxels):
            axes = []
            for at in voxel:
                apart = (np.arange(box) - at + box // 2) % box - box // 2
                copies = [apart + turn * box for turn in (-1, 0, 1)]  # the transform is periodic
                axes.append(sum(np.exp(-(c**2) / (2 * sigma**2)) for c in copies))
            cross, power1, power2 = (
                np.einsum("zyx,z,y,x", product, *axes) for product in (one * two, one**2, two**2)
            )
            values[row, number] = cross / np.sqrt(power1 * power2)
        if (values[:, : number + 1] < 0.5).any(axis=1).all():
            break
    for curve, voxel in zip(values, voxels, strict=True):
        end = int(np.argmax(curve < 0.5))
        assert end > 0
        part = (curve[end - 1] - 0.5) / (curve[end - 1] - curve[end])
        reached = centres[end - 1] + part * (centres[end] - centres[end - 1])
        assert result[voxel] == pytest.approx(box * VOXEL / reached, rel=2e-3)


def test_noise_has_the_lowest_resolution_and_equal_maps_nyquist(rng) -> None:
    first, second = (rng.normal(size=(48,) * 3).astype(np.float32) for _ in range(2))
    noise = local_resolution(first, second, VOXEL)
    # Coarse bands hold few values in a window, so chance lets some voxels pass there.
    assert np.median(noise) == pytest.approx(30.0, rel=0.1)
    assert np.percentile(noise, 1) > 12.0
    same = local_resolution(first, first, VOXEL)
    nyquist = 48 * VOXEL / band_centres(48, VOXEL)[-1]
    np.testing.assert_allclose(same, nyquist, rtol=1e-5)
    assert nyquist == pytest.approx(2 * VOXEL, rel=0.1)


def test_a_lower_threshold_gives_finer_resolutions(two_regions) -> None:
    first, second, _, strict = two_regions
    lenient = local_resolution(first, second, VOXEL, threshold=0.143)
    assert np.mean(lenient <= strict + 1e-4) == 1.0
    assert np.median(lenient) < np.median(strict)


def test_bands_begin_at_the_lowest_resolution_and_grow_with_frequency() -> None:
    centres = band_centres(128, VOXEL)
    assert 128 * VOXEL / centres[0] == pytest.approx(LOWEST_ANGSTROM)
    steps = np.diff(centres)
    assert steps.min() == pytest.approx(1.0)
    assert steps[-1] == pytest.approx(0.075 * centres[-2], rel=1e-6)
    # A box smaller than the lowest resolution begins with its second shell.
    assert band_centres(16, VOXEL)[0] == 2.0


def test_order_of_a_real_local_resolution_map_is_found_again(shared_data: Path, rng) -> None:
    """Texture inside beta-galactosidase, blurred voxel by voxel to its published resolution."""
    density, known = (
        mrcfile.read(shared_data / "maps" / f"{name}.mrc").astype(float)
        for name in ("betaGal", "betaGal_localResolution")
    )
    inside, voxel, box = density > 0.04, 3.54, density.shape[0]
    # The voxels are too large for the published 7 to 14 Å: all of it by 1.3.
    wanted = 1.3 * known
    spectrum = np.fft.rfftn(rng.normal(size=known.shape) * ndimage.gaussian_filter(1.0 * inside, 2))
    signal = np.zeros_like(known)
    edges = np.geomspace(wanted.min(), 1.001 * wanted.max(), 13)
    for low, high in pairwise(edges):
        cutoff = box * voxel / np.sqrt(low * high)
        blurred = np.fft.irfftn(
            spectrum / (1 + (radius(box) / cutoff) ** 16), s=known.shape, axes=(0, 1, 2)
        )
        chosen = (wanted >= low) & (wanted < high)
        signal[chosen] = blurred[chosen]
    first, second = (
        (signal + 0.1 * rng.normal(size=signal.shape)).astype(np.float32) for _ in range(2)
    )
    result = local_resolution(first, second, voxel)
    # What a window sees is the mean over some 15 Å, 4 voxels.
    weight = ndimage.gaussian_filter(1.0 * inside, 4)
    seen = ndimage.gaussian_filter(wanted * inside, 4) / np.maximum(weight, 1e-9)
    # Measured 0.88; the published map changes within a few voxels, so it cannot be 1.
    assert spearmanr(result[inside], seen[inside]).statistic > 0.75
