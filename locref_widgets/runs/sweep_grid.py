"""The settings that a sweep tries: every combination of the values given for some of them."""

import difflib
import itertools
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.refinement.fulcrum_point import parse_point
from locref_widgets.refinement.settings import RefinementSettings, overridden, setting_options
from locref_widgets.refinement.settings_text import read_text, read_yaml_values

MASK = "mask"
"""Name in a grid of the mask of the refinement, which is no setting but a file."""
MOST_SETTINGS = 64
_THE_SAME = ("subset", "seed", "iterations")
"""What all settings of a sweep share, so that nothing but the others tells them apart."""

Grid = Mapping[str, Any]
"""Values to try, in a list, by the names of settings (and of the mask)."""


@dataclass(frozen=True)
class Candidate:
    """One combination.

    Attributes
    ----------
    number
        From 1 on; the first name of the grid changes slowest.
    values
        What the grid says of it, ready for JSON; masks by their name.
    settings
        All settings of its run.
    mask
        Which of the grid's masks; None where the grid names none.
    """

    number: int
    values: dict[str, Any]
    settings: RefinementSettings
    mask: int | None = None

    @property
    def words(self) -> str:
        """``rotation_extent 0.2, shift_extent 10``."""
        return ", ".join(f"{name} {value_words(value)}" for name, value in self.values.items())


def value_words(value: Any) -> str:
    """Put a value of a setting into words."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, list | tuple):
        return "(" + ", ".join(f"{x:g}" for x in value) + ")"
    return value if isinstance(value, str) else f"{value:g}"


def expand_grid(
    settings: RefinementSettings, grid: Grid, subset: int | None, seed: int
) -> list[Candidate]:
    """Make every combination of the grid's values.

    Raises
    ------
    InputError
        For a subset or seed that cannot be, a name that is no setting, one that must be the same
        for all, values that are no list, a value that a setting cannot have, or more than
        `MOST_SETTINGS` combinations.
    """
    check_names(grid)
    count = int(np.prod([len(values) for values in grid.values()]))
    if count > MOST_SETTINGS:
        raise InputError(
            f"the grid has {count} combinations, and each is a refinement of its own; at most "
            f"{MOST_SETTINGS} are tried. Name fewer settings, or fewer values of each."
        )
    masks = mask_names(grid.get(MASK, ()))
    shared = {"subset": subset, "seed": seed}
    # What is wrong with these is no fault of the grid.
    settings = RefinementSettings(**overridden(settings.model_dump(), shared))
    candidates = []
    for number, combination in enumerate(itertools.product(*grid.values()), start=1):
        chosen = dict(zip(grid, combination, strict=True))
        which = None
        if MASK in chosen:
            which = number_of(grid[MASK], chosen.pop(MASK))
        try:
            made = RefinementSettings(**overridden(settings.model_dump(), chosen))
        except InputError as error:
            raise InputError(f"the grid's combination {number}: {error}") from None
        told = {name: getattr(made, name) for name in chosen}
        if which is not None:
            told[MASK] = masks[which]
        # In the grid's order, whatever is a file among them.
        values = {name: _plain(told[name]) for name in grid}
        candidates.append(Candidate(number, values, made, which))
    return candidates


def check_names(grid: Grid) -> None:
    """Raise `InputError` unless the grid holds lists of values of settings that may differ."""
    if not grid:
        raise InputError(
            "the grid is empty. Name settings and the values to try, as in "
            "rotation_extent: [0.1, 0.2, 0.35]"
        )
    known = [option.name for option in setting_options()] + [MASK]
    for name, values in grid.items():
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
            raise InputError(f"the grid names {name!r}, which is no setting; {hint}")
        if name in _THE_SAME:
            raise InputError(
                f"the grid names {name}, which is the same for all settings of a sweep. Give it to "
                f"the sweep itself ({name}=…, --{name})."
            )
        if isinstance(values, str | bytes) or not isinstance(values, Sequence) or not values:
            raise InputError(
                f"the grid's {name} is {values!r}; expected a list of the values to try, as in "
                f"{name}: [first, second]"
            )
        if len({repr(v) if not isinstance(v, Map) else id(v) for v in values}) < len(values):
            raise InputError(f"the grid's {name} holds a value twice; name each value once.")


def read_grid(path: str | os.PathLike[str]) -> dict[str, list[Any]]:
    """Read a grid from a YAML file: a line ``name: [value, value]`` for each setting.

    Points are lists of three numbers or texts ``x,y,z``; masks are files, looked for beside the
    grid's own. Raises `InputError`.
    """
    values = read_yaml_values(read_text(path, "grid"), str(path))
    grid: dict[str, list[Any]] = {}
    for name, listed in values.items():
        grid[name] = list(listed) if isinstance(listed, tuple) else listed
        if not isinstance(grid[name], list):
            raise InputError(
                f"{path}: {name} is {listed!r}; expected a list of the values to try, as in "
                f"{name}: [first, second]"
            )
        if name.startswith("fulcrum"):
            grid[name] = [_point(name, value) for value in grid[name]]
        if name == MASK:
            grid[name] = [Path(path).parent / str(value) for value in grid[name]]
    check_names(grid)
    return grid


def read_masks(grid: Grid) -> list[Map]:
    """The grid's masks, read. Raises `InputError`."""
    return [m if isinstance(m, Map) else read_map(m, cubic=False) for m in grid.get(MASK, ())]


def mask_names(masks: Sequence[Any]) -> list[str]:
    """A name of its own for each mask: its file's, or its number."""
    names = []
    for number, mask in enumerate(masks, start=1):
        path = mask.path if isinstance(mask, Map) else Path(mask)
        name = f"mask {number}" if path is None else path.name
        names.append(name if name not in names else f"{name} ({number})")
    return names


def number_of(values: Sequence[Any], wanted: Any) -> int:
    """Where a value is in a list; maps are the same only as objects."""
    return next(i for i, value in enumerate(values) if value is wanted)


def _point(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    return parse_point(value, name) if isinstance(value, str) and "," in value else value


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
