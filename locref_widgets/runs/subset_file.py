"""A new particle table of some of a run's particles, with the poses of one of its iterations."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Int

from locref_widgets.errors import InputError
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.runs.folder import RunFolder


def read_iteration_particles(folder: RunFolder, iteration: int) -> Particles:
    """Read the table of an iteration, images and all. Raises `InputError`."""
    path = folder.iteration_folder(iteration) / "particles.star"
    if not path.is_file():
        raise InputError(f"{folder.path}: iteration {iteration} has no {path.name} on the disc.")
    return read_particles(path, need_half_sets=False)


def write_subset(
    particles: Particles, rows: Int[np.ndarray, " m"], path: str | os.PathLike[str]
) -> Path:
    """Write rows of a table as a new STAR file: every column as it is, in the same order.

    Names of stacks change only where the new folder asks for it.

    Raises
    ------
    InputError
        If no row is chosen, the name is no .star file, or something is there already.
    OutputError
        If it cannot be written; then nothing is left behind.
    """
    target = Path(path).expanduser()
    if not len(rows):
        raise InputError("no particle is selected, so there is nothing to write.")
    if target.suffix != ".star":
        raise InputError(f"{target}: is to be a STAR file: give a name that ends in .star.")
    if target.exists() or target.is_symlink():
        raise InputError(f"{target}: is there already. Nothing was written; choose another name.")
    if not target.resolve().parent.is_dir():
        raise InputError(f"{target.resolve().parent}: is no folder. Make it, or choose another.")
    particles.take(rows).write_star(target)
    return target.resolve()
