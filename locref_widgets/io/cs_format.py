"""The two forms of a .cs file as columns: NumPy's array of records, and the compressed stream.

Both are read here with every length checked against the file's size before memory is taken for
it, so that a damaged file is refused in words and never makes the program ask for more memory than
the file could fill.
"""

import json
import warnings
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from jaxtyping import UInt64

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer

_NPY_MAGIC = b"\x93NUMPY"
_STREAM_MAGIC = b"\x95CSDAT"
_LONGEST_HEADER = 2**20
_LONGEST_TEXT = 4096
"""Bytes of a path or a name."""

_LZ4_MOST = 255
"""LZ4 stores at least one byte for so many."""

_ROWS_PER_BYTE = 1024
"""Texts of one length per row may take so many bytes for each byte of the file."""

Columns = dict[str, np.ndarray]


def read_cs_columns(path: Path) -> Columns:
    """Read every field of a .cs file, plain or compressed; texts become bytes of one length.

    Raises
    ------
    InputError
        If the file is absent, is no .cs file, is shorter or longer than it says, or holds fields
        that are neither numbers nor texts.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as handle:
            magic = handle.read(len(_NPY_MAGIC))
            handle.seek(0)
            if magic == _NPY_MAGIC:
                return _read_npy(path, handle, size)
            if magic == _STREAM_MAGIC:
                return _read_stream(path, handle.read())
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Check the name and the folder.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
    raise InputError(
        f"{path}: is no .cs file: it begins with {magic!r}, expected NumPy's array "
        "(\\x93NUMPY) or cryoSPARC's compressed form (\\x95CSDAT). Export the particles again."
    )


def write_cs_columns(path: Path, columns: Mapping[str, np.ndarray]) -> None:
    """Write columns of one length as a plain .cs file, whole or not at all.

    Raises
    ------
    OutputError
        If the folder cannot be written or the disc is full.
    """
    dtype = [(name, column.dtype, column.shape[1:]) for name, column in columns.items()]
    rows = np.empty(len(next(iter(columns.values()))), dtype)
    for name, column in columns.items():
        rows[name] = column
    with atomic_writer(path) as handle:
        np.lib.format.write_array(handle, rows, allow_pickle=False)


def _read_npy(path: Path, handle: BinaryIO, size: int) -> Columns:
    try:
        version = np.lib.format.read_magic(handle)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        # The stubs know no max_header_size, which a table of many classes needs.
        limit: dict[str, Any] = {"max_header_size": _LONGEST_HEADER}
        with warnings.catch_warnings():
            # NumPy warns of headers that only look damaged; here they are read or refused.
            warnings.simplefilter("ignore")
            shape, fortran, dtype = reader(handle, **limit)
    # NumPy evaluates the header as a literal: what a damaged one raises is not listed anywhere.
    except Exception as error:
        raise _damaged(path, f"its header cannot be understood ({type(error).__name__})") from None
    if dtype.names is None or len(shape) != 1 or fortran:
        raise InputError(
            f"{path}: holds an array of {dtype} with shape {shape}, expected one record of fields "
            "for each particle. Is this a .cs file?"
        )
    for name in dtype.names:
        _check_field(path, name, dtype[name])
    held = size - handle.tell()
    if held != shape[0] * dtype.itemsize:
        raise _damaged(
            path,
            f"it says {shape[0]} rows of {dtype.itemsize} bytes, but holds {held} bytes of them",
        )
    rows = np.fromfile(handle, dtype, count=shape[0])
    return {name: _native(rows[name]) for name in dtype.names}


def _read_stream(path: Path, data: bytes) -> Columns:
    body = BytesIO(data)
    body.seek(len(_STREAM_MAGIC))
    length, fields, compressed = _stream_header(path, _take(path, body))
    columns: Columns = {}
    texts: list[str] = []
    for name, declared in fields if length else []:
        stored = _take(path, body)
        dtype = declared
        if declared.hasobject:
            # A text is stored as its place among the texts behind the columns.
            texts.append(name)
            dtype = np.dtype("<u8")
        wanted = length * dtype.itemsize
        if name not in compressed:
            if len(stored) != wanted:
                raise _damaged(path, f"{name} has {len(stored)} bytes, expected {wanted}")
            columns[name] = np.frombuffer(stored, dtype.base).reshape(length, *dtype.shape)
        else:
            columns[name] = _decompress(path, name, stored, dtype, length)
    heap = body.read()
    for name in texts:
        columns[name] = _texts(path, name, columns[name], heap, len(data))
    if not length:
        columns = {
            name: np.empty(0, "S1") if dtype.hasobject else np.empty((0, *dtype.shape), dtype.base)
            for name, dtype in fields
        }
    return {name: _native(column) for name, column in columns.items()}


def _stream_header(
    path: Path, text: bytes
) -> tuple[int, list[tuple[str, np.dtype]], frozenset[str]]:
    """Rows, fields with their types, and the names of those that are compressed."""
    try:
        header: dict[str, Any] = json.loads(text)
        length, compressed = header["length"], frozenset(header["compressed_fields"])
        fields: list[tuple[str, np.dtype]] = []
        for name, kind, *shape in header["dtype"]:
            whole = np.dtype((np.dtype(kind), tuple(shape[0]))) if shape else np.dtype(kind)
            fields.append((str(name), whole))
    # The JSON may be anything: what its parts raise is not worth telling apart.
    except Exception as error:
        raise _damaged(path, f"its header cannot be understood ({type(error).__name__})") from None
    names = [name for name, _ in fields]
    if type(length) is not int or length < 0 or len(set(names)) < len(names):
        raise _damaged(path, "its header names a field twice, or no number of rows")
    for name, dtype in fields:
        if dtype != np.dtype(object):
            _check_field(path, name, dtype)
    return length, fields, compressed


def _take(path: Path, body: BytesIO) -> bytes:
    """Read a piece that has its length, 32 bits, in front of it."""
    length = int.from_bytes(body.read(4), "little")
    piece = body.read(length)
    if len(piece) < length or not length:
        raise _damaged(path, f"a part of {length} bytes is cut off after {len(piece)}")
    return piece


def _decompress(path: Path, name: str, stored: bytes, dtype: np.dtype, length: int) -> np.ndarray:
    from cryosparc.dataset.core import Data, Stream

    wanted = length * dtype.itemsize
    if wanted > _LZ4_MOST * (len(stored) + 1) or wanted >= 2**31:
        raise _damaged(path, f"{name} cannot hold {length} rows in {len(stored)} bytes")
    column = np.empty((length, *dtype.shape), dtype.base)
    try:
        got = len(Stream(Data()).decompress_numpy(stored, column))
    except ValueError:
        got = -1
    if got != wanted:
        raise _damaged(path, f"{name} cannot be decompressed")
    return column


def _texts(
    path: Path, name: str, at: UInt64[np.ndarray, " n"], heap: bytes, file_bytes: int
) -> np.ndarray:
    """Look up the texts that begin at these places of the heap and end with a zero byte."""
    places, which = np.unique(at, return_inverse=True)
    if places[-1] >= len(heap):
        raise _damaged(path, f"{name} points beyond the texts of the file")
    found = []
    for place in places.tolist():
        end = heap.find(b"\0", place, place + _LONGEST_TEXT)
        if end < 0:
            raise _damaged(path, f"{name} holds a text longer than {_LONGEST_TEXT} bytes")
        found.append(heap[place:end])
    longest = max(1, *map(len, found))
    if longest * len(at) > _ROWS_PER_BYTE * file_bytes:
        raise _damaged(path, f"{name} cannot hold {len(at)} texts of {longest} bytes")
    return np.array(found, dtype=f"S{longest}")[which]


def _check_field(path: Path, name: str, dtype: np.dtype) -> None:
    if dtype.base.kind not in "fiubSU" or not dtype.itemsize or len(dtype.shape) > 2:
        raise InputError(
            f"{path}: the field {name} is of type {dtype}, expected numbers or texts. Is this a "
            ".cs file of particles?"
        )


def _native(column: np.ndarray) -> np.ndarray:
    if column.dtype.kind == "U":
        return np.strings.encode(column, "utf-8")
    return column if column.dtype.isnative else column.astype(column.dtype.newbyteorder("="))


def _damaged(path: Path, what: str) -> InputError:
    return InputError(
        f"{path}: is damaged or cut off: {what}. Copy it again from where it was made."
    )
