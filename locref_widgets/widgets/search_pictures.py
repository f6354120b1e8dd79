"""A search in pictures: the tree, and the cells of a level where they lie.

SVG text that follows the page's theme. Angles are in degrees, shifts in pixels.
"""

import html
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.search_trace import (
    CROWDED_OUT,
    DROPPED,
    KEPT,
    NOT_ASKED,
    OUTSIDE,
    LevelTrace,
    SearchTrace,
)
from locref_widgets.widgets.search_style import FATE_COLOURS, FATE_NAMES
from locref_widgets.widgets.ticks import round_ticks

_FATES = (KEPT, CROWDED_OUT, DROPPED, OUTSIDE)
LIST_NAMES = ("Tilts", "In-plane turns", "Shifts")


def svg(width: float | int, height: float | int, label: str, inside: str) -> str:
    """A picture that screen readers know by its label."""
    return (
        f'<svg viewBox="0 0 {width:.0f} {height:.0f}" role="img"'
        f' aria-label="{html.escape(label)}">{inside}</svg>'
    )


def text(x: float | int, y: float | int, words: str, anchor: str = "middle", more: str = "") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{html.escape(words)}</text>'


def shares(level: LevelTrace, axis: int) -> Int[np.ndarray, "entries fates"]:
    """How many joint cells of each entry of a list had each fate, in the order of `_FATES`."""
    others = tuple(a for a in range(3) if a != axis)
    return np.stack([np.sum(level.fates == fate, axis=others) for fate in _FATES], axis=-1)


def best_of(level: LevelTrace, axis: int) -> Float[np.ndarray, " entries"]:
    """Best score of each entry of a list, over the two other lists."""
    return np.max(level.scores, axis=tuple(a for a in range(3) if a != axis))


def tree_svg(trace: SearchTrace, now: int, reach: int) -> str:
    """Rows of boxes, one for each level, in a block for each list; kept ones lead to their halves.

    Best boxes are on the left. ``now`` is the level that is framed, ``reach`` the last shell of the
    reference.
    """
    width, row, gap, top, left = 920.0, 34.0, 58.0, 26.0, 62.0
    widths = [0.56, 0.16, 0.28]
    parts, x0 = [], left
    for axis, share in enumerate(widths):
        block = share * (width - left) - 14
        parts.append(text(x0 + block / 2, 14, LIST_NAMES[axis]))
        places: dict[int, tuple[float, float]] = {}
        for number, level in enumerate(trace.levels):
            y = top + number * (row + gap)
            order = _order(trace, number, axis, places)
            size = block / len(order)
            counts, best = shares(level, axis), best_of(level, axis)
            new = {}
            for position, entry in enumerate(order):
                x = x0 + position * size
                new[int(entry)] = (x, size)
                parts.append(
                    _box(x, y, size, row, counts[entry], _entry_words(level, axis, entry, best))
                )
            if number:
                parts.append(_bands(level.parents[axis], places, new, (y - gap, y), KEPT))
            places = new
        x0 += block + 14
    for number, level in enumerate(trace.levels):
        y = top + number * (row + gap)
        parts.append(text(0, y + 14, f"level {number + 1}", "start"))
        parts.append(text(0, y + 29, f"shell {min(level.plan.radius_px, reach)}", "start"))
        if number == now:
            parts.append(
                f'<rect x="{left - 4}" y="{y - 4}" width="{width - left}" height="{row + 8}"'
                ' class="locref-best" rx="3"/>'
            )
    height = top + len(trace.levels) * row + (len(trace.levels) - 1) * gap + 8
    counts = "; ".join(
        f"level {n}: {level.scored:,} scored, {level.count(KEPT):,} kept"
        for n, level in enumerate(trace.levels, start=1)
    )
    return svg(width, height, f"Tree of the search. {counts}", "".join(parts))


def _order(
    trace: SearchTrace, number: int, axis: int, places: dict[int, tuple[float, float]]
) -> list[int]:
    """Best first; halves of one parent stay together, in the order of their parents."""
    level = trace.levels[number]
    best = best_of(level, axis)
    if not number:
        return [int(i) for i in np.argsort(-best, kind="stable")]
    parent = level.parents[axis]
    return sorted(range(len(best)), key=lambda i: (places[int(parent[i])][0], -best[i]))


def _box(
    x: float, y: float, width: float, height: float, counts: Int[np.ndarray, " f"], words: str
) -> str:
    total = max(1, int(counts.sum()))
    inner, bars, at = max(width - min(1.0, 0.2 * width), 0.5), "", y
    for fate, count in zip(_FATES, counts.tolist(), strict=True):
        if count and fate != OUTSIDE:
            # A kept cell among hundreds still shows.
            part = max(height * count / total, 3.0 if fate == KEPT else 0.0)
            part = min(part, y + height - at)
            bars += (
                f'<rect x="{x:.2f}" y="{at:.1f}" width="{inner:.2f}" height="{part:.1f}"'
                f' fill="{FATE_COLOURS[fate]}"/>'
            )
            at += part
    return (
        f"<g><title>{html.escape(words)}</title>"
        f'<rect x="{x:.2f}" y="{y:.1f}" width="{inner:.2f}" height="{height:.1f}"'
        f' class="locref-faint" pointer-events="all"/>{bars}</g>'
    )


def _bands(
    parents: Int[np.ndarray, " a"],
    above: dict[int, tuple[float, float]],
    below: dict[int, tuple[float, float]],
    ys: tuple[float, float],
    fate: int,
) -> str:
    parts, (y0, y1) = [], ys
    for parent in dict.fromkeys(parents.tolist()):
        children = [below[int(i)] for i in np.flatnonzero(parents == parent)]
        x, size = above[parent]
        a, b = min(c[0] for c in children), max(c[0] + c[1] for c in children)
        middle = (y0 + y1) / 2
        parts.append(
            f'<path d="M{x:.1f} {y0:.1f}C{x:.1f} {middle:.1f} {a:.1f} {middle:.1f} {a:.1f} {y1:.1f}'
            f"H{b:.1f}C{b:.1f} {middle:.1f} {x + size:.1f} {middle:.1f} {x + size:.1f} {y0:.1f}Z"
            f'" fill="{FATE_COLOURS[fate]}" opacity="0.25"/>'
        )
    return "".join(parts)


def _entry_words(level: LevelTrace, axis: int, entry: int, best: Float[np.ndarray, " n"]) -> str:
    if axis == 0:
        x, y = np.rad2deg(level.tilts_rad[entry])
        place = f"tilt {x:.1f}° about x, {y:.1f}° about y"
    elif axis == 1:
        place = f"in-plane turn {math.degrees(level.turns_rad[entry]):.1f}°"
    else:
        x, y = level.shifts_px[entry]
        place = f"shift {x:.2f}, {y:.2f} px"
    counts = shares(level, axis)[entry]
    told = ", ".join(
        f"{count:,} {FATE_NAMES[fate]}"
        for fate, count in zip(_FATES, counts.tolist(), strict=True)
        if count
    )
    score = "not scored"
    if np.isfinite(best[entry]):
        score = f"best score {level.best_score - best[entry]:.1f} below the best of all"
    return f"{place}: {score}; {told or 'parents dropped'}"


def cells_svg(
    trace: SearchTrace, number: int, axis: int, truth: Float[np.ndarray, " 2"] | None = None
) -> str:
    """The cells of tilts (axis 0) or shifts (axis 2) of a level as squares where they lie.

    Cells of the levels before are outlined. ``truth`` is marked by a cross.
    """
    tilts = axis == 0
    scale = math.degrees(1.0) if tilts else 1.0
    extent = trace.plan.rotation_extent_rad if tilts else trace.plan.shift_radius_px
    extent *= scale
    size, margin = 330.0, 46.0
    first = trace.levels[0]
    reach = scale * float(np.max(np.abs(_centres(first, axis))) + _spacing(first, axis) / 2)
    reach = max(reach, extent)
    unit = (size - margin - 10) / (2 * reach)

    def at(x: float, y: float) -> tuple[float, float]:
        return margin + (x + reach) * unit, 10 + (reach - y) * unit

    parts = []
    for level in trace.levels[:number]:
        parts += [
            _square(at, centre * scale, _spacing(level, axis) * scale * unit, "locref-faint")
            for centre in _centres(level, axis)
        ]
    level = trace.levels[number]
    counts, best = shares(level, axis), best_of(level, axis)
    finite = best[np.isfinite(best)]
    low = min(float(finite.min(initial=0.0)), level.best_score - 1e-6)
    for entry, centre in enumerate(_centres(level, axis)):
        fate = _leading(counts[entry])
        if fate == NOT_ASKED:
            continue
        opacity = 1.0
        if np.isfinite(best[entry]):
            opacity = 0.3 + 0.7 * (float(best[entry]) - low) / (level.best_score - low)
        fill = FATE_COLOURS[fate]
        parts.append(
            _square(
                at,
                centre * scale,
                _spacing(level, axis) * scale * unit - 1,
                "locref-faint",
                f' style="fill:{fill};fill-opacity:{opacity:.2f}" pointer-events="all"',
                _entry_words(level, axis, entry, best),
            )
        )
    x, y = at(*(_centres(level, axis)[level.best[axis]] * scale).tolist())
    parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="6" class="locref-best"/>')
    cx, cy = at(0.0, 0.0)
    parts.append(
        f'<circle cx="{cx:.1f}" cy="{cy:.1f}" r="{extent * unit:.1f}" class="locref-rim"/>'
    )
    if truth is not None:
        x, y = at(*(truth * scale).tolist())
        parts.append(
            f'<path d="M{x - 7:.1f} {y:.1f}h14M{x:.1f} {y - 7:.1f}v14" class="locref-truth"/>'
        )
    for tick in round_ticks(-extent, extent, 4):
        x, y = at(tick, tick)
        words = number_text(tick)
        parts.append(text(x, size - margin + 18, words))
        parts.append(text(margin - 6, y + 4, words, "end"))
    unit_name = "°" if tilts else "px"
    what = "Tilt about" if tilts else "Shift along"
    parts.append(text(margin + reach * unit, size - 10, f"{what} x ({unit_name})"))
    middle = 10 + reach * unit
    parts.append(
        f'<text transform="translate(12 {middle:.0f}) rotate(-90)" text-anchor="middle">'
        f"{what} y ({unit_name})</text>"
    )
    told = shares(level, axis).sum(axis=0)
    label = f"{LIST_NAMES[axis]} of level {number + 1}: " + ", ".join(
        f"{n:,} joint cells {FATE_NAMES[f]}" for f, n in zip(_FATES, told.tolist(), strict=True)
    )
    return svg(size, size, label, "".join(parts))


def _leading(counts: Int[np.ndarray, " f"]) -> int:
    """The best fate among an entry's joint cells."""
    found = [fate for fate, count in zip(_FATES, counts.tolist(), strict=True) if count]
    return found[0] if found else NOT_ASKED


def _spacing(level: LevelTrace, axis: int) -> float:
    return level.plan.rotation_spacing_rad if axis < 2 else level.plan.shift_spacing_px


def _centres(level: LevelTrace, axis: int) -> Float[np.ndarray, "n 2"]:
    return level.tilts_rad if axis == 0 else level.shifts_px


def _square(
    at: Callable[[float, float], tuple[float, float]],
    centre: Float[np.ndarray, " 2"],
    side: float,
    name: str,
    more: str = "",
    words: str = "",
) -> str:
    x, y = at(*centre.tolist())
    title = f"<title>{html.escape(words)}</title>" if words else ""
    return (
        f'<rect x="{x - side / 2:.1f}" y="{y - side / 2:.1f}" width="{side:.1f}"'
        f' height="{side:.1f}" class="{name}"{more}>{title}</rect>'
    )


def number_text(value: float | int) -> str:
    """A number with a true minus sign."""
    return f"{value:g}".replace("-", "−")
