"""What particles are compared with in the first search: maps that grow as it goes.

The map given shows the region blurred by its motion, and is used to its initial low-pass only. So
the first fold of each half-set alone is compared with it, and each fold that follows with the map
that those before it have made at the poses found, once a search may use that to finer shells; it is
made anew whenever there are twice as many of them. No fold sees anything of its own there, either.
"""

from collections.abc import Callable
from functools import reduce

from locref_widgets.engine.reconstruction import add_accumulators
from locref_widgets.refinement.fold_references import (
    FixedReferences,
    FoldSums,
    HalfReference,
    Spectra,
    half_map_references,
)
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.state import MeasuredMaps

Measure = Callable[[FoldSums, int], tuple[MeasuredMaps, int]]
"""The maps of sums of both half-sets over so many folds, and the shell up to which a search may use
them."""


class GrowingReferences:
    """References of the first search.

    Parameters
    ----------
    problem
        The region.
    given
        The maps given, for the first fold; and for those after it until what was found reaches on.
    folds
        Into how many folds each half-set is divided.
    measure
        Makes maps of the sums of the folds so far.
    renewed
        Sums of the search that these references are for, where it has been made already.
    """

    def __init__(
        self,
        problem: Problem,
        given: FixedReferences,
        folds: int,
        measure: Measure,
        renewed: FoldSums | None = None,
    ) -> None:
        self._problem, self._given, self._measure = problem, given, measure
        self._renewed = dict(renewed or {})
        self._made: dict[int, dict[int, HalfReference]] = {}
        self.folds = folds

    @property
    def sigma2(self) -> Spectra:
        """The noise spectrum that each half-set's are told."""
        return self._given.sigma2

    def of(self, fold: int) -> dict[int, HalfReference]:
        """What a fold of each half-set is compared with."""
        if fold == 0:
            return self._given.of(0)
        before = 2 ** (fold.bit_length() - 1)
        if before not in self._made:
            self._made[before] = self._make(before)
        return self._made[before]

    def renew(self, fold: int, sums: FoldSums) -> None:
        """Take the sums that the search of a fold made, for the folds that follow."""
        self._renewed |= {place: sums[place] for place in sums if place[1] == fold}

    def _make(self, folds: int) -> dict[int, HalfReference]:
        """References of the first so many folds, or the maps given."""
        given, so_far = self._given.of(0), self._before(folds)
        if len(so_far) < len(HALVES):
            return given
        measured, radius_px = self._measure(so_far, folds)
        if radius_px <= given[HALVES[0]].radius_px:
            return given
        return half_map_references(self._problem, measured, self.sigma2, radius_px).of(0)

    def _before(self, fold: int) -> FoldSums:
        """Sums of each half-set over the folds before one; a half-set without any is absent."""
        so_far = {}
        for half in HALVES:
            places = sorted(p for p in self._renewed if p[0] == half and p[1] < fold)
            if places:
                so_far[half, 0] = reduce(add_accumulators, (self._renewed[p] for p in places))
        return so_far
