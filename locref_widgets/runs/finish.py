"""The last step of a run: the folder ``final`` and its report."""

import traceback
from functools import partial
from typing import TYPE_CHECKING

from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.fsc_files import write_fsc_star, write_fsc_text, write_fsc_xml
from locref_widgets.io.mrc import write_map
from locref_widgets.io.not_carried import NotCarried, describe_not_carried
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult
from locref_widgets.runs.durable import disc_errors, whole_folder
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.fulcrum_estimate import estimate_fulcrum
from locref_widgets.runs.iteration_files import refined_particles, volumes_of

if TYPE_CHECKING:
    from locref_widgets.engine.postprocess import PostProcessed
    from locref_widgets.refinement.problem import RefinementInput
    from locref_widgets.runs.observer import RunObserver

_GUINIER_REACH_ANGSTROM = 7.0
"""Resolution from which a B-factor can be told."""
GUINIER_VALUES = (
    "inverse_squared_angstrom",
    "log_amplitude",
    "log_weighted",
    "fitted",
    "slope_angstrom2",
    "intercept",
    "correlation",
)


def write_final(
    folder: RunFolder,
    result: IterationResult,
    particles: Particles,
    position: BoxPosition = AT_ZERO,
    observer: "RunObserver | None" = None,
) -> "PostProcessed":
    """Write ``final`` from the last iteration, whole or not at all.

    ``map``, ``half1`` and ``half2`` are unfiltered; ``map_sharpened`` is weighted by the corrected
    FSC curve and freed of its B-factor (`sharpened_map`, which is returned). ``position`` is the
    given map's. ``observer`` is told what one of the two tables of particles cannot hold.
    """
    target = folder.path / "final"
    voxel_size_angstrom = particles.pixel_size_angstrom
    sharpened = sharpened_map(result, voxel_size_angstrom)
    volumes = volumes_of(result) | {"map_sharpened": sharpened.volume}
    with whole_folder(target) as aside, disc_errors(target):
        for name, volume in volumes.items():
            write_map(aside / f"{name}.mrc", volume, voxel_size_angstrom, position)
        refined = refined_particles(particles, result)
        left = {
            "particles.star": refined.write_star(aside / "particles.star"),
            "particles.cs": refined.write_cs(aside / "particles.cs"),
        }
        write_fsc_star(
            aside / "fsc.star",
            result.fsc,
            guinier=sharpened.guinier,
            bfactor_angstrom2=sharpened.bfactor_angstrom2,
        )
        write_fsc_text(aside / "fsc.txt", result.fsc)
        write_fsc_xml(aside / "fsc.xml", result.fsc[CORRECTED_CURVE], title=folder.path.name)
    if observer is not None:
        _tell_not_carried(left, observer)
    return sharpened


def _tell_not_carried(left: dict[str, list[NotCarried]], observer: "RunObserver") -> None:
    """Note what a table lacks; the other one, in the format that was read, has it all."""
    for name, entries in left.items():
        if entries:
            (other,) = left.keys() - {name}
            observer.say(
                "note",
                message=f"final/{name} does not hold: {describe_not_carried(entries)}. "
                f"final/{other} holds every column of the particles that were given.",
            )


def sharpened_map(result: IterationResult, voxel_size_angstrom: float) -> "PostProcessed":
    """Average the half-maps, weight them by their FSC and undo the B-factor (`postprocess`).

    No B-factor is applied where the resolution is worse than 7 Å, for between 10 and 7 Å the shape
    of the particle outweighs it, nor where the fit would blur.
    """
    from locref_widgets.engine.postprocess import postprocess

    sharpened = partial(
        postprocess, *result.half_maps, voxel_size_angstrom, result.fsc[CORRECTED_CURVE]
    )
    if result.resolution_angstrom <= _GUINIER_REACH_ANGSTROM:
        fitted = sharpened()
        if fitted.bfactor_angstrom2 <= 0.0:
            return fitted
    return sharpened(bfactor_angstrom2=0.0)


def tell_post_processing(made: "PostProcessed", folder: RunFolder, observer: "RunObserver") -> None:
    """Note the B-factor in the summary, and the plot it was read from in the events."""
    plot = made.guinier
    told = None
    if plot is not None:
        told = {name: getattr(plot, name) for name in GUINIER_VALUES}
    observer.say("post_processed", bfactor_angstrom2=made.bfactor_angstrom2, guinier=told)
    bfactor = round(made.bfactor_angstrom2, 1)
    folder.set_values(summary=folder.summary | {"bfactor_angstrom2": bfactor})


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
