"""Small plots as SVG text: they follow the page's theme and need no front end of their own."""

import html
import math

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.widgets.style import BAR_COLOUR, EMPTY_COLOUR, VIRIDIS
from locref_widgets.widgets.ticks import round_ticks

_WIDTH, _HEIGHT = 300, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 16, 8, 36
_MOST_BINS = 40


def histogram_svg(values: Float[np.ndarray, " n"], axis: str, what: str) -> str:
    """Histogram with the number of particles upwards; `what` names it for screen readers."""
    edges = _bin_edges(values)
    counts = np.histogram(values, edges)[0]
    low, high, top = edges[0], edges[-1], max(1, int(counts.max()))

    def across(value: float) -> float:
        return _LEFT + (value - low) / (high - low) * (_WIDTH - _LEFT - _RIGHT)

    def up(count: float) -> float:
        return _HEIGHT - _BOTTOM - count / top * (_HEIGHT - _TOP - _BOTTOM)

    bars = "".join(
        f'<rect x="{across(a) + 0.5:.1f}" y="{up(n):.1f}" width="{across(b) - across(a) - 1:.1f}"'
        f' height="{up(0) - up(n):.1f}" fill="{BAR_COLOUR}">'
        f"<title>{a:.4g} to {b:.4g}: {n:,}</title></rect>"
        for a, b, n in zip(edges[:-1], edges[1:], counts.tolist(), strict=True)
    )
    median = float(np.median(values))
    label = (
        f"{what}: {len(values):,} particles, {values.min():.4g} to {values.max():.4g},"
        f" median {median:.4g}"
    )
    ticks = "".join(
        _text(across(t), _HEIGHT - _BOTTOM + 15, f"{t:g}") for t in round_ticks(low, high, 4)
    )
    return _svg(
        label,
        bars
        + f'<path d="M{_LEFT} {up(0):.1f}H{_WIDTH - _RIGHT}" class="locref-axis"/>'
        + ticks
        + _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, axis)
        + f'<text transform="translate(14 {(_TOP + up(0)) / 2:.0f}) rotate(-90)"'
        ' text-anchor="middle">particles</text>'
        + _text(_LEFT - 4, _TOP + 9, f"{top:,}", "end")
        + _text(_LEFT - 4, up(0), "0", "end"),
    )


def view_map_svg(counts: Int[np.ndarray, "rows columns"]) -> str:
    """Where particles look from: azimuth across, sine of the elevation up, so that areas are true.

    `counts` is [elevation, azimuth], from low to high.
    """
    rows, columns = counts.shape
    width, height = (_WIDTH - _LEFT - _RIGHT) / columns, (_HEIGHT - _TOP - _BOTTOM) / rows
    top = max(1, int(counts.max()))
    cells = "".join(
        f'<rect x="{_LEFT + c * width:.2f}" y="{_TOP + (rows - 1 - r) * height:.2f}"'
        f' width="{width + 0.3:.2f}" height="{height + 0.3:.2f}" fill="{_colour(n / top)}">'
        f"<title>{n:,}</title></rect>"
        for r, row in enumerate(counts.tolist())
        for c, n in enumerate(row)
    )
    ticks = "".join(
        _text(_LEFT + (a + 180) / 360 * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM + 15, f"{a}°")
        for a in (-180, -90, 0, 90, 180)
    )
    sides = "".join(
        _text(
            _LEFT - 4,
            _TOP + (1 - math.sin(math.radians(e))) / 2 * (_HEIGHT - _TOP - _BOTTOM) + 4,
            f"{e}°",
            "end",
        )
        for e in (-90, -30, 0, 30, 90)
    )
    empty = int(np.sum(counts == 0))
    label = (
        f"Viewing directions: at most {top:,} particles in a cell, {empty} of {counts.size} cells"
        " are empty"
    )
    words = f"azimuth; grey: 0, yellow: {top:,} particles"
    return _svg(
        label, cells + ticks + sides + _text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 4, words)
    )


def _bin_edges(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " edges"]:
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-30):
        half = max(abs(low), 1.0) * 0.05
        return np.array([low - half, low + half])
    bins = int(np.clip(math.sqrt(len(values)), 5, _MOST_BINS))
    return np.linspace(low, high, bins + 1)


def _colour(share: float) -> str:
    if share == 0:
        return EMPTY_COLOUR
    return VIRIDIS[round(share * (len(VIRIDIS) - 1))]


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(words)}</text>'


def _svg(label: str, inside: str) -> str:
    return (
        f'<svg class="locref-plot" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img"'
        f' aria-label="{html.escape(label)}">{inside}</svg>'
    )
