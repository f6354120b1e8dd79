"""The dashboard's words: how a state, a duration and a number are said to people."""

import html
import math
from typing import Any

from locref_widgets.runs.run_state import PHASE_WORDS, RunState
from locref_widgets.runs.time_left import duration_words, left_words

# Icon and word together: colour alone says nothing to many readers.
STATUS_LOOK = {
    "waiting": ("…", "Waiting for the first event", "quiet"),
    "queued": ("…", "Waiting for the device", "quiet"),
    "running": ("▶", "Running", "going"),
    "pausing": ("⏸", "Pausing after this batch", "quiet"),
    "paused": ("⏸", "Paused", "quiet"),
    "stopping": ("■", "Stopping after this batch", "quiet"),
    "stopping later": ("■", "Stopping after this iteration", "quiet"),
    "resuming": ("…", "Starting again", "quiet"),
    "stopped": ("■", "Stopped; it can be resumed", "quiet"),
    "finished": ("✔", "Finished", "good"),
    "failed": ("✖", "Failed", "bad"),
    "lost": ("?", "Lost: its process is gone; it can be resumed", "bad"),
    "gone": ("?", "Its folder is gone", "bad"),
}


def status_html(status: str, state: RunState) -> str:
    """One line: icon, word, what is going on, resolution so far."""
    icon, word, tone = STATUS_LOOK.get(status, ("?", status, "quiet"))
    parts = []
    if status == "queued" and state.waiting_for:
        parts.append(f"first comes {', then '.join(state.waiting_for)}")
    if status in ("running", "pausing", "stopping", "stopping later", "paused") and state.phase:
        phase = PHASE_WORDS.get(state.phase, state.phase)
        parts.append(f"iteration {state.iteration}, {phase}")
    if state.preview is not None and not state.ended:
        parts.append(f"map of its first {state.preview['done']:,} particles under Maps")
    if state.iterations and math.isfinite(state.resolution_angstrom):
        parts.append(f"resolution {state.resolution_angstrom:.2f} Å")
    if state.n_particles:
        parts.append(f"{state.n_particles:,} particles")
    detail = " · ".join(html.escape(part) for part in parts)
    return (
        f'<div class="locref-status" role="status" aria-live="polite">'
        f'<span class="locref-badge locref-{tone}"><span aria-hidden="true">{icon}</span> '
        f"{html.escape(word)}</span><span>{detail}</span></div>"
    )


def progress_words(state: RunState) -> tuple[str, str]:
    """Words beside the bar of iterations and beside the bar of particles."""
    if state.status == "waiting":
        return "", ""
    finished = max(state.iterations, default=0)
    iterations = f"{finished} of at most {state.maximum_iterations} done"
    if state.ended:
        iterations = f"{finished} done"
    left = state.seconds_left()
    if left is not None and state.status == "running":
        iterations += f", {duration_words(left)} left at most"
    particles = f"{state.done:,} of {state.total:,}" if state.total else ""
    if particles and state.status == "running":
        particles += f", {left_words(state.phase_seconds_left())}"
    return iterations, particles


def change_words(title: str, state: RunState, key: str, finished: dict[str, Any]) -> str:
    """Heading of a histogram: the median and the 90th percentile, shifts also in Å."""
    item = finished.get(key) or {}
    unit = "deg" if key == "pose_change" else "px"
    median, p90 = item.get(f"median_{unit}"), item.get(f"p90_{unit}")
    if median is None or p90 is None:
        return f"<b>{title}</b>"
    return f"<b>{title}</b>: median {_with_unit(median, state, key)}, 90 % below " + _with_unit(
        p90, state, key
    )


def _with_unit(value: float, state: RunState, key: str) -> str:
    if key == "pose_change":
        return f"{value:.2f}°"
    angstrom = value * state.pixel_size_angstrom
    beside = f" ({angstrom:.2f} Å)" if math.isfinite(angstrom) else ""
    return f"{value:.2f} px{beside}"


def at_bound_words(finished: dict[str, Any]) -> str:
    """Say how many particles ended at the edge of the search, and what to do when many did."""
    fraction = finished.get("at_bound_fraction")
    if fraction is None:
        return ""
    if fraction == 0:
        return "No particle ended at the edge of what was searched."
    text = f"{100 * fraction:.1f} % of the particles ended at the edge of what was searched"
    if fraction > 0.05:
        text += "; a wider rotation or shift extent may serve them better"
    return text + "."
