"""The 1024-byte header of an MRC file: read, checked against the file, and made."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import AT_ZERO, BoxPosition
from locref_widgets.io.mrc_fields import (
    FIELDS,
    byte_order,
    cell_angles_deg,
    dtype_of_values,
    floats,
    in_xyz_order,
    triple,
    trusted_origin,
    trusted_start,
    voxel_size_angstrom,
)
from locref_widgets.io.packed import Packing, open_packed, packing_of, reading_errors

HEADER_BYTES = 1024


@dataclass(frozen=True)
class MRCHeader:
    """What an MRC header says; ``size`` and ``axes`` in the order column, row, section."""

    path: Path
    packing: Packing | None
    """How the file is compressed, if it is."""
    size: tuple[int, int, int]
    mode: int
    dtype: np.dtype
    voxel_size_angstrom: tuple[float, float, float]
    """Cell length over sampling, in the order x, y, z; zero where the header says nothing."""
    cell_angles_deg: tuple[float, float, float]
    """90 where the header holds no possible angles."""
    axes: tuple[int, int, int]
    """Which of x, y, z (1, 2, 3) runs along columns, rows and sections."""
    data_offset: int
    position: BoxPosition
    """Start and origin in the order x, y, z, zero where they were never set."""
    file_bytes: int

    @property
    def data_bytes(self) -> int:
        """Bytes that the values take, by size and mode."""
        return self.size[0] * self.size[1] * self.size[2] * self.dtype.itemsize

    @property
    def size_xyz(self) -> tuple[int, int, int]:
        """Voxels along x, y, z."""
        return in_xyz_order(self.size, self.axes)


def read_header(path: Path) -> MRCHeader:
    """Read and check the header of an MRC file, plain or compressed with gzip or bzip2.

    The length of the file is checked against it; that of a compressed one only as far as its kind
    of compression tells.

    Raises
    ------
    InputError
        If the file is absent, is not MRC, has a mode that is not 0, 1, 2, 6 or 12, or is shorter
        than its header says.
    """
    with reading_errors(path):
        with path.open("rb") as handle:
            raw = handle.read(HEADER_BYTES)
            file_bytes = handle.seek(0, 2)
        packing = packing_of(raw)
        if packing is not None:
            with open_packed(path, packing) as handle:
                raw = handle.read(HEADER_BYTES)
    if len(raw) < HEADER_BYTES:
        raise InputError(
            f"{path}: has {len(raw)} bytes, less than an MRC header ({HEADER_BYTES}). "
            "The file is truncated or not MRC: copy or write it again."
        )
    return _parse(path, packing, raw, file_bytes)


def _parse(path: Path, packing: Packing | None, raw: bytes, file_bytes: int) -> MRCHeader:
    order = byte_order(raw)
    if order is None:
        raise InputError(
            f"{path}: is not an MRC file (the sizes and axes in its header make no sense in "
            "either byte order). Give an MRC map or stack, or write it again: it may be corrupt."
        )
    fields = np.frombuffer(raw, FIELDS.newbyteorder(order))[0]
    axes = triple(fields["axes"])
    # Programs before MRC2014 leave the axes at zero, meaning the usual order.
    axes = axes if axes != (0, 0, 0) else (1, 2, 3)
    voxel = voxel_size_angstrom(fields)
    header = MRCHeader(
        path=path,
        packing=packing,
        size=triple(fields["size_xyz"]),
        mode=int(fields["mode"]),
        dtype=dtype_of_values(path, fields).newbyteorder(order),
        voxel_size_angstrom=floats(voxel),
        cell_angles_deg=cell_angles_deg(fields),
        axes=axes,
        data_offset=HEADER_BYTES + int(fields["extended_bytes"]),
        position=BoxPosition(
            in_xyz_order(trusted_start(fields), axes), trusted_origin(fields, voxel)
        ),
        file_bytes=file_bytes,
    )
    return _with_length_checked(header)


def _with_length_checked(header: MRCHeader) -> MRCHeader:
    """Return the header if the file can hold what it says, else raise InputError."""
    needed = header.data_offset + header.data_bytes
    if header.packing is not None:
        if needed > header.packing.most_bytes(header.file_bytes):
            raise InputError(
                f"{header.path}: is truncated or corrupt: its header says {needed} bytes, more "
                f"than {header.file_bytes} bytes of {header.packing.name} can unpack to. Copy or "
                "download the file again."
            )
    elif header.file_bytes == HEADER_BYTES + header.data_bytes:
        # Old entries of the EMDB announce symmetry records that are not there (EMD-1042).
        return replace(header, data_offset=HEADER_BYTES)
    elif header.file_bytes < needed:
        raise InputError(_truncation(header))
    return header


def _truncation(header: MRCHeader) -> str:
    nx, ny, nz = header.size
    section_bytes = nx * ny * header.dtype.itemsize
    whole = max(0, header.file_bytes - header.data_offset) // section_bytes
    return (
        f"{header.path}: is truncated: its header says {nz} sections of {ny} x {nx} (mode "
        f"{header.mode}), {header.data_offset + header.data_bytes} bytes, but the file has "
        f"{header.file_bytes} bytes, {whole} whole sections. Copy or write the file again."
    )


def make_header(
    size: tuple[int, int, int],
    voxel_size_angstrom: float,
    statistics: tuple[float, float, float, float],
    *,
    mode: int = 2,
    position: BoxPosition = AT_ZERO,
    is_stack: bool = False,
) -> bytes:
    """Make a little-endian header of a volume or an image stack.

    Parameters
    ----------
    size: columns (x), rows (y), sections (z).
    statistics: least, greatest and mean value, and the standard deviation.
    mode: of the values: 0 (int8), 2 (float32) or 12 (float16).
    position: start and origin.
    is_stack: whether the sections are images: space group 0 and a depth of 1 tell them from those
        of a volume (MRC2014).
    """
    sampling = (*size[:2], 1) if is_stack else size
    fields = np.zeros((), FIELDS.newbyteorder("<"))
    fields["size_xyz"] = size
    fields["mode"] = mode
    fields["start"] = position.start_px
    fields["sampling"] = sampling
    fields["cell_angstrom"] = np.asarray(sampling) * voxel_size_angstrom
    fields["cell_angles"] = 90.0
    fields["axes"] = (1, 2, 3)
    fields["statistics"] = statistics[:3]
    fields["space_group"] = 0 if is_stack else 1
    fields["origin_angstrom"] = position.origin_angstrom
    fields["map"] = b"MAP "
    fields["machine_stamp"] = np.void(b"DD\x00\x00")
    fields["rms"] = statistics[3]
    fields["label_count"] = 1
    fields["labels"][0] = b"locref_widgets"
    # MRC2014 asks for the format version 20140 (NVERSION) in the last word of the "extra" field.
    raw = bytearray(fields.tobytes())
    raw[108:112] = (20140).to_bytes(4, "little")
    return bytes(raw)
