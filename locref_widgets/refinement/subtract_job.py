"""Signal subtraction as a job: new stacks that show only what a mask keeps, and their table.

Images pass one batch at a time, both half-sets side by side; what grows with the number of
particles is metadata. The output folder appears whole or not at all.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int

from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.duplicates import copies_warnings, with_copies_together
from locref_widgets.io.mrc import Map, write_map
from locref_widgets.io.new_folder import check_free, new_folder
from locref_widgets.io.particles import Particles
from locref_widgets.io.star import write_star
from locref_widgets.io.subtracted_table import revert_blocks, subtracted_blocks
from locref_widgets.refinement.batches import BATCH_SIZE, Batch
from locref_widgets.refinement.consensus import (
    check_half_map_order,
    measure_noise,
    reconstruct_consensus,
)
from locref_widgets.refinement.halves import HALVES, for_each_batch
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import cut_region
from locref_widgets.refinement.subtract_images import Subtraction, make_subtraction, sample_scales
from locref_widgets.refinement.subtract_options import (
    SubtractOptions,
    check_subtraction,
    new_centre,
    placed_mask,
    position_of_window,
    room_warning,
)
from locref_widgets.refinement.subtract_stacks import write_stacks
from locref_widgets.refinement.subtracted_signal import SignalMaps, signal_maps
from locref_widgets.refinement.whole_particle import Progress, set_aside, whole_problem

_HALF_NAMES = ("half1", "half2")
TABLE, REVERTED = "particles_subtracted.star", "particles_original.star"


@dataclass(frozen=True)
class SubtractResult:
    """What a subtraction wrote.

    ``rows_set_aside`` (from 0) are those whose image holds NaN or a constant; they are not in the
    table. ``scale_spread`` is the standard deviation of the factors of the projections about 1.
    """

    star: Path
    n_particles: int
    rows_set_aside: tuple[int, ...]
    source: str
    scale_spread: float
    box_px: int
    centre_voxels: tuple[int, int, int]


def subtract(
    particles: Particles,
    keep: Map,
    out: str | os.PathLike[str],
    *,
    volume: Map | None = None,
    half_maps: tuple[Map, Map] | None = None,
    options: SubtractOptions | None = None,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> SubtractResult:
    """Subtract from every particle the projection of what a mask does not keep.

    Into ``out`` go ``particles_subtracted.star``, one stack for each optics group,
    ``subtract.json`` and, in the frame of the boxes written, ``mask.mrc`` and ``map.mrc``: what the
    images now show, from which a refinement of them starts (the whole map would be scaled wrongly
    against them). What is subtracted is told in `locref_widgets.refinement.subtracted_signal`.

    Parameters
    ----------
    particles
        Poses and optics; half-sets only where half-maps are to be subtracted.
    keep
        Soft mask of the region that stays.
    volume, half_maps
        Of the whole particle at these poses. With half-maps each half-set is rid of its own; with
        neither, of the one reconstructed from its particles.

    Raises
    ------
    InputError
        If the files do not belong together, or ``out`` holds something.
    OutputError
        If the results cannot be written; then nothing is left behind.
    """
    options = options or SubtractOptions()
    warn = warn or (lambda _: None)
    progress = progress or (lambda _: lambda _done, _total: None)
    folder = check_free(out)
    keep = placed_mask(particles, keep, volume, half_maps)
    warnings = check_subtraction(particles, keep, volume, half_maps, options)
    centre, box_px = new_centre(keep, options), options.crop_px or particles.box_px
    for message in warnings:
        warn(message)
    if particles.half_sets is not None:
        # What each half-set is rid of must not hold the other's noise.
        for message in copies_warnings(particles):
            warn(message)
        particles = with_copies_together(particles)
    little_room = room_warning(keep, centre, box_px)
    if options.moves_boxes and little_room:
        warn(little_room)
    problem, aside, subtraction, signal = _prepare(
        particles, keep, volume, half_maps, options, progress, warn
    )
    problem = replace(problem, region_centre_voxels=centre, region_box_px=box_px)
    with new_folder(folder) as part:
        done = write_stacks(
            problem, subtraction, part, folder, options, BATCH_SIZE, progress("subtracting")
        )
        taken = particles.take(problem.rows)
        position = position_of_window(keep, centre, box_px)
        write_star(part / TABLE, subtracted_blocks(taken, done, folder))
        for name, data in {"mask": keep.data, "map": signal.mean * keep.data}.items():
            cut = cut_region(data, problem)
            write_map(part / f"{name}.mrc", cut, keep.voxel_size_angstrom, position)
        result = SubtractResult(
            star=folder / TABLE,
            n_particles=len(taken),
            rows_set_aside=tuple(int(row) for row in aside),
            source=signal.source,
            scale_spread=float(done.scales.std()),
            box_px=done.box_px,
            centre_voxels=_triple(problem.region_centre_voxels + problem.box_px // 2),
        )
        halves = half_maps or (None, None)
        maps = {"mask": keep, "map": volume} | dict(zip(_HALF_NAMES, halves, strict=True))
        _write_record(part, result, options, particles, maps)
    return result


def revert(
    star: str | os.PathLike[str],
    out: str | os.PathLike[str],
    warn: Callable[[str], None] | None = None,
) -> Path:
    """Write a table of the original images of a subtracted set, at the poses it has by now.

    See `locref_widgets.io.subtracted_table`. ``out`` is a folder to make.

    Raises
    ------
    InputError
        If the table names no originals, or they are not there, or ``out`` holds something.
    """
    folder = check_free(out)
    blocks, warnings = revert_blocks(Path(star), folder)
    for message in warnings:
        (warn or (lambda _: None))(message)
    with new_folder(folder) as part:
        write_star(part / REVERTED, blocks)
    return folder / REVERTED


def _prepare(
    particles: Particles,
    keep: Map,
    volume: Map | None,
    half_maps: tuple[Map, Map] | None,
    options: SubtractOptions,
    progress: Progress,
    warn: Callable[[str], None],
) -> tuple[Problem, Int[np.ndarray, " m"], Subtraction, SignalMaps]:
    """The particles that can be used, the rows of the others, and what is subtracted of each."""
    problem = whole_problem(particles)
    if options.scale == "none":
        usable, signal = _as_they_are(problem, volume, half_maps, progress)
    else:
        consensus = reconstruct_consensus(problem, BATCH_SIZE, progress("reconstructing"))
        usable = consensus.usable
        signal = signal_maps(
            volume, half_maps, keep.data, consensus, keep.voxel_size_angstrom, warn
        )
    problem, aside, warnings = set_aside(problem, usable)
    for message in warnings:
        warn(message)
    subtraction = make_subtraction(problem, signal.maps, keep.data)
    if options.scale == "particle":
        sigma2 = measure_noise(problem, signal.maps, BATCH_SIZE, progress("measuring the noise"))
        subtraction = sample_scales(
            problem,
            subtraction,
            signal.maps,
            keep.data,
            sigma2,
            BATCH_SIZE,
            progress("fitting scales"),
        )
    return problem, aside, subtraction, signal


def _as_they_are(
    problem: Problem, volume: Map | None, half_maps: tuple[Map, Map] | None, progress: Progress
) -> tuple[Bool[np.ndarray, " n"], SignalMaps]:
    """The images that can be used, and the maps given; half-maps must be in the right order."""
    if half_maps is None:
        assert volume is not None  # noqa: S101 - check_subtraction saw to it
        usable = _find_usable(problem, progress("looking at the images"))
        return usable, SignalMaps(dict.fromkeys(HALVES, volume.data), "the map given")
    consensus = reconstruct_consensus(problem, BATCH_SIZE, progress("reconstructing"))
    check_half_map_order(half_maps, consensus, problem.pixel_size_angstrom)
    maps = {half: m.data for half, m in zip(HALVES, half_maps, strict=True)}
    return consensus.usable, SignalMaps(maps, "the half-maps given")


def _find_usable(problem: Problem, report: Callable[[int, int], None]) -> Bool[np.ndarray, " n"]:
    usable = np.zeros(problem.rows.size, bool)

    def work(_half: int, _fold: int, batch: Batch) -> None:
        usable[batch.positions[batch.valid]] = True

    for_each_batch(problem, BATCH_SIZE, work, report)
    return usable


def _write_record(
    part: Path,
    result: SubtractResult,
    options: SubtractOptions,
    particles: Particles,
    maps: dict[str, Map | None],
) -> None:
    paths = {name: m.path for name, m in maps.items() if m is not None}
    record = {
        "particles": str(particles.path.resolve()),
        **{name: path and str(path.resolve()) for name, path in paths.items()},
        "options": asdict(options),
        "result": asdict(result)
        | {
            "star": result.star.name,
            "rows_set_aside": [row + 1 for row in result.rows_set_aside],
        },
    }
    with atomic_writer(part / "subtract.json") as handle:
        handle.write(json.dumps(record, indent=2, ensure_ascii=False).encode() + b"\n")


def _triple(values: Int[np.ndarray, " 3"]) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])
