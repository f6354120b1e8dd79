"""``report.html``: one self-contained file that says what a run did and what came of it."""

import os
from html import escape
from pathlib import Path
from typing import Any

from locref_widgets.figures.headline import (
    STATUS_WORDS,
    duration,
    findings,
    fixed,
    lede,
    number_cards,
)
from locref_widgets.figures.map_cards import map_cards
from locref_widgets.figures.page import page, table
from locref_widgets.figures.pose_cards import pose_cards
from locref_widgets.figures.provenance import (
    mask_section,
    provenance_sections,
    settings_section,
)
from locref_widgets.figures.run_data import RunData, load_run, number
from locref_widgets.io.atomic import atomic_writer


def write_report(run_folder: str | os.PathLike[str]) -> Path:
    """Write the report of a run, finished or not, and return where it is.

    It goes to ``final/report.html``, or to ``report.html`` in the run folder while there is no
    ``final/``.

    Raises
    ------
    InputError
        If the folder is no run folder.
    OutputError
        If the report cannot be written.
    """
    folder = Path(run_folder)
    run = load_run(folder)
    final = folder / "final"
    target = (final if final.is_dir() else folder) / "report.html"
    text = render_report(run)
    with atomic_writer(target) as handle:
        handle.write(text.encode("utf-8"))
    return target


def render_report(run: RunData, more: str = "") -> str:
    """Return the report's HTML; ``more`` are sections to stand before where it came from."""
    parts = [_header(run)]
    if run.iterations:
        parts.append(number_cards(run))
    advice = "".join(item.html() for item in findings(run))
    if advice:
        parts.append(f'<div class="advice">{advice}</div>')
    if run.iterations:
        parts.append(f'<h2>The map</h2><div class="grid figures">{map_cards(run)}</div>')
    if run.iterations and run.last["iteration"] > 0:
        parts.append(f'<h2>The poses</h2><div class="grid figures">{pose_cards(run)}</div>')
    if run.iterations:
        parts.append(f'<h2>The iterations</h2><section class="card">{_iterations(run)}</section>')
    parts += [_told("Warnings", run.warnings), _told("Notes", run.notes)]
    parts += [more, settings_section(run), mask_section(run)]
    parts.append(provenance_sections(run))
    parts.append("<footer>Written by locref_widgets. This page needs no network.</footer>")
    return page(f"Local refinement: {run.name}", "\n".join(part for part in parts if part))


def _header(run: RunData) -> str:
    level, words = STATUS_WORDS.get(run.status, ("note", run.status))
    return (
        '<header><div class="eyebrow"><span>Local refinement report</span>'
        f'<span class="status {level}">{escape(words)}</span></div>'
        f'<h1>{escape(run.name)}</h1><p class="lede">{lede(run)}</p></header>'
    )


def _iterations(run: RunData) -> str:
    def row(told: dict[str, Any]) -> list[str]:
        pose, shift = told.get("pose_change") or {}, told.get("shift_change") or {}
        share, seconds = number(told.get("at_bound_fraction")), number(told.get("seconds"))
        cells = [
            str(told["iteration"]),
            fixed(number(told.get("resolution_angstrom"))),
            fixed(number(pose.get("median_deg"))),
            fixed(number(pose.get("p90_deg"))),
            fixed(number(shift.get("median_px"))),
            fixed(number(shift.get("p90_px"))),
            "–" if share is None else f"{100 * share:.1f}",
            "–" if seconds is None else duration(seconds),
            "yes" if told.get("converged") else "no",
        ]
        return [escape(cell) for cell in cells]

    head = (
        "Iteration",
        "Resolution (Å)",
        "Pose median (°)",
        "Pose 90 % (°)",
        "Shift median (px)",
        "Shift 90 % (px)",
        "At bound (%)",
        "Time",
        "Converged",
    )
    classes = ("", *["number"] * 8)
    return table(head, [row(told) for told in run.iterations], classes, last_stands_out=True)


def _told(title: str, messages: list[str]) -> str:
    if not messages:
        return ""
    items = "".join(f"<li>{escape(message)}</li>" for message in messages)
    return f'<h2>{title}</h2><section class="card"><ul class="warnings">{items}</ul></section>'
