"""Where a map's box lies in the frame of coordinates that its file, models and ChimeraX share.

An MRC header says it in two ways. The start (NXSTART, …) counts whole voxels; the origin (ORIGIN)
is the position of the first voxel in Å (MRC2014, Cheng et al., J. Struct. Biol. 192, 146, 2015,
note 10). Where both are set and differ, the origin counts, and where it is zero the start does: the
rule of ChimeraX, so that a map lies here where it is seen there.

Poses do not know this frame. They refer to voxel ``N // 2`` of the box wherever the box lies, as
RELION and cryoSPARC have it, which ignore what they read here and write zero. Hence a header with
zeros says nothing of where its box lies, and neither does one that only puts the centre of its own
box at zero; a box of the map's size that says nothing is taken to be the map's.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

SIZE_TOLERANCE = 1e-3
"""Two voxel sizes are the same within this share: headers may hold a rounded cell length."""

OFFSET_TOLERANCE_PX = 0.05
"""Headers round origins and cells; what is left is far below what a soft mask can show."""

Size = tuple[int, int, int]
"""Voxels along x, y, z."""


@dataclass(frozen=True)
class BoxPosition:
    """Start and origin as a header holds them, in the order x, y, z."""

    start_px: tuple[int, int, int] = (0, 0, 0)
    origin_angstrom: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def corner_angstrom(self, voxel_size_angstrom: float) -> Float[np.ndarray, " 3"]:
        """Position (x, y, z) of the first voxel, in Å."""
        if any(self.origin_angstrom):
            return np.array(self.origin_angstrom)
        return np.array(self.start_px) * voxel_size_angstrom

    def is_unstated(self, voxel_size_angstrom: float) -> bool:
        """Whether the first voxel is at zero, which is also what is written for "unknown"."""
        return bool(np.all(self.corner_px(voxel_size_angstrom) == 0))

    def names_only_the_centre(self, size_xyz: Size, voxel_size_angstrom: float) -> bool:
        """Whether the box's own centre is at zero, which tells nothing of any larger box."""
        size = np.array(size_xyz)
        corner = self.corner_px(voxel_size_angstrom)
        # Odd boxes: some programs write the whole number, some the half.
        return any(
            bool(np.all(np.abs(corner + half) < OFFSET_TOLERANCE_PX))
            for half in (size // 2, size / 2)
        )

    def corner_px(self, voxel_size_angstrom: float) -> Float[np.ndarray, " 3"]:
        """Position (x, y, z) of the first voxel, in voxels."""
        return self.corner_angstrom(voxel_size_angstrom) / voxel_size_angstrom


AT_ZERO = BoxPosition()
"""The first voxel at zero: what is written unless told otherwise."""


def same_size(first_angstrom: float, second_angstrom: float) -> bool:
    """Whether two pixel or voxel sizes agree within what headers round away."""
    return abs(first_angstrom - second_angstrom) <= SIZE_TOLERANCE * first_angstrom
