"""Writing an image stack piece by piece, so that it never lies in memory as a whole."""

import struct
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float

from locref_widgets.io.mrc_header import make_header

_TYPES = {"int8": (0, "<i1"), "float32": (2, "<f4"), "float16": (12, "<f2")}
_MODE_AT, _DEPTH_AT, _CELL_Z_AT, _SPACE_GROUP_AT = 12, 36, 48, 88
"""Bytes of the MRC header that differ between a map and an image stack."""


class StackWriter:
    """Context manager that writes images to an MRC stack one batch after the other.

    It does not map the file into memory: a full disc then is an ``OSError`` rather than a crash.
    """

    def __init__(self, path: Path, box_px: int, pixel_size_angstrom: float, pixel_type: str):
        """Open the file; ``pixel_type`` is float32, float16 or int8."""
        self._mode, self._dtype = _TYPES[pixel_type]
        self._box_px, self._pixel_size = box_px, pixel_size_angstrom
        self._count, self._sum, self._squares = 0, 0.0, 0.0
        self._least, self._greatest = np.inf, -np.inf
        self._handle = path.open("wb")
        self._handle.write(bytes(1024))

    def append(self, images: Float[np.ndarray, "n y x"]) -> None:
        """Write images at the end; for int8 they must be whole numbers from -128 to 127."""
        stored = np.ascontiguousarray(images, dtype=self._dtype)
        self._handle.write(stored.data)
        wide = stored.astype(np.float64)
        self._count += len(images)
        self._sum += float(wide.sum())
        self._squares += float((wide**2).sum())
        self._least = min(self._least, float(wide.min()))
        self._greatest = max(self._greatest, float(wide.max()))

    def __enter__(self) -> "StackWriter":
        """Return the writer."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Write the header, unless something went wrong, and close the file."""
        with self._handle:
            if error is None:
                self._handle.seek(0)
                self._handle.write(self._header())

    def _header(self) -> bytes:
        pixels = self._count * self._box_px**2
        mean = self._sum / pixels
        deviation = float(np.sqrt(max(self._squares / pixels - mean**2, 0.0)))
        size = (self._box_px, self._box_px, self._count)
        statistics = (self._least, self._greatest, mean, deviation)
        header = bytearray(make_header(size, self._pixel_size, statistics))
        # Space group 0 and a depth of 1 tell an image stack from a volume (MRC2014).
        for at, value in ((_MODE_AT, self._mode), (_DEPTH_AT, 1), (_SPACE_GROUP_AT, 0)):
            struct.pack_into("<i", header, at, value)
        struct.pack_into("<f", header, _CELL_Z_AT, self._pixel_size)
        return bytes(header)
