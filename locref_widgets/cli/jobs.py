"""What the commands that refine, and those that look, do and say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.runs.run import Run

_HINTS = {
    "stopped": "go on with: locref refine --resume --out {}",
    "failed": "mend the cause, then go on with: locref refine --resume --out {}",
    "lost": "its process died without a word; go on with: locref refine --resume --out {}",
    "paused": "go on with: locref continue {}",
    "finished": "",
    "running": "",
}


def refine_files(
    particles: Path | None,
    map_: Path | None,
    mask: Path | None,
    half_maps: tuple[Path, Path] | None,
    out: Path | None,
    settings_file: Path | None,
    given: dict[str, Any],
    *,
    resume: bool,
) -> "Run":
    """Read the files of a refinement and refine. Raises `InputError` before touching anything."""
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles, reread_particles
    from locref_widgets.runs.folder import RunFolder, is_run
    from locref_widgets.runs.prepare import open_existing
    from locref_widgets.runs.run import refine

    if out is None:
        raise InputError("--out is missing: name a folder for the run")
    # A folder that cannot be used is said at once, not after reading the particles.
    open_existing(out)
    record = RunFolder(out).read_record() if resume and is_run(out) else None
    recorded = record["inputs"] if record else {}
    files: dict[str, Path] = {}
    for name, path in {"particles": particles, "map": map_, "mask": mask}.items():
        if path is None and name not in recorded:
            shown = "PARTICLES" if name == "particles" else f"--{name}"
            raise InputError(f"{shown} is missing" + (f"; {out} holds no run" if resume else ""))
        files[name] = path or Path(recorded[name]["path"])
    halves = half_maps or tuple(Path(entry["path"]) for entry in recorded.get("half_maps", []))
    settings = _choose_settings(settings_file, given, RunFolder(out).settings if record else None)
    joined = recorded.get("particles", {}).get("companions", [])
    return refine(
        read_particles(particles)
        if particles is not None
        else reread_particles(files["particles"], [entry["path"] for entry in joined]),
        read_map(files["map"]),
        read_map(files["mask"], cubic=False),
        settings,
        out,
        half_maps=(read_map(halves[0]), read_map(halves[1])) if halves else None,
        resume=resume,
    )


def status_values(run: "Run") -> dict[str, Any]:
    """Gather what ``locref status --json`` prints."""
    record = run.folder.read_record()
    return {
        "folder": str(run.path),
        "status": run.status,
        "message": record["message"],
        "created": record["created"],
        "updated": record["updated"],
        "iterations": run.iterations(),
        "maximum_iterations": record["settings"]["iterations"],
        "summary": record["summary"],
    }


def describe_status(run: "Run") -> str:
    """Say in a few lines how a run stands and how to go on."""
    values = status_values(run)
    summary = values["summary"]
    lines = [f"{values['folder']}: {values['status']}"]
    if values["message"]:
        lines.append(f"  {values['message']}")
    if summary:
        start, reached = (_text(summary[f"{name}resolution_angstrom"]) for name in ("start_", ""))
        pose, shift = _text(summary["median_pose_change_deg"]), summary["median_shift_change_px"]
        iterations = f"{summary['iterations']} of at most {values['maximum_iterations']}"
        at_bound = 100 * (summary["at_bound_fraction"] or 0)
        lines.append(f"  iteration {iterations}, {summary['n_particles']} particles")
        lines.append(f"  resolution {reached} Å (at the poses given {start} Å)")
        lines.append(
            f"  median change {pose}° and {_text(shift)} px; {at_bound:.1f} % at the bound"
        )
        lines += [f"  {line}" for line in _about_fulcrum(summary.get("fulcrum_estimate"))]
    if hint := _HINTS[values["status"]].format(values["folder"]):
        lines.append(f"  {hint}")
    return "\n".join(lines)


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


def describe_path(path: Path) -> dict[str, Any]:
    """Describe a file or a run folder: kind, facts and faults."""
    from locref_widgets.io.info import describe
    from locref_widgets.runs.run import open_run

    try:
        is_file = not path.is_dir()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be looked at ({error.strerror}). Check its name and the permissions of"
            " its folder."
        ) from None
    if is_file:
        return describe(path)
    run = open_run(path)
    facts = {k: v for k, v in status_values(run).items() if k not in ("folder", "message")}
    faults = [run.message] if run.message else []
    return {"kind": "run", "path": str(run.path), "facts": facts, "faults": faults}


def describe_facts(values: dict[str, Any]) -> str:
    """Put the facts and faults of a file into lines."""
    lines = [f"{values['path']}: {values['kind']}"]
    lines += [f"  {name}: {_text(value)}" for name, value in values["facts"].items()]
    lines += [f"  fault: {fault}" for fault in values["faults"]]
    return "\n".join(lines)


def _choose_settings(
    file: Path | None, given: dict[str, Any], recorded: "RefinementSettings | None"
) -> "RefinementSettings":
    from locref_widgets.refinement.settings import RefinementSettings, overridden

    if file is not None:
        return RefinementSettings.load(file, **given)
    return RefinementSettings(**overridden(recorded.model_dump() if recorded else {}, given))


def _text(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    return str(value)
