"""One iteration as files: enough to show it, and to go on from it exactly."""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.fsc_files import write_fsc_json
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.state import IterationResult

ARRAYS_FILE = "info.npz"
_POSES = ("indices", "rotations", "origins_angstrom")
CUTOFF_FILE = "cutoff_resolution"
_SCALARS = ("iteration", "resolution_angstrom", "converged", "seconds")


def write_iteration_files(
    folder: Path,
    result: IterationResult,
    particles: Particles,
    voxel_size_angstrom: float,
    position: BoxPosition = AT_ZERO,
) -> None:
    """Write half1, half2, map, mask (and cutoff_resolution), particles, curves and ``info.npz``.

    ``particles`` is the input table, of which ``result.indices`` take part; ``position`` is the
    given map's. The FSC curves are in ``info.npz`` once more: there their bits are kept.
    """
    for name, volume in volumes_of(result).items():
        write_map(folder / f"{name}.mrc", volume, voxel_size_angstrom, position)
    refined_particles(particles, result).write_star(folder / "particles.star")
    write_fsc_json(folder / "fsc.json", result.fsc)
    arrays: dict[str, Any] = {f"info/{name}": values for name, values in result.info.items()}
    arrays |= {name: getattr(result, name) for name in (*_POSES, *_SCALARS)}
    for name, curve in result.fsc.items():
        arrays[f"fsc/{name}/frequency_per_angstrom"] = curve.frequency_per_angstrom
        arrays[f"fsc/{name}/values"] = curve.values
        arrays[f"fsc/{name}/notch"] = np.array(curve.notch)
    np.savez(folder / ARRAYS_FILE, **arrays)


@contextmanager
def iteration_arrays(folder: Path) -> Iterator[NpzFile]:
    """Open the arrays of an iteration's folder (``info.npz``), each read when it is asked for.

    Whatever is wrong with the file, or with what is made of its arrays inside the block, is an
    `InputError` that says how to go on.
    """
    try:
        stored = np.load(folder / ARRAYS_FILE, allow_pickle=False)
        if not isinstance(stored, NpzFile):
            raise ValueError("it is a single array")
        with stored:
            yield stored
    except InputError:
        raise
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{folder / ARRAYS_FILE}: cannot be read ({error}). Remove the folder {folder} to let "
            "the run repeat this iteration."
        ) from None


def read_iteration_files(folder: Path) -> IterationResult:
    """Read what `write_iteration_files` wrote, exactly. Raises `InputError` when it is damaged."""
    volumes = {name: read_map(folder / f"{name}.mrc").data for name in ("half1", "half2")}
    volumes |= {name: read_map(folder / f"{name}.mrc").data for name in ("map", "mask")}
    cutoff = folder / f"{CUTOFF_FILE}.mrc"
    with iteration_arrays(folder) as stored:
        arrays = {name: stored[name] for name in stored.files}
        return IterationResult(
            iteration=int(arrays["iteration"]),
            half_maps=(volumes["half1"], volumes["half2"]),
            map=volumes["map"],
            mask=volumes["mask"],
            cutoff_resolution_angstrom=read_map(cutoff).data if cutoff.is_file() else None,
            fsc=_curves(arrays),
            resolution_angstrom=float(arrays["resolution_angstrom"]),
            converged=bool(arrays["converged"]),
            seconds=float(arrays["seconds"]),
            **{name: arrays[name] for name in _POSES},
            info={
                name.removeprefix("info/"): values
                for name, values in arrays.items()
                if name.startswith("info/")
            },
        )


_FOR_THE_SUMMARY = ("pose_change_rad", "shift_change_px", "at_bound")


def read_changes(folder: Path) -> IterationResult:
    """Read what the summary of an iteration needs, without its maps (which are empty).

    Of a million particles the rest is gigabytes. Raises `InputError` when it is damaged.
    """
    nothing = np.zeros((0, 0, 0), np.float32)
    with iteration_arrays(folder) as stored:
        return IterationResult(
            iteration=int(stored["iteration"]),
            half_maps=(nothing, nothing),
            map=nothing,
            mask=nothing,
            fsc=_curves({n: stored[n] for n in stored.files if n.startswith("fsc/")}),
            resolution_angstrom=float(stored["resolution_angstrom"]),
            converged=bool(stored["converged"]),
            seconds=float(stored["seconds"]),
            **{name: stored[name] for name in _POSES},
            info={
                name: stored[f"info/{name}"]
                for name in _FOR_THE_SUMMARY
                if f"info/{name}" in stored.files
            },
        )


def refined_particles(particles: Particles, result: IterationResult) -> Particles:
    """Return the particles that took part, with their new poses and every input column."""
    return particles.take(result.indices).with_poses(result.rotations, result.origins_angstrom)


def volumes_of(result: IterationResult) -> dict[str, np.ndarray]:
    """The maps of a result by the names of their files."""
    half1, half2 = result.half_maps
    volumes = {"half1": half1, "half2": half2, "map": result.map, "mask": result.mask}
    if result.cutoff_resolution_angstrom is not None:
        volumes[CUTOFF_FILE] = result.cutoff_resolution_angstrom
    return volumes


def _curves(arrays: dict[str, np.ndarray]) -> dict[str, FSCCurve]:
    names = [key.split("/")[1] for key in arrays if key.startswith("fsc/")]
    return {
        name: FSCCurve(
            arrays[f"fsc/{name}/frequency_per_angstrom"],
            arrays[f"fsc/{name}/values"],
            _notch(arrays.get(f"fsc/{name}/notch")),
        )
        for name in dict.fromkeys(names)
    }


def _notch(stored: np.ndarray | None) -> tuple[int, int]:
    return (0, 0) if stored is None else (int(stored[0]), int(stored[1]))
