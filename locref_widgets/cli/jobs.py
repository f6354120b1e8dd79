"""What the commands that refine, and those that look, do and say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.cli.run_words import as_text, status_values
from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.io.particles import Particles
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.runs.run import Run


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
    queue: bool,
    executor: str | None = None,
) -> "Run":
    """Read the files of a refinement and refine. Raises `InputError` before touching anything."""
    from locref_widgets.io.mrc import read_map
    from locref_widgets.runs.executors import choose_executor
    from locref_widgets.runs.folder import RunFolder, is_run
    from locref_widgets.runs.prepare import open_existing
    from locref_widgets.runs.run import refine

    if out is None:
        raise InputError("--out is missing: name a folder for the run")
    # A folder that cannot be used is said at once, not after reading the particles.
    open_existing(out)
    if executor is not None:
        choose_executor(executor)
    record = RunFolder(out).read_record() if resume and is_run(out) else None
    recorded = record["inputs"] if record else {}
    given_files = {"particles": particles, "map": map_, "mask": mask}
    files = files_or_recorded(given_files, recorded, f"; {out} holds no run" if resume else "")
    halves = half_maps or tuple(Path(entry["path"]) for entry in recorded.get("half_maps", []))
    settings = choose_settings(settings_file, given, RunFolder(out).settings if record else None)
    return refine(
        given_or_recorded_particles(particles, recorded),
        read_map(files["map"]),
        read_map(files["mask"], cubic=False),
        settings,
        out,
        half_maps=(read_map(halves[0]), read_map(halves[1])) if halves else None,
        resume=resume,
        wait_for_device=queue,
        executor=executor,
    )


def files_or_recorded(
    given: dict[str, Path | None], recorded: dict[str, Any], without: str
) -> dict[str, Path]:
    """The files given, those left out as the inputs of a record name them.

    Raises `InputError` for one that neither names; ``without`` ends the message.
    """
    files: dict[str, Path] = {}
    for name, path in given.items():
        if path is None and name not in recorded:
            shown = "PARTICLES" if name == "particles" else f"--{name}"
            raise InputError(f"{shown} is missing{without}")
        files[name] = path or Path(recorded[name]["path"])
    return files


def given_or_recorded_particles(given: Path | None, recorded: dict[str, Any]) -> "Particles":
    """Read the particles given, or those of a record with what was joined to them."""
    from locref_widgets.io.particles import read_particles, reread_particles

    if given is not None:
        return read_particles(given)
    entry = recorded["particles"]
    return reread_particles(entry["path"], [c["path"] for c in entry.get("companions", [])])


def branch_off(
    parent: Path,
    iteration: int | None,
    out: Path | None,
    given: dict[str, Any],
    mask: Path | None,
    *,
    queue: bool,
) -> "Run":
    """Make a branch and refine it here. Raises `InputError` before touching anything."""
    from locref_widgets.runs.branch import make_branch
    from locref_widgets.runs.folder import RunFolder

    if out is None:
        raise InputError("--out is missing: name a folder for the new run")
    folder = RunFolder(parent)
    if iteration is None:
        has = ", ".join(map(str, folder.iterations())) or "none"
        raise InputError(f"--from-iteration is missing: {folder.path} has {has}")
    make_branch(folder, iteration, out, given, mask)
    return refine_files(None, None, None, None, out, None, {}, resume=True, queue=queue)


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
    lines += [f"  {name}: {as_text(value)}" for name, value in values["facts"].items()]
    lines += [f"  fault: {fault}" for fault in values["faults"]]
    return "\n".join(lines)


def choose_settings(
    file: Path | None, given: dict[str, Any], recorded: "RefinementSettings | None"
) -> "RefinementSettings":
    """Settings of a file, else those of a record, else the usual ones, with those given in place.

    Raises `InputError` for values that cannot be.
    """
    from locref_widgets.refinement.settings import RefinementSettings, overridden

    if file is not None:
        return RefinementSettings.load(file, **given)
    return RefinementSettings(**overridden(recorded.model_dump() if recorded else {}, given))
