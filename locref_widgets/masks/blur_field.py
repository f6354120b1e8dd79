"""Where a particle is, and how blurred, from two half-maps: what proposals are made from."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.fft import next_fast_len

from locref_widgets.engine.filters import fourier_crop, lowpass
from locref_widgets.engine.fsc import spherical_mask
from locref_widgets.engine.local_blur import LocalPower, local_power
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map
from locref_widgets.masks.bounding import bounding_box
from locref_widgets.masks.islands import keep_islands
from locref_widgets.masks.resample import resample_on_grid
from locref_widgets.masks.resolution_masks import resolution_masks

_WINDOW_OF_GYRATION = 0.25
_WINDOW_RESOLUTIONS = 1.5
_WINDOW_LARGEST_ANGSTROM = 15.0
"""Standard deviation of the window: this share of the particle's radius of gyration, so that it
lies within a domain, but at least so many times the resolution, to hold enough structure."""

_FINEST = 1.1
"""Bands go up to this times the frequency of the resolution."""

_OUTLINE_RESOLUTIONS, _OUTLINE_ANGSTROM = 2.0, 15.0
"""The particle's outline is that of the map low-passed to this, or to twice the resolution."""

_LEVEL = 0.15
"""Share of the low-passed map's height that counts as density, so that blurred parts do."""

_HEIGHT_PERCENTILE = 99.9

_NOISE_SD = 5.0
"""Density also is this many standard deviations of the noise, told by the half-maps' difference."""

_MARGIN_WINDOWS = 2.0
"""Room left around the particle when the box is cut down."""


@dataclass(frozen=True)
class BlurField:
    """Power in bands, which tells the blur, at points over a particle.

    Attributes
    ----------
    power
        What the blur is told from.
    region
        Points in the particle, on a grid of their own (z, y, x).
    step_angstrom
        Distance of neighbouring points.
    corner_angstrom
        Position (x, y, z) of the first point from voxel 0 of the half-maps.
    outline
        The particle, on the half-maps' grid.
    resolution_angstrom
        Of the half-maps in a tight mask.
    window_angstrom
        Standard deviation of the window that each point is told from.
    """

    power: LocalPower
    region: Bool[np.ndarray, "pz py px"]
    step_angstrom: float
    corner_angstrom: Float[np.ndarray, "3"]
    outline: Bool[np.ndarray, "z y x"]
    resolution_angstrom: float
    window_angstrom: float

    def points_angstrom(self) -> Float[np.ndarray, "points 3"]:
        """Positions (x, y, z) of the region's points from voxel 0 of the half-maps."""
        return np.argwhere(self.region)[:, ::-1] * self.step_angstrom + self.corner_angstrom

    def on_the_maps(self, field: Float[np.ndarray, "pz py px"], like: Map) -> Map:
        """Interpolate a field on the points at the voxels of the half-maps."""
        x, y, z = self.corner_angstrom.tolist()
        points = Map(field, self.step_angstrom, None, BoxPosition(origin_angstrom=(x, y, z)))
        grid = Map(like.data, like.voxel_size_angstrom)
        return resample_on_grid(points, grid, where="headers")


def blur_field(half1: Map, half2: Map) -> BlurField:
    """Measure the local blur of two unfiltered half-maps over their particle.

    The maps are cut down to the particle and to the frequencies that hold signal, so that the time
    goes with the particle's size and resolution, not with the box.

    Raises
    ------
    InputError
        If the half-maps hold no density, or next to nothing in common.
    """
    voxel = half1.voxel_size_angstrom
    first, second = half1.data, half2.data
    resolution = resolution_masks(first, second, voxel).resolution_angstrom
    outline = _outline(first, second, voxel, resolution)
    window = _window_angstrom(outline, voxel, resolution)
    start, size_px = _cube_around(outline, int(np.ceil(_MARGIN_WINDOWS * window / voxel)))
    inner = tuple(slice(a, a + size_px) for a in start)
    finest = resolution / _FINEST
    coarse_px = min(size_px, _fast_size(2.0 * size_px * voxel / finest))
    coarse1, coarse2 = (
        np.asarray(fourier_crop(half[inner], coarse_px)) for half in (first, second)
    )
    coarse_voxel = voxel * size_px / coarse_px
    power = local_power(
        coarse1, coarse2, coarse_voxel, finest_angstrom=finest, window_angstrom=window
    )
    step = power.step_px * coarse_voxel
    # Voxel N//2 keeps its place when frequencies are cropped.
    corner_zyx = (np.array(start) + size_px // 2) * voxel - (coarse_px // 2) * coarse_voxel
    corner_zyx = corner_zyx + 0.5 * (power.step_px - 1) * coarse_voxel
    region = _at_points(outline, voxel, power.cross.shape[1:], step, corner_zyx)
    return BlurField(power, region, step, corner_zyx[::-1].copy(), outline, resolution, window)


def _outline(
    first: Float[np.ndarray, "z y x"],
    second: Float[np.ndarray, "z y x"],
    voxel: float,
    resolution: float,
) -> Bool[np.ndarray, "z y x"]:
    """Find the particle: what is dense after a low-pass, in one piece."""
    sphere = spherical_mask(first.shape[-1])
    coarse = max(_OUTLINE_ANGSTROM, _OUTLINE_RESOLUTIONS * resolution)
    average = np.asarray(lowpass(0.5 * (first + second) * sphere, voxel, coarse))
    noise = np.asarray(lowpass(0.5 * (first - second) * sphere, voxel, coarse))
    inside = sphere > 0.5
    height = float(np.percentile(average[inside], _HEIGHT_PERCENTILE))
    level = max(_LEVEL * height, _NOISE_SD * float(np.std(noise[inside])))
    dense = (average >= level) & inside
    if height <= 0 or not dense.any():
        raise InputError(
            "no part can be proposed from these half-maps: their average holds no density that "
            "rises above the noise. Give unfiltered half-maps with positive density."
        )
    return keep_islands(dense, count=1)


def _window_angstrom(outline: Bool[np.ndarray, "z y x"], voxel: float, resolution: float) -> float:
    points = np.argwhere(outline) * voxel
    gyration = float(np.sqrt(np.sum(np.var(points, axis=0))))
    window = max(_WINDOW_OF_GYRATION * gyration, _WINDOW_RESOLUTIONS * resolution)
    return min(window, _WINDOW_LARGEST_ANGSTROM)


def _cube_around(
    outline: Bool[np.ndarray, "z y x"], margin_px: int
) -> tuple[tuple[int, int, int], int]:
    """First voxel and size of a cube, of an even number that is good to transform."""
    box_px = outline.shape[0]
    box = bounding_box(outline)
    assert box is not None  # noqa: S101 - an outline has voxels
    extent = max(s.stop - s.start for s in box) + 2 * margin_px
    size = min(_fast_size(extent), box_px)
    middle = [(s.start + s.stop) // 2 for s in box]
    z, y, x = (int(np.clip(m - size // 2, 0, box_px - size)) for m in middle)
    return (z, y, x), size


def _fast_size(least: float) -> int:
    """The next even number that is quick to transform."""
    size = int(np.ceil(least))
    while size % 2 or next_fast_len(size, real=True) != size:
        size += 1
    return size


def _at_points(
    outline: Bool[np.ndarray, "z y x"],
    voxel: float,
    shape: tuple[int, ...],
    step: float,
    corner_zyx: Float[np.ndarray, "3"],
) -> Bool[np.ndarray, "pz py px"]:
    """Whether the voxel nearest to each point is in the outline."""
    nearest = [
        np.clip(np.rint((at + step * np.arange(n)) / voxel).astype(int), 0, size - 1)
        for at, n, size in zip(corner_zyx, shape, outline.shape, strict=True)
    ]
    return outline[np.ix_(*nearest)]
