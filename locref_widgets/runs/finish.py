"""The last step of a run: the folder ``final`` and its report."""

import traceback
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.fsc_files import write_fsc_star, write_fsc_xml
from locref_widgets.io.mrc import write_map
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult
from locref_widgets.runs.durable import disc_errors, whole_folder
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.fulcrum_estimate import estimate_fulcrum
from locref_widgets.runs.iteration_files import refined_particles

if TYPE_CHECKING:
    from locref_widgets.refinement.problem import RefinementInput
    from locref_widgets.runs.observer import RunObserver

_GUINIER_REACH_ANGSTROM = 7.0
"""Resolution from which a B-factor can be told."""


def write_final(folder: RunFolder, result: IterationResult, particles: Particles) -> float:
    """Write ``final`` from the last iteration, whole or not at all.

    ``map``, ``half1`` and ``half2`` are unfiltered; ``map_sharpened`` is weighted by the corrected
    FSC curve and freed of its B-factor. Returns that B-factor in Å^2 (0: not sharpened).
    """
    target = folder.path / "final"
    voxel_size_angstrom = particles.pixel_size_angstrom
    sharpened, bfactor_angstrom2 = sharpened_map(result, voxel_size_angstrom)
    half1, half2 = result.half_maps
    volumes = {"map": result.map, "map_sharpened": sharpened, "mask": result.mask}
    volumes |= {"half1": half1, "half2": half2}
    with whole_folder(target) as aside, disc_errors(target):
        for name, volume in volumes.items():
            write_map(aside / f"{name}.mrc", volume, voxel_size_angstrom)
        refined = refined_particles(particles, result)
        refined.write_star(aside / "particles.star")
        refined.write_cs(aside / "particles.cs")
        write_fsc_star(aside / "fsc.star", result.fsc)
        write_fsc_xml(aside / "fsc.xml", result.fsc[CORRECTED_CURVE], title=folder.path.name)
    return bfactor_angstrom2


def sharpened_map(
    result: IterationResult, voxel_size_angstrom: float
) -> tuple[Float[np.ndarray, "z y x"], float]:
    """Weight the map by its FSC and undo its B-factor (Rosenthal & Henderson 2003).

    The B-factor in Å^2 comes from the Guinier plot of the FSC-weighted density inside the mask,
    from 10 Å to the resolution reached. It is 0 where that is worse than 7 Å, for between 10 and
    7 Å the shape of the particle outweighs its B-factor, or where the fit would blur.
    """
    from locref_widgets.engine.filters import guinier_bfactor, sharpen

    curve = result.fsc[CORRECTED_CURVE]
    masked = np.asarray(sharpen(result.map * result.mask, curve, 0.0))
    bfactor = 0.0
    if result.resolution_angstrom <= _GUINIER_REACH_ANGSTROM:
        try:
            bfactor = guinier_bfactor(
                masked, voxel_size_angstrom, high_angstrom=result.resolution_angstrom
            )
        except InputError:
            bfactor = 0.0  # fewer than three shells in that range
    bfactor = min(bfactor, 0.0)
    return np.asarray(sharpen(result.map, curve, bfactor), dtype=np.float32), bfactor


def tell_fulcrum(
    folder: RunFolder,
    result: IterationResult,
    inputs: "RefinementInput",
    settings: RefinementSettings,
    observer: "RunObserver",
) -> None:
    """Fit the fulcrum to the changes of pose and note it in the summary and the events.

    A fit that fails is a warning, for the results are there.
    """
    try:
        estimate = estimate_fulcrum(result, inputs, settings)
    except Exception as error:
        _log_traceback(folder)
        observer.say(
            "warning",
            message="the fulcrum could not be fitted to the changes of pose "
            f"({type(error).__name__}: {error}). The results are complete.",
        )
        return
    if estimate is not None:
        observer.say("fulcrum_estimate", **estimate)
        folder.set_values(summary=folder.summary | {"fulcrum_estimate": estimate})


def write_report_of(folder: RunFolder, observer: "RunObserver") -> None:
    """Write ``final/report.html``; a report that fails is a warning, for the results are there."""
    from locref_widgets.figures.report import write_report

    try:
        write_report(folder.path)
    except Exception as error:
        _log_traceback(folder)
        observer.say(
            "warning",
            message=f"the report could not be written ({type(error).__name__}: {error}). The "
            f"results are complete; try again with: locref report {folder.path}",
        )


def _log_traceback(folder: RunFolder) -> None:
    with (folder.path / "log.txt").open("a") as log:
        traceback.print_exc(file=log)
