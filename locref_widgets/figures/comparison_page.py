"""The comparison of runs as one self-contained page."""

import io
import os
from html import escape
from pathlib import Path
from typing import Any

from locref_widgets.figures.comparison_figures import (
    SIGMA_LIMIT,
    corrected_curves,
    plot_curves,
    plot_difference,
    plot_heatmaps,
    plot_overview,
    plot_pose_pairs,
)
from locref_widgets.figures.page import figure_card, page, table
from locref_widgets.figures.theme import to_svg
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.runs.compare import Comparison, Pair
from locref_widgets.runs.sweep_grid import value_words

_DOTS_PER_INCH = 90


def write_comparison(found: Comparison, path: str | os.PathLike[str]) -> Path:
    """Write the page, whole or not at all. Raises `OutputError` if it cannot be written."""
    text = comparison_html(found)
    with atomic_writer(path) as handle:
        handle.write(text.encode("utf-8"))
    return Path(path)


def comparison_png(found: Comparison) -> bytes:
    """Curves and heatmaps as one picture on white, where nothing is alive."""
    runs = {run.name: run.data for run in found.runs}
    buffer = io.BytesIO()
    plot_overview(runs).savefig(buffer, format="png", dpi=_DOTS_PER_INCH, facecolor="white")
    return buffer.getvalue()


def comparison_html(found: Comparison) -> str:
    """The page as HTML."""
    names = ", ".join(run.name for run in found.runs)
    told = found.summary()
    body = (
        '<header><div class="eyebrow"><span>Comparison of runs</span></div>'
        f"<h1>{escape(names)}</h1></header>"
        f'<h2>The runs</h2><section class="card">{resolution_table(told)}</section>'
        f'<h2>What differs</h2><section class="card">{settings_table(found)}</section>'
        f'<h2>Side by side</h2><div class="grid figures">{_figures(found)}</div>'
        f'<h2>Particle by particle</h2><section class="card">{pairs_table(told)}</section>'
        f'<div class="grid figures">{_pair_figures(found)}</div>'
        "<footer>Written by locref_widgets. This page needs no network.</footer>"
    )
    return page(f"Comparison: {names}", body)


def resolution_table(told: dict[str, Any]) -> str:
    """The runs with their state and resolution."""
    rows = [
        [
            escape(run["name"]),
            escape(run["status"]),
            "–" if run["iteration"] is None else str(run["iteration"]),
            "–" if run["n_particles"] is None else f"{run['n_particles']:,}",
            _fixed(run["resolution_angstrom"]),
        ]
        for run in told["runs"]
    ]
    head = ("Run", "State", "Iterations", "Particles", "Resolution (Å)")
    return table(head, rows, ("", "", "number", "number", "number"))


def settings_table(found: Comparison) -> str:
    """The settings that differ; a sentence where none does."""
    if not found.settings:
        return "<p>All settings and inputs are the same.</p>"
    rows = [
        [escape(name.replace("_", " ")), *(escape(value_words(value)) for value in values)]
        for name, values in found.settings.items()
    ]
    head = ["Setting", *(run.name for run in found.runs)]
    return table(head, rows, [""] * len(head))


def pairs_table(told: dict[str, Any]) -> str:
    """How far the poses of each pair of runs lie apart."""
    rows = []
    for pair in told["pairs"]:
        only = f"{pair['n_only_first']:,} / {pair['n_only_second']:,}"
        rows.append(
            [
                escape(" and ".join(pair["names"])),
                f"{pair['n_common']:,}",
                only,
                _both(pair, "turn_{}_deg"),
                _both(pair, "turn_in_frame_{}_deg"),
                _both(pair, "shift_{}_angstrom"),
                _fixed(pair.get("map_correlation"), 3),
            ]
        )
    head = (
        "Runs",
        "In both",
        "In one only",
        "Turned by, median / 90 % (°)",
        "… maps laid on each other (°)",
        "Region moved by (Å)",
        "Maps correlate",
    )
    notes = [note for pair in told["pairs"] for note in pair["notes"]]
    listed = "".join(f"<li>{escape(note)}</li>" for note in dict.fromkeys(notes))
    return table(head, rows, ("", *["number"] * 6)) + (f"<ul>{listed}</ul>" if listed else "")


def _figures(found: Comparison) -> str:
    runs = {run.name: run.data for run in found.runs}
    cards = [
        figure_card(
            "FSC",
            "The curve from which each run's resolution is read: in the mask of its references, "
            "corrected by phase randomisation.",
            to_svg(plot_curves(corrected_curves(runs)), "fsc", "FSC curves of the runs"),
            6,
        )
    ]
    common = found.common_curves()
    if common:
        text = "Half-maps inside one mask, that which all runs' last masks have in common."
        svg = to_svg(plot_curves(common), "fsc-common", "FSC curves inside one mask")
        cards.append(figure_card("FSC inside the same mask", text, svg, 6))
    for key, title in (
        ("pose_change_deg", "Pose change by viewing direction"),
        ("shift_change_px", "Shift change by viewing direction"),
    ):
        text = "Means over the views that the particles were given; one scale of colours for all."
        svg = to_svg(plot_heatmaps(runs, key), key, f"{title}, run by run")
        cards.append(figure_card(title, text, svg, 12))
    return "".join(cards)


def _pair_figures(found: Comparison) -> str:
    cards = []
    for number, pair in enumerate(p for p in found.pairs if p.first is found.runs[0]):
        cards += _cards_of(pair, number)
    return "".join(cards)


def _cards_of(pair: Pair, number: int) -> list[str]:
    names, cards = (pair.first.name, pair.second.name), []
    title = " and ".join(names)
    if pair.poses is not None and pair.n_common:
        figure = plot_pose_pairs(pair.poses.turn_deg, pair.poses.shift_angstrom)
        text = "A dot for each particle in both runs; dashed: the medians."
        svg = to_svg(figure, f"poses-{number}", f"Poses of {title} compared")
        cards.append(figure_card(f"Poses: {title}", text, svg, 6))
    if pair.maps is not None:
        text = (
            f"Both low-passed to {pair.maps.resolution_angstrom:.2f} Å, the second on the grid and "
            "scale of the first. The difference is in standard deviations of the noise that the "
            f"half-maps show, colours end at {SIGMA_LIMIT:g}; runs over the same particles share "
            "noise, so that it is a lower bound."
        )
        svg = to_svg(plot_difference(pair.maps, names), f"maps-{number}", f"Maps of {title}")
        cards.append(figure_card(f"Maps: {title}", text, svg, 12))
    return cards


def _both(pair: dict[str, Any], name: str) -> str:
    median, p90 = pair.get(name.format("median")), pair.get(name.format("p90"))
    return f"{_fixed(median)} / {_fixed(p90)}"


def _fixed(value: float | None, digits: int = 2) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
