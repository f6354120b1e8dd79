"""Random poses, the motion of one body about a fulcrum, and the optics of micrographs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import CTFParameters, make_ctf_parameters


@dataclass(frozen=True)
class Poses:
    """Rotations (map point -> image frame) and origins of images."""

    rotations: Float[np.ndarray, "n 3 3"]
    origins_angstrom: Float[np.ndarray, "n 2"]


def random_poses(rng: np.random.Generator, n: int, origin_sd_angstrom: float) -> Poses:
    """Draw uniform rotations and normally distributed origins."""
    rotations = Rotation.random(n, rng=rng).as_matrix()
    return Poses(rotations, rng.normal(0.0, origin_sd_angstrom, (n, 2)))


def random_motions(
    rng: np.random.Generator, n: int, largest_deg: float
) -> Float[np.ndarray, "n 3 3"]:
    """Draw rotations in the map's frame: uniform angle up to the largest, uniform axis."""
    axes = rng.normal(size=(n, 3))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    angles = np.deg2rad(rng.uniform(0.0, largest_deg, n))
    return Rotation.from_rotvec(axes * angles[:, None]).as_matrix()


def move_body(
    poses: Poses,
    motions: Float[np.ndarray, "n 3 3"],
    fulcrum_angstrom: Float[np.ndarray, "3"],
    shifts_angstrom: Float[np.ndarray, "n 2"],
) -> Poses:
    """Poses at which the unmoved body looks like the body that moved.

    The body turned by ``D`` about the fulcrum ``f`` and imaged at ``(R, o)`` is the unmoved body at
    ``R' = R D``, ``o' = o + ((R' - R) f)_xy + t`` with ``t`` the shifts.
    """
    turned = poses.rotations @ motions
    lever = ((turned - poses.rotations) @ fulcrum_angstrom)[:, :2]
    return Poses(turned, poses.origins_angstrom + lever + shifts_angstrom)


def disturb(
    rng: np.random.Generator, poses: Poses, rotation_sd_deg: float, shift_sd_angstrom: float
) -> Poses:
    """Put normally distributed errors (per axis) on poses, in the image's frame."""
    n = len(poses.rotations)
    vectors = np.deg2rad(rng.normal(0.0, rotation_sd_deg, (n, 3)))
    errors = Rotation.from_rotvec(vectors).as_matrix()
    shifts = rng.normal(0.0, shift_sd_angstrom, (n, 2))
    return Poses(errors @ poses.rotations, poses.origins_angstrom + shifts)


def random_ctf(
    rng: np.random.Generator,
    micrograph: Int[np.ndarray, " n"],
    defocus_range_angstrom: tuple[float, float],
    *,
    voltage_kv: float = 300.0,
    spherical_aberration_mm: float = 2.7,
    amplitude_contrast: float = 0.1,
) -> CTFParameters:
    """Draw one defocus and astigmatism for each micrograph, and a height for each particle.

    Astigmatism is up to 300 Å, the height up to 1000 Å above or below the micrograph's defocus.
    """
    n, micrographs = len(micrograph), int(micrograph.max()) + 1
    defocus = rng.uniform(*defocus_range_angstrom, micrographs)[micrograph]
    defocus = defocus + rng.uniform(-1000.0, 1000.0, n)
    astigmatism = rng.uniform(0.0, 300.0, micrographs)[micrograph]
    angle_deg = rng.uniform(0.0, 180.0, micrographs)[micrograph]
    # As they are written to the STAR file, so that images and table agree to the last digit.
    return make_ctf_parameters(
        n,
        voltage_kv=voltage_kv,
        spherical_aberration_mm=spherical_aberration_mm,
        amplitude_contrast=amplitude_contrast,
        defocus_u_angstrom=np.round(defocus + astigmatism / 2, 1),
        defocus_v_angstrom=np.round(defocus - astigmatism / 2, 1),
        defocus_angle_deg=np.round(angle_deg, 2),
    )
