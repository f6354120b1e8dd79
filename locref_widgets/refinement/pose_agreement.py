"""How far the poses of two refinements of the same particles lie apart."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

_GAUGE_ROUNDS = 5
_OUTLIER = 3.0


@dataclass(frozen=True)
class PoseAgreement:
    """Of each particle in both, in the order given.

    Attributes
    ----------
    turn_deg
        Angle between the two rotations.
    shift_angstrom
        Distance between the images of the region's centre.
    frame_turn_deg
        By how much the second map as a whole is turned against the first.
    turn_in_frame_deg
        The angles once that turn is taken out: what the maps' own frames do not explain.
    """

    turn_deg: Float[np.ndarray, " n"]
    shift_angstrom: Float[np.ndarray, " n"]
    frame_turn_deg: float
    turn_in_frame_deg: Float[np.ndarray, " n"]


def compare_poses(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    other_rotations: Float[np.ndarray, "n 3 3"],
    other_origins_angstrom: Float[np.ndarray, "n 2"],
    centre_angstrom: Float[np.ndarray, "3"],
) -> PoseAgreement:
    """Compare poses of the same particles.

    ``centre_angstrom`` is (x, y, z) of the region's centre relative to voxel N // 2: how far a pose
    moves the image depends on the place in the map. The turn of the map as a whole is the mean of
    the turns ``R^T R'``, particles beyond three medians left out.
    """
    between = np.swapaxes(rotations, 1, 2) @ other_rotations
    places = (rotations @ centre_angstrom)[:, :2] - origins_angstrom
    others = (other_rotations @ centre_angstrom)[:, :2] - other_origins_angstrom
    turn = _angle_deg(between)
    frame, kept, rest = np.eye(3), np.ones(len(turn), bool), turn
    for _ in range(_GAUGE_ROUNDS if len(turn) else 0):
        frame = Rotation.from_matrix(between[kept]).mean().as_matrix()
        rest = _angle_deg(between @ frame.T)
        kept = rest <= _OUTLIER * max(float(np.median(rest)), 1e-9)
    return PoseAgreement(
        turn_deg=turn,
        shift_angstrom=np.linalg.norm(places - others, axis=1),
        frame_turn_deg=float(_angle_deg(frame[None])[0]),
        turn_in_frame_deg=rest,
    )


def _angle_deg(rotations: Float[np.ndarray, "n 3 3"]) -> Float[np.ndarray, " n"]:
    if not len(rotations):
        return np.zeros(0)
    return np.rad2deg(Rotation.from_matrix(rotations).magnitude())
