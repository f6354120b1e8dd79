"""When a refinement has settled: neither the half-maps' agreement nor the poses still improve.

Agreement is measured by the sum of the FSC over shells, the number of shells that would agree
fully. Where the curve crosses a threshold goes up and down with the noise of a few shells (by
0.2 Å at 5 Å from one iteration to the next, where the sum stood still); the sum does not.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fsc import FSCCurve

AGREEMENT_HISTORY = "agreement_history_shells"
"""Name, among the numbers of an iteration, of the agreement in those before."""
_FEWEST = 3
"""Iterations before which a refinement does not end."""
_GAIN_SHELLS = 0.2
"""A smaller gain than this is none: on the 30S set the sum moved by 0.1 when nothing was gained."""
_RESTLESS = 0.15
"""Poses still move while their median turn since the iteration before exceeds this share of the
median standard error: where the resolution is limited by Nyquist, poses improve long after it."""


def agreement_shells(curve: FSCCurve) -> float:
    """How many shells' worth of agreement a curve shows: the sum of its values from shell 1 on."""
    return float(np.sum(np.clip(np.nan_to_num(curve.bridged_values()[1:]), 0.0, 1.0)))


def agreement_history(
    info: dict[str, np.ndarray], curve: FSCCurve
) -> Float[np.ndarray, " iterations"]:
    """The agreement before an iteration, of which ``info`` tells, and then that of its curve."""
    # A run that an earlier version began has noted none.
    return np.append(info.get(AGREEMENT_HISTORY, np.zeros(0)), agreement_shells(curve))


def has_settled(
    history_shells: Float[np.ndarray, " iterations"], info: dict[str, np.ndarray]
) -> bool:
    """Whether the last iteration gained less than a fifth of a shell and the poses stand still.

    Parameters
    ----------
    history_shells
        Agreement of iterations 0, 1, 2 ... up to the present one.
    info
        Of the present iteration: ``turn_since_last_rad`` and ``rotation_error_rad``.
    """
    if len(history_shells) <= _FEWEST:
        return False
    # Iteration 0 is left out: its map is of the whole particle, or of the blurred region.
    *before, now = history_shells[1:]
    if now >= max(before) + _GAIN_SHELLS:
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
