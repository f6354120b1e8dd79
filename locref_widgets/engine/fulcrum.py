"""Poses seen from a fulcrum.

A body that turns by ``D`` about the fulcrum ``f`` and is imaged with the pose ``(R, o)`` looks like
the unmoved body at ``R' = R D``, ``o' = o + ((R' - R) f)_xy + t``. In the image frame the turn is
``E = R D R^T``, with the same angle, and ``R' = E R``.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation


def move_about_fulcrum(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    turns_rad: Float[np.ndarray, "n 3"],
    shifts_angstrom: Float[np.ndarray, "n 2"],
    fulcrum_angstrom: Float[np.ndarray, " 3"],
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]]:
    """Poses after a local motion about the fulcrum.

    Parameters
    ----------
    rotations, origins_angstrom
        Poses before the motion.
    turns_rad
        Rotation vectors of the motion in the *image* frame.
    shifts_angstrom
        The further change of origin ``t``.
    fulcrum_angstrom
        ``(x, y, z)`` relative to the centre of the box.
    """
    moved = Rotation.from_rotvec(turns_rad).as_matrix() @ rotations
    swing = ((moved - rotations) @ fulcrum_angstrom)[:, :2]
    return moved, origins_angstrom + swing + shifts_angstrom


def motion_about_fulcrum(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    moved_rotations: Float[np.ndarray, "n 3 3"],
    moved_origins_angstrom: Float[np.ndarray, "n 2"],
    fulcrum_angstrom: Float[np.ndarray, " 3"],
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 2"]]:
    """The local motion between two sets of poses; inverse of `move_about_fulcrum`.

    Returns the rotation vectors (image frame, radians) and the changes of origin ``t`` in Å.
    """
    turns = Rotation.from_matrix(moved_rotations @ np.swapaxes(rotations, -1, -2)).as_rotvec()
    swing = ((moved_rotations - rotations) @ fulcrum_angstrom)[:, :2]
    return turns, moved_origins_angstrom - origins_angstrom - swing
