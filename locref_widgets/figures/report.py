"""``report.html``: one self-contained file that says what a run did and what came of it."""

import os
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from locref_widgets.figures.fsc import plot_fsc
from locref_widgets.figures.headline import (
    STATUS_WORDS,
    duration,
    findings,
    fixed,
    lede,
    number_cards,
)
from locref_widgets.figures.heatmaps import plot_pose_heatmap, plot_shift_heatmap
from locref_widgets.figures.histograms import plot_pose_histogram, plot_shift_histogram
from locref_widgets.figures.page import figure_card, page, table
from locref_widgets.figures.provenance import provenance_sections, settings_section
from locref_widgets.figures.resolution import plot_resolution
from locref_widgets.figures.run_data import (
    RunData,
    as_array,
    corrected_curve,
    curves_of,
    load_run,
    number,
)
from locref_widgets.figures.slices import plot_slices
from locref_widgets.figures.theme import to_svg
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


def render_report(run: RunData) -> str:
    """Return the report's HTML."""
    parts = [_header(run)]
    if run.iterations:
        parts.append(number_cards(run))
    advice = "".join(item.html() for item in findings(run))
    if advice:
        parts.append(f'<div class="advice">{advice}</div>')
    if run.iterations:
        parts.append(f'<h2>The map</h2><div class="grid figures">{_map_figures(run)}</div>')
    if run.iterations and run.last["iteration"] > 0:
        parts.append(f'<h2>The poses</h2><div class="grid figures">{_pose_figures(run)}</div>')
    if run.iterations:
        parts.append(f'<h2>The iterations</h2><section class="card">{_iterations(run)}</section>')
    parts.append(_warnings(run))
    parts.append(settings_section(run))
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


def _map_figures(run: RunData) -> str:
    cards = [_slices_card(run)]
    last = run.last["iteration"]
    before = None if run.first is run.last else corrected_curve(run.first)
    curves = curves_of(run.last)
    resolution = number(run.last.get("resolution_angstrom"))
    if curves:
        alt = (
            f"Fourier shell correlation of {', '.join(curves)} at iteration {last}; "
            f"the corrected curve falls below 0.143 at {fixed(resolution)} Å."
        )
        cards.append(
            figure_card(
                f"Fourier shell correlation, iteration {last}",
                "Agreement of the two half-maps at each resolution. The quoted resolution is where "
                "the corrected curve first falls below 0.143. The randomised curve should stay "
                "near zero: what is left of it is the mask's doing.",
                to_svg(plot_fsc(curves, before), "fsc", alt),
                7,
            )
        )
    told = [
        (entry["iteration"], value)
        for entry in run.iterations
        if (value := number(entry.get("resolution_angstrom"))) is not None
    ]
    if told:
        numbers, values = [n for n, _ in told], [v for _, v in told]
        alt = f"Resolution by iteration: {', '.join(f'{fixed(v)} Å' for v in values)}."
        cards.append(
            figure_card(
                "Resolution at each iteration",
                "Read from the corrected curve. Iteration 0 is the map of the poses given to the "
                "job, before any search.",
                to_svg(plot_resolution(numbers, values), "resolution", alt),
                5,
            )
        )
    return "".join(cards)


def _slices_card(run: RunData) -> str:
    maps = run.maps()
    if maps is None:
        return ""
    fulcrum = run.started.get("fulcrum_angstrom")
    first, last = run.first, run.last
    figure = plot_slices(
        maps.before,
        maps.after,
        maps.mask,
        maps.voxel_size_angstrom,
        resolutions_angstrom=(
            number(first.get("resolution_angstrom")),
            number(last.get("resolution_angstrom")),
        ),
        fulcrum_angstrom=None if fulcrum is None else as_array(fulcrum),
        after_label="after" if last["iteration"] else "the same",
    )
    explanation = (
        f"Slices through the mask's centre at the poses given (above) and after iteration "
        f"{last['iteration']} (below), each low-passed to its own resolution. Only the "
        "inside of the mask was refined: what lies outside was subtracted, or blurs as the poses "
        "follow the region."
    )
    alt = "Orthogonal slices of the map before and after refinement with mask outline and fulcrum."
    return figure_card(
        "The region before and after", explanation, to_svg(figure, "slices", alt), 12
    )


def _pose_figures(run: RunData) -> str:
    last, pixel = run.last, run.pixel_size_angstrom
    cards = []
    heatmap = last.get("heatmap")
    if heatmap:
        azimuth = as_array(heatmap["azimuth_edges_rad"])
        elevation = as_array(heatmap["elevation_edges_rad"])
        pose, shift = as_array(heatmap["pose_change_deg"]), as_array(heatmap["shift_change_px"])
        pose_figure = plot_pose_heatmap(azimuth, elevation, pose)
        shift_figure = plot_shift_heatmap(azimuth, elevation, shift, pixel)
        cards += [
            figure_card(
                "Pose change by viewing direction",
                "Mean turn of the particles that were seen from each direction at the start. "
                "Every bin covers the same area of the sphere.",
                to_svg(pose_figure, "pose-map", _heatmap_alt("pose change", pose, "°")),
                6,
            ),
            figure_card(
                "Shift change by viewing direction",
                "Mean shift left after turning about the fulcrum. A pattern here says that the "
                "fulcrum is off the hinge.",
                to_svg(shift_figure, "shift-map", _heatmap_alt("shift change", shift, " px")),
                6,
            ),
        ]
    pose, shift = last.get("pose_change"), last.get("shift_change")
    if pose and pose.get("limit_deg") is not None:
        figure = plot_pose_histogram(
            as_array(pose["edges_deg"]),
            as_array(pose["counts"]),
            number(pose["limit_deg"]) or 0.0,
            number(pose.get("median_deg")),
        )
        alt = f"Histogram of the pose change; median {fixed(number(pose.get('median_deg')))}°."
        text = "Angle between each particle's pose as given and as refined, up to the extent."
        cards.append(
            figure_card("How far the particles turned", text, to_svg(figure, "pose-hist", alt), 6)
        )
    if shift and shift.get("limit_px") is not None:
        figure = plot_shift_histogram(
            as_array(shift["edges_px"]),
            as_array(shift["counts"]),
            number(shift["limit_px"]) or 0.0,
            number(shift.get("median_px")),
            pixel,
        )
        alt = f"Histogram of the shift change; median {fixed(number(shift.get('median_px')))} px."
        text = "Distance moved in the image plane. The limit is half the extent, a diameter."
        cards.append(
            figure_card("How far they shifted", text, to_svg(figure, "shift-hist", alt), 6)
        )
    return "".join(cards)


def _heatmap_alt(what: str, mean: np.ndarray, unit: str) -> str:
    filled = np.isfinite(mean)
    if not filled.any():
        return f"Heatmap of mean {what}; no direction has particles."
    return (
        f"Heatmap of mean {what} by initial viewing direction, from {np.nanmin(mean):.2g} to "
        f"{np.nanmax(mean):.2g}{unit}; {int((~filled).sum())} of {mean.size} directions are empty."
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


def _warnings(run: RunData) -> str:
    if not run.warnings:
        return ""
    items = "".join(f"<li>{escape(message)}</li>" for message in run.warnings)
    return f'<h2>Warnings</h2><section class="card"><ul class="warnings">{items}</ul></section>'
