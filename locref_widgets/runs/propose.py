"""A mask for the next refinement, proposed from what a run found: a thin reader of its folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

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
    turns = turns_in_map_frame(given.rotations[rows], last.rotations[last_rows])
    error = last.info.get("rotation_error_rad")
    return propose_from_pose_changes(
        half1,
        half2,
        turns,
        _fulcrum_angstrom(folder),
        turn_error_rad=None if error is None else np.asarray(error, np.float64)[last_rows],
        shift_variance_angstrom2=_shift_variance(last, half1.voxel_size_angstrom),
    )


def turns_in_map_frame(
    given: Float[np.ndarray, "n 3 3"], refined: Float[np.ndarray, "n 3 3"]
) -> Float[np.ndarray, "n 3"]:
    """Rotation vectors D of the map, ``R' = R D``, in radians."""
    before = np.asarray(given, np.float64)
    after = np.asarray(refined, np.float64)
    return Rotation.from_matrix(np.swapaxes(before, -1, -2) @ after).as_rotvec()


def _iteration_map(folder: RunFolder, name: str) -> Map:
    return read_map(folder.iteration_folder(0) / f"{name}.mrc")


def _common_rows(
    given: IterationResult, last: IterationResult
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Positions in both results of the particles that take part in both."""
    _, first, second = np.intersect1d(given.indices, last.indices, return_indices=True)
    return first, second


def _fulcrum_angstrom(folder: RunFolder) -> Float[np.ndarray, "3"]:
    estimate = folder.summary.get("fulcrum_estimate")
    if estimate and estimate.get("is_offered"):
        return np.array(estimate["point_angstrom"], np.float64)
    events, _ = read_events(folder.events_path)
    started = [event for event in events if event["kind"] == "run_started"]
    if not started:
        raise InputError(f"{folder.path}: its events do not say which fulcrum was used.")
    return np.array(started[-1]["fulcrum_angstrom"], np.float64)


def _shift_variance(last: IterationResult, voxel_size_angstrom: float) -> float:
    """Variance along an axis of the shifts found, in Å², without that of their errors."""
    shifts = last.info.get("shift_px")
    if shifts is None:
        return 0.0
    total = float(np.mean(np.asarray(shifts, np.float64) ** 2))
    errors = last.info.get("shift_error_px")
    if errors is not None:
        total -= float(np.mean(np.asarray(errors, np.float64) ** 2)) / 2.0
    return max(total, 0.0) * voxel_size_angstrom**2
