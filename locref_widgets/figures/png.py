"""PNG files: a figure for slides and papers, on white at twice the page's pixels; plain pixels."""

import io
import os
import struct
import zlib

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure

from locref_widgets.io.atomic import atomic_writer

_DOTS_PER_INCH = 144


def write_png(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write the figure, whole or not at all. Raises `OutputError` if it cannot be written."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    with atomic_writer(path) as handle:
        handle.write(buffer.getvalue())


def png_bytes(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encode red, green and blue pixels, the first row on top (PNG, ISO/IEC 15948)."""
    height, width, _ = pixels.shape
    # Each line begins with its filter: 0, none.
    lines = np.concatenate([np.zeros((height, 1), np.uint8), pixels.reshape(height, -1)], axis=1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes(), 6)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
