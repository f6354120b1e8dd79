"""Which of several settings leads to the best agreement of the half-maps, and how sure that is.

Every setting was tried on the same particles, and particle ``i`` has the influence ``U_si`` on the
criterion ``A_s`` of setting ``s`` (`locref_widgets.refinement.agreement`). A bootstrap draws, for
each half-set apart, as many particles as there are, with replacement; with ``m_i`` the number of
times that particle ``i`` is drawn the criterion becomes ``A_s + sum_i (m_i - 1) U_si``. All
settings see the same draw: what the particles have in common, their noise above all, cancels in
the comparison. The share of draws in which a setting is the best is how sure it is.

What this does not hold: poses stay as they were found, so that the scatter of the search itself is
left out, and the set tried is taken to be like the whole. A larger set also reaches a higher
resolution, in which settings may differ that do not differ here.
"""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

SURE, LIKELY = 0.95, 0.8
"""Shares of draws from which a verdict counts as clear, and as likely."""
_AT_ONCE = 1000


@dataclass(frozen=True)
class Comparison:
    """Settings compared, in the order in which they were given.

    Attributes
    ----------
    criterion
        Agreement of the half-maps.
    standard_error
        Of the criterion of each setting on its own.
    best
        Which one has the highest criterion.
    share_best
        Share of the draws in which each is the best; together 1.
    behind
        By how much the best one is ahead of each.
    behind_error
        Standard error of that, in pairs.
    share_not_worse
        Share of the draws in which each is at least as good as the best one.
    worth
        Signal-to-noise ratio over that of the best one, which is also the ratio of the numbers of
        particles that would lead to it; NaN where the half-maps do not agree.
    """

    criterion: Float[np.ndarray, " s"]
    standard_error: Float[np.ndarray, " s"]
    best: int
    share_best: Float[np.ndarray, " s"]
    behind: Float[np.ndarray, " s"]
    behind_error: Float[np.ndarray, " s"]
    share_not_worse: Float[np.ndarray, " s"]
    worth: Float[np.ndarray, " s"]

    @property
    def tied(self) -> list[int]:
        """Those that cannot be told apart from the best one, which is the first of them."""
        others = [s for s in np.argsort(-self.criterion) if s != self.best]
        return [self.best, *(int(s) for s in others if self.share_not_worse[s] > 1.0 - SURE)]

    @property
    def sureness(self) -> str:
        """``clear``, ``likely``, ``open`` (several may be the best) or ``none`` (all of them)."""
        share = self.share_best[self.best]
        if len(self.criterion) > 1 and len(self.tied) == len(self.criterion):
            return "none"
        if share >= SURE and len(self.tied) == 1:
            return "clear"
        return "likely" if share >= LIKELY else "open"


def compare_settings(
    criterion: Float[np.ndarray, " s"],
    influence: Float[np.ndarray, "s n"],
    half_sets: Int[np.ndarray, " n"],
    particle: Int[np.ndarray, " n"] | None = None,
    *,
    draws: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare settings by a bootstrap over particles (see the module).

    Parameters
    ----------
    criterion
        Of each setting.
    influence
        Of each particle on each of them.
    half_sets
        1 or 2 for each particle; each half-set is drawn apart.
    particle
        Number of the particle that each row shows: copies are drawn together. Unset: no copies.
    draws, seed
        Of the bootstrap.
    """
    if particle is not None:
        influence, half_sets = _copies_together(influence, half_sets, particle)
    values = np.empty((draws, len(criterion)))
    rng = np.random.default_rng(seed)
    halves = [np.flatnonzero(half_sets == half) for half in np.unique(half_sets)]
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        drawn = np.tile(criterion, (size, 1))
        for members in halves:
            counts = rng.multinomial(members.size, np.full(members.size, 1 / members.size), size)
            drawn += (counts - 1.0) @ influence[:, members].T
        values[start : start + size] = drawn
    best = int(np.argmax(criterion))
    difference = values[:, [best]] - values
    return Comparison(
        criterion=criterion,
        standard_error=values.std(axis=0),
        best=best,
        share_best=_shares_of_first(values),
        behind=criterion[best] - criterion,
        behind_error=difference.std(axis=0),
        share_not_worse=np.mean(difference <= 0, axis=0),
        worth=_worth(criterion, best),
    )


def _copies_together(
    influence: Float[np.ndarray, "s n"],
    half_sets: Int[np.ndarray, " n"],
    particle: Int[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, "s m"], Int[np.ndarray, " m"]]:
    _, first, place = np.unique(particle, return_index=True, return_inverse=True)
    together = np.stack([np.bincount(place, row, first.size) for row in influence])
    return together, half_sets[first]


def _shares_of_first(values: Float[np.ndarray, "d s"]) -> Float[np.ndarray, " s"]:
    """How often each column is the largest; equal ones share."""
    first: Bool[np.ndarray, "d s"] = values >= values.max(axis=1, keepdims=True)
    return np.mean(first / first.sum(axis=1, keepdims=True), axis=0)


def _worth(criterion: Float[np.ndarray, " s"], best: int) -> Float[np.ndarray, " s"]:
    agrees = (criterion > 0) & (criterion < 1)
    safe = np.where(agrees, criterion, 0.5)
    ratio = np.where(agrees, safe / (1 - safe), math.nan)
    return ratio / ratio[best]
