"""The 1024-byte header of an MRC file, of either byte order, and what can be wrong with it.

Source: the MRC2014 format (Cheng et al., J. Struct. Biol. 192, 146, 2015) with mode 12 (float16).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from locref_widgets.errors import InputError

HEADER_BYTES = 1024

DTYPE_OF_MODE = {0: "i1", 1: "i2", 2: "f4", 6: "u2", 12: "f2"}

_COMPRESSED = {b"\x1f\x8b": ("gzip", "gunzip"), b"BZ": ("bzip2", "bunzip2")}

_FIELDS = np.dtype(
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
        ("extra", "V100"),
        ("origin_angstrom", "f4", 3),
        ("map", "S4"),
        ("machine_stamp", "V4"),
        ("rms", "f4"),
        ("label_count", "i4"),
        ("labels", "S80", 10),
    ]
)


@dataclass(frozen=True)
class MRCHeader:
    """What an MRC header says. Triples are in the order (column, row, section) of the file."""

    path: Path
    size: tuple[int, int, int]
    mode: int
    dtype: np.dtype
    start: tuple[int, int, int]
    voxel_size_angstrom: tuple[float, float, float]
    """Cell length over sampling, in the order x, y, z; zero where the header says nothing."""
    axes: tuple[int, int, int]
    """Which of x, y, z (1, 2, 3) runs along columns, rows and sections."""
    space_group: int
    data_offset: int
    origin_angstrom: tuple[float, float, float]
    file_bytes: int

    @property
    def data_bytes(self) -> int:
        """Bytes that the values take, by size and mode."""
        return self.size[0] * self.size[1] * self.size[2] * self.dtype.itemsize


def read_header(path: Path) -> MRCHeader:
    """Read and check the header of an MRC file; the length of the file is checked against it.

    Raises
    ------
    InputError
        If the file is absent, is not MRC, has a mode that is not 0, 1, 2, 6 or 12, or is shorter
        than its header says.
    """
    try:
        with path.open("rb") as handle:
            raw = handle.read(HEADER_BYTES)
            file_bytes = handle.seek(0, 2)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}). Check its permissions."
        ) from None
    if raw[:2] in _COMPRESSED:
        kind, tool = _COMPRESSED[raw[:2]]
        raise InputError(f"{path}: is compressed with {kind}. Unpack it first: {tool} {path.name}")
    if len(raw) < HEADER_BYTES:
        raise InputError(
            f"{path}: has {len(raw)} bytes, less than an MRC header ({HEADER_BYTES}). "
            "The file is truncated or not MRC: copy or write it again."
        )
    return _parse(path, raw, file_bytes)


def _parse(path: Path, raw: bytes, file_bytes: int) -> MRCHeader:
    order = _byte_order(raw)
    if order is None:
        raise InputError(
            f"{path}: is not an MRC file (the sizes and axes in its header make no sense in "
            "either byte order). Give an MRC map or stack, or write it again: it may be corrupt."
        )
    fields = np.frombuffer(raw, _FIELDS.newbyteorder(order))[0]
    mode = int(fields["mode"])
    if mode not in DTYPE_OF_MODE:
        raise InputError(
            f"{path}: MRC mode {mode} is not known here; modes 0, 1, 2, 6 and 12 are. "
            "Write it as mode 2 (float32), for example with: relion_image_handler --i IN --o OUT"
        )
    sampling = fields["sampling"].astype(np.float64)
    cell = fields["cell_angstrom"].astype(np.float64)
    voxel = np.where(
        (sampling > 0) & np.isfinite(cell), cell / np.where(sampling > 0, sampling, 1), 0.0
    )
    axes = _triple(fields["axes"])
    header = MRCHeader(
        path=path,
        size=_triple(fields["size_xyz"]),
        mode=mode,
        dtype=np.dtype(DTYPE_OF_MODE[mode]).newbyteorder(order),
        start=_triple(fields["start"]),
        voxel_size_angstrom=_floats(voxel),
        # Programs before MRC2014 leave the axes at zero, meaning the usual order.
        axes=axes if axes != (0, 0, 0) else (1, 2, 3),
        space_group=int(fields["space_group"]),
        data_offset=HEADER_BYTES + int(fields["extended_bytes"]),
        origin_angstrom=_floats(fields["origin_angstrom"]),
        file_bytes=file_bytes,
    )
    if file_bytes < header.data_offset + header.data_bytes:
        raise InputError(_truncation(header))
    return header


def _byte_order(raw: bytes) -> Literal["<", ">"] | None:
    """Find the order, '<' or '>', that makes the header plausible; None when neither does.

    The machine stamp is not asked: many files carry a wrong one or none.
    """
    orders: tuple[Literal["<", ">"], ...] = ("<", ">")
    for order in orders:
        fields = np.frombuffer(raw, _FIELDS.newbyteorder(order))[0]
        size, axes = fields["size_xyz"], sorted(_triple(fields["axes"]))
        if (
            np.all((size > 0) & (size < 2**24))
            and 0 <= fields["mode"] < 128
            and axes in ([0, 0, 0], [1, 2, 3])
            and 0 <= fields["extended_bytes"] < 2**30
        ):
            return order
    return None


def _truncation(header: MRCHeader) -> str:
    nx, ny, nz = header.size
    section_bytes = nx * ny * header.dtype.itemsize
    whole = max(0, header.file_bytes - header.data_offset) // section_bytes
    return (
        f"{header.path}: is truncated: its header says {nz} sections of {ny} x {nx} (mode "
        f"{header.mode}), {header.data_offset + header.data_bytes} bytes, but the file has "
        f"{header.file_bytes} bytes, {whole} whole sections. Copy or write the file again."
    )


def _floats(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])


def _triple(values: np.ndarray) -> tuple[int, int, int]:
    return int(values[0]), int(values[1]), int(values[2])


def make_header(
    size: tuple[int, int, int],
    voxel_size_angstrom: float,
    statistics: tuple[float, float, float, float],
) -> bytes:
    """Make a little-endian header of a float32 volume with its origin at zero.

    Parameters
    ----------
    size: columns (x), rows (y), sections (z).
    statistics: least, greatest and mean value, and the standard deviation.
    """
    fields = np.zeros((), _FIELDS.newbyteorder("<"))
    fields["size_xyz"] = size
    fields["mode"] = 2
    fields["sampling"] = size
    fields["cell_angstrom"] = np.asarray(size) * voxel_size_angstrom
    fields["cell_angles"] = 90.0
    fields["axes"] = (1, 2, 3)
    fields["statistics"] = statistics[:3]
    fields["space_group"] = 1
    fields["map"] = b"MAP "
    fields["machine_stamp"] = np.void(b"DD\x00\x00")
    fields["rms"] = statistics[3]
    fields["label_count"] = 1
    fields["labels"][0] = b"locref_widgets"
    # MRC2014 asks for the format version 20140 (NVERSION) in the last word of the "extra" field.
    raw = bytearray(fields.tobytes())
    raw[108:112] = (20140).to_bytes(4, "little")
    return bytes(raw)
