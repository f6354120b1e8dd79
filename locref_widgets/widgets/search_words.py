"""The search explorer's words and tables."""

import html

import numpy as np

from locref_widgets.engine.search_trace import (
    CROWDED_OUT,
    DROPPED,
    KEPT,
    OUTSIDE,
    LevelTrace,
)
from locref_widgets.refinement.one_particle import ParticleSearch
from locref_widgets.widgets.search_style import (
    FATE_COLOURS,
    FATE_MEANING,
    FATE_NAMES,
    TRUTH_COLOUR,
)


def verdict_html(search: ParticleSearch, title: str) -> str:
    """Who is searched, what was found, and whether it is certified."""
    trace, problem = search.trace, search.posed.problem
    outcome = trace.outcome
    turn = float(np.rad2deg(np.linalg.norm(outcome.turn_rad)))
    shift = float(np.linalg.norm(outcome.shift_px))
    size = problem.pixel_size_angstrom
    name, kind = ("✓ Certified", "good") if trace.certified else ("! Not certified", "bad")
    found = (
        f"turned by <b>{turn:.2f}°</b> ± {np.rad2deg(float(outcome.turn_error_rad)):.2f}°, shifted"
        f" by <b>{shift:.2f} px</b> ({shift * size:.2f} Å) ± {float(outcome.shift_error_px):.2f} px"
        f" from where the search began; {int(outcome.cells_evaluated):,} cells scored"
    )
    return (
        f'<div class="locref-status"><b>{html.escape(title)}</b><span>half-set {search.half_set}'
        f'</span><span class="locref-badge locref-{kind}">{name}</span></div>'
        f"<p>Found: {found}.</p><p>{html.escape(trace.reason())}</p>"
    )


def levels_html(search: ParticleSearch, step: int) -> str:
    """The table of all levels, the one shown marked."""
    trace, problem = search.trace, search.posed.problem
    size = problem.pixel_size_angstrom
    box = problem.region_box_px * size
    rows = ""
    for number, level in enumerate(trace.levels):
        plan, bound = level.plan, "–"
        shell = min(plan.radius_px, search.radius_px)
        if np.isfinite(level.threshold):
            bound = f"{level.noise_allowance:.1f} + {level.cell_allowance:.1f}"
        now = ' class="locref-now" aria-current="step"' if number == step else ""
        rows += (
            f'<tr{now}><th scope="row">level {number + 1}</th>'
            f"<td>{shell} ({box / shell:.1f} Å)</td>"
            f"<td>{np.rad2deg(plan.rotation_spacing_rad):.1f}°, {plan.shift_spacing_px:.2f} px</td>"
            f"<td>{level.scored:,}</td>"
            f"<td>{level.count(DROPPED):,}</td><td>{level.count(CROWDED_OUT):,}</td>"
            f"<td>{level.count(KEPT):,}</td><td>{level.dispersion:.2f}</td><td>{bound}</td></tr>"
        )
    now = ' class="locref-now" aria-current="step"' if step == len(trace.levels) else ""
    outcome = trace.outcome
    rows += (
        f'<tr{now}><th scope="row">optimum</th><td>{search.radius_px}'
        f" ({box / search.radius_px:.1f} Å)</td><td>continuous</td>"
        f'<td colspan="6">from {len(trace.starts)} cells; posterior over'
        f" {float(outcome.effective_cells):,.0f} cells,"
        f" {100 * float(outcome.probability):.0f} % in the best mode</td></tr>"
    )
    return (
        '<div class="locref-scroll" tabindex="0" role="region" aria-label="Levels of the search">'
        '<table><thead><tr><th scope="col">step</th>'
        '<th scope="col" title="Radius in Fourier pixels of the region\'s box">shells up to</th>'
        '<th scope="col">cell</th>'
        '<th scope="col">scored</th><th scope="col">dropped</th>'
        '<th scope="col">no room</th><th scope="col">kept</th>'
        '<th scope="col" title="Residual power over that of the noise">dispersion</th>'
        '<th scope="col" title="Log-likelihood: what noise may do + rise within a cell">'
        f"bound</th></tr></thead><tbody>{rows}</tbody></table></div>"
    )


def legend_html(*, truth: bool) -> str:
    """What the colours mean."""
    items = [
        f'<span title="{FATE_MEANING[fate]}"><span class="locref-swatch"'
        f' style="background:{FATE_COLOURS[fate]}"></span>{FATE_NAMES[fate]}</span>'
        for fate in (KEPT, CROWDED_OUT, DROPPED)
    ]
    items.append(
        f'<span title="{FATE_MEANING[OUTSIDE]}"><span class="locref-swatch"></span>'
        f"{FATE_NAMES[OUTSIDE]}</span>"
    )
    items.append("<span>○ best cell of the level</span>")
    if truth:
        items.append(
            f'<span><b style="color:{TRUTH_COLOUR}" aria-hidden="true">+</b> true pose</span>'
        )
    return f'<div class="locref-legend">{"".join(items)}</div>'


def step_words(search: ParticleSearch, step: int) -> str:
    """What happens at a step, in a sentence or two."""
    trace = search.trace
    if step == len(trace.levels):
        return (
            f"<b>Optimum.</b> {len(trace.starts)} of the last level's cells were refined"
            " continuously with all the reference's shells. Below: the log-likelihood about the"
            " best of them, and what the image shows beside its projection there."
        )
    level = trace.levels[step]
    words = (
        f"<b>Level {step + 1} of {len(trace.levels)}.</b> Only shells up to"
        f" {min(level.plan.radius_px, search.radius_px)} are compared; cells are"
        f" {np.rad2deg(level.plan.rotation_spacing_rad):.1f}° and"
        f" {level.plan.shift_spacing_px:.2f} px wide. "
    )
    if not np.isfinite(level.threshold):
        return (
            words + f"At the last level nothing is dropped: its {level.scored:,} cells make up the"
            " posterior, and the refinement starts from the summits among them."
        )
    return words + _pruning_words(level)


def _pruning_words(level: LevelTrace) -> str:
    plan = level.plan
    bound = level.noise_allowance + level.cell_allowance
    words = (
        f"{level.count(DROPPED):,} of {level.scored:,} cells scored more than {bound:.1f} below the"
        f" best and were dropped; {level.count(KEPT):,} went on to be halved."
    )
    if level.count(CROWDED_OUT):
        words += (
            f" {level.count(CROWDED_OUT):,} cells above the bound found no room in the lists"
            f" ({plan.keep_tilts} tilts × {plan.keep_turns} turns × {plan.keep_shifts} shifts)."
        )
    return words
