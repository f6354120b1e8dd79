"""From the sums of a pass to the half-maps of the region."""

from functools import reduce

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.reconstruction import add_accumulators
from locref_widgets.engine.slicing import Accumulator
from locref_widgets.refinement.fold_references import FoldSums, solve_region
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import paste_region
from locref_widgets.refinement.search_pass import SearchPass
from locref_widgets.refinement.side_by_side import side_by_side

Volume = Float[np.ndarray, "z y x"]


def half_sums(found: SearchPass) -> FoldSums:
    """The map's part of what a pass added up."""
    return {place: sums.map for place, sums in found.sums.items()}


def _total(sums: FoldSums, half: int) -> Accumulator:
    parts = [part for (h, _), part in sorted(sums.items(), key=lambda item: item[0]) if h == half]
    return reduce(add_accumulators, parts)


def region_half_maps(problem: Problem, sums: FoldSums) -> tuple[tuple[Volume, Volume], Volume]:
    """Unfiltered half-maps of the region and the map of both, in the map's box."""
    halves = [_total(sums, half) for half in HALVES]
    totals = (*halves, add_accumulators(*halves))
    solved = side_by_side(lambda total: np.asarray(solve_region(total, problem)), totals)
    first, second, both = (paste_region(region, problem) for region in solved)
    return (first, second), both
