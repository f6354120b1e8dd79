"""``locref demo`` and ``locref lab``: the packaged sample, on the terminal and in JupyterLab."""

import importlib.util
import os
import shutil
import sys
from pathlib import Path

import numpy as np

import locref_widgets
from locref_widgets.errors import InputError, OutputError

NOTEBOOK = "workbench.ipynb"

DEMO_SETTINGS = {
    "rotation_extent": 0.22,
    "shift_extent": 6.0,
    "initial_lowpass": 15.0,
    "iterations": 6,
}
"""What suits the packaged sample: its hinge turns by up to 10° and shifts by up to 2.5 px."""


def run_demo(out: Path) -> tuple[str, bool]:
    """Refine the packaged sample, or go on where it was interrupted.

    Returns what to say, and whether it finished.
    """
    from locref_widgets.cli.run_words import describe_result
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.runs.run import refine
    from locref_widgets.sample import sample_paths

    paths = sample_paths()
    run = refine(
        read_particles(paths["particles"]),
        read_map(paths["map"]),
        read_map(paths["mask"]),
        RefinementSettings(fulcrum_angstrom=paths["fulcrum_angstrom"], **DEMO_SETTINGS),
        out,
        resume=True,
    )
    finished = run.status == "finished"
    text = describe_result(run)
    if finished:
        text += "\n" + _compare_with_truth(run.path / "final" / "particles.star")
    return text, finished


def _compare_with_truth(refined: Path) -> str:
    from locref_widgets.io.particles import read_particles
    from locref_widgets.sample import sample_paths
    from locref_widgets.simulation import score_poses

    paths = sample_paths()
    truth = read_particles(paths["truth"])
    centre = np.array(paths["centre_angstrom"])
    before, after = (
        score_poses(read_particles(path), truth, centre).gauge.summary()
        for path in (paths["particles"], refined)
    )
    turn, shift = "rotation_median_deg", "shift_median_px"
    return (
        "  median error against the true poses of this simulated sample:"
        f" rotation {before[turn]:.2f}° before, {after[turn]:.2f}° after;"
        f" shift {before[shift]:.2f} px before, {after[shift]:.2f} px after"
    )


def find_notebooks() -> Path:
    """Find the folder of the notebooks: beside the package in a checkout, inside it when installed.

    Raises `InputError` where they are not part of the installation.
    """
    package = Path(locref_widgets.__file__).parent
    for folder in (package / "notebooks", package.parent / "notebooks"):
        if (folder / NOTEBOOK).is_file():
            return folder
    raise InputError(f"the notebook {NOTEBOOK} is not part of this installation: install it again")


def open_lab(folder: Path, arguments: list[str]) -> None:
    """Replace this process by JupyterLab on a copy of the workbench, the tutorials beside it.

    A copy that is already in ``folder`` is kept: it may hold the user's own work.
    """
    notebooks = find_notebooks()
    if importlib.util.find_spec("jupyterlab") is None:
        raise InputError("JupyterLab is not installed here: pip install jupyterlab")
    copy = folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for notebook in sorted(notebooks.glob("*.ipynb")):
            copy = folder / notebook.name
            if not copy.exists():
                shutil.copyfile(notebook, copy)
    except OSError as error:
        raise OutputError(
            f"{copy}: cannot be written ({error.strerror}); give another --folder"
        ) from None
    sys.stdout.flush()
    command = [sys.executable, "-m", "jupyterlab", str(folder / NOTEBOOK), *arguments]
    os.execv(sys.executable, command)  # noqa: S606 - no shell, a list of arguments
