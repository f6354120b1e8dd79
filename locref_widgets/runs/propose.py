"""A mask for the next refinement, proposed from what a run found: a thin reader of its folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.refinement.state import IterationResult
from locref_widgets.runs.events import read_events
from locref_widgets.runs.folder import RunFolder

if TYPE_CHECKING:
    from locref_widgets.masks.proposal import Proposal

_HALF_MAPS = ("half1", "half2")


def propose_from_run(path: str | os.PathLike[str]) -> "Proposal":
    """Propose a mask from a run's pose changes and the half-maps it began with.

    The half-maps are those of iteration 0: of the whole particle, at the poses given. The pose
    changes are those of the last iteration, about the fulcrum fitted to them where one is offered,
    else about the one used.

    Raises
    ------
    InputError
        If the folder is no run, or no iteration with a search is finished.
    """
    from locref_widgets.masks.propose import propose_from_pose_changes

    folder = RunFolder(Path(path))
    finished = folder.iterations()
    if not finished or finished[-1] == 0 or finished[0] != 0:
        raise InputError(
            f"{path}: no iteration with a search is finished, so there are no changes of pose to "
            "propose a mask from. Wait for the first one, or propose from half-maps."
        )
    given, last = folder.read_iteration(0), folder.read_iteration(finished[-1])
    half1, half2 = (_iteration_map(folder, name) for name in _HALF_MAPS)
    rows, last_rows = _common_rows(given, last)
    fulcrum = _fulcrum_angstrom(folder, last.iteration)
    turns, shifts = motion_about_fulcrum(
        np.asarray(given.rotations, np.float64)[rows],
        np.asarray(given.origins_angstrom, np.float64)[rows],
        np.asarray(last.rotations, np.float64)[last_rows],
        np.asarray(last.origins_angstrom, np.float64)[last_rows],
        fulcrum,
    )
    # E = R D R^T: the same vector, seen in the map's frame.
    in_map = np.einsum("nji,nj->ni", np.asarray(given.rotations, np.float64)[rows], turns)
    error = last.info.get("rotation_error_rad")
    shift_error_px = last.info.get("shift_error_px")
    left = float(np.mean(shifts**2))
    if shift_error_px is not None:
        # Of both components together, in pixels.
        error_angstrom = np.asarray(shift_error_px, np.float64) * half1.voxel_size_angstrom
        left -= float(np.mean(error_angstrom[last_rows] ** 2)) / 2.0
    return propose_from_pose_changes(
        half1,
        half2,
        in_map,
        fulcrum,
        turn_error_rad=None if error is None else np.asarray(error, np.float64)[last_rows],
        shift_variance_angstrom2=max(left, 0.0),
    )


def _iteration_map(folder: RunFolder, name: str) -> Map:
    return read_map(folder.iteration_folder(0) / f"{name}.mrc")


def _common_rows(
    given: IterationResult, last: IterationResult
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Positions in both results of the particles that take part in both."""
    _, first, second = np.intersect1d(given.indices, last.indices, return_indices=True)
    return first, second


def _fulcrum_angstrom(folder: RunFolder, iteration: int) -> Float[np.ndarray, "3"]:
    """The point fitted to the pose changes, else the one in effect in an iteration."""
    estimate = folder.summary.get("fulcrum_estimate")
    if estimate and estimate.get("is_offered"):
        return np.array(estimate["point_angstrom"], np.float64)
    events, _ = read_events(folder.events_path)
    told = [
        event["fulcrum_angstrom"]
        for event in events
        if event["kind"] == "run_started"
        or (event["kind"] == "settings_changed" and event["iteration"] <= iteration)
    ]
    if not told:
        raise InputError(
            f"{folder.path}: its events do not say about which fulcrum the poses turn: "
            f"{folder.events_path.name} is missing or cut short. Propose from half-maps instead."
        )
    return np.array(told[-1], np.float64)
