"""The dashboard as one file: the report, and every iteration's heatmaps, histograms and curves.

It opens from the disc without a network and holds no script.
"""

import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.figures.fsc import plot_fsc
from locref_widgets.figures.headline import fixed
from locref_widgets.figures.histograms import plot_pose_histogram, plot_shift_histogram
from locref_widgets.figures.page import figure_card
from locref_widgets.figures.report import render_report
from locref_widgets.figures.run_data import RunData, as_array, curves_of, load_run, number
from locref_widgets.figures.theme import to_svg
from locref_widgets.figures.view_map import plot_view_map
from locref_widgets.io.atomic import atomic_writer

_MARK = "<!-- dashboard of a local refinement, saved by locref_widgets -->"
_MOST_ITERATIONS = 25
_MOST_LOG_BYTES = 60_000


def save_run_page(
    folder: str | os.PathLike[str], path: str | os.PathLike[str], layers: str = ""
) -> Path:
    """Write the page, and return where it is.

    A page that was saved by this function before is replaced; nothing else ever is. ``layers`` are
    further cards of the iteration last looked at, as HTML.

    Raises
    ------
    InputError
        If the folder holds no run, or a file of another kind stands at ``path``.
    OutputError
        If it cannot be written.
    """
    target = Path(path).expanduser()
    if target.is_dir() or (target.exists() and not _is_ours(target)):
        raise InputError(
            f"{target}: is there already and is no saved dashboard. Nothing was written; choose"
            " another name."
        )
    text = render_run_page(load_run(Path(folder)), layers)
    with atomic_writer(target) as handle:
        handle.write(text.encode("utf-8"))
    return target.resolve()


def render_run_page(run: RunData, layers: str = "") -> str:
    """Return the page's HTML."""
    iterations = "".join(
        _iteration(run, told, is_open=told is run.last) for told in _chosen(run.iterations)
    )
    parts = []
    if layers:
        parts.append(f'<h2>More about the views</h2><div class="grid figures">{layers}</div>')
    if iterations:
        parts.append(f"<h2>Iteration by iteration</h2>{iterations}")
    log = _log(run)
    if log:
        parts.append(f'<h2>Log</h2><section class="card"><pre class="log">{log}</pre></section>')
    return f"{render_report(run, ''.join(parts))}{_MARK}\n"


def _chosen(iterations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    if len(iterations) <= _MOST_ITERATIONS:
        return iterations
    places = np.linspace(0, len(iterations) - 1, _MOST_ITERATIONS).round().astype(int)
    return [iterations[place] for place in places]


def _iteration(run: RunData, told: dict[str, Any], *, is_open: bool) -> str:
    k = told["iteration"]
    cards = []
    heatmap = told.get("heatmap")
    if heatmap and k > 0:
        for key, name, unit in (
            ("pose_change_deg", "Mean pose change", "°"),
            ("shift_change_px", "Mean shift change", "px"),
        ):
            svg = to_svg(
                plot_view_map(as_array(heatmap[key]), f"{name.lower()} ({unit})"),
                f"it{k}-{key}",
                f"{name} by viewing direction, iteration {k}.",
            )
            cards.append(figure_card(name, "By the viewing direction given.", svg, 6))
    cards += _histograms(run, told) if k > 0 else []
    curves = curves_of(told)
    if curves:
        svg = to_svg(plot_fsc(curves), f"it{k}-fsc", f"FSC curves of iteration {k}.")
        cards.append(figure_card("Fourier shell correlation", "Between the half-maps.", svg, 12))
    resolution = fixed(number(told.get("resolution_angstrom")))
    return (
        f'<details class="iteration"{" open" if is_open else ""}><summary>Iteration {k}: '
        f'{resolution} Å</summary><div class="grid figures">{"".join(cards)}</div></details>'
    )


def _histograms(run: RunData, told: dict[str, Any]) -> list[str]:
    k, cards = told["iteration"], []
    pose, shift = told.get("pose_change"), told.get("shift_change")
    if pose and pose.get("limit_deg") is not None:
        figure = plot_pose_histogram(
            as_array(pose["edges_deg"]),
            as_array(pose["counts"]),
            number(pose["limit_deg"]) or 0.0,
            number(pose.get("median_deg")),
        )
        svg = to_svg(figure, f"it{k}-pose", f"Histogram of the pose change, iteration {k}.")
        cards.append(figure_card("Pose change", "Of each particle, up to the extent.", svg, 6))
    if shift and shift.get("limit_px") is not None:
        figure = plot_shift_histogram(
            as_array(shift["edges_px"]),
            as_array(shift["counts"]),
            number(shift["limit_px"]) or 0.0,
            number(shift.get("median_px")),
            run.pixel_size_angstrom,
        )
        svg = to_svg(figure, f"it{k}-shift", f"Histogram of the shift change, iteration {k}.")
        cards.append(figure_card("Shift change", "Of each particle, up to the extent.", svg, 6))
    return cards


def _log(run: RunData) -> str:
    try:
        content = (run.folder / "log.txt").read_bytes()
    except OSError:
        return ""
    return escape(content[-_MOST_LOG_BYTES:].decode("utf-8", errors="replace")).strip()


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(0, handle.tell() - 200))
            return _MARK.encode() in handle.read()
    except OSError:
        return False
