"""Two bodies that do not touch, a mask around the smaller one, and projections by brute force."""

from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np

from tests.blobs import Blobs, BlobSet, Hinge, random_blobs, textbook_ctf, write_blob_set

BOX_PX, PIXEL_ANGSTROM = 40, 5.0
CENTRE_ANGSTROM = np.array([45.0, 0.0, 5.0])
"""Of the smaller body, the one that is kept."""


@dataclass(frozen=True)
class TwoBodies:
    """A set of hinged particles and the files that subtraction takes.

    ``kept_signal`` are noise-free images of the smaller body where it is in each particle,
    ``noise`` is what the images hold beside both bodies.
    """

    data: BlobSet
    map: Path
    mask: Path
    kept_signal: np.ndarray
    noise: np.ndarray


def write_two_bodies(folder: Path, *, n: int, noise: float, largest_deg: float) -> TwoBodies:
    """Write particles, the map with both bodies unmoved, and the mask."""
    rng = np.random.default_rng(8)
    large = random_blobs(rng, count=20, radius_angstrom=26.0)
    small = random_blobs(rng, count=10, radius_angstrom=18.0)
    body = Blobs(small.centres_angstrom + CENTRE_ANGSTROM, small.sigmas_angstrom, small.masses)
    still = Blobs(large.centres_angstrom - [42.0, 0, 0], large.sigmas_angstrom, large.masses)
    data = write_blob_set(
        folder,
        rng,
        n=n,
        box_px=BOX_PX,
        pixel_size_angstrom=PIXEL_ANGSTROM,
        noise=noise,
        blobs=still,
        hinge=Hinge(body, fulcrum_angstrom=np.zeros(3), largest_deg=largest_deg),
    )
    volume = still.volume(BOX_PX, PIXEL_ANGSTROM) + body.volume(BOX_PX, PIXEL_ANGSTROM)
    z, y, x = (np.indices((BOX_PX,) * 3) - BOX_PX // 2) * PIXEL_ANGSTROM
    points = np.stack([x, y, z], axis=-1)
    beyond = np.clip((np.linalg.norm(points - CENTRE_ANGSTROM, axis=-1) - 38.0) / 20.0, 0, 1)
    for name, values in {"map": volume, "mask": 0.5 + 0.5 * np.cos(np.pi * beyond)}.items():
        write_volume(folder / f"{name}.mrc", values)
    kept = images_of(data, body, moved=True)
    noise_only = data.images - kept - images_of(data, still)
    return TwoBodies(data, folder / "map.mrc", folder / "mask.mrc", kept, noise_only)


def write_volume(path: Path, values: np.ndarray) -> None:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(values.astype(np.float32))
        file.voxel_size = PIXEL_ANGSTROM


def images_of(data: BlobSet, blobs: Blobs, *, moved: bool = False) -> np.ndarray:
    """Analytic images of blobs at the poses of the table, or at those of the hinged body."""
    rotations = data.hinged_rotations if moved else data.rotations
    origins = data.hinged_origins_angstrom if moved else data.origins_angstrom
    k = np.fft.fftfreq(data.box_px, data.pixel_size_angstrom)
    frequencies = np.stack(np.meshgrid(k, k), axis=-1).reshape(-1, 2)
    spectra = blobs.spectra(rotations, frequencies)
    spectra *= np.exp(2j * np.pi * (origins @ frequencies.T)) * textbook_ctf(
        data.table, frequencies
    )
    grids = spectra.reshape(len(rotations), data.box_px, data.box_px)
    return np.fft.fftshift(np.fft.ifft2(grids).real, axes=(1, 2))


def project_voxels(volume: np.ndarray, rotation: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Fourier coefficients of a projection, summed voxel by voxel in float64.

    ``coordinates`` (p, 2) are in cycles per box, magnification applied.
    """
    n = volume.shape[0]
    z, y, x = np.nonzero(np.abs(volume) > 1e-4 * np.abs(volume).max())
    points = np.stack([x, y, z], axis=-1) - n // 2
    seen = (points @ rotation.T)[:, :2].astype(np.float64)
    values = volume[z, y, x].astype(np.float64)
    pieces = [
        np.exp(-2j * np.pi / n * (piece @ seen.T)) @ values
        for piece in np.array_split(coordinates.astype(np.float64), 20)
    ]
    return np.concatenate(pieces)


def shell_power(images: np.ndarray) -> np.ndarray:
    """Mean power of images in the shells 0 .. N//2 - 1."""
    n = images.shape[-1]
    k = np.fft.fftfreq(n) * n
    shell = np.rint(np.hypot(k[:, None], k)).astype(int).ravel()
    power = (np.abs(np.fft.fft2(images)) ** 2).mean(axis=0).ravel()
    return (np.bincount(shell, power) / np.bincount(shell))[: n // 2]
