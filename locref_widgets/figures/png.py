"""PNG files: a figure for slides and papers, on white at twice the page's pixels; plain pixels."""

import io
import os

import numpy as np
from jaxtyping import UInt8
from matplotlib.figure import Figure
from PIL import Image

from locref_widgets.io.atomic import atomic_writer

_DOTS_PER_INCH = 144


def write_png(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write the figure, whole or not at all. Raises `OutputError` if it cannot be written."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    with atomic_writer(path) as handle:
        handle.write(buffer.getvalue())


def png_bytes(pixels: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """Encode red, green and blue pixels, the first row on top."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()
