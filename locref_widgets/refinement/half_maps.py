"""From the sums of a pass to maps: half-maps to keep, and the references of the next search."""

from functools import reduce

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.filters import apply_shell_filter
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.gridding import USUAL_ITERATIONS
from locref_widgets.engine.local_wiener import local_wiener, signal_profile
from locref_widgets.engine.reconstruction import add_accumulators, solve, subtract_accumulator
from locref_widgets.engine.slicing import Accumulator
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import (
    cut_region,
    in_region_box,
    paste_region,
    trusted_fsc,
)
from locref_widgets.refinement.search_pass import SearchPass

Volume = Float[np.ndarray, "z y x"]
FoldSums = dict[tuple[int, int], Accumulator]
"""Slices added up, of each half-set and fold."""


def half_sums(found: SearchPass) -> FoldSums:
    """The map's part of what a pass added up."""
    return {place: sums.map for place, sums in found.sums.items()}


def _total(sums: FoldSums, half: int) -> Accumulator:
    parts = [part for (h, _), part in sorted(sums.items(), key=lambda item: item[0]) if h == half]
    return reduce(add_accumulators, parts)


def _solve(sums: Accumulator, problem: Problem) -> Float[Array, "m m m"]:
    box_px, operators = problem.region_box_px, problem.operators
    return solve(sums, box_px, None, USUAL_ITERATIONS, operators)


def region_half_maps(problem: Problem, sums: FoldSums) -> tuple[tuple[Volume, Volume], Volume]:
    """Unfiltered half-maps of the region and the map of both, in the map's box."""
    halves = [_total(sums, half) for half in HALVES]
    first, second, both = (
        paste_region(np.asarray(_solve(total, problem)), problem)
        for total in (*halves, add_accumulators(*halves))
    )
    return (first, second), both


def fold_cubes(
    problem: Problem,
    sums: FoldSums,
    half: int,
    curve: FSCCurve,
    last_shell: int,
    mask: Volume,
    half_map: Volume,
    cutoff: Float[np.ndarray, "m m m"] | None,
) -> tuple[Float[np.ndarray, "m m m"], ...]:
    """For each fold, the region of its half-set's map without it, filtered and masked.

    The filter follows from the FSC ``curve`` up to ``last_shell`` (in shells of the map's box).
    With a ``cutoff`` of each voxel of the region's box (in its shells) it is non-uniform:
    `locref_widgets.engine.local_wiener` up to there, by the profile of the whole half-set's
    unfiltered ``half_map``. Without, it is the same everywhere.
    """
    folds = [part for (h, _), part in sorted(sums.items(), key=lambda item: item[0]) if h == half]
    share = (len(folds) - 1) / len(folds) if len(folds) > 1 else 1.0
    fsc = in_region_box(trusted_fsc(curve, last_shell), problem)
    ratio = jnp.asarray(share * fsc / np.maximum(1.0 - fsc, 1e-3))
    region_mask = jnp.asarray(cut_region(mask, problem))
    total = _total(sums, half)
    if cutoff is not None:
        profile = signal_profile(jnp.asarray(cut_region(half_map, problem)), fsc, region_mask)
    cubes = []
    for fold in folds:
        rest = subtract_accumulator(total, fold) if len(folds) > 1 else total
        cube = _solve(rest, problem)
        if cutoff is None:
            cube = apply_shell_filter(cube, ratio / (1.0 + ratio))
        else:
            cube = local_wiener(cube, profile, ratio, cutoff)
        cubes.append(np.asarray(cube * region_mask))
    return tuple(cubes)
