"""A figure as a PNG file for slides and papers: on white, at twice the page's pixels."""

import io
import os

from matplotlib.figure import Figure

from locref_widgets.io.atomic import atomic_writer

_DOTS_PER_INCH = 144


def write_png(path: str | os.PathLike[str], figure: Figure) -> None:
    """Write the figure, whole or not at all. Raises `OutputError` if it cannot be written."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    with atomic_writer(path) as handle:
        handle.write(buffer.getvalue())
