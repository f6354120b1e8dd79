"""A bqplot figure as all views have it: no toolbar, no padding, as wide as its place."""

from collections.abc import Sequence

import bqplot as bq
import ipywidgets as widgets

MARGIN = {"top": 12, "bottom": 48, "left": 58, "right": 20}
VIEW_MARGIN = {"top": 10, "bottom": 44, "left": 56, "right": 20}
"""Of maps over the view sphere."""


def plain_plot(
    marks: Sequence[bq.Mark],
    axes: Sequence[bq.Axis],
    height: str,
    margin: dict[str, int] = MARGIN,
    width: str = "auto",
) -> bq.Figure:
    """Put marks and axes into a figure; ``height`` and ``width`` as CSS, ``margin`` in CSS px."""
    return bq.Figure(
        marks=list(marks),
        axes=list(axes),
        fig_margin=dict(margin),
        padding_x=0.0,
        padding_y=0.0,
        display_toolbar=False,
        layout=widgets.Layout(width=width, height=height, min_width="0"),
    )
