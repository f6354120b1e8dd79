"""Particles of Gaussian blobs, whose projections are known in closed form.

Nothing here uses the package: the images follow from the equation of the pose (a map point ``r`` is
seen at ``(R r)_xy - o``) and from the textbook CTF alone, so tests may hold the package to them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import starfile
from scipy.spatial.transform import Rotation

VOLTAGE_KV = 300.0
SPHERICAL_ABERRATION_MM = 2.7
AMPLITUDE_CONTRAST = 0.1


@dataclass(frozen=True)
class Blobs:
    """Gaussian blobs: centres (k, 3) in Å from the map's centre, widths (sigma) in Å, masses."""

    centres_angstrom: np.ndarray
    sigmas_angstrom: np.ndarray
    masses: np.ndarray

    def volume(self, box_px: int, pixel_size_angstrom: float) -> np.ndarray:
        """The map ``[z, y, x]``, mass per voxel."""
        x = (np.arange(box_px) - box_px // 2) * pixel_size_angstrom
        scale = pixel_size_angstrom / np.sqrt(2 * np.pi) / self.sigmas_angstrom
        lines = [
            np.exp(-((x - c[:, None]) ** 2) / (2 * self.sigmas_angstrom[:, None] ** 2))
            * scale[:, None]
            for c in self.centres_angstrom.T
        ]
        return np.einsum("k,kz,ky,kx->zyx", self.masses, *lines[::-1]).astype(np.float32)

    def spectra(self, rotations: np.ndarray, frequencies: np.ndarray) -> np.ndarray:
        """Fourier transforms (n, p) of the projections at ``frequencies`` (p, 2) in 1/Å."""
        seen = np.einsum("nij,kj->nki", rotations, self.centres_angstrom)[..., :2]
        squared = np.sum(frequencies**2, axis=-1)
        out = np.zeros((len(rotations), len(frequencies)), complex)
        for k, (sigma, mass) in enumerate(zip(self.sigmas_angstrom, self.masses, strict=True)):
            envelope = mass * np.exp(-2 * (np.pi * sigma) ** 2 * squared)
            out += envelope * np.exp(-2j * np.pi * (seen[:, k] @ frequencies.T))
        return out


def random_blobs(rng: np.random.Generator, *, count: int, radius_angstrom: float) -> Blobs:
    """Blobs in a ball, without symmetry: no two of the same mass."""
    directions = rng.normal(size=(count, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = radius_angstrom * rng.uniform(0, 1, (count, 1)) ** (1 / 3)
    return Blobs(directions * radii, rng.uniform(3.0, 6.0, count), rng.uniform(0.5, 2.0, count))


@dataclass(frozen=True)
class Hinge:
    """A second body that turns about a fulcrum by up to an angle, differently in each particle."""

    body: Blobs
    fulcrum_angstrom: np.ndarray
    largest_deg: float


@dataclass(frozen=True)
class BlobSet:
    """Files of a particle set and what is known of it.

    ``rotations`` and ``origins_angstrom`` are the poses in the table: those of ``blobs``. Where
    there is a hinged body, the ``hinged_`` ones are its true poses.
    """

    star: Path
    stack: Path
    blobs: Blobs
    rotations: np.ndarray
    origins_angstrom: np.ndarray
    hinge: Hinge | None
    hinged_rotations: np.ndarray
    hinged_origins_angstrom: np.ndarray
    images: np.ndarray
    table: pd.DataFrame
    box_px: int
    pixel_size_angstrom: float


def textbook_ctf(table: pd.DataFrame, frequencies: np.ndarray) -> np.ndarray:
    """CTF (n, p) of astigmatic defocus, positive at low frequency: proteins are bright."""
    volts = VOLTAGE_KV * 1e3
    wavelength = 12.2643247 / np.sqrt(volts * (1 + volts * 0.978466e-6))
    u, v, angle = (table[f"rlnDefocus{c}"].to_numpy(float)[:, None] for c in ("U", "V", "Angle"))
    direction = np.arctan2(frequencies[:, 1], frequencies[:, 0])
    defocus = (u + v) / 2 + (u - v) / 2 * np.cos(2 * (direction - np.deg2rad(angle)))
    squared = np.sum(frequencies**2, axis=-1)
    chi = np.pi * wavelength * defocus * squared
    chi -= np.pi / 2 * SPHERICAL_ABERRATION_MM * 1e7 * wavelength**3 * squared**2
    return np.sin(chi + np.arcsin(AMPLITUDE_CONTRAST))


def _turned(
    rotations: Rotation, origins: np.ndarray, hinge: Hinge, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Poses of the hinged body: the fulcrum stays where the image shows it."""
    axes = rng.normal(size=(len(origins), 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.deg2rad(hinge.largest_deg) * rng.uniform(0, 1, (len(origins), 1))
    moved = (rotations * Rotation.from_rotvec(axes * angles)).as_matrix()
    swing = (moved - rotations.as_matrix()) @ hinge.fulcrum_angstrom
    return moved, origins + swing[:, :2]


def write_blob_set(
    folder: Path,
    rng: np.random.Generator,
    *,
    n: int,
    box_px: int,
    pixel_size_angstrom: float,
    noise: float,
    blobs: Blobs | None = None,
    hinge: Hinge | None = None,
    disorder: Callable[[np.random.Generator], Blobs] | None = None,
) -> BlobSet:
    """Write ``particles.mrcs`` and ``particles.star`` (RELION 3.1, half-sets) into ``folder``.

    ``noise`` is the standard deviation of the white noise over that of the signal. ``disorder``
    draws a part that is another one in each particle.
    """
    extent = box_px * pixel_size_angstrom
    blobs = blobs or random_blobs(rng, count=25, radius_angstrom=0.25 * extent)
    rotations = Rotation.random(n, random_state=rng)
    origins = rng.uniform(-3, 3, (n, 2)) * pixel_size_angstrom
    angles = rotations.inv().as_euler("ZYZ", degrees=True)
    defocus = rng.uniform(8000, 20000, n)
    table = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@particles.mrcs" for i in range(n)],
            "rlnOpticsGroup": 1,
            "rlnRandomSubset": 1 + np.arange(n) % 2,
            **dict(zip(["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"], angles.T, strict=True)),
            "rlnOriginXAngst": origins[:, 0],
            "rlnOriginYAngst": origins[:, 1],
            "rlnDefocusU": defocus + 200,
            "rlnDefocusV": defocus - 200,
            "rlnDefocusAngle": rng.uniform(0, 180, n),
            "rlnPhaseShift": 0.0,
        }
    )
    k = np.fft.fftfreq(box_px, pixel_size_angstrom)
    frequencies = np.stack(np.meshgrid(k, k), axis=-1).reshape(-1, 2)
    spectra = blobs.spectra(rotations.as_matrix(), frequencies)
    spectra *= np.exp(2j * np.pi * (origins @ frequencies.T))
    moved, moved_origins = rotations.as_matrix(), origins
    if hinge is not None:
        moved, moved_origins = _turned(rotations, origins, hinge, rng)
        second = hinge.body.spectra(moved, frequencies)
        spectra += second * np.exp(2j * np.pi * (moved_origins @ frequencies.T))
    if disorder is not None:
        for i in range(n):
            part = disorder(rng).spectra(rotations[i : i + 1].as_matrix(), frequencies)
            spectra[i] += part[0] * np.exp(2j * np.pi * (frequencies @ origins[i]))
    spectra *= textbook_ctf(table, frequencies)
    grids = spectra.reshape(n, box_px, box_px)
    images = np.fft.fftshift(np.fft.ifft2(grids).real, axes=(-2, -1))
    images += noise * images.std() * rng.normal(size=images.shape)
    images = images.astype(np.float32)

    optics = pd.DataFrame(
        {
            "rlnOpticsGroup": [1],
            "rlnOpticsGroupName": ["opticsGroup1"],
            "rlnVoltage": [VOLTAGE_KV],
            "rlnSphericalAberration": [SPHERICAL_ABERRATION_MM],
            "rlnAmplitudeContrast": [AMPLITUDE_CONTRAST],
            "rlnImagePixelSize": [pixel_size_angstrom],
            "rlnImageSize": [box_px],
            "rlnImageDimensionality": [2],
        }
    )
    folder.mkdir(parents=True, exist_ok=True)
    star, stack = folder / "particles.star", folder / "particles.mrcs"
    starfile.write({"optics": optics, "particles": table}, star, overwrite=True)
    with mrcfile.new(stack, overwrite=True) as file:
        file.set_data(images)
        file.set_image_stack()
        file.voxel_size = pixel_size_angstrom
    return BlobSet(
        star,
        stack,
        blobs,
        rotations.as_matrix(),
        origins,
        hinge,
        moved,
        moved_origins,
        images,
        table,
        box_px,
        pixel_size_angstrom,
    )
