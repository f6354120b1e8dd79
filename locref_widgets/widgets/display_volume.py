"""A map as the browser gets it: 8 bits a voxel, and no more voxels than a screen can show."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from locref_widgets.errors import InputError
from locref_widgets.masks.levels import suggest_level

# 256^3 bytes are 17 MB; a larger box is averaged over blocks of voxels for display.
LARGEST_DISPLAY_BOX = 256
_GREY_TAIL = 0.001
"""The darkest and the brightest share of the voxels that the slices show as black and as white."""
_MOST_SAMPLED = 2_000_000
"""Voxels that quantiles and a first level are found from; a map of 256^3 holds eight times more."""
_HEADROOM = 3.0
"""Contour levels reach this many times the range of greys above the darkest, if the map does."""


@dataclass(frozen=True)
class DisplayVolume:
    """Bytes `[z, y, x]` of 0 to 255 that stand for the map's values `low` to `high`.

    `binning` voxels of the map along each axis make one here. `grey` are the values that slices
    show darkest and brightest; `mean` and `deviation` are those of all voxels of the map.
    """

    data: UInt8[np.ndarray, "z y x"]
    low: float
    high: float
    binning: int
    grey: tuple[float, float]
    mean: float
    deviation: float


def bin_for_display(
    volume: Float[np.ndarray, "z y x"], largest_box: int = LARGEST_DISPLAY_BOX
) -> tuple[Float[np.ndarray, "bz by bx"], int]:
    """Average over blocks until the box is at most `largest_box`; returns the block's edge too.

    Voxels beyond the last whole block are left out.
    """
    edge = -(-max(volume.shape) // largest_box)
    if edge == 1:
        return volume, 1
    whole = [max(size // edge, 1) for size in volume.shape]
    cut = volume[tuple(slice(0, size * edge) for size in whole)]
    edges = [size // count for size, count in zip(cut.shape, whole, strict=True)]
    blocks = cut.reshape(whole[0], edges[0], whole[1], edges[1], whole[2], edges[2])
    return blocks.mean(axis=(1, 3, 5)), edge


def to_display(
    volume: Float[np.ndarray, "z y x"], low: float | None = None, high: float | None = None
) -> DisplayVolume:
    """Bin and quantise a map.

    Without limits, bytes begin at the darkest grey and end at the map's maximum, or where outliers
    would leave too few bytes for the rest.
    """
    values = np.asarray(volume, dtype=np.float32)
    binned, binning = bin_for_display(values)
    sample = _every_nth(binned).ravel()
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        sample = np.zeros(1, np.float32)
    if low is None or high is None:
        dark, bright = (float(q) for q in np.quantile(sample, [_GREY_TAIL, 1 - _GREY_TAIL]))
        highest = float(np.nanmax(binned)) if np.isfinite(binned).any() else bright
        low = dark if low is None else low
        high = min(highest, dark + _HEADROOM * (bright - dark)) if high is None else high
        grey = (dark, bright)
    else:
        grey = (low, high)
    if not high > low:
        high = low + 1.0
    mean = float(np.mean(sample, dtype=np.float64))
    deviation = float(np.std(sample, dtype=np.float64))
    return DisplayVolume(_quantise(binned, low, high), low, high, binning, grey, mean, deviation)


def _quantise(
    values: Float[np.ndarray, "z y x"], low: float, high: float
) -> UInt8[np.ndarray, "z y x"]:
    """Map `low` to `high` onto 0 to 255, a section at a time: no copy of a large map is made."""
    grey = np.empty(values.shape, np.uint8)
    scale = np.float32(255.0 / (high - low))
    for section, out in zip(values, grey, strict=True):
        scaled = (section - np.float32(low)) * scale
        np.nan_to_num(scaled, copy=False, nan=0.0)
        np.clip(scaled, 0, 255, out=scaled)
        out[...] = np.rint(scaled, out=scaled)
    return grey


def first_level(volume: Float[np.ndarray, "z y x"], voxel_size_angstrom: float) -> float:
    """The contour level that a map is first shown at: `suggest_level`, of fewer voxels if large."""
    part = _every_nth(volume)
    step = volume.shape[0] / part.shape[0]
    try:
        return suggest_level(part, float(voxel_size_angstrom * step)).level
    except InputError:
        # A map that is all the same, or holds NaN, is still shown.
        return float(np.nan_to_num(part).max())


def _every_nth(volume: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "sz sy sx"]:
    """Every n-th voxel along each axis: no random numbers, and no part of the box is left out."""
    step = max(1, int(np.ceil((volume.size / _MOST_SAMPLED) ** (1 / 3))))
    return volume[::step, ::step, ::step]
