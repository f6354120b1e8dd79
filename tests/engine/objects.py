"""Analytic objects and brute-force float64 versions that the engine's tests are held against."""

import numpy as np

from tests.blobs import Blobs, random_blobs


def compact_blobs(
    rng: np.random.Generator,
    box_px: int,
    radius: float = 0.22,
    sigmas: tuple[float, float] = (1.5, 2.5),
) -> Blobs:
    """Blobs (1 Å voxels) within a fraction of the box, their widths in px between two values."""
    made = random_blobs(rng, count=12, radius_angstrom=radius * box_px)
    return Blobs(made.centres_angstrom, rng.uniform(*sigmas, 12), made.masses)


def blob_spectrum(blobs: Blobs, rotation: np.ndarray, coordinates: np.ndarray, box_px: int):
    """Coefficients (complex128) of the projection at ``coordinates`` in cycles per box (1 Å px)."""
    return blobs.spectra(rotation[None], np.asarray(coordinates, np.float64) / box_px)[0]


def random_rotation(rng: np.random.Generator) -> np.ndarray:
    """A uniformly random rotation matrix."""
    from scipy.spatial.transform import Rotation

    return Rotation.random(random_state=rng).as_matrix()
