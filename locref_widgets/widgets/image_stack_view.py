"""A stack of particle images, a page at a time."""

import base64
import os
import struct
import zlib
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from jaxtyping import Float, UInt8

from locref_widgets.io.image_stack import ImageStack
from locref_widgets.io.info import describe
from locref_widgets.widgets.facts import facts_html, faults_html
from locref_widgets.widgets.number_slider import NumberSlider
from locref_widgets.widgets.style import style_sheet

_PER_PAGE = 24
_LARGEST_SHOWN_PX = 128


class ImageStackView(widgets.VBox):
    """Images of a stack, each in its own grey scale, with facts and faults.

    Parameters
    ----------
    path
        An MRC stack.

    Raises
    ------
    InputError
        The file is absent or no stack.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.facts = describe(self.path)
        self._stack = ImageStack(self.path)
        pages = max(1, -(-len(self._stack) // _PER_PAGE))
        self._page = NumberSlider(
            value=1,
            min=1,
            max=max(2, pages),
            step=1,
            description="Page",
            tooltip=f"{_PER_PAGE} images a page",
            unit=f"of {pages}",
            is_live=False,
            disabled=pages == 1,
        )
        self._images = widgets.HTML()
        self._page.observe(lambda change: self._show(round(change["new"])), "value")
        super().__init__(
            [
                style_sheet(),
                widgets.HTML(facts_html(self.facts, "stack of images")),
                widgets.HTML(faults_html(self.facts["faults"])),
                self._page,
                self._images,
            ]
        )
        self.add_class("locref-table")
        self.add_class("locref-keys")
        self._show(1)

    def _show(self, page: int) -> None:
        first = (page - 1) * _PER_PAGE
        rows = np.arange(first, min(first + _PER_PAGE, len(self._stack)))
        self._images.value = images_html((rows + 1).tolist(), self._stack.read(rows))


def images_html(numbers: list[int], images: Float[np.ndarray, "n y x"]) -> str:
    """Images side by side, each in its own grey scale, with its number below."""
    figures = "".join(
        f'<figure><img alt="image {number}" src="data:image/png;base64,{_png(image)}">'
        f"<figcaption>{number:,}</figcaption></figure>"
        for number, image in zip(numbers, images, strict=True)
    )
    return f'<div class="locref-images">{figures}</div>'


def _png(image: Float[np.ndarray, "y x"]) -> str:
    step = max(1, round(max(image.shape) / _LARGEST_SHOWN_PX))
    ny, nx = (size // step * step for size in image.shape)
    small = image[:ny, :nx].reshape(ny // step, step, nx // step, step).mean((1, 3))
    finite = small[np.isfinite(small)]
    # Three standard deviations around the mean hold what the eye can use of a noisy image.
    mean, spread = (float(finite.mean()), float(finite.std())) if finite.size else (0.0, 0.0)
    grey = np.nan_to_num((small - mean) / (6 * spread or 1.0) + 0.5, nan=0.0)
    # MRC counts rows from the bottom.
    data = grey_png((np.clip(grey, 0, 1) * 255).astype(np.uint8)[::-1])
    return base64.b64encode(data).decode("ascii")


def grey_png(grey: UInt8[np.ndarray, "y x"]) -> bytes:
    """Write a picture of 8 bits a pixel, its first row on top, as a PNG file (ISO 15948)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check)

    height, width = grey.shape
    # Each row starts with its filter: 0, none.
    rows = np.concatenate([np.zeros((height, 1), np.uint8), grey], axis=1)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(rows.tobytes()))
        + chunk(b"IEND", b"")
    )
