"""When a refinement has settled, or gone astray, by the half-maps' agreement and the poses.

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
_ASTRAY_SHARE, _ASTRAY_SHELLS = 0.9, 1.0
"""Half-maps that agree to less than this share of what they did before the search, and by so many
shells less, were led astray. Weak sets whose searches failed came from 14 shells to 8 or fewer; of
those that succeeded the one that lost most came from 15.3 to 14.5, for one iteration."""


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


def agreement_warnings(
    history_shells: Float[np.ndarray, " iterations"], *, ended: bool
) -> list[str]:
    """What is to be said where the search has led particles astray: a sentence or two, once.

    While a run goes on it is told of in the first iteration, from the second on, that is behind
    the poses that the search began with and not catching up; and at its end if it then is behind.

    Parameters
    ----------
    history_shells
        As `has_settled` takes it.
    ended
        Whether no iteration follows.
    """
    behind = _is_behind(history_shells) if ended else _falls_behind(history_shells)
    if not behind:
        return []
    first, now = history_shells[0], history_shells[-1]
    what = (
        "the half-maps agree less than at the poses that the search began with (the FSC summed "
        f"over shells is {now:.1f}, and was {first:.1f}): it may follow noise. "
    )
    mend = (
        "check that map and mask lie where the particles have the region, and give a larger mask, "
        "a prior_rotation or a coarser initial_lowpass."
    )
    if ended:
        compare = "Compare the maps before you use the new poses"
        return [f"{what}{compare}. More iterations may catch up; else {mend}"]
    return [f"{what}If the next iterations do not mend that, stop it; {mend}"]


def _is_behind(history_shells: Float[np.ndarray, " iterations"]) -> bool:
    """Whether the last iteration's half-maps agree much less than before the search."""
    first, now = history_shells[0], history_shells[-1]
    return bool(now < _ASTRAY_SHARE * first and now < first - _ASTRAY_SHELLS)


def _falls_behind(history_shells: Float[np.ndarray, " iterations"]) -> bool:
    """Whether the last iteration is the first that is behind and not catching up."""
    stuck = [
        _is_behind(history_shells[: end + 1])
        and history_shells[end] < history_shells[end - 1] + _GAIN_SHELLS
        for end in range(2, len(history_shells))
    ]
    return bool(stuck and stuck[-1] and not any(stuck[:-1]))


def turns_between(
    before: Float[np.ndarray, "n 3"] | None, after: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Angles between two sets of turns; from the poses given where there was no search before."""
    turns = Rotation.from_rotvec(after)
    if before is not None:
        turns = turns * Rotation.from_rotvec(before).inv()
    return turns.magnitude()
