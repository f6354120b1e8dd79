"""Maps to segment, and what others make of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from locref_widgets.io.mrc import Map, read_map


@dataclass(frozen=True)
class RealMap:
    """A real map, a level, and the numbers found there by an earlier, separate program."""

    path: str
    level: float
    voxels: int
    counts: tuple[int, ...]
    """Watershed regions, then regions after smoothing by 1, 2, … voxels."""

    voxel_size_angstrom: float | None = None

    def read(self, data: Path) -> Map:
        return read_map(data / self.path, voxel_size_angstrom=self.voxel_size_angstrom)


# 28, 35 and 14 regions are also what Segger's tutorial finds in another map of GroEL (EMD-1080).
GROEL = RealMap("maps/EMD-1997.map", 1.0, 34_002, (866, 538, 189, 56, 35, 28, 28, 28, 21, 20, 14))
GROEL_HIGHER = RealMap("maps/EMD-1997.map", 1.2, 25_908, (840, 532, 189, 56, 35, 28, 28, 28, 21))
MCM = RealMap("masks/emd_1832.map", 0.42, 5_910, (28, 22, 14, 6, 2, 2, 1))
ACTIN = RealMap("masks/emd_5168.map", 12.0, 17_356, (346, 285, 182, 34, 19, 13, 8))
RIBOSOME = RealMap(
    "maps/clean70SRibosome_vol_65p.mrc", 1e-4, 13_423, (77, 47, 30, 17, 8, 6, 5), 4.0
)
BETA_GALACTOSIDASE = RealMap("maps/betaGal.mrc", 0.04, 17_864, (176, 58, 12, 4, 4, 2, 2))
REAL_MAPS = (GROEL, GROEL_HIGHER, MCM, ACTIN, RIBOSOME, BETA_GALACTOSIDASE)


def blobs(seed: int, shape=(22, 20, 24), count: int = 12) -> np.ndarray:
    """Gaussian blobs of several widths and heights at random places, float32."""
    rng = np.random.default_rng(seed)
    zyx = np.indices(shape).reshape(3, -1).T
    volume = np.zeros(len(zyx))
    for _ in range(count):
        centre = rng.uniform(2, np.array(shape) - 3)
        width, height = rng.uniform(1.2, 3.0), rng.uniform(0.5, 2.0)
        volume += height * np.exp(-((zyx - centre) ** 2).sum(axis=1) / (2 * width**2))
    return volume.reshape(shape).astype(np.float32)
