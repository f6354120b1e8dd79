"""Maps in MRC files."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.box_position import (
    AT_ZERO,
    OFFSET_TOLERANCE_PX,
    SIZE_TOLERANCE,
    BoxPosition,
    Size,
    same_size,
)
from locref_widgets.io.mrc_fields import DTYPE_OF_MODE
from locref_widgets.io.mrc_header import MRCHeader, make_header, read_header
from locref_widgets.io.packed import read_packed, reading_errors

RESAMPLE = "Resample it on the map's grid (ChimeraX: volume resample #this onGrid #map)"


@dataclass(frozen=True)
class Map:
    """A map: values ``[z, y, x]`` float32, centre of rotation at voxel ``N // 2`` of each axis.

    ``position`` says where the box lies among models and other maps. Poses do not depend on it.
    """

    data: Float[np.ndarray, "z y x"]
    voxel_size_angstrom: float
    path: Path | None = None
    position: BoxPosition = AT_ZERO
    remarks: tuple[str, ...] = ()
    """What was done to the values since they were read, in sentences for the user."""

    @property
    def name(self) -> str:
        """What messages call it: its file, if it was read from one."""
        return str(self.path or "the map given")

    @property
    def size_xyz(self) -> Size:
        """Voxels along x, y, z."""
        nz, ny, nx = self.data.shape
        return nx, ny, nz

    @property
    def box_px(self) -> int:
        """Voxels along an edge.

        Raises
        ------
        InputError
            If the map is not cubic.
        """
        check_cubic(self.name, self.size_xyz)
        return self.data.shape[0]

    @property
    def corner_angstrom(self) -> Float[np.ndarray, " 3"]:
        """Position (x, y, z) of the first voxel in the frame of coordinates, in Å."""
        return self.position.corner_angstrom(self.voxel_size_angstrom)


def read_map(
    path: str | os.PathLike[str],
    *,
    voxel_size_angstrom: float | None = None,
    cubic: bool = True,
) -> Map:
    """Read a map: modes 0, 1, 2, 6, 12; either byte order; any order of axes; gzip or bzip2.

    Axes are brought to x, y, z whatever their order in the file, so that the hand is kept.

    Parameters
    ----------
    voxel_size_angstrom: overrides the header, for files that hold none.
    cubic: whether another box than a cube is refused. A mask that was cut out of a map's box need
        not be a cube; `place_on_grid` brings it back.

    Raises
    ------
    InputError
        If the file is not an MRC map, is truncated or corrupt, not cubic, has no voxel size or
        unequal ones, a cell that is not rectangular, or holds NaN.
    """
    header = read_header(Path(path))
    if cubic:
        check_cubic(header.path, header.size_xyz)
    voxel = header_voxel_size_angstrom(header, voxel_size_angstrom)
    data = read_values(header)
    check_finite(header.path, data)
    return Map(data, voxel, header.path, header.position)


def read_values(header: MRCHeader) -> Float[np.ndarray, "z y x"]:
    """Read the values of a map of any kind, float32, axes brought to z, y, x.

    Raises
    ------
    InputError
        If the file ends early, its compressed data are corrupt, or memory does not suffice.
    """
    count = header.size[0] * header.size[1] * header.size[2]
    with reading_errors(header.path):
        if header.packing is None:
            with header.path.open("rb") as handle:
                handle.seek(header.data_offset)
                data = np.fromfile(handle, header.dtype, count=count)
        else:
            raw = read_packed(header.path, header.packing, header.data_offset, header.data_bytes)
            whole = len(raw) // header.dtype.itemsize
            data = np.frombuffer(raw, header.dtype, count=whole)
        if len(data) < count:
            raise InputError(
                f"{header.path}: is truncated: its header says {count} values, but it holds "
                f"{len(data)}. Copy or write the file again."
            )
        # Sections, rows and columns hold the axes header.axes[2], [1], [0].
        stored = header.axes[::-1]
        data = data.reshape(header.size[::-1])
        data = data.transpose([stored.index(axis) for axis in (3, 2, 1)])
        return np.ascontiguousarray(data, np.float32)


def header_voxel_size_angstrom(header: MRCHeader, given: float | None = None) -> float:
    """One voxel size for all axes, or ``given``.

    Raises
    ------
    InputError
        If the header holds none or unequal ones, or its cell is not rectangular.
    """
    if np.any(np.abs(np.array(header.cell_angles_deg) - 90.0) > 0.01):
        raise InputError(
            f"{header.path}: the cell is not rectangular: its angles are "
            f"{', '.join(f'{angle:.2f}' for angle in header.cell_angles_deg)}°, expected 90. It "
            "is a crystallographic map; resample it on a cubic grid (ChimeraX: volume resample "
            "#this onGrid #map)."
        )
    if given is not None:
        if not (np.isfinite(given) and given > 0):
            raise InputError(
                f"{header.path}: the voxel size given is {given}, expected a length in Å above 0."
            )
        return float(given)
    sizes = np.array(header.voxel_size_angstrom)
    if np.any(sizes <= 0):
        raise InputError(
            f"{header.path}: the header holds no voxel size. Set it, for example with: "
            f"relion_image_handler --i {header.path.name} --o OUT.mrc --angpix X --rescale_angpix X"
        )
    if np.ptp(sizes) > SIZE_TOLERANCE * sizes[0]:
        raise InputError(
            f"{header.path}: the voxel sizes along x, y, z differ: "
            f"{', '.join(f'{s:.4f}' for s in sizes)} Å. Resample the map to cubic voxels."
        )
    # float32 cell lengths carry 7 digits; more would only be noise of the division.
    return float(f"{sizes.mean():.7g}")


def check_finite(path: Path, data: Float[np.ndarray, "z y x"]) -> None:
    """Raise InputError, naming the first voxel, if there are NaN or infinite values."""
    finite = np.isfinite(data)
    if not finite.all():
        z, y, x = np.argwhere(~finite)[0]
        raise InputError(
            f"{path}: holds {np.count_nonzero(~finite)} values that are NaN or "
            f"infinite, the first at voxel x={x}, y={y}, z={z}. Write the map again with the "
            "program that made it."
        )


def check_cubic(where: Path | str, size_xyz: Size) -> None:
    """Raise InputError unless the box is a cube."""
    nx, ny, nz = size_xyz
    if nx == ny == nz:
        return
    stack = " It may be an image stack rather than a map." if nx == ny else ""
    raise InputError(
        f"{where}: is not cubic: {nx} x {ny} x {nz} (x, y, z). Pad or crop it to a cube, or "
        "resample it on the grid of a cubic map (ChimeraX: volume resample #this onGrid #map). A "
        "mask that was cut out of a map's box may stay as it is where that map is given with it "
        "(locref refine, fsc, subtract --map; in Python: read_map(…, cubic=False))." + stack
    )


def write_map(
    path: str | os.PathLike[str],
    data: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    position: BoxPosition = AT_ZERO,
    *,
    mode: Literal[2, 12] = 2,
) -> None:
    """Write a volume ``[z, y, x]``; whole or not at all.

    Parameters
    ----------
    position: start and origin, zero if not given.
    mode: 2 (float32) or 12 (float16, half the size, three digits).

    Raises
    ------
    OutputError
        If the folder cannot be written or the disc is full.
    InputError
        If values are too large for float16.
    """
    with np.errstate(over="ignore"):
        values = np.ascontiguousarray(data, dtype=f"<{DTYPE_OF_MODE[mode]}")
    if mode == 12 and np.isinf(values).any() and np.isfinite(data).all():
        raise InputError(
            f"{path}: values up to {np.abs(data).max():.3g} do not fit into float16 (mode 12), "
            "which ends at 65504. Write float32, or scale the map."
        )
    nz, ny, nx = values.shape
    wide = values.astype(np.float64)
    statistics = (float(wide.min()), float(wide.max()), float(wide.mean()), float(wide.std()))
    header = make_header(
        (nx, ny, nz), voxel_size_angstrom, statistics, mode=mode, position=position
    )
    with atomic_writer(path) as handle:
        handle.write(header)
        handle.write(values.data)


def is_displaced(reference: Map, other: Map) -> bool:
    """Whether a box of the same size and voxels says that it lies elsewhere than the reference.

    A header with zeros, or one that puts the box's own centre at zero, does not say so: see
    `box_position`.
    """
    voxel = reference.voxel_size_angstrom
    if other.position.is_unstated(voxel):
        return False
    if other.position.names_only_the_centre(other.size_xyz, voxel):
        return False
    return bool(np.any(np.abs(offset_px(reference, other)) > OFFSET_TOLERANCE_PX))


def offset_px(reference: Map, other: Map) -> Float[np.ndarray, " 3"]:
    """First voxel (x, y, z) of ``other``, in voxels from the first one of the reference."""
    return (other.corner_angstrom - reference.corner_angstrom) / reference.voxel_size_angstrom


def check_same_grid(reference: Map, other: Map, what: str) -> None:
    """Raise InputError unless ``other`` (named ``what`` in the message) has the same grid."""
    here, there = other.path or "the array given", reference.path or "the array given"
    if other.data.shape != reference.data.shape:
        raise InputError(
            f"{here}: {what} has a box of {_box(other)} voxels, but the map {there} has "
            f"{_box(reference)}. {RESAMPLE}."
        )
    check_same_voxels(reference, other, what)
    if is_displaced(reference, other):
        shift = ", ".join(f"{value:.2f}" for value in offset_px(reference, other))
        raise InputError(
            f"{here}: {what} lies elsewhere than the map {there}: by start and origin in its "
            f"header its first voxel is {shift} voxels (x, y, z) from the map's. {RESAMPLE}, or "
            "set start and origin in its header to the map's if only they are wrong."
        )


def check_same_voxels(reference: Map, other: Map, what: str) -> None:
    """Raise InputError unless ``other`` (named ``what`` in the message) has voxels of that size."""
    here, there = other.path or "the array given", reference.path or "the array given"
    if not same_size(reference.voxel_size_angstrom, other.voxel_size_angstrom):
        raise InputError(
            f"{here}: {what} has voxels of {other.voxel_size_angstrom:.4f} Å, but the map {there} "
            f"has {reference.voxel_size_angstrom:.4f} Å. {RESAMPLE}, or mend "
            "the voxel size in the header that is wrong."
        )


def _box(volume: Map) -> str:
    sizes = volume.size_xyz
    return str(sizes[0]) if len(set(sizes)) == 1 else " x ".join(map(str, sizes))
