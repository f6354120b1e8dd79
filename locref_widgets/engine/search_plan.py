"""How the local search is laid out: the levels of cells, their resolution and their number.

At a level whose templates reach shell ``L``, a rotation by ``d`` moves the edge of a region of
radius ``r`` by ``r d``, and the phase of the finest Fourier component there by ``2 pi L r d / m``
(box ``m``). The spacing of each level is chosen so that half a cell changes that phase by one
radian: ``d = m / (pi L r)``, and likewise ``s = m / (pi L)`` for shifts. Halving the cells
therefore doubles the shell radius. The last level need not reach the resolution of the reference:
from its cells the continuous refinement finds the optimum at all shells.
"""

import math
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.grids import make_disc, pixels_within
from locref_widgets.engine.rotations import ball_grid
from locref_widgets.engine.tilts_turns import root_tilts, root_turns

_COARSEST_SHELL = 12
"""Shell of the first level: below it nothing tells candidates apart."""
_LAST_LEVEL_SHARE = 0.45
"""Share of the reference's shells that the last level must reach at least."""
_FEWEST_LEVELS = 2
KEPT = ((8, 4, 6), (8, 4, 6))
"""Most tilts, turns and shifts kept after the first and after each further level. Overflow is
reported per particle."""


@dataclass(frozen=True)
class SearchLevel:
    """One level of the search. ``keep_*`` is the capacity of the lists handed to the next level."""

    radius_px: int
    pixels: int
    rotation_spacing_rad: float
    shift_spacing_px: float
    keep_tilts: int
    keep_turns: int
    keep_shifts: int


@dataclass(frozen=True)
class SearchPlan:
    """The levels, coarse to fine, and the extents; hashable, so that it can be a static argument.

    Attributes
    ----------
    box_px, radius_px
        Of the region's box and the disc whose prefixes the levels use.
    rotation_extent_rad
        Radius of the ball of rotations.
    shift_radius_px
        Radius of the disc of shifts: half the shift extent.
    region_radius_px
        Radius of the region about its centre.
    levels
        Coarse to fine.
    kappa
        Width of the bound in standard deviations of the score differences.
    """

    box_px: int
    radius_px: int
    rotation_extent_rad: float
    shift_radius_px: float
    region_radius_px: float
    levels: tuple[SearchLevel, ...]
    kappa: float

    @property
    def turnable_radius(self) -> int:
        """Radius, in cycles per doubled box, that turned images are looked up to."""
        return min(2 * (self.levels[-1].radius_px + 1), self.box_px - 1)

    def root_tilts_rad(self) -> Float[np.ndarray, "t 2"]:
        """Centres of the first level's cells of tilts."""
        return root_tilts(self.rotation_extent_rad, self.levels[0].rotation_spacing_rad)

    def root_turns_rad(self) -> Float[np.ndarray, " n"]:
        """Centres of the first level's cells of in-plane turns."""
        return root_turns(self.rotation_extent_rad, self.levels[0].rotation_spacing_rad)

    def root_shifts_px(self) -> Float[np.ndarray, "s 2"]:
        """Centres of the first level's cells of shifts."""
        return ball_grid(self.shift_radius_px, self.levels[0].shift_spacing_px, 2)


def plan_search(
    box_px: int,
    radius_px: int,
    region_radius_px: float,
    rotation_extent_rad: float,
    shift_extent_px: float,
    kappa: float = 4.0,
    reach_px: int | None = None,
) -> SearchPlan:
    """Lay out a search.

    Parameters
    ----------
    box_px
        Edge of the region's box.
    radius_px
        Largest shell of the disc: it sets the shapes of arrays.
    region_radius_px
        Radius of the refined region about its centre.
    rotation_extent_rad
        Radius of the ball of rotations, at most pi.
    shift_extent_px
        Diameter of the disc of shifts.
    kappa
        See `SearchPlan`.
    reach_px
        Shell that the reference reaches (unset: the whole disc): it sets the number of levels.
    """
    if rotation_extent_rad <= 0 or shift_extent_px <= 0 or region_radius_px <= 0:
        raise ValueError("extents and the region's radius must be positive")
    disc = make_disc(box_px, radius_px)
    reach = radius_px if reach_px is None else min(reach_px, radius_px)
    shells = [min(_COARSEST_SHELL, radius_px)]
    while len(shells) < _FEWEST_LEVELS or shells[-1] < _LAST_LEVEL_SHARE * reach:
        shells.append(min(2 * shells[-1], radius_px))
    levels = []
    for number, shell in enumerate(shells):
        # Each level's cells are the halves of those before, whatever shell it reaches.
        step = box_px / (math.pi * shells[0]) / 2**number
        tilts, turns, shifts = KEPT[min(number, len(KEPT) - 1)]
        levels.append(
            SearchLevel(
                radius_px=shell,
                pixels=pixels_within(disc, shell),
                # A ball smaller than a cell is still searched by a few cells across.
                rotation_spacing_rad=min(step / region_radius_px, rotation_extent_rad / 2**number),
                shift_spacing_px=min(step, shift_extent_px / 2 ** (number + 1)),
                keep_tilts=tilts,
                keep_turns=turns,
                keep_shifts=shifts,
            )
        )
    return SearchPlan(
        box_px=box_px,
        radius_px=radius_px,
        rotation_extent_rad=rotation_extent_rad,
        shift_radius_px=shift_extent_px / 2,
        region_radius_px=region_radius_px,
        levels=tuple(levels),
        kappa=kappa,
    )


def with_lists(plan: SearchPlan, tilts: int, turns: int, shifts: int) -> SearchPlan:
    """The same search with lists that hold so many tilts, turns and shifts at every level."""
    levels = tuple(
        replace(level, keep_tilts=tilts, keep_turns=turns, keep_shifts=shifts)
        for level in plan.levels
    )
    return replace(plan, levels=levels)
