"""Maps and image stacks in MRC files."""

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.mrc_header import MRCHeader, make_header, read_header

_RELATIVE_TOLERANCE = 1e-3
"""Two voxel sizes are the same within this: headers may hold a rounded cell length."""

_RUN_BYTES = 16 * 2**20
"""The largest piece that is read at once, so that memory does not depend on the stack."""


@dataclass(frozen=True)
class Map:
    """A cubic map: values ``[z, y, x]`` float32, centre of rotation at voxel ``N // 2``."""

    data: Float[np.ndarray, "n n n"]
    voxel_size_angstrom: float
    path: Path | None = None

    @property
    def box_px(self) -> int:
        """Voxels along an edge."""
        return self.data.shape[0]


def read_map(path: str | os.PathLike[str], *, voxel_size_angstrom: float | None = None) -> Map:
    """Read a cubic map (.mrc, .map; modes 0, 1, 2, 6, 12; either byte order; any order of axes).

    Parameters
    ----------
    voxel_size_angstrom: overrides the header, for files that hold none.

    Raises
    ------
    InputError
        If the file is not an MRC map, is truncated, not cubic, has no voxel size or unequal ones,
        holds NaN, or is displaced: its start or origin is neither zero nor -N/2 (which only says
        that the origin of coordinates is the centre of the box).
    """
    path = Path(path)
    header = read_header(path)
    if len(set(header.size)) > 1:
        raise InputError(
            f"{path}: is not cubic: {' x '.join(map(str, header.size))} (x, y, z). Pad or crop it "
            "to a cube, for example in ChimeraX with: volume resample"
            + (
                ". It may be an image stack rather than a map."
                if header.size[0] == header.size[1]
                else ""
            )
        )
    voxel = _isotropic_voxel_size(header, voxel_size_angstrom)
    _check_not_displaced(header, voxel)
    with path.open("rb") as handle:
        handle.seek(header.data_offset)
        data = np.fromfile(handle, header.dtype, count=header.size[0] ** 3).reshape(header.size)
    # Sections, rows and columns hold the axes header.axes[2], [1], [0]; bring them to z, y, x.
    stored = header.axes[::-1]
    data = np.ascontiguousarray(
        data.transpose([stored.index(axis) for axis in (3, 2, 1)]), np.float32
    )
    if not np.isfinite(data).all():
        z, y, x = np.argwhere(~np.isfinite(data))[0]
        raise InputError(
            f"{path}: holds {np.count_nonzero(~np.isfinite(data))} values that are NaN or "
            f"infinite, the first at voxel x={x}, y={y}, z={z}. Write the map again with the "
            "program that made it."
        )
    return Map(data, voxel, path)


def _isotropic_voxel_size(header: MRCHeader, given: float | None) -> float:
    if given is not None:
        return float(given)
    sizes = np.array(header.voxel_size_angstrom)
    if np.any(sizes <= 0):
        raise InputError(
            f"{header.path}: the header holds no voxel size. Set it, for example with: "
            f"relion_image_handler --i {header.path.name} --o OUT.mrc --angpix X --rescale_angpix X"
        )
    if np.ptp(sizes) > _RELATIVE_TOLERANCE * sizes[0]:
        raise InputError(
            f"{header.path}: the voxel sizes along x, y, z differ: "
            f"{', '.join(f'{s:.4f}' for s in sizes)} Å. Resample the map to cubic voxels."
        )
    # float32 cell lengths carry 7 digits; more would only be noise of the division.
    return float(f"{sizes.mean():.7g}")


def _check_not_displaced(header: MRCHeader, voxel_size_angstrom: float) -> None:
    """Refuse a map whose box is displaced, since poses refer to voxel N//2 of the box."""
    centred = header.size[0] // 2
    if header.start not in ((0, 0, 0), (-centred, -centred, -centred)):
        raise InputError(
            f"{header.path}: the box is displaced: nxstart, nystart, nzstart = {header.start}, "
            "expected 0, 0, 0. If the centre of the box is the centre of the particle, set them "
            "to zero; otherwise resample the map on the grid of the refined map (ChimeraX: "
            "volume resample #this onGrid #reference)."
        )
    origin_px = np.array(header.origin_angstrom) / voxel_size_angstrom
    # A hundredth of a voxel is far below what a mask or a map can show.
    if np.any(np.abs(origin_px) > 0.01) and np.any(np.abs(origin_px + centred) > 0.01):
        origin = ", ".join(f"{value:.2f}" for value in header.origin_angstrom)
        raise InputError(
            f"{header.path}: the box is displaced: the header's origin is {origin} Å, expected 0, "
            "0, 0. Resample the map on the grid of the refined map (ChimeraX: volume resample "
            "#this onGrid #reference), or set the origin to zero if the box is right as it "
            "stands."
        )


def write_map(
    path: str | os.PathLike[str], data: Float[np.ndarray, "z y x"], voxel_size_angstrom: float
) -> None:
    """Write a volume ``[z, y, x]`` as float32 (mode 2), origin zero; whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disc is full.
    """
    values = np.ascontiguousarray(data, dtype="<f4")
    nz, ny, nx = values.shape
    wide = values.astype(np.float64)
    statistics = (float(wide.min()), float(wide.max()), float(wide.mean()), float(wide.std()))
    with atomic_writer(path) as handle:
        handle.write(make_header((nx, ny, nz), voxel_size_angstrom, statistics))
        handle.write(values.data)


def same_size(first_angstrom: float, second_angstrom: float) -> bool:
    """Whether two pixel or voxel sizes agree within what headers round away."""
    return abs(first_angstrom - second_angstrom) <= _RELATIVE_TOLERANCE * first_angstrom


def check_same_grid(reference: Map, other: Map, what: str) -> None:
    """Raise InputError unless ``other`` (named ``what`` in the message) has the same grid."""
    here, there = other.path or "the array given", reference.path or "the array given"
    if other.data.shape != reference.data.shape:
        raise InputError(
            f"{here}: {what} has a box of {other.box_px} voxels, but the map {there} has "
            f"{reference.box_px}. Resample it on the map's grid (ChimeraX: volume resample #this "
            "onGrid #map)."
        )
    if not same_size(reference.voxel_size_angstrom, other.voxel_size_angstrom):
        raise InputError(
            f"{here}: {what} has voxels of {other.voxel_size_angstrom:.4f} Å, but the map {there} "
            f"has {reference.voxel_size_angstrom:.4f} Å. Resample it on the map's grid, or mend "
            "the voxel size in the header that is wrong."
        )


class ImageStack:
    """Images of one MRC file, read when asked for. Only the header is read on opening.

    Reads open the file afresh, so that one stack may be read from several threads, and many stacks
    do not use up the file handles. The file is not memory-mapped: what is not asked for is never
    held.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._header = read_header(self.path)

    def __len__(self) -> int:
        return self._header.size[2]

    @property
    def box(self) -> tuple[int, int]:
        """(ny, nx) in pixels."""
        return self._header.size[1], self._header.size[0]

    @property
    def mode(self) -> int:
        """MRC mode of the stored values."""
        return self._header.mode

    @property
    def pixel_size_angstrom(self) -> float | None:
        """Pixel size along x by the header; None when it holds none."""
        return self._header.voxel_size_angstrom[0] or None

    def read(self, indices: Int[np.ndarray, " n"]) -> Float[np.ndarray, "n y x"]:
        """Read the images of these indices (from 0, any order, repeats allowed) as float32.

        Neighbouring images are read in one go.

        Raises
        ------
        InputError
            If an index is outside the stack, or the file ends early, went away or cannot be read.
        """
        wanted = np.asarray(indices, dtype=np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            bad = wanted.max() if wanted.max() >= len(self) else wanted.min()
            raise InputError(
                f"{self.path}: image {bad + 1} was asked for, but the stack holds {len(self)}."
            )
        ny, nx = self.box
        images = np.empty((wanted.size, ny, nx), np.float32)
        if wanted.size:
            try:
                self._read_into(images, wanted)
            except OSError as error:
                raise InputError(
                    f"{self.path}: cannot be read any more ({error.strerror or error}). Put the "
                    "stack back, or mend its permissions or its disc; a run under way is safe up "
                    "to its last iteration and goes on with: locref refine --resume --out DIR"
                ) from error
        return images

    def _read_into(self, images: Float[np.ndarray, "n y x"], wanted: Int[np.ndarray, " n"]) -> None:
        ny, nx = self.box
        image_bytes = ny * nx * self._header.dtype.itemsize
        order = np.argsort(wanted, kind="stable")
        breaks = np.flatnonzero(np.diff(wanted[order]) != 1) + 1
        most = max(1, _RUN_BYTES // image_bytes)
        with self.path.open("rb", buffering=0) as handle:
            for run in np.split(order, breaks):
                for piece in np.split(run, range(most, len(run), most)):
                    buffer = np.empty((len(piece), ny, nx), self._header.dtype)
                    handle.seek(self._header.data_offset + int(wanted[piece[0]]) * image_bytes)
                    self._fill(handle, buffer)
                    images[piece] = buffer

    def _fill(self, handle, buffer: np.ndarray) -> None:
        view = buffer.view(np.uint8).reshape(-1).data
        while view:
            count = handle.readinto(view)
            if not count:
                raise InputError(
                    f"{self.path}: ended early while being read. Has it been changed since?"
                )
            view = view[count:]
