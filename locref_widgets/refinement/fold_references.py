"""What particles are compared with: of their half-set's map the part that they did not make.

Cross-fitting. A particle that helped to make the map it is compared with is drawn to the pose at
which it did so: its own noise is in the map (at a resolution where a Fourier voxel is seen by ``v``
particles, a ``1/v`` share of it). While poses are far off, each half-set is therefore divided into
folds, and the particles of a fold are searched against the map of the other folds of their
half-set. Later the whole half-set's map serves: what then holds the poses holds them where they
belong, and the fuller map says more (docs/decisions.md has the figures).

The folds are searched one after the other, and those that follow see what the ones before have
gained, instead of all waiting for the next iteration. This is the incremental form of expectation
maximisation (Neal & Hinton 1998, in Learning in Graphical Models, 355-368).
"""

from dataclasses import dataclass
from functools import reduce
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.filters import apply_shell_filter
from locref_widgets.engine.gridding import USUAL_ITERATIONS
from locref_widgets.engine.local_wiener import local_wiener, signal_profile
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.reconstruction import add_accumulators, solve
from locref_widgets.engine.slicing import Accumulator
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.masking import cutoff_shells
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import cut_region, in_region_box, trusted_fsc
from locref_widgets.refinement.side_by_side import side_by_side
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult, MeasuredMaps

_TRUST = 2.0
"""Factor on the ratio of signal to noise that the FSC says (RELION's ``T``). Measured with 0.5, 1,
2 and 3: FSC 0.5 of the 30S head to the true map 5.16, 5.12, 5.07 and 5.04 Å at median errors of
1.20, 1.16, 1.17 and 1.17 degrees, of which 90 % are below 2.16, 2.15, 2.20 and 2.23. Presumably
since poses of the two half-sets err apart, which costs agreement that is no noise in either map."""
FoldSums = dict[tuple[int, int], Accumulator]
"""Slices added up, of each half-set and fold."""
Spectra = dict[int, Float[np.ndarray, " shells"]]
"""A noise spectrum of each half-set."""


@dataclass(frozen=True)
class HalfReference:
    """What the search of a half-set's fold is told.

    Attributes
    ----------
    cube
        The region: filtered, masked and about its centre.
    sigma2
        Noise spectrum of the half-set's whole images.
    radius_px
        Shell of the region's box up to which particles are compared with it.
    """

    cube: Float[np.ndarray, "m m m"]
    sigma2: Float[np.ndarray, " shells"]
    radius_px: int


@runtime_checkable
class References(Protocol):
    """The references of an iteration, fold after fold."""

    @property
    def folds(self) -> int:
        """Into how many folds each half-set is divided."""
        ...

    @property
    def sigma2(self) -> Spectra:
        """The noise spectrum that each half-set's are told."""
        ...

    def of(self, fold: int) -> dict[int, HalfReference]:
        """What a fold of each half-set is compared with."""
        ...

    def renew(self, fold: int, sums: FoldSums) -> None:
        """Take the sums that the search of a fold made, for the folds that follow."""
        ...


@dataclass(frozen=True)
class FixedReferences:
    """References that are made already, by fold and half-set."""

    by_fold: tuple[dict[int, HalfReference], ...]

    @property
    def folds(self) -> int:
        """Into how many folds each half-set is divided."""
        return len(self.by_fold)

    @property
    def sigma2(self) -> Spectra:
        """The noise spectrum that each half-set's are told."""
        return {half: reference.sigma2 for half, reference in self.by_fold[0].items()}

    def of(self, fold: int) -> dict[int, HalfReference]:
        """What a fold of each half-set is compared with."""
        return self.by_fold[fold]

    def renew(self, fold: int, sums: FoldSums) -> None:
        """Nothing: they are made."""


def fixed(references: References) -> FixedReferences:
    """References as they are now, without the sums that they are made of."""
    return FixedReferences(tuple(references.of(fold) for fold in range(references.folds)))


class ReferenceFilter:
    """Filters and masks cubes of the region by what was measured of the half-sets' maps.

    Their signal is taken to be `_TRUST` times as strong as the FSC says.

    With cut-offs the filter is non-uniform: `locref_widgets.engine.local_wiener` up to there, by
    the profile of the whole half-set's unfiltered map. Without, it is the same everywhere.
    """

    def __init__(self, problem: Problem, measured: MeasuredMaps, radius_px: int) -> None:
        self._cutoff = cutoff_shells(problem, measured.cutoff_resolution_angstrom)
        self._mask = cut_region(measured.mask, problem)
        last_shell = int(np.ceil(radius_px * problem.box_px / problem.region_box_px))
        self._fsc = in_region_box(trusted_fsc(measured.fsc[CORRECTED_CURVE], last_shell), problem)
        self._profiles: dict[int, Float[Array, "m m m"]] = {}
        if self._cutoff is not None:
            for half, half_map in zip(HALVES, measured.half_maps, strict=True):
                region = on_device(cut_region(half_map, problem))
                self._profiles[half] = signal_profile(region, self._fsc, self._mask)

    def __call__(
        self, cube: Float[Array, "m m m"], half: int, share: float = 1.0
    ) -> Float[np.ndarray, "m m m"]:
        """A half-set's cube, made of a share of its particles."""
        ratio = on_device(_TRUST * share * self._fsc / np.maximum(1.0 - self._fsc, 1e-3))
        if self._cutoff is None:
            cube = apply_shell_filter(cube, ratio / (1.0 + ratio))
        else:
            cube = local_wiener(cube, self._profiles[half], ratio, self._cutoff)
        return np.asarray(cube) * self._mask


class FoldReferences:
    """References from the sums of the iteration before, as far as the search has not renewed them.

    Parameters
    ----------
    problem
        The region.
    sums
        Of the iteration before; emptied as they are renewed. Where a half-set has fewer particles
        than folds, some are absent.
    measured
        Its maps.
    sigma2
        The noise that it found.
    radius_px
        Shell of the region's box up to which they reach.
    renewed
        Sums of the search that these references are for, where it has been made already: each fold
        is then shown what it was compared with.
    """

    def __init__(
        self,
        problem: Problem,
        sums: FoldSums,
        measured: MeasuredMaps,
        sigma2: Spectra,
        radius_px: int,
        renewed: FoldSums | None = None,
    ) -> None:
        self._problem, self._sums, self._renewed = problem, sums, dict(renewed or {})
        self._filter, self._radius_px = ReferenceFilter(problem, measured, radius_px), radius_px
        self.sigma2, self.folds = sigma2, fold_count(sums)
        self._places = frozenset(sums)

    def of(self, fold: int) -> dict[int, HalfReference]:
        """What a fold of each half-set is compared with: all the others, or the only one."""
        share = (self.folds - 1) / self.folds or 1.0

        def of_half(half: int) -> HalfReference:
            filled = sorted(other for h, other in self._places if h == half)
            others = [other for other in filled if other != fold] or filled
            parts = [self._newest((half, other), before=fold) for other in others]
            cube = solve_region(reduce(add_accumulators, parts), self._problem)
            filtered = self._filter(cube, half, share)
            return HalfReference(filtered, self.sigma2[half], self._radius_px)

        return dict(zip(HALVES, side_by_side(of_half, HALVES), strict=True))

    def renew(self, fold: int, sums: FoldSums) -> None:
        """Take the sums that the search of a fold made, for the folds that follow."""
        for place in ((half, fold) for half in HALVES if (half, fold) in sums):
            self._renewed[place] = sums[place]
            del self._sums[place]

    def _newest(self, place: tuple[int, int], before: int) -> Accumulator:
        if place[1] < before and place in self._renewed:
            return self._renewed[place]
        return self._sums[place]


def fold_count(sums: FoldSums) -> int:
    """Into how many folds the sums of each half-set are divided."""
    return 1 + max(fold for _, fold in sums)


def starting_references(
    problem: Problem,
    maps: dict[int, Float[np.ndarray, "z y x"]],
    first: IterationResult,
    radius_px: int,
) -> FixedReferences:
    """Those that a refinement begins with: the maps given, in the mask of iteration 0."""
    mask = cut_region(first.mask, problem)
    cubes = {half: cut_region(volume, problem) * mask for half, volume in maps.items()}
    made = {half: HalfReference(cubes[half], first.sigma2[half], radius_px) for half in HALVES}
    return FixedReferences((made,))


def half_map_references(
    problem: Problem, measured: MeasuredMaps, sigma2: Spectra, radius_px: int
) -> FixedReferences:
    """Each half-set's own map, for all of its particles."""
    filtered = ReferenceFilter(problem, measured, radius_px)
    cubes = {
        half: filtered(on_device(cut_region(half_map, problem)), half)
        for half, half_map in zip(HALVES, measured.half_maps, strict=True)
    }
    made = {half: HalfReference(cubes[half], sigma2[half], radius_px) for half in HALVES}
    return FixedReferences((made,))


def solve_region(sums: Accumulator, problem: Problem) -> Float[Array, "m m m"]:
    """The unfiltered map of sums in the region's box."""
    return solve(sums, problem.region_box_px, None, USUAL_ITERATIONS, problem.operators)
