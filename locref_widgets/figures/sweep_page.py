"""The verdict of a sweep on one page, as HTML and as Markdown, and its table."""

import csv
import io
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from locref_widgets.figures.page import figure_card, number_card, page, table, text_card
from locref_widgets.figures.theme import BLUE, GREY, INK, MUTED, new_figure, style_axes, to_svg
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.runs.sweep_folder import SweepFolder
from locref_widgets.runs.sweep_grid import value_words
from locref_widgets.runs.sweep_verdict import row_of, words_of

_DOTS_PER_INCH = 90
HOW = (
    "All settings were tried on the same random particles, half-set by half-set. At the poses that "
    "each led to, both half-maps were made in the same way and compared inside one mask, over one "
    "band of frequencies beyond the low-pass that the halves began with: the mean of their "
    "correlation is the agreement. The share is that of 10,000 resamples of the particles in which "
    "the setting is the best. Poses were held in the resamples, and a larger set may reach detail "
    "in which settings differ that do not differ here."
)


def write_verdict(folder: Path) -> Path:
    """Write ``verdict.html``, ``verdict.md`` and ``table.csv`` of a sweep; return the first.

    Raises
    ------
    InputError
        If the folder holds no sweep.
    OutputError
        If a file cannot be written.
    """
    sweep = SweepFolder(folder)
    record = sweep.read_record()
    verdict = record["verdict"]
    names = list(record["grid"])
    for name, text in {
        "table.csv": csv_text(verdict, names),
        "verdict.md": markdown(verdict, names),
        "verdict.html": html_page(verdict, names, sweep.path.name),
    }.items():
        with atomic_writer(sweep.path / name) as handle:
            handle.write(text.encode("utf-8"))
    return sweep.path / "verdict.html"


def table_rows(verdict: dict[str, Any], names: list[str]) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table, the best setting first."""
    head = [
        *names,
        "Agreement",
        "Behind the best",
        "Best in",
        "Worth in particles",
        "FSC 0.143 (Å)",
        "At bound",
        "CPU time",
    ]
    rows = []
    for row in sorted(verdict["settings"], key=lambda row: -row["criterion"]):
        is_best = row["number"] == verdict["chosen"]
        behind = "–" if is_best else f"{row['behind']:.4f} ± {row['behind_error']:.4f}"
        rows.append(
            [
                *(value_words(row["values"][name]) for name in names),
                f"{row['criterion']:.4f}",
                behind,
                f"{100 * row['share_best']:.0f} %",
                _percent(row["worth"]),
                f"{row['resolution_angstrom']:.2f}",
                _percent(row.get("at_bound_fraction")),
                f"{row['cpu_seconds']:.0f} s" if "cpu_seconds" in row else "–",
            ]
        )
    return head, rows


def csv_text(verdict: dict[str, Any], names: list[str]) -> str:
    """Every number of the verdict, a line for each setting."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    first = verdict["settings"][0]
    keys = [key for key in first if key != "values"]
    writer.writerow([*names, *keys])
    for row in verdict["settings"]:
        told = [value_words(row["values"][name]) for name in names]
        writer.writerow([*told, *("" if row.get(key) is None else row[key] for key in keys)])
    return text.getvalue()


def markdown(verdict: dict[str, Any], names: list[str]) -> str:
    """The page as Markdown."""
    head, rows = table_rows(verdict, names)
    lines = ["# Which setting", "", verdict["sentence"], ""]
    lines += [f"- {note}" for note in verdict["notes"]]
    lines += ["", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    lines += ["", _what_was_done(verdict), "", HOW, ""]
    return "\n".join(lines)


def table_html(verdict: dict[str, Any], names: list[str]) -> str:
    """The table alone, as HTML."""
    head, rows = table_rows(verdict, names)
    cells = [[escape(cell) for cell in row] for row in rows]
    return table(head, cells, [""] + ["number"] * (len(head) - 1))


def verdict_png(verdict: dict[str, Any]) -> bytes:
    """How far each setting is behind the best, as a picture on white."""
    buffer = io.BytesIO()
    figure = plot_behind(verdict)
    figure.savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    return buffer.getvalue()


def html_page(verdict: dict[str, Any], names: list[str], title: str) -> str:
    """The page as HTML; needs no network."""
    best = row_of(verdict, verdict["chosen"])
    cards = number_card(
        "Best in", f"{100 * best['share_best']:.0f} <span class='unit'>%</span>", "of resamples"
    )
    cards += number_card(
        "Not to be told apart", str(len(verdict["tied"]) - 1), "other settings, at 95 %"
    )
    notes = "".join(text_card("Note", note, "", 12) for note in verdict["notes"])
    chart = figure_card(
        "How far behind the best",
        "Dots: agreement less that of the best setting. Bars: 95 % of the resamples, in pairs.",
        to_svg(plot_behind(verdict), "behind", "How far each setting is behind the best"),
        12,
    )
    body = (
        '<header><div class="eyebrow"><span>Sweep over settings</span></div>'
        f"<h1>{escape(words_of(best['values']))}</h1>"
        f'<p class="lede">{escape(verdict["sentence"])}</p></header>'
        f'<div class="grid">{cards}</div>{notes}<div class="grid figures">{chart}</div>'
        f'<h2>The settings</h2><section class="card">{table_html(verdict, names)}</section>'
        f'<h2>How it was found</h2><section class="card"><p>{escape(_what_was_done(verdict))}</p>'
        f"<p>{escape(HOW)}</p></section>"
        "<footer>Written by locref_widgets. This page needs no network.</footer>"
    )
    return page(f"Sweep: {title}", body)


def plot_behind(verdict: dict[str, Any]) -> Figure:
    """Agreement of each setting less that of the best, with 95 % of the resamples."""
    rows = sorted(verdict["settings"], key=lambda row: row["criterion"])
    figure = new_figure(620, 90 + 26 * len(rows))
    axes = figure.add_subplot()
    style_axes(axes, xlabel="agreement less that of the best", ylabel="", grid="x")
    places = np.arange(len(rows))
    tied = set(verdict["tied"])
    for place, row in zip(places, rows, strict=True):
        colour = BLUE if row["number"] in tied else GREY
        x, error = -row["behind"], 1.96 * row["behind_error"]
        axes.plot([x - error, x + error], [place, place], color=colour, linewidth=2.2)
        axes.plot(x, place, "o", color=colour, markersize=7)
    axes.axvline(0.0, color=MUTED, linewidth=1.0)
    labels = [words_of(row["values"]) for row in rows]
    axes.set_yticks(places, labels, color=INK)
    return figure


def _what_was_done(verdict: dict[str, Any]) -> str:
    low, high = verdict["band_angstrom"]
    return (
        f"{verdict['n_particles']} particles, {verdict['iterations']} iterations of each setting; "
        f"compared from {low:.1f} to {high:.1f} Å."
    )


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.0f} %"
