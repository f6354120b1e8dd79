"""What the command line says of runs: one in a few lines, many in a table."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from locref_widgets.runs.run import Run

_HINTS = {
    "stopped": "go on with: locref refine --resume --out {}",
    "failed": "mend the cause, then go on with: locref refine --resume --out {} "
    "(with a mended map, mask or table begin again in another folder)",
    "lost": "its process was killed, as when memory is short; go on with: "
    "locref refine --resume --out {}",
    "paused": "go on with: locref continue {}",
    "queued": "begin at once with: locref stop {0}; locref refine --resume --no-queue --out {0}",
    "finished": "",
    "running": "",
}


def status_values(run: "Run") -> dict[str, Any]:
    """Gather what ``locref status --json`` prints."""
    from locref_widgets.runs.listing import describe_run

    return describe_run(run.folder)


def describe_runs(found: list[dict[str, Any]], folder: Path) -> str:
    """Put the runs that `locref_widgets.runs.listing.list_runs` found into a table."""
    if not found:
        return f"{folder}: holds no runs"
    head = ("run", "state", "iteration", "resolution", "particles", "updated")
    rows = [head, *(_run_row(run, folder) for run in found)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _run_row(run: dict[str, Any], folder: Path) -> tuple[str, ...]:
    path, summary = Path(run["folder"]), run["summary"]
    with suppress(ValueError):
        path = path.relative_to(folder.resolve())
    iteration = resolution = particles = "–"
    if run["iterations"]:
        iteration = f"{run['iterations'][-1]} of {run['maximum_iterations']}"
    if summary:
        start, reached = (as_text(summary[f"{name}resolution_angstrom"]) for name in ("start_", ""))
        resolution, particles = f"{start} → {reached} Å", f"{summary['n_particles']:,}"
    updated = str(run["updated"]).replace("T", " ")[:16]
    return (str(path), run["status"], iteration, resolution, particles, updated)


def describe_status(run: "Run") -> str:
    """Say in a few lines how a run stands and how to go on."""
    values = status_values(run)
    summary = values["summary"]
    lines = [f"{values['folder']}: {values['status']}"]
    if values["waiting_for"]:
        lines.append(f"  waiting for {', '.join(values['waiting_for'])}")
    if (computed := values["executor"]) and computed["choice"] != "local":
        dashboard = computed["dashboard"] if values["status"] in ("running", "paused") else None
        shown = f", dashboard {dashboard}" if dashboard else ""
        lines.append(f"  computed by {computed['choice']}{shown}")
    if parent := values["parent"]:
        lines.append(f"  from iteration {parent['iteration']} of {parent['path']}")
    if values["message"]:
        lines.append(f"  {values['message']}")
    if summary:
        start, reached = (as_text(summary[f"{name}resolution_angstrom"]) for name in ("start_", ""))
        pose, shift = as_text(summary["median_pose_change_deg"]), summary["median_shift_change_px"]
        iterations = f"{summary['iterations']} of at most {values['maximum_iterations']}"
        at_bound = 100 * (summary["at_bound_fraction"] or 0)
        lines.append(f"  iteration {iterations}, {summary['n_particles']} particles")
        lines.append(f"  resolution {reached} Å (at the poses given {start} Å)")
        lines.append(
            f"  median change {pose}° and {as_text(shift)} px; {at_bound:.1f} % at the bound"
        )
        lines += [f"  {line}" for line in _about_fulcrum(summary.get("fulcrum_estimate"))]
    lines += [f"  {line}" for line in _about_changes(run)]
    if hint := _HINTS[values["status"]].format(values["folder"]):
        lines.append(f"  {hint}")
    return "\n".join(lines)


def _about_changes(run: "Run") -> list[str]:
    """What was changed while it ran, and what will be."""
    from locref_widgets.runs.changes import describe_changes, pending_changes

    lines = describe_changes(run.folder.read_record())
    for request in pending_changes(run.folder):
        names = [*request.settings, *(["mask"] if request.mask_sha256 else [])]
        lines.append(f"asked for from the next iteration on: {', '.join(names)}")
    return lines


def _about_fulcrum(estimate: dict[str, Any] | None) -> tuple[str, ...]:
    from locref_widgets.runs.fulcrum_estimate import describe_estimate

    return describe_estimate(estimate) if estimate and estimate["is_offered"] else ()


def describe_result(run: "Run") -> str:
    """Say what came out, and where it is."""
    text = describe_status(run)
    final = run.path / "final"
    if run.status != "finished":
        return text
    return text + f"\n  results in {final}\n  report: {final / 'report.html'}"


def as_text(value: Any) -> str:
    """Write a value of a status or of a file's facts for people."""
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {as_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(as_text(item) for item in value)
    return str(value)
