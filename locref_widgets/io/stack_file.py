"""Writing an image stack piece by piece, so that it never lies in memory as a whole."""

import threading
from pathlib import Path
from types import TracebackType

import numpy as np
from jaxtyping import Float, Int, Real

from locref_widgets.errors import InputError
from locref_widgets.io.mrc_header import HEADER_BYTES, make_header

_TYPES = {"int8": (0, "<i1"), "float32": (2, "<f4"), "float16": (12, "<f2")}


class StackWriter:
    """Context manager that writes images to an MRC stack, one batch after the other or by place.

    It does not map the file into memory: a full disc then is an ``OSError`` rather than a crash.
    """

    def __init__(self, path: Path, box_px: int, pixel_size_angstrom: float, pixel_type: str):
        """Open the file; ``pixel_type`` is float32, float16 or int8."""
        self._path = path
        self._mode, self._dtype = _TYPES[pixel_type]
        self._box_px, self._pixel_size = box_px, pixel_size_angstrom
        self._image_bytes = box_px**2 * np.dtype(self._dtype).itemsize
        self._count, self._written, self._sum, self._squares = 0, 0, 0.0, 0.0
        self._least, self._greatest = np.inf, -np.inf
        self._lock = threading.Lock()
        self._handle = path.open("wb")
        self._handle.write(bytes(HEADER_BYTES))

    def append(self, images: Float[np.ndarray, "n y x"]) -> None:
        """Write images at the end; for int8 they must be whole numbers from -128 to 127."""
        self.put(np.arange(self._count, self._count + len(images)), images)

    def put(self, numbers: Int[np.ndarray, " n"], images: Float[np.ndarray, "n y x"]) -> None:
        """Write images at these places of the stack, from 0; threads may do so at the same time.

        Each place must be written once.

        Raises
        ------
        InputError
            If a value is NaN or infinite, or float16 is wanted and one is beyond its range.
        """
        if bad := self._first_not_finite(numbers, images):
            raise InputError(
                f"{self._path.name}: image {bad} of the stack would hold NaN or infinite values."
                " Take the particle out of the table, or mend the map that it is made with."
            )
        with np.errstate(over="ignore"):
            stored = np.ascontiguousarray(images, dtype=self._dtype)
        if bad := self._first_not_finite(numbers, stored):
            raise InputError(
                f"{self._path.name}: values up to {np.abs(images).max():.4g} do not fit into"
                f" float16 (image {bad} of the stack). Write float32, or normalise the particles"
                " first."
            )
        wide = stored.astype(np.float64)
        with self._lock:
            for number, image in zip(numbers.tolist(), stored, strict=True):
                place = HEADER_BYTES + number * self._image_bytes
                if self._handle.tell() != place:
                    self._handle.seek(place)
                self._handle.write(image.data)
            self._written += len(images)
            self._count = max(self._count, int(numbers.max(initial=-1)) + 1)
            self._sum += float(wide.sum())
            self._squares += float((wide**2).sum())
            self._least = min(self._least, float(wide.min(initial=np.inf)))
            self._greatest = max(self._greatest, float(wide.max(initial=-np.inf)))

    @staticmethod
    def _first_not_finite(
        numbers: Int[np.ndarray, " n"], images: Real[np.ndarray, "n y x"]
    ) -> int | None:
        """Number (from 1) of the first image with a value that is none; None when all are good."""
        bad = np.flatnonzero(~np.isfinite(images).all(axis=(1, 2)))
        return int(numbers[bad[0]]) + 1 if bad.size else None

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
        pixels = self._written * self._box_px**2
        mean = self._sum / pixels
        deviation = float(np.sqrt(max(self._squares / pixels - mean**2, 0.0)))
        size = (self._box_px, self._box_px, self._count)
        statistics = (self._least, self._greatest, mean, deviation)
        return make_header(size, self._pixel_size, statistics, mode=self._mode, is_stack=True)
