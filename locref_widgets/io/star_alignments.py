"""The poses of a STAR file as cryoSPARC keeps them."""

from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float

from locref_widgets.io.cs import CsTable
from locref_widgets.io.cs_particles import with_cs_poses
from locref_widgets.io.not_carried import NotCarried, read_or_leave
from locref_widgets.io.poses import read_poses
from locref_widgets.io.star_table import StarTable

ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ORIGINS = ("rlnOriginXAngst", "rlnOriginYAngst", "rlnOriginX", "rlnOriginY")
_ONES = ("alpha", "class_posterior", "class_ess")
_ZEROS = ("error", "error_min", "resid_pow", "slice_pow", "image_pow", "cross_cor", "alpha_min")
_ZEROS += ("weight", "pose_ess", "shift_ess")


def alignments(
    table: StarTable,
    pixel: Float[np.ndarray, " n"] | None,
    used: set[str],
    left: list[NotCarried],
) -> dict[str, np.ndarray]:
    """Make the fields of ``alignments3D``; note the columns used and those left out.

    Raises
    ------
    InputError
        If an angle or origin is no number, or one of the two origins is absent.
    """
    n = len(table)
    columns = _alignment_head(table, "alignments3D", pixel, used, left)
    used |= {*ANGLES, *_ORIGINS}
    known = np.ones(n) if pixel is None else pixel.astype(np.float32).astype(np.float64)
    rotations, origins = read_poses(table, 1.0)
    if _in_pixels(table):
        origins = origins * known[:, None]
    elif pixel is None and np.any(origins):
        reason = "cryoSPARC keeps shifts in pixels, and their size is unknown"
        left.extend(NotCarried(name, reason) for name in _ORIGINS[:2])
        origins = np.zeros_like(origins)
    sized = {"alignments3D/psize_A": known}
    posed = with_cs_poses(
        CsTable(columns | sized, table.path or Path()), rotations, origins
    ).columns
    return {
        name: values for name, values in posed.items() if pixel is not None or name not in sized
    }


def alignments_2d(
    table: StarTable,
    pixel: Float[np.ndarray, " n"] | None,
    used: set[str],
    left: list[NotCarried],
) -> dict[str, np.ndarray]:
    """Make the fields of ``alignments2D`` of a table that has but angles in the plane."""
    columns = _alignment_head(table, "alignments2D", pixel, used, left)
    used.add("rlnAnglePsi")
    columns["alignments2D/pose"] = np.deg2rad(table.floats("rlnAnglePsi")).astype(np.float32)
    shifts = np.zeros((len(table), 2))
    names = _ORIGINS[2:] if _in_pixels(table) else _ORIGINS[:2]
    if all(name in table for name in names) and (pixel is not None or _in_pixels(table)):
        shifts = np.stack([table.floats(name) for name in names], axis=-1)
        used |= set(_ORIGINS)
        if not _in_pixels(table) and pixel is not None:
            shifts = shifts / pixel.astype(np.float32).astype(np.float64)[:, None]
    columns["alignments2D/shift"] = shifts.astype(np.float32)
    return columns


def _alignment_head(
    table: StarTable,
    group: str,
    pixel: Float[np.ndarray, " n"] | None,
    used: set[str],
    left: list[NotCarried],
) -> dict[str, np.ndarray]:
    """Half-set, class and pixel size, and the fields that a STAR file knows nothing of."""
    n = len(table)
    columns: dict[str, np.ndarray] = {f"{group}/split": np.zeros(n, np.uint32)}
    if "rlnRandomSubset" in table:
        used.add("rlnRandomSubset")
        name = "rlnRandomSubset"
        subset = read_or_leave(left, [name], partial(table.ints, name))
        if subset is not None and np.all((subset == 1) | (subset == 2)):
            columns[f"{group}/split"] = (subset - 1).astype(np.uint32)
        elif subset is not None:
            left.append(NotCarried("rlnRandomSubset", "holds other numbers than 1 and 2"))
    else:
        reason = "unknown: no rlnRandomSubset; zeros, as cryoSPARC has before it splits"
        left.append(NotCarried(f"{group}/split", reason))
    number = np.ones(n, np.int64)
    if "rlnClassNumber" in table:
        used.add("rlnClassNumber")
        read = read_or_leave(left, ["rlnClassNumber"], partial(table.ints, "rlnClassNumber"))
        number = number if read is None else np.clip(read, 1, 2**32)
    columns[f"{group}/class"] = (number - 1).astype(np.uint32)
    if pixel is not None:
        columns[f"{group}/psize_A"] = pixel.astype(np.float32)
    columns |= {f"{group}/{name}": np.zeros(n, np.float32) for name in _ZEROS}
    return columns | {f"{group}/{name}": np.ones(n, np.float32) for name in _ONES}


def _in_pixels(table: StarTable) -> bool:
    return "rlnOriginXAngst" not in table and "rlnOriginX" in table
