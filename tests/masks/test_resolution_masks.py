"""Loose and tight masks: where they begin and end, and what they are made from."""

import numpy as np
import pytest

from locref_widgets.engine.fsc import spherical_mask
from locref_widgets.errors import InputError
from locref_widgets.masks.resolution_masks import (
    density_mask,
    loose_mask,
    resolution_masks,
    tight_mask,
)

BOX, VOXEL = 64, 2.0


def distance_angstrom() -> np.ndarray:
    axis = (np.arange(BOX) - BOX // 2) * VOXEL
    return np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)


def gaussian_ball(width_angstrom: float = 15.0) -> np.ndarray:
    return np.exp(-0.5 * (distance_angstrom() / width_angstrom) ** 2).astype(np.float32)


def half_height_radius() -> float:
    """Where a Gaussian of 15 Å, itself far smoother than 12 Å, is half its height."""
    return 15.0 * np.sqrt(2 * np.log(2))


def radius_at(mask: np.ndarray, value: float) -> float:
    """Radius in Å at which the mask falls through a value, along x."""
    line = mask[BOX // 2, BOX // 2, BOX // 2 :]
    below = int(np.argmax(line < value))
    part = (line[below - 1] - value) / (line[below - 1] - line[below])
    return (below - 1 + part) * VOXEL


def test_distances_run_from_half_the_maximum() -> None:
    mask = density_mask(gaussian_ball(), VOXEL, 4.0, near_angstrom=6.0, far_angstrom=18.0)
    # Half of the cosine is in the middle, 12 Å; the region's last voxel is up to one voxel inside.
    assert radius_at(mask, 0.5) == pytest.approx(half_height_radius() + 12.0, abs=VOXEL)
    assert mask[BOX // 2, BOX // 2, BOX // 2] == 1.0


def test_tight_follows_the_resolution_and_loose_keeps_its_distance() -> None:
    volume = gaussian_ball()
    start = half_height_radius()
    # Half of the cosine: 9 Å with the least distances, and twice the resolution beyond 6 Å.
    for resolution, middle in ((3.0, 9.0), (8.0, 16.0)):
        tight = tight_mask(volume, VOXEL, resolution)
        loose = loose_mask(volume, VOXEL, resolution)
        assert radius_at(tight, 0.5) == pytest.approx(start + middle, abs=VOXEL)
        assert radius_at(loose, 0.5) == pytest.approx(
            start + max(32.5, 36.5 * (resolution > 7)), abs=VOXEL
        )
        assert np.all(loose >= tight)


def test_masks_of_half_maps_follow_the_corrected_resolution(rng) -> None:
    texture = rng.normal(size=(BOX,) * 3)
    k = np.fft.fftfreq(BOX, 1 / BOX)
    radius = np.sqrt(k[:, None, None] ** 2 + k[:, None] ** 2 + k**2)
    # Signal to noise falls through 1/5 near shell 16 (8 Å).
    texture = np.fft.ifftn(np.fft.fftn(texture) / (1 + (radius / 13) ** 8)).real
    signal = gaussian_ball(20.0) * (2.0 + texture)
    halves = [(signal + 0.3 * rng.normal(size=signal.shape)).astype(np.float32) for _ in range(2)]
    masks = resolution_masks(*halves, VOXEL)
    assert 5.5 < masks.resolution_angstrom < 10.0
    assert np.all(masks.loose >= masks.tight)
    sphere = spherical_mask(BOX)
    assert np.all(masks.loose <= sphere + 1e-6)  # nothing in the corners of the box
    # The tight mask ends with the sphere too where the resolution asks for more than the box has.
    assert masks.tight[BOX // 2, BOX // 2, 0] == 0.0


def test_a_map_without_density_is_refused() -> None:
    with pytest.raises(InputError, match="contrast inverted"):
        tight_mask(-gaussian_ball(), VOXEL, 4.0)
