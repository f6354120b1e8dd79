"""Images of a map by our engine, as the interop tests compare them with those of other programs."""

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd

from locref_widgets.engine.conventions import rotation_from_euler
from locref_widgets.engine.ctf import CTFParameters, evaluate_ctf, make_ctf_parameters
from locref_widgets.engine.grids import Disc, image_to_disc, make_disc
from locref_widgets.engine.slicing import make_projector, slice_radius, slice_volume


def rotations_of(table: pd.DataFrame) -> np.ndarray:
    """Rotation matrices of the angles of a particle table that starfile read."""
    rot, tilt, psi = (table[f"rlnAngle{a}"].to_numpy(float) for a in ("Rot", "Tilt", "Psi"))
    return rotation_from_euler(rot, tilt, psi)


def ctf_of(table: pd.DataFrame, optics: pd.DataFrame) -> CTFParameters:
    """CTF parameters of a particle table with one optics group."""
    group = optics.iloc[0]
    return make_ctf_parameters(
        len(table),
        voltage_kv=group["rlnVoltage"],
        spherical_aberration_mm=group["rlnSphericalAberration"],
        amplitude_contrast=group["rlnAmplitudeContrast"],
        defocus_u_angstrom=table["rlnDefocusU"],
        defocus_v_angstrom=table["rlnDefocusV"],
        defocus_angle_deg=table["rlnDefocusAngle"],
        phase_shift_deg=table["rlnPhaseShift"],
    )


def project(
    volume: np.ndarray,
    rotations: np.ndarray,
    origins_px: np.ndarray,
    *,
    box_px: int,
    padding: int = 2,
    ctf: CTFParameters | None = None,
    pixel_size_angstrom: float = 1.0,
) -> tuple[np.ndarray, Disc]:
    """Fourier coefficients ``[n, p]`` of projections, and the disc that they are given on.

    A projection with origin ``o`` is displaced by ``-o``, which multiplies the coefficient at ``k``
    by ``exp(2 pi i k.o / N)``.
    """
    disc = make_disc(box_px)
    radius = slice_radius(disc.radius_px, box_px, padding * volume.shape[0])
    projector = make_projector(jnp.asarray(volume, jnp.float32), radius, padding)
    slices = jax.lax.map(
        lambda rotation: slice_volume(projector, rotation, disc),
        jnp.asarray(rotations, jnp.float32),
    )
    phases = np.exp(2j * np.pi / box_px * (origins_px @ disc.coordinates.T.astype(float)))
    coefficients = np.asarray(slices) * phases
    if ctf is not None:
        frequencies = jnp.asarray(disc.coordinates / (box_px * pixel_size_angstrom))
        coefficients *= np.asarray(jax.vmap(lambda c: evaluate_ctf(c, frequencies))(ctf))
    return coefficients, disc


def correlations(coefficients: np.ndarray, images: np.ndarray, disc: Disc) -> np.ndarray:
    """Correlation of each projection with its image over the disc, the mean left out.

    The disc ends one ring before Nyquist, where RELION's projections end too.
    """
    measured = np.asarray(image_to_disc(jnp.asarray(images, jnp.float32), disc))[:, 1:]
    ours = coefficients[:, 1:]
    products = np.sum(np.real(np.conj(ours) * measured), axis=-1)
    return products / (np.linalg.norm(ours, axis=-1) * np.linalg.norm(measured, axis=-1))
