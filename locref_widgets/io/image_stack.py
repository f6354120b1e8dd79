"""Image stacks in MRC files."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.mrc_header import read_header

_RUN_BYTES = 16 * 2**20
"""The largest piece that is read at once, so that memory does not depend on the stack."""


class ImageStack:
    """Images of one MRC file, read when asked for. Only the header is read on opening.

    Reads open the file afresh, so that one stack may be read from several threads, and many stacks
    do not use up the file handles. The file is not memory-mapped: what is not asked for is never
    held. The order of axes in the header is not heeded, as no program that works on images does.

    Raises
    ------
    InputError
        If the file is not an MRC stack, is truncated, or is compressed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._header = read_header(self.path)
        packing = self._header.packing
        if packing is not None:
            raise InputError(
                f"{path}: is compressed with {packing.name}, so that single images cannot be read "
                f"from it. Unpack it first: {packing.unpacker} {self.path.name}"
            )

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
