"""What an iteration knows, seen from another fulcrum: the same poses, other numbers for them.

The motion of a particle about the fulcrum ``f`` is the turn ``E`` (``R' = E R``) and the shift

    t = o' - o - M^T ((R' - R) f)_xy .

Neither ``R'`` nor ``o'`` depend on the fulcrum by which they are described, so about ``g``

    t_g = t + M^T ((R' - R) (f - g))_xy ,

and a small rotation ``w`` of ``R'`` that left ``t`` as it was moves ``t_g`` by
``M^T (w x R' (f - g))_xy``. Turns, and with them what convergence goes by, stay as they are.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fulcrum import magnified
from locref_widgets.refinement.state import IterationResult

FULCRUM = "fulcrum_angstrom"
"""Name in ``info`` of the fulcrum that the motions of an iteration refer to."""

Turns = Float[np.ndarray, "n 3"]
Shifts = Float[np.ndarray, "n 2"]
Rotations = Float[np.ndarray, "n 3 3"]
Magnifications = Float[np.ndarray, "n 2 2"]


def about_fulcrum(
    result: IterationResult,
    given_rotations: Rotations,
    fulcrum_angstrom: Float[np.ndarray, " 3"],
    pixel_size_angstrom: float,
    magnifications: Magnifications | None = None,
) -> IterationResult:
    """Describe the motions of an iteration about another fulcrum; its poses stay the same.

    Parameters
    ----------
    result
        Refers to the fulcrum that its ``info`` names. Where it names none (a run of an earlier
        version), or that one already, it is returned as it is.
    given_rotations
        Of the poses that the job was given, in the order of the result.
    fulcrum_angstrom
        The other one, relative to the centre of the box.
    pixel_size_angstrom
        Of the images.
    magnifications
        ``M`` of each particle, as `move_about_fulcrum` has it; the identity unless given.
    """
    info = result.info
    if FULCRUM not in info or np.array_equal(info[FULCRUM], fulcrum_angstrom):
        return result
    info = dict(info)
    offset_px = (info[FULCRUM] - fulcrum_angstrom) / pixel_size_angstrom
    info[FULCRUM] = np.asarray(fulcrum_angstrom, np.float64)
    if "turn_rad" in info:
        started = _turned(info["start_turn_rad"], given_rotations)
        entered = _turned(info["mean_turn_rad"], started)
        found = _turned(info["turn_rad"], given_rotations)
        for name, before, after in (
            ("start_shift_px", given_rotations, started),
            ("mean_shift_px", started, entered),
            ("shift_px", given_rotations, found),
        ):
            seen = magnified(((after - before) @ offset_px)[:, :2], magnifications)
            info[name] = info[name] + seen
        info["shift_change_px"] = np.linalg.norm(info["shift_px"], axis=1)
        info["pose_covariance"] = _covariance_about(
            info["pose_covariance"], entered @ offset_px, magnifications
        )
    return replace(result, info=info)


def _turned(turns_rad: Turns, rotations: Rotations) -> Rotations:
    if not np.any(turns_rad):
        return rotations
    return Rotation.from_rotvec(turns_rad).as_matrix() @ rotations


def _covariance_about(
    covariance: Float[np.ndarray, "n 5 5"],
    lever_px: Float[np.ndarray, "n 3"],
    magnifications: Magnifications | None,
) -> Float[np.ndarray, "n 5 5"]:
    """Covariances of rotation (rad) and shift (px) about a fulcrum a lever away (image frame)."""
    x, y, z = lever_px.T
    slope = np.tile(np.eye(5), (len(lever_px), 1, 1))
    slope[:, 3, 1], slope[:, 3, 2] = z, -y
    slope[:, 4, 0], slope[:, 4, 2] = -z, x
    for axis in range(3):
        slope[:, 3:, axis] = magnified(slope[:, 3:, axis], magnifications)
    moved = slope @ covariance @ np.swapaxes(slope, -1, -2)
    return moved.astype(covariance.dtype)
