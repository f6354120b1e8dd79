"""Poses seen from a fulcrum.

A body that turns by ``D`` about the fulcrum ``f`` and is imaged with the pose ``(R, o)`` looks like
the unmoved body at ``R' = R D``, ``o' = o + M^T ((R' - R) f)_xy + t``. In the image frame the turn
is ``E = R D R^T``, with the same angle, and ``R' = E R``. ``M`` is the anisotropic magnification,
mostly the identity: a point ``r`` of the map is seen at ``M^T (R r)_xy - o``, since slices are
taken at ``M k`` (`locref_widgets.engine.ctf`).
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
    magnifications: Float[np.ndarray, "n 2 2"] | None = None,
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
    magnifications
        ``M`` of each particle; the identity unless given.
    """
    moved = Rotation.from_rotvec(turns_rad).as_matrix() @ rotations
    swing = _swing(rotations, moved, fulcrum_angstrom, magnifications)
    return moved, origins_angstrom + swing + shifts_angstrom


def motion_about_fulcrum(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    moved_rotations: Float[np.ndarray, "n 3 3"],
    moved_origins_angstrom: Float[np.ndarray, "n 2"],
    fulcrum_angstrom: Float[np.ndarray, " 3"],
    magnifications: Float[np.ndarray, "n 2 2"] | None = None,
) -> tuple[Float[np.ndarray, "n 3"], Float[np.ndarray, "n 2"]]:
    """The local motion between two sets of poses; inverse of `move_about_fulcrum`.

    Returns the rotation vectors (image frame, radians) and the changes of origin ``t`` in Å.
    """
    turns = Rotation.from_matrix(moved_rotations @ np.swapaxes(rotations, -1, -2)).as_rotvec()
    swing = _swing(rotations, moved_rotations, fulcrum_angstrom, magnifications)
    return turns, moved_origins_angstrom - origins_angstrom - swing


def unmagnified(
    origins_angstrom: Float[np.ndarray, "n 2"], magnifications: Float[np.ndarray, "n 2 2"]
) -> Float[np.ndarray, "n 2"]:
    """Origins ``M^-T o`` that the poses would have if the images were not magnified.

    With them the formulas of poses hold as they do for ``M = 1``.
    """
    transposed = np.swapaxes(magnifications, -1, -2)
    return np.linalg.solve(transposed, origins_angstrom[..., None])[..., 0]


def magnified(
    places: Float[np.ndarray, "n 2"], magnifications: Float[np.ndarray, "n 2 2"] | None
) -> Float[np.ndarray, "n 2"]:
    """Where images with a magnification show what they show at these places without: ``M^T p``."""
    return places if magnifications is None else np.einsum("nji,nj->ni", magnifications, places)


def _swing(
    rotations: Float[np.ndarray, "n 3 3"],
    moved_rotations: Float[np.ndarray, "n 3 3"],
    point_angstrom: Float[np.ndarray, " 3"],
    magnifications: Float[np.ndarray, "n 2 2"] | None,
) -> Float[np.ndarray, "n 2"]:
    return magnified(((moved_rotations - rotations) @ point_angstrom)[:, :2], magnifications)
