"""The problem of a pass over whole particles, in which no region is searched."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Int

from locref_widgets.engine.grids import make_disc
from locref_widgets.engine.symmetry import Operators, point_group_operators
from locref_widgets.errors import InputError
from locref_widgets.io.duplicates import particle_of_row
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import Problem

Progress = Callable[[str], Callable[[int, int], None]]
"""Called with the name of each pass; returns what is then called with particles done and total."""

_MOST_NAMED = 10


def whole_problem(particles: Particles, operators: Operators | None = None) -> Problem:
    """All particles, with the whole box for a region; ``operators`` of the map's symmetry, if any.

    Where the table has no half-sets, particles alternate between two, each with all its copies:
    enough to tell signal from noise in a reconstruction. These are not kept.
    """
    particle = particle_of_row(particles)
    half_sets = particles.half_sets
    if half_sets is None:
        half_sets = 1 + particle % 2
    box_px = particles.box_px
    return Problem(
        particles=particles,
        rows=np.arange(len(particles)),
        particle=particle,
        half_sets=half_sets,
        disc=make_disc(box_px),
        fulcrum_angstrom=np.zeros(3),
        region_centre_voxels=np.zeros(3, int),
        region_box_px=box_px,
        region_spread_px2=box_px**2 / 12,
        subtract=False,
        operators=point_group_operators("C1") if operators is None else operators,
    )


def set_aside(
    problem: Problem, usable: Bool[np.ndarray, " n"]
) -> tuple[Problem, Int[np.ndarray, " m"], list[str]]:
    """The problem without images that cannot be used, their rows (from 0), and a warning of them.

    Raises
    ------
    InputError
        If a half-set has no image left.
    """
    bad = problem.rows[~usable]
    if not bad.size:
        return problem, bad, []
    path, half_sets = problem.particles.path, problem.half_sets[usable]
    if min(int(np.sum(half_sets == half)) for half in HALVES) == 0:
        raise InputError(
            f"{path}: no usable image is left in one of the half-sets: {bad.size} images hold"
            " NaN or a constant. Extract the particles again (locref info names the faults)."
        )
    shown = ", ".join(map(str, bad[:_MOST_NAMED] + 1))
    more = f" and {bad.size - _MOST_NAMED} more" if bad.size > _MOST_NAMED else ""
    warning = (
        f"{bad.size} images hold NaN or a constant and are set aside: rows {shown}{more} of {path}"
    )
    kept = {"rows": problem.rows[usable], "particle": problem.particle[usable]}
    return replace(problem, **kept, half_sets=half_sets), bad, [warning]
