"""The fields of an MRC header, and which of their values are to be believed.

Source: the MRC2014 format (Cheng et al., J. Struct. Biol. 192, 146, 2015) with mode 12 (float16),
and IMOD's flag for unsigned bytes (bio3d.colorado.edu/imod/doc/mrc_format.txt).
"""

from pathlib import Path
from typing import Literal

import numpy as np

from locref_widgets.errors import InputError

DTYPE_OF_MODE = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}

_REFUSED_MODES = {
    3: "holds a Fourier transform (complex 16-bit integers), not a map or images",
    4: "holds a Fourier transform (complex floats), not a map or images",
    16: "holds a colour picture, not a map or images",
    101: "holds 4-bit values, two in a byte, as raw movies do, not a map or particle images",
}

_IMOD_STAMP = 1146047817
_IMOD_SIGNED = 1

_MOST_STARTS = 10
"""A start further out than so many boxes was never set (ChimeraX's limit)."""

_VOXEL_RANGE_ANGSTROM = (1e-3, 1e5)
"""From below any detector's pixel to beyond any cell."""

FIELDS = np.dtype(
    [
        ("size_xyz", "i4", 3),
        ("mode", "i4"),
        ("start", "i4", 3),
        ("sampling", "i4", 3),
        ("cell_angstrom", "f4", 3),
        ("cell_angles", "f4", 3),
        ("axes", "i4", 3),
        ("statistics", "f4", 3),
        ("space_group", "i4"),
        ("extended_bytes", "i4"),
        ("extra", "V56"),
        ("imod_stamp", "i4"),
        ("imod_flags", "i4"),
        ("more_extra", "V36"),
        ("origin_angstrom", "f4", 3),
        ("map", "S4"),
        ("machine_stamp", "V4"),
        ("rms", "f4"),
        ("label_count", "i4"),
        ("labels", "S80", 10),
    ]
)


def byte_order(raw: bytes) -> Literal["<", ">"] | None:
    """Find the order, '<' or '>', that makes the header plausible; None when neither does.

    The machine stamp is not asked: many files carry a wrong one or none.
    """
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        fields = np.frombuffer(raw, FIELDS.newbyteorder(order))[0]
        size, axes = fields["size_xyz"], sorted(triple(fields["axes"]))
        if (
            np.all((size > 0) & (size < 2**24))
            and 0 <= fields["mode"] < 128
            and axes in ([0, 0, 0], [1, 2, 3])
            and 0 <= fields["extended_bytes"] < 2**30
        ):
            return order
    return None


def dtype_of_values(path: Path, fields: np.void) -> np.dtype:
    """Type of the values; raise InputError for a mode that is not read."""
    mode = int(fields["mode"])
    if mode not in DTYPE_OF_MODE:
        what = _REFUSED_MODES.get(mode, "is not known here; modes 0, 1, 2, 6 and 12 are")
        raise InputError(
            f"{path}: MRC mode {mode} {what}. "
            "Write it as mode 2 (float32), for example with: relion_image_handler --i IN --o OUT"
        )
    is_imods = fields["imod_stamp"] == _IMOD_STAMP
    if mode == 0 and is_imods and not fields["imod_flags"] & _IMOD_SIGNED:
        return np.dtype("u1")
    return np.dtype(DTYPE_OF_MODE[mode])


def voxel_size_angstrom(fields: np.void) -> np.ndarray:
    """Cell over sampling, x, y, z; zero where the header holds none or nonsense."""
    sampling = fields["sampling"].astype(np.float64)
    cell = fields["cell_angstrom"].astype(np.float64)
    least, most = _VOXEL_RANGE_ANGSTROM
    voxel = np.where(np.isfinite(cell), cell, 0.0) / np.maximum(sampling, 1)
    return np.where((sampling > 0) & (voxel >= least) & (voxel <= most), voxel, 0.0)


def cell_angles_deg(fields: np.void) -> tuple[float, float, float]:
    """Angles of the cell, 90 where the header holds no possible ones."""
    angles = fields["cell_angles"]
    if not np.all((angles > 0) & (angles < 180)):
        return 90.0, 90.0, 90.0
    return floats(angles)


def trusted_start(fields: np.void) -> tuple[int, int, int]:
    """Start in the order of the file, zero where it was never set."""
    start = fields["start"].astype(np.int64)
    longest = max(int(fields["size_xyz"].max()), int(fields["sampling"].max()))
    return triple(start) if np.all(np.abs(start) <= _MOST_STARTS * longest) else (0, 0, 0)


def trusted_origin(fields: np.void, voxel: np.ndarray) -> tuple[float, float, float]:
    """Origin in Å, zero where it was never set: before MRC2000 other things stood there."""
    origin = fields["origin_angstrom"]
    # Where a float32 no longer tells two voxels apart, there is no grid.
    far = np.float32(2**24) * np.where(voxel > 0, voxel, 1.0)
    if not fields["map"].startswith(b"MAP") or not np.all(np.abs(origin) < far):
        return 0.0, 0.0, 0.0
    return floats(origin)


def floats(values: np.ndarray) -> tuple[float, float, float]:
    """Three numbers as a tuple."""
    return float(values[0]), float(values[1]), float(values[2])


def triple(values: np.ndarray) -> tuple[int, int, int]:
    """Three whole numbers as a tuple."""
    return int(values[0]), int(values[1]), int(values[2])


def in_xyz_order(of_file: tuple[int, int, int], axes: tuple[int, int, int]) -> tuple[int, int, int]:
    """Bring a triple from the order (column, row, section) to x, y, z."""
    x, y, z = (of_file[axes.index(axis)] for axis in (1, 2, 3))
    return x, y, z
