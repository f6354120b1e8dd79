"""Bounds against scores, and the likelihood about the optimum, as SVG text."""

import html
import math
from collections.abc import Callable
from itertools import groupby
from typing import Any

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.search_trace import CROWDED_OUT, DROPPED, KEPT, LevelTrace
from locref_widgets.refinement.one_particle import Surface
from locref_widgets.widgets.search_pictures import number_text, svg, text
from locref_widgets.widgets.search_style import BANDS, FATE_COLOURS, FATE_NAMES
from locref_widgets.widgets.ticks import nice_maximum, round_ticks

_NAMED_DOTS = 150
AXIS_NAMES = (
    "rotation about x (°)",
    "rotation about y (°)",
    "rotation about z, the view (°)",
    "shift along x (px)",
    "shift along y (px)",
)


def scores_svg(level: LevelTrace, number: int) -> str:
    """Scores of rotations, each at its best shift, by the angle from the best, with the bound."""
    width, height, left, right, top, bottom = 520.0, 360.0, 56.0, 12.0, 16.0, 42.0
    rotations = level.rotations_rad()
    best_rotation = rotations[level.best[0], level.best[1]]
    angle = np.rad2deg(np.linalg.norm(rotations - best_rotation, axis=-1)).ravel()
    below = (level.best_score - np.max(level.scores, axis=2)).ravel()
    fate = np.max(level.fates, axis=2).ravel()
    seen = np.isfinite(below)
    widest = nice_maximum(float(angle[seen].max(initial=1.0)))
    bound = level.best_score - level.threshold
    deepest = float(below[seen].max(initial=1.0))
    lowest = nice_maximum(min(deepest, 4 * bound) if math.isfinite(bound) else deepest)
    lowest = max(lowest, nice_maximum(1.15 * bound)) if math.isfinite(bound) else lowest

    def across(value: Any) -> Any:
        return left + value / widest * (width - left - right)

    def down(value: Any) -> Any:
        return top + np.minimum(value, lowest) / lowest * (height - top - bottom)

    parts = []
    if math.isfinite(bound):
        parts += _bound_parts(level, bound, down, left, width - right)
    for one in (DROPPED, CROWDED_OUT, KEPT):
        these = seen & (fate == one)
        path = "".join(
            f"M{x:.1f} {y:.1f}h0"
            for x, y in zip(across(angle[these]), down(below[these]), strict=True)
        )
        parts.append(
            f'<path d="{path}" stroke="{FATE_COLOURS[one]}" stroke-width="5"'
            ' stroke-linecap="round" fill="none"/>'
        )
    for index in np.argsort(np.where(seen, below, np.inf))[:_NAMED_DOTS]:
        if not seen[index]:
            break
        words = (
            f"{angle[index]:.1f}° from the best, {below[index]:.1f} below it: "
            + FATE_NAMES.get(int(fate[index]), "")
        )
        parts.append(
            f'<circle cx="{across(angle[index]):.1f}" cy="{down(below[index]):.1f}" r="4"'
            f' fill="transparent"><title>{html.escape(words)}</title></circle>'
        )
    x, y = across(0.0), down(0.0)
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="locref-best"/>')
    parts.append(
        f'<path d="M{left} {top}V{height - bottom}H{width - right}" class="locref-frame"/>'
    )
    for tick in round_ticks(0.0, widest, 5):
        parts.append(text(float(across(tick)), height - bottom + 16, f"{tick:g}"))
    for tick in round_ticks(0.0, lowest, 5):
        words = f"−{tick:g}" if tick else "0"
        parts.append(text(left - 6, float(down(tick)) + 4, words, "end"))
    parts.append(text((left + width) / 2, height - 6, "angle from the best rotation (°)"))
    parts.append(
        f'<text transform="translate(13 {(top + height - bottom) / 2:.0f}) rotate(-90)"'
        ' text-anchor="middle">log-likelihood, less the best</text>'
    )
    label = f"Scores of level {number + 1} against the angle from the best rotation;" + (
        f" the bound is {bound:.1f} below the best" if math.isfinite(bound) else " no bound"
    )
    return svg(width, height, label, "".join(parts))


def _bound_parts(
    level: LevelTrace, bound: float, down: Callable[[Any], Any], left: float, right: float
) -> list[str]:
    noise, top = float(down(level.noise_allowance)), float(down(0.0))
    y = float(down(bound))

    def band(upper: float, lower: float, colour: str) -> str:
        return (
            f'<rect x="{left}" y="{upper:.1f}" width="{right - left}"'
            f' height="{lower - upper:.1f}" fill="{colour}" opacity="0.14"/>'
        )

    return [
        band(top, noise, "#2b83c4"),
        band(noise, y, "#e69f00"),
        f'<path d="M{left} {y:.1f}H{right}" class="locref-bound"/>',
        text(right - 4, y + 15, f"bound: {bound:.1f} below the best", "end"),
        text(right - 4, noise - 5, f"what noise may do: {level.noise_allowance:.1f}", "end"),
    ]


def surface_svg(surface: Surface, covariance: Float[np.ndarray, "5 5"], steps: int = 4) -> str:
    """The log-likelihood over two coordinates in bands, with the estimate's 2 sigma ellipse."""
    size, margin = 300.0, 52.0
    scale = [math.degrees(1.0) if axis < 3 else 1.0 for axis in surface.axes]
    reach = [r * s for r, s in zip(surface.reach, scale, strict=True)]
    n = surface.values.shape[0]
    inner = size - margin - 8
    cell = inner / n
    limits = np.array([band[0] for band in BANDS])
    bands = np.searchsorted(limits, -surface.values)
    parts = []
    for row in range(n):
        column = 0
        for band, run in groupby(bands[row].tolist()):
            length = len(list(run))
            parts.append(
                f'<rect x="{margin + column * cell:.2f}" y="{8 + (n - 1 - row) * cell:.2f}"'
                f' width="{length * cell + 0.4:.2f}" height="{cell + 0.4:.2f}"'
                f' fill="{BANDS[min(band, len(BANDS) - 1)][1]}"/>'
            )
            column += length
    # With the other coordinates fixed: a block of the information.
    block = np.linalg.inv(covariance)[np.ix_(surface.axes, surface.axes)]
    values, axes = np.linalg.eigh(block)
    turn = np.linspace(0, 2 * np.pi, 49)
    circle = (
        np.stack([np.cos(turn), np.sin(turn)]) * (2 / np.sqrt(np.maximum(values, 1e-30)))[:, None]
    )
    x, y = axes @ circle
    x = margin + (x / surface.reach[0] + 1) / 2 * inner
    y = 8 + (1 - y / surface.reach[1]) / 2 * inner
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    parts.append(
        f'<polyline points="{points}" fill="none" stroke="white" stroke-width="2"'
        ' stroke-dasharray="5 4"/>'
    )
    centre = (margin + inner / 2, 8 + inner / 2)
    parts.append(
        f'<path d="M{centre[0] - 6} {centre[1]}h12M{centre[0]} {centre[1] - 6}v12"'
        ' stroke="#440154" stroke-width="2"/>'
    )
    parts += [
        text(margin + (tick / reach[0] + 1) / 2 * inner, 8 + inner + 16, number_text(tick))
        for tick in round_ticks(-reach[0], reach[0], steps)
    ]
    parts += [
        text(margin - 6, 12 + (1 - tick / reach[1]) / 2 * inner, number_text(tick), "end")
        for tick in round_ticks(-reach[1], reach[1], steps)
    ]
    names = [AXIS_NAMES[axis] for axis in surface.axes]
    parts.append(text(margin + inner / 2, 8 + inner + 34, "further " + names[0]))
    parts.append(
        f'<text transform="translate(12 {8 + inner / 2:.0f}) rotate(-90)" text-anchor="middle">'
        f"further {names[1]}</text>"
    )
    label = (
        f"Log-likelihood about the optimum over {names[0]} and {names[1]}, down to"
        f" {surface.values.min():.0f}"
    )
    return svg(size, size, label, "".join(parts))
