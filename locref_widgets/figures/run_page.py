"""The dashboard as one file: the report, and every iteration's heatmaps, histograms and curves.

It opens from the disc without a network and holds no script.
"""

import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.figures.headline import fixed
from locref_widgets.figures.iteration_sheet import plot_iteration
from locref_widgets.figures.report import render_report
from locref_widgets.figures.run_data import RunData, load_run, number
from locref_widgets.figures.theme import to_svg
from locref_widgets.io.atomic import atomic_writer

_MARK = "<!-- dashboard of a local refinement, saved by locref_widgets -->"
_MOST_ITERATIONS = 25
_MOST_LOG_BYTES = 60_000


def save_run_page(folder: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path:
    """Write the page, and return where it is.

    A page that was saved by this function before is replaced; nothing else ever is.

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
    text = render_run_page(load_run(Path(folder)))
    with atomic_writer(target) as handle:
        handle.write(text.encode("utf-8"))
    return target.resolve()


def render_run_page(run: RunData) -> str:
    """Return the page's HTML."""
    iterations = "".join(
        _iteration(told, is_open=told is run.last) for told in _chosen(run.iterations)
    )
    parts = []
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


def _iteration(told: dict[str, Any], *, is_open: bool) -> str:
    k = told["iteration"]
    resolution = fixed(number(told.get("resolution_angstrom")))
    svg = to_svg(
        plot_iteration(told),
        f"it{k}",
        f"Iteration {k}: pose and shift change by view and as histograms, FSC; {resolution} Å.",
    )
    return (
        f'<details class="iteration"{" open" if is_open else ""}><summary>Iteration {k}: '
        f'{resolution} Å</summary><section class="card">{svg}</section></details>'
    )


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
