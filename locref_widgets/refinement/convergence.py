"""When a refinement has settled: neither the resolution nor the poses still improve."""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

_PATIENCE = 2
"""Iterations without a gain in resolution after which the refinement may end."""
_RESTLESS = 0.15
"""Poses still move while their median turn since the iteration before exceeds this share of the
median standard error: where the resolution is limited by Nyquist, poses improve long after it."""


def has_settled(
    history_angstrom: list[float], info: dict[str, np.ndarray], box_angstrom: float
) -> bool:
    """Whether the last iterations gained less than half a shell and the poses stand still.

    Parameters
    ----------
    history_angstrom
        Resolutions of iterations 0, 1, 2 ... up to the present one.
    info
        Of the present iteration: ``turn_since_last_rad`` and ``rotation_error_rad``.
    box_angstrom
        Edge of the box, which sets the width of a shell.
    """
    if len(history_angstrom) < _PATIENCE + 2:
        return False
    # Iteration 0 is left out: its map is of the whole particle, or of the blurred region.
    shells = [box_angstrom / value for value in history_angstrom[1:]]
    if max(shells[-_PATIENCE:]) >= max(shells[:-_PATIENCE]) + 0.5:
        return False
    moved = np.median(info["turn_since_last_rad"])
    # A particle without information has no finite error; it must not decide for the others.
    return bool(moved < _RESTLESS * np.nanmedian(info["rotation_error_rad"]))


def turns_between(
    before: Float[np.ndarray, "n 3"] | None, after: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Angles between two sets of turns; from the poses given where there was no search before."""
    turns = Rotation.from_rotvec(after)
    if before is not None:
        turns = turns * Rotation.from_rotvec(before).inv()
    return turns.magnitude()
