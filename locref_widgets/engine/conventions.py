"""The one place that states how maps, poses and shifts are written down.

Maps are arrays ``[z, y, x]``, cubic, with the centre of rotation at voxel ``N // 2`` of each axis.
Points are ``(x, y, z)`` in Å relative to that voxel.

A pose is a rotation matrix ``R`` (map point -> image frame; its rows are the image's x, y and z
axes in the map frame) and an origin offset ``o`` in Å: a map point ``r`` is seen at the image
point ``(R r)_xy - o``, relative to pixel ``N // 2``.

RELION stores ``R`` as the angles rot, tilt, psi of its passive ZYZ form and ``o`` as
``rlnOriginXAngst, rlnOriginYAngst`` (RELION 3.1; earlier files hold pixels in ``rlnOriginX/Y``).

Local motion: a body rotated by ``D`` (map frame) about the fulcrum ``f`` and imaged with the pose
``(R, o)`` looks like the unmoved body at ``R' = R D``, ``o' = o + ((R' - R) f)_xy + t``, where
``t`` is a further change of origin.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


def rotation_from_euler(
    rot_deg: Float[np.ndarray, " n"],
    tilt_deg: Float[np.ndarray, " n"],
    psi_deg: Float[np.ndarray, " n"],
) -> Float[np.ndarray, "n 3 3"]:
    """Rotation matrices of RELION's angles ``rlnAngleRot``, ``rlnAngleTilt``, ``rlnAnglePsi``.

    Parameters are in degrees. The result maps map points to the image frame.
    """
    angles = np.stack([rot_deg, tilt_deg, psi_deg], axis=-1)
    return Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()


def euler_from_rotation(
    rotations: Float[np.ndarray, "n 3 3"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """RELION's angles (rot, tilt, psi) in degrees of rotation matrices; tilt lies in [0, 180].

    At the poles (tilt 0 or 180) only one of rot and psi is defined; rot carries it there.
    """
    m = np.asarray(rotations, dtype=np.float64)
    sin_tilt = np.hypot(m[:, 2, 0], m[:, 2, 1])
    tilt = np.arctan2(sin_tilt, m[:, 2, 2])
    pole = sin_tilt < 1e-9
    rot = np.where(pole, _rot_at_pole(m), np.arctan2(m[:, 2, 1], m[:, 2, 0]))
    psi = np.where(pole, 0.0, np.arctan2(m[:, 1, 2], -m[:, 0, 2]))
    return np.rad2deg(rot), np.rad2deg(tilt), np.rad2deg(psi)


def _rot_at_pole(m: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, " n"]:
    """rot with psi = 0 where the view is along +z or -z."""
    # With psi = 0 and tilt in {0, pi}: row 0 = (cos tilt cos rot, cos tilt sin rot, 0).
    sign = np.sign(m[:, 2, 2])
    return np.arctan2(m[:, 0, 1] * sign, m[:, 0, 0] * sign)
