"""Steepest ascent among the 26 neighbours of a voxel, as Segger has it.

A voxel leads to the highest of its neighbours if that is strictly higher; of equals to the first in
raster order (z, y, x). A voxel without a higher neighbour leads to itself, so voxels of a plateau
each stand alone.
"""

import numpy as np
from jaxtyping import Bool, Float, Int64

_CHUNK = 1 << 15
"""Voxels looked at together, few enough for the processor's cache."""


class Landscape:
    """Values `[z, y, x]` with a rim of minus infinity, so that no neighbour lies outside.

    Voxels are addressed by their position in the flattened array with its rim.
    """

    def __init__(self, values: Float[np.ndarray, "z y x"]) -> None:
        shape = tuple(n + 2 for n in values.shape)
        padded = np.empty(shape, values.dtype)
        for axis in range(3):
            for end in (0, -1):
                padded[(slice(None),) * axis + (end,)] = -np.inf
        padded[1:-1, 1:-1, 1:-1] = values
        self._strides = np.array([shape[1] * shape[2], shape[2], 1])
        self._shape = shape
        self._flat = padded.ravel()
        step = np.indices((3, 3, 3)).reshape(3, -1) - 1
        offsets = self._strides @ step
        self._offsets = offsets[offsets != 0]

    @property
    def padded(self) -> Float[np.ndarray, "z2 y2 x2"]:
        """The values with their rim."""
        return self._flat.reshape(self._shape)

    def position(self, zyx: Int64[np.ndarray, "n 3"]) -> Int64[np.ndarray, " n"]:
        """Positions of voxels given by their indices without the rim."""
        return (zyx + 1) @ self._strides

    def zyx(self, position: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, "n 3"]:
        """Indices of voxels, without the rim."""
        return np.stack(np.unravel_index(position, self._shape), axis=1) - 1

    def step(self, position: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " n"]:
        """Where each voxel leads to."""
        target = np.empty_like(position)
        for first in range(0, len(position), _CHUNK):
            here = position[first : first + _CHUNK]
            there = target[first : first + _CHUNK]
            highest = self._flat[here]
            there[:] = here
            for offset in self._offsets:
                neighbour = here + offset
                value = self._flat[neighbour]
                higher = value > highest
                np.copyto(highest, value, where=higher)
                np.copyto(there, neighbour, where=higher)
        return target

    def climb(
        self, position: Int64[np.ndarray, " n"], known: Bool[np.ndarray, " m"]
    ) -> tuple[Int64[np.ndarray, " n"], bool]:
        """Walk up to maxima. Also tells whether a walk came to a voxel that is not ``known``.

        ``known`` says for every position whether all neighbours of that voxel are there. A walk
        that meets one of which this is not so is not to be trusted.
        """
        ends = position.copy()
        walking = np.arange(len(ends))
        trusted = True
        while len(walking):
            here, back = np.unique(ends[walking], return_inverse=True)
            trusted = trusted and bool(known[here].all())
            there = self.step(here)
            moved = (there != here)[back]
            ends[walking] = there[back]
            walking = walking[moved]
        return ends, trusted
