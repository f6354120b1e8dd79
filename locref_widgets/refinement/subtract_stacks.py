"""Writing the stacks of a subtraction: one for each optics group, in the order of the table."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from locref_widgets.engine.new_frame import Windows, cut_windows, place_windows
from locref_widgets.io.images import search_folders
from locref_widgets.io.particles import Particles
from locref_widgets.io.stack_file import StackWriter
from locref_widgets.io.subtracted_table import Subtracted
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.halves import for_each_batch
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.subtract_images import Subtraction
from locref_widgets.refinement.subtract_options import SubtractOptions


def write_stacks(
    problem: Problem,
    subtraction: Subtraction,
    part: Path,
    folder: Path,
    options: SubtractOptions,
    batch_size: int,
    report: Callable[[int, int], None],
) -> Subtracted:
    """Subtract and write all images; return what the table needs to know of them.

    The problem's region says where the new boxes are. Stacks are written into ``part``, which
    becomes ``folder``.
    """
    particles, rows = problem.particles, problem.rows
    pixel, box_px = problem.pixel_size_angstrom, problem.region_box_px
    windows = _windows(problem)
    groups = particles.optics_group[rows]
    stacks, places = {}, np.zeros(rows.size, int)
    for group in np.unique(groups).tolist():
        stacks[group] = f"subtracted_opticsgroup{group}.mrcs"
        places[groups == group] = np.arange(np.sum(groups == group))
    scales = np.zeros(rows.size)
    with ExitStack() as open_files:
        kind = "float16" if options.float16 else "float32"
        writers = {
            group: open_files.enter_context(StackWriter(part / name, box_px, pixel, kind))
            for group, name in stacks.items()
        }

        def work(half: int, _: int, batch: Batch) -> None:
            images, factors = subtraction.apply(problem, half, batch)
            at = batch.positions[: batch.count]
            scales[at] = factors[: batch.count]
            images = images[: batch.count]
            if options.moves_boxes:
                images = cut_windows(images, windows.shifts_px[at], box_px)
            for group in np.unique(groups[at]).tolist():
                chosen = groups[at] == group
                writers[group].put(places[at][chosen], images[chosen])

        for_each_batch(problem, batch_size, work, report)
    prefix = _prefix(particles, folder)
    names = [
        f"{place + 1:06d}@{prefix}{stacks[group]}"
        for place, group in zip(places.tolist(), groups.tolist(), strict=True)
    ]
    heights = windows.heights_px if options.adjust_defocus else np.zeros(rows.size)
    return Subtracted(
        names=names,
        scales=scales,
        box_px=box_px,
        centre_angstrom=problem.region_centre_voxels * pixel,
        windows_angstrom=windows.shifts_px * pixel if options.moves_boxes else None,
        origins_angstrom=windows.origins_px * pixel,
        defocus_change_angstrom=-heights * pixel,
    )


def _windows(problem: Problem) -> Windows:
    particles, rows = problem.particles, problem.rows
    return place_windows(
        particles.rotations[rows],
        particles.origins_angstrom[rows] / problem.pixel_size_angstrom,
        particles.magnifications[rows],
        problem.region_centre_voxels.astype(np.float64),
    )


def _prefix(particles: Particles, folder: Path) -> str:
    """What stands before a new stack's name in the table.

    Where the images' names start from a project's folder, as RELION's do, so do the new ones.
    """
    name, stack = particles.image_source.names[0], particles.image_source.stacks[0]
    if not Path(name).is_absolute():
        for root in search_folders(particles.path):
            if (root / name).exists() and (root / name).samefile(stack.path):
                if folder.is_relative_to(root):
                    return f"{folder.relative_to(root)}/"
                break
    return ""
