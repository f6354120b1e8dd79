"""A map as the browser gets it: 8 bits a voxel, and no more voxels than a screen can show."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

# 192^3 bytes are 7 MB; a larger box is averaged over blocks of voxels for display.
LARGEST_DISPLAY_BOX = 192


@dataclass(frozen=True)
class DisplayVolume:
    """Grey values `[z, y, x]` of 0 to 255 that stand for `low` to `high`.

    `binning` voxels of the map along each axis make one here.
    """

    data: UInt8[np.ndarray, "z y x"]
    low: float
    high: float
    binning: int


def bin_for_display(
    volume: Float[np.ndarray, "z y x"], largest_box: int = LARGEST_DISPLAY_BOX
) -> tuple[Float[np.ndarray, "bz by bx"], int]:
    """Average over blocks until the box is at most `largest_box`; returns the block's edge too.

    Voxels beyond the last whole block are left out.
    """
    edge = -(-max(volume.shape) // largest_box)
    if edge == 1:
        return volume, 1
    whole = [size // edge for size in volume.shape]
    cut = volume[tuple(slice(0, size * edge) for size in whole)]
    blocks = cut.reshape(whole[0], edge, whole[1], edge, whole[2], edge)
    return blocks.mean(axis=(1, 3, 5)), edge


def to_display(
    volume: Float[np.ndarray, "z y x"], low: float | None = None, high: float | None = None
) -> DisplayVolume:
    """Bin and quantise; without limits the darkest and brightest 0.1 % of the voxels saturate."""
    binned, binning = bin_for_display(np.asarray(volume, dtype=np.float32))
    if low is None or high is None:
        found_low, found_high = np.quantile(binned[np.isfinite(binned)], [0.001, 0.999])
        low = float(found_low) if low is None else low
        high = float(found_high) if high is None else high
    if not high > low:
        high = low + 1.0
    scaled = np.nan_to_num((binned - low) * (255.0 / (high - low)), nan=0.0)
    grey = np.rint(np.clip(scaled, 0, 255)).astype(np.uint8)
    return DisplayVolume(np.ascontiguousarray(grey), low, high, binning)
