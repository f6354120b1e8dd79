"""What two files must be to be taken for half-maps."""

import os

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid, read_map

_SAME = 1e-7
"""Maps whose correlation is within this of 1 hold the same numbers, perhaps scaled."""


def read_half_maps(first: str | os.PathLike[str], second: str | os.PathLike[str]) -> list[Map]:
    """Read two half-maps and see that they can be compared.

    Raises
    ------
    InputError
        If a file is no usable map, the grids differ, a map is constant, or both hold the same map,
        whose FSC would be 1 everywhere.
    """
    halves = [read_map(first), read_map(second)]
    check_half_maps(*halves)
    return halves


def check_half_maps(half1: Map, half2: Map) -> None:
    """Raise `InputError` unless two maps can be half-maps of one reconstruction."""
    check_same_grid(half1, half2, "the second half-map")
    for half in (half1, half2):
        if not half.data.std() > 0:
            raise InputError(
                f"{half.name}: the map is {half.data.flat[0]:g} everywhere. Give a "
                "half-map that holds density."
            )
    first, second = (half.data.ravel().astype(np.float64) for half in (half1, half2))
    if abs(np.corrcoef(first, second)[0, 1]) > 1.0 - _SAME:
        raise InputError(
            f"{half1.name} and {half2.name} hold the same map, so their FSC is 1 everywhere "
            "and says nothing. Give the two half-maps, one of each half-set."
        )
