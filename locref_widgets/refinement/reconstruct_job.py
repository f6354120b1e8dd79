"""Reconstruction as a job: half-maps of a particle table at its poses, and their resolution."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.fsc_warnings import fsc_warnings
from locref_widgets.engine.symmetry import point_group_operators
from locref_widgets.io.box_position import AT_ZERO
from locref_widgets.io.duplicates import copies_warnings, with_copies_together
from locref_widgets.io.fsc_files import (
    quoted_mask,
    write_fsc_json,
    write_fsc_star,
    write_fsc_text,
    write_fsc_xml,
)
from locref_widgets.io.mrc import Map, write_map
from locref_widgets.io.new_folder import check_free, new_folder
from locref_widgets.io.particles import Particles, check_particles_match_map
from locref_widgets.io.poses import check_half_set_balance, read_half_sets
from locref_widgets.masks.checks import check_mask_alone
from locref_widgets.refinement.batches import BATCH_SIZE
from locref_widgets.refinement.consensus import add_up_halves, solve_halves
from locref_widgets.refinement.curves import half_map_curves
from locref_widgets.refinement.whole_particle import Progress, set_aside, whole_problem

MASK = "user mask"
_GRIDDING_ITERATIONS = 10
"""RELION's, so that the map is the one that its own program makes of the table."""


@dataclass(frozen=True)
class ReconstructResult:
    """What a reconstruction wrote.

    ``resolution_angstrom`` is where ``curve`` falls below 0.143: inside the mask, corrected for it,
    where one is given. ``rows_set_aside`` (from 0) hold NaN or a constant.
    """

    folder: Path
    n_particles: int
    rows_set_aside: tuple[int, ...]
    curve: str
    resolution_angstrom: float
    curves: dict[str, FSCCurve]


def reconstruct(
    particles: Particles,
    out: str | os.PathLike[str],
    *,
    mask: Map | None = None,
    symmetry: str = "C1",
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> ReconstructResult:
    """Reconstruct both half-sets at the poses given and measure their FSC.

    Into ``out`` go the unfiltered ``half1.mrc``, ``half2.mrc`` and ``map.mrc`` (all particles),
    weighted by the CTF and with iterative gridding weights as at the end of a refinement, and the
    curves as ``fsc.json``, ``fsc.star``, ``fsc.txt`` and ``fsc.xml``. A mask changes the curves,
    not the maps, which lie where it does. All copies of one particle go into one half-set
    (`io.duplicates`).

    Raises
    ------
    InputError
        If the particles have no half-sets, the mask does not fit them, the point group is none, or
        ``out`` holds something.
    OutputError
        If the results cannot be written; then nothing is left behind.
    """
    warn = warn or (lambda _: None)
    progress = progress or (lambda _: lambda _done, _total: None)
    folder = check_free(out)
    operators = point_group_operators(symmetry)
    half_sets = particles.half_sets
    if half_sets is None:
        half_sets = read_half_sets(particles.table)
    if mask is not None:
        check_particles_match_map(particles, mask)
        for message in check_mask_alone(mask):
            warn(message)
    for message in check_half_set_balance(half_sets):
        warn(f"{particles.path}: {message}")
    for message in copies_warnings(particles, symmetry):
        warn(message)
    problem = whole_problem(with_copies_together(particles), operators)
    sums, usable, _ = add_up_halves(problem, BATCH_SIZE, progress("reconstructing"))
    problem, aside, warnings = set_aside(problem, usable)
    for message in warnings:
        warn(message)
    half_maps, both = solve_halves(
        sums, problem.box_px, problem.operators, gridding_iterations=_GRIDDING_ITERATIONS
    )
    voxel = problem.pixel_size_angstrom
    masks = {} if mask is None else {MASK: mask.data}
    curves = half_map_curves(half_maps, voxel, masks, complete=True)
    position = AT_ZERO if mask is None else mask.position
    name = f"{quoted_mask(curves)} corrected"
    name = name if name in curves else "no mask"
    for message in fsc_warnings(curves):
        warn(message)
    with new_folder(folder) as part:
        for stem, volume in zip(("half1", "half2", "map"), (*half_maps, both), strict=True):
            write_map(part / f"{stem}.mrc", volume, voxel, position)
        write_fsc_json(part / "fsc.json", curves)
        write_fsc_star(part / "fsc.star", curves)
        write_fsc_text(part / "fsc.txt", curves)
        write_fsc_xml(part / "fsc.xml", curves[name], title=folder.name)
    return ReconstructResult(
        folder=folder,
        n_particles=int(problem.rows.size),
        rows_set_aside=tuple(int(row) for row in np.atleast_1d(aside)),
        curve=name,
        resolution_angstrom=curves[name].resolution_angstrom(),
        curves=curves,
    )
