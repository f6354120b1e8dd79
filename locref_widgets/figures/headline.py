"""What a run came to, in plain words: the headline figures and what to do next."""

from dataclasses import dataclass
from html import escape
from typing import Any

from locref_widgets.figures.histograms import share_at_limit
from locref_widgets.figures.page import number_card, value_with_unit
from locref_widgets.figures.run_data import RunData, as_array, number
from locref_widgets.runs.fulcrum_estimate import describe_estimate

# Shares of particles at the bound: below the first nothing need be done, above the second much.
FEW_AT_BOUND, MANY_AT_BOUND = 0.02, 0.10
# A change of resolution smaller than this share of it is within the estimate's own scatter.
_SAME_RESOLUTION = 0.02

STATUS_WORDS = {
    "finished": ("good", "finished"),
    "running": ("note", "still running"),
    "paused": ("note", "paused"),
    "stopped": ("note", "stopped, can be resumed"),
    "lost": ("bad", "ended without a word, can be resumed"),
    "failed": ("bad", "failed"),
}


@dataclass(frozen=True)
class Advice:
    """One finding and what to do about it; ``level`` is good, note or bad."""

    level: str
    finding: str
    action: str

    def html(self) -> str:
        """Return the finding and the action as a paragraph."""
        return f'<p class="{self.level}"><b>{escape(self.finding)}</b> {escape(self.action)}</p>'


def lede(run: RunData) -> str:
    """Tell the run in a sentence or two (HTML)."""
    n = number(run.started.get("n_particles"))
    particles = f"<b>{n:,.0f} particles</b>" if n else "The particles"
    box, pixel = run.started.get("box_px"), run.pixel_size_angstrom
    images = f" of {box} px at {pixel:g} Å/px" if box else ""
    if not run.iterations:
        return f"{particles}{images}. No iteration has finished yet, so there is little to show."
    searched = sum(1 for told in run.iterations if told["iteration"] > 0)
    if not searched:
        return f"{particles}{images}, reconstructed at the poses given; no search has finished yet."
    seconds = sum(number(told.get("seconds")) or 0.0 for told in run.iterations)
    plural = "" if searched == 1 else "s"
    took = f" ({duration(seconds)})" if seconds else ""
    return (
        f"{particles}{images}, each turned and shifted about the fulcrum to fit the region inside "
        f"the mask, in <b>{searched} iteration{plural}</b>{took}."
    )


def _prior_words(pose: dict) -> str:
    """The prior on the rotation that the search was told, if any."""
    width = number(pose.get("prior_deg"))
    return "" if width is None else f", with a prior of {fixed(width)}°"


def number_cards(run: RunData) -> str:
    """Build the four large figures."""
    last = run.last
    searched = last["iteration"] > 0
    before, after = _resolutions(run)
    pose, shift = last.get("pose_change") or {}, last.get("shift_change") or {}
    median_px, share = number(shift.get("median_px")), number(last.get("at_bound_fraction"))
    pixel = run.pixel_size_angstrom
    cards = [
        number_card(
            "Resolution of the region",
            value_with_unit(fixed(after), "Å", None if run.first is last else fixed(before)),
            "FSC = 0.143 between half-maps inside the mask, corrected by phase randomisation",
            main=True,
        ),
        number_card(
            "Median pose change",
            escape(f"{fixed(number(pose.get('median_deg')))}°"),
            f"90 % of the particles turned by less than {fixed(number(pose.get('p90_deg')))}°"
            f" (searched to {fixed(number(pose.get('limit_deg')))}°{_prior_words(pose)})",
        ),
        number_card(
            "Median shift change",
            value_with_unit(
                fixed(median_px),
                f"px = {fixed(None if median_px is None else median_px * pixel)} Å",
            ),
            f"90 % of the particles moved by less than {fixed(number(shift.get('p90_px')))} px"
            f" (searched to {number(shift.get('limit_px')) or 0:g} px)",
        ),
        number_card(
            "At the search's bound",
            value_with_unit("–" if share is None else f"{100 * share:.1f}", "% of particles"),
            "Their best pose lies at the edge of what was searched",
        ),
    ]
    # Before any search there is no change to quote.
    shown = cards if searched else cards[:1]
    return f'<div class="grid">{"".join(shown)}</div>'


def findings(run: RunData) -> list[Advice]:
    """List what the figures say and what to do about it, the gravest first."""
    found = []
    if run.failure is not None:
        found.append(Advice("bad", "The run failed.", run.failure))
    elif run.status in ("stopped", "lost"):
        text = "Go on with locref refine … --resume; what has finished is shown here."
        found.append(Advice("note", "The run has not finished.", text))
    if not run.iterations or run.last["iteration"] == 0:
        return found
    found.append(_about_resolution(run))
    bound = _about_bound(run)
    if bound is not None:
        found.append(bound)
    fulcrum = run.fulcrum_estimate
    if fulcrum is not None and fulcrum["is_offered"] and not fulcrum["agrees"]:
        found.append(Advice("note", *describe_estimate(fulcrum)))
    if run.status == "finished" and not run.last.get("converged"):
        text = "Resolution or poses were still changing; more iterations may sharpen the map."
        found.append(Advice("note", "Stopped at the largest number of iterations.", text))
    return found


def duration(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"


def fixed(value: float | None) -> str:
    """Three significant figures without an exponent; a dash when unknown."""
    if value is None:
        return "–"
    decimals = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{decimals}f}"


def _resolutions(run: RunData) -> tuple[float | None, float | None]:
    return (
        number(run.first.get("resolution_angstrom")),
        number(run.last.get("resolution_angstrom")),
    )


def _about_resolution(run: RunData) -> Advice:
    before, after = _resolutions(run)
    if before is None or after is None:
        return Advice("note", "The resolution is not known.", "No FSC was recorded.")
    if after < before * (1 - _SAME_RESOLUTION):
        text = f"From {fixed(before)} Å at the poses given to {fixed(after)} Å after refinement."
        return Advice("good", "The region is sharper.", text)
    text = (
        f"It was at {fixed(before)} Å and is at {fixed(after)} Å. Check that the mask holds one "
        "rigid body, that the fulcrum is at its hinge and that the rest of the particle was "
        "subtracted."
    )
    return Advice("note", "The region is not sharper.", text)


def _about_bound(run: RunData) -> Advice | None:
    share = number(run.last.get("at_bound_fraction"))
    if share is None:
        return None
    if share < FEW_AT_BOUND:
        few = f"Only {100 * share:.1f} % of the particles" if share else "No particle"
        return Advice("good", "The search was wide enough.", f"{few} ended at its bound.")
    limits = _limits_reached(run)
    wider = " and ".join(limits) or "wider extents"
    if share < MANY_AT_BOUND:
        return Advice(
            "note",
            f"{100 * share:.1f} % of the particles ended at the search's bound.",
            f"If they matter, run again with {wider}.",
        )
    return Advice(
        "note",
        f"{100 * share:.0f} % of the particles ended at the search's bound: their true pose may "
        "lie beyond it.",
        f"Run again with {wider}. If the share stays high, the fulcrum or the mask is off, or "
        "the region is too small to align.",
    )


def _limits_reached(run: RunData) -> list[str]:
    """Name the extents, with half as much again, whose last bin holds a share that matters."""
    settings = run.settings

    def reached(change: dict[str, Any]) -> bool:
        counts = change.get("counts") or []
        return bool(counts) and share_at_limit(as_array(counts)) >= FEW_AT_BOUND / 2

    named = []
    rotation, shift = number(settings.get("rotation_extent")), number(settings.get("shift_extent"))
    if rotation and reached(run.last.get("pose_change") or {}):
        named.append(f"rotation extent {min(1.5 * rotation, 3.14):.2f} rad")
    if shift and reached(run.last.get("shift_change") or {}):
        named.append(f"shift extent {1.5 * shift:.3g} px")
    return named
