"""Runs compared: settings that differ, curves, poses particle by particle, maps."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from locref_widgets.engine.fsc import compute_fsc_curve
from locref_widgets.errors import InputError
from locref_widgets.io.identity import Identity, match_identities, read_identities
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.refinement.pose_agreement import PoseAgreement, compare_poses
from locref_widgets.runs.changes import latest_settings
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.iteration_files import iteration_arrays
from locref_widgets.runs.map_difference import (
    IN_COMMON,
    MapDifference,
    RunVolumes,
    difference_of,
)

if TYPE_CHECKING:
    from locref_widgets.figures.run_data import Curve, RunData

FEWEST, MOST = 2, 6
_NOT_COMPARED = frozenset({"iterations", "batch_size"})


@dataclass
class ComparedRun:
    """One of the runs. Its files are read when they are asked for.

    ``iteration`` is the last one on the disc; None before the first.
    """

    data: "RunData"
    name: str
    folder: RunFolder
    iteration: int | None

    @property
    def place(self) -> Path:
        """Folder of the last iteration."""
        assert self.iteration is not None  # noqa: S101
        return self.folder.iteration_folder(self.iteration)

    @cached_property
    def poses(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows of the input table, rotations, and origins in Å."""
        with iteration_arrays(self.place) as stored:
            return stored["indices"], stored["rotations"], stored["origins_angstrom"]

    @cached_property
    def identities(self) -> tuple[list[Identity], list[Identity]]:
        """Names of its particles: by uid, by image."""
        return read_identities(self.place / "particles.star")

    @cached_property
    def mask(self) -> Map:
        """Mask of the last iteration."""
        return read_map(self.place / "mask.mrc")

    @cached_property
    def volumes(self) -> RunVolumes:
        """Maps of the last iteration."""
        both, first, second = (
            read_map(self.place / f"{name}.mrc") for name in ("map", "half1", "half2")
        )
        resolution = self.data.last.get("resolution_angstrom") if self.data.iterations else None
        nyquist_angstrom = 2 * both.voxel_size_angstrom
        return RunVolumes(both, (first, second), self.mask, resolution or nyquist_angstrom)


@dataclass
class Pair:
    """Two of the runs. ``notes`` say in sentences what could not be compared, and why."""

    first: ComparedRun
    second: ComparedRun
    poses: PoseAgreement | None = None
    n_common: int = 0
    notes: list[str] = field(default_factory=list)

    @cached_property
    def maps(self) -> MapDifference | None:
        """The difference of their maps; None where there is none, and `notes` say why."""
        if self.first.iteration is None or self.second.iteration is None:
            return None
        try:
            return difference_of(self.first.volumes, self.second.volumes)
        except InputError as error:
            self.notes.append(str(error))
            return None

    def summary(self, *, with_maps: bool) -> dict[str, Any]:
        """Numbers of the pair, ready for JSON."""
        told: dict[str, Any] = {
            "names": [self.first.name, self.second.name],
            "n_common": self.n_common,
            "n_only_first": _count(self.first) - self.n_common,
            "n_only_second": _count(self.second) - self.n_common,
        }
        if self.poses is not None and self.n_common:
            for name, values in {
                "turn_{}_deg": self.poses.turn_deg,
                "shift_{}_angstrom": self.poses.shift_angstrom,
                "turn_in_frame_{}_deg": self.poses.turn_in_frame_deg,
            }.items():
                told[name.format("median")] = float(np.median(values))
                told[name.format("p90")] = float(np.percentile(values, 90))
            told["frame_turn_deg"] = self.poses.frame_turn_deg
        if with_maps and self.maps is not None:
            told["map_correlation"] = self.maps.correlation
            told["map_resolution_angstrom"] = self.maps.resolution_angstrom
        return told | {"notes": list(self.notes)}


@dataclass
class Comparison:
    """Two to six runs, in the order given."""

    runs: list[ComparedRun]

    @cached_property
    def settings(self) -> dict[str, list[Any]]:
        """Settings that differ, each with its value in every run; inputs that differ, too.

        Those that each run has come to, changes on its way included.
        """
        told = [latest_settings(run.data.record).model_dump(mode="json") for run in self.runs]
        names = dict.fromkeys(name for settings in told for name in settings)
        different = {}
        for name in names:
            values = [settings.get(name) for settings in told]
            if name not in _NOT_COMPARED and any(value != values[0] for value in values):
                different[name] = values
        for kind in ("particles", "map", "mask"):
            files = [(run.data.record.get("inputs") or {}).get(kind) or {} for run in self.runs]
            sums = [file.get("sha256") for file in files]
            if any(s != sums[0] for s in sums):
                different[f"{kind} (file)"] = [Path(str(file.get("path"))).name for file in files]
        return different

    @cached_property
    def pairs(self) -> list[Pair]:
        """Every two of them, in order; those with the first run come first."""
        return [_pair(a, b) for a, b in combinations(self.runs, 2)]

    def pair(self, first: int, second: int) -> Pair:
        """The pair of two runs, by their places in the list."""
        wanted = {id(self.runs[first]), id(self.runs[second])}
        return next(p for p in self.pairs if {id(p.first), id(p.second)} == wanted)

    def common_curves(self) -> "dict[str, Curve]":
        """FSC of each run's half-maps inside one mask, what all of their last masks have.

        Empty unless all runs have maps, on one grid, and their masks a region in common.
        """
        from locref_widgets.figures.run_data import Curve

        if any(run.iteration is None for run in self.runs):
            return {}
        try:
            volumes = [run.volumes for run in self.runs]
        except InputError:
            return {}
        grids = {(v.both.data.shape, v.both.voxel_size_angstrom, v.both.position) for v in volumes}
        if len(grids) > 1:
            return {}
        mask = np.minimum.reduce([v.mask.data for v in volumes])
        if mask.max() < IN_COMMON:
            return {}
        curves = {}
        for run, v in zip(self.runs, volumes, strict=True):
            first, second = v.halves
            curve = compute_fsc_curve(first.data, second.data, v.both.voxel_size_angstrom, mask)
            told = curve.resolution_angstrom()
            curves[run.name] = Curve(curve.frequency_per_angstrom, curve.values, told)
        return curves

    def summary(self) -> dict[str, Any]:
        """Numbers of the runs and of every pair, ready for JSON."""
        runs = [
            {
                "name": run.name,
                "folder": str(run.folder.path),
                "status": run.data.status,
                "iteration": run.iteration,
                "n_particles": _count(run) or run.data.started.get("n_particles"),
                "resolution_angstrom": run.data.last["resolution_angstrom"]
                if run.data.iterations
                else None,
            }
            for run in self.runs
        ]
        # Maps are read for the pairs with the first run only: they are large.
        pairs = [p.summary(with_maps=p.first is self.runs[0]) for p in self.pairs]
        return {"runs": runs, "settings": self.settings, "pairs": pairs}


def compare_runs(runs: Sequence[Any]) -> Comparison:
    """Compare two to six runs (from `open_run`, or paths of their folders).

    Particles are matched by who they are, not by row: by cryoSPARC's uid where both tables have it,
    else by stack and number of the image.

    Raises
    ------
    InputError
        For fewer than two or more than six, one given twice, or a folder that is no run.
    """
    from locref_widgets.figures.run_data import load_run

    paths = [Path(run.path if hasattr(run, "path") else os.fspath(run)).resolve() for run in runs]
    if not FEWEST <= len(paths) <= MOST:
        raise InputError(
            f"{len(paths)} runs are given; {FEWEST} to {MOST} can be compared. Name their folders."
        )
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise InputError(f"{twice}: is given twice. Name each run once.")
    names = _names(paths)
    found = []
    for path, name in zip(paths, names, strict=True):
        folder = RunFolder(path)
        done = folder.iterations()
        found.append(ComparedRun(load_run(path), name, folder, done[-1] if done else None))
    return Comparison(found)


def _pair(first: ComparedRun, second: ComparedRun) -> Pair:
    pair = Pair(first, second)
    missing = [run.name for run in (first, second) if run.iteration is None]
    if missing:
        pair.notes.append(f"{' and '.join(missing)}: no iteration has finished yet.")
        return pair
    try:
        places = _match(first, second)
        centre = centre_of_mass_angstrom(first.mask.data, first.mask.voxel_size_angstrom)
    except (InputError, OSError) as error:
        pair.notes.append(f"The particles could not be compared: {error}")
        return pair
    pair.n_common = len(places[0])
    if not pair.n_common:
        pair.notes.append(
            f"{first.name} and {second.name} have no particle in common: neither an image nor a "
            "uid is in both. Compare runs over the same particles."
        )
        return pair
    (_, rotations, origins), (_, others, their_origins) = first.poses, second.poses
    here, there = places
    pair.poses = compare_poses(
        rotations[here], origins[here], others[there], their_origins[there], centre
    )
    return pair


def _match(first: ComparedRun, second: ComparedRun) -> tuple[np.ndarray, np.ndarray]:
    sums = [
        ((run.data.record.get("inputs") or {}).get("particles") or {}).get("sha256")
        for run in (first, second)
    ]
    if sums[0] is not None and sums[0] == sums[1]:
        # Of the same table: the rows say it, copies of a particle included.
        _, here, there = np.intersect1d(
            first.poses[0], second.poses[0], assume_unique=True, return_indices=True
        )
        return here, there
    by_uid = match_identities(first.identities[0], second.identities[0])
    return by_uid if len(by_uid[0]) else match_identities(first.identities[1], second.identities[1])


def _count(run: ComparedRun) -> int:
    return 0 if run.iteration is None else len(run.poses[0])


def _names(paths: list[Path]) -> list[str]:
    """The last part of each path, and as many before it as tell them apart."""
    for parts in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-parts:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    return [str(path) for path in paths]
