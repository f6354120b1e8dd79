"""The box of voxels that changed, and its bytes: all of a new mask that the browser has to get."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Shaped, UInt8

Box = tuple[slice, slice, slice]
"""Voxels along z, y, x."""


@dataclass(frozen=True)
class BoxBytes:
    """New values of a box of the displayed volume: `low` its first voxel (x, y, z), 8 bits."""

    low: tuple[int, int, int]
    data: UInt8[np.ndarray, "z y x"]

    @property
    def size(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        z, y, x = self.data.shape
        return x, y, z


def changed_box(
    before: Shaped[np.ndarray, "z y x"], after: Shaped[np.ndarray, "z y x"]
) -> Box | None:
    """The smallest box outside of which nothing differs; None where nothing does."""
    return filled_box(before != after)


def filled_box(values: Shaped[np.ndarray, "z y x"]) -> Box | None:
    """The smallest box outside of which all is 0; None where everything is."""
    is_filled = values != 0
    across_x = is_filled.any(axis=2)
    lines = (across_x.any(axis=1), across_x.any(axis=0), is_filled.any(axis=(0, 1)))
    if not lines[0].any():
        return None
    ends = [np.flatnonzero(line)[[0, -1]] for line in lines]
    z, y, x = (slice(int(first), int(last) + 1) for first, last in ends)
    return z, y, x


def ball_box(spheres: Float[np.ndarray, "n 4"], shape: tuple[int, ...]) -> Box:
    """The box about spheres (x, y, z, radius), within the map's."""
    low = np.floor((spheres[:, :3] - spheres[:, 3:]).min(axis=0)).astype(int)[::-1]
    high = np.ceil((spheres[:, :3] + spheres[:, 3:]).max(axis=0)).astype(int)[::-1] + 1
    z, y, x = (
        slice(int(np.clip(a, 0, size - 1)), int(np.clip(b, 1, size)))
        for a, b, size in zip(low, high, shape, strict=True)
    )
    return z, y, x


def joined_box(first: Box | None, second: Box | None) -> Box | None:
    """The box about two."""
    if first is None or second is None:
        return first or second
    z, y, x = (
        slice(min(a.start, b.start), max(a.stop, b.stop))
        for a, b in zip(first, second, strict=True)
    )
    return z, y, x


def box_bytes(values: Float[np.ndarray, "z y x"], box: Box, binning: int = 1) -> BoxBytes | None:
    """A mask's values in a box for display, 0 to 255 for 0 to 1.

    With binning the box is widened to whole blocks, over which values are averaged; None where it
    lies in the rest that fills no block.
    """
    whole = [size // binning for size in values.shape]
    first = [min(side.start // binning, n) for side, n in zip(box, whole, strict=True)]
    last = [min(-(-side.stop // binning), n) for side, n in zip(box, whole, strict=True)]
    if any(a >= b for a, b in zip(first, last, strict=True)):
        return None
    z, y, x = (slice(a * binning, b * binning) for a, b in zip(first, last, strict=True))
    part = values[z, y, x]
    if binning > 1:
        counts = [b - a for a, b in zip(first, last, strict=True)]
        blocks = part.reshape(counts[0], binning, counts[1], binning, counts[2], binning)
        part = blocks.mean(axis=(1, 3, 5))
    scaled = np.clip(part * np.float32(255.0), 0, 255)
    low = (first[2], first[1], first[0])
    return BoxBytes(low, np.rint(scaled, out=scaled).astype(np.uint8))
