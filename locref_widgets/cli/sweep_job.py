"""What the commands that try settings and compare runs do and say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.runs.compare import Comparison
    from locref_widgets.runs.sweep import Sweep


def sweep_files(
    particles: Path | None,
    map_: Path | None,
    mask: Path | None,
    out: Path | None,
    grid: Path | None,
    settings_file: Path | None,
    evaluation_mask: Path | None,
    given: dict[str, Any],
    *,
    resume: bool,
    queue: bool,
) -> "Sweep":
    """Read the files of a sweep and run it. Raises `InputError` before touching anything."""
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.runs.sweep import ITERATIONS, SUBSET, go_on_with_sweep, sweep
    from locref_widgets.runs.sweep_folder import is_sweep
    from locref_widgets.runs.sweep_grid import read_grid

    if out is None:
        raise InputError("--out is missing: name a folder for the sweep")
    if resume and is_sweep(out):
        return go_on_with_sweep(out, wait_for_device=queue)
    if is_sweep(out):
        raise InputError(
            f"{out}: holds a sweep already. Go on with it by --resume, or give another."
        )
    wanted = {"PARTICLES": particles, "--map": map_, "--mask": mask, "--grid": grid}
    for name, path in wanted.items():
        if path is None:
            raise InputError(f"{name} is missing" + (f"; {out} holds no sweep" if resume else ""))
    assert particles is not None and map_ is not None  # noqa: S101, PT018
    assert mask is not None and grid is not None  # noqa: S101, PT018
    given = dict(given)
    subset, seed = given.pop("subset", None), given.pop("seed", 0)
    iterations = given.pop("iterations", ITERATIONS)
    tried = read_grid(grid)
    if settings_file is not None:
        settings = RefinementSettings.load(settings_file, **given)
    else:
        settings = RefinementSettings(**given)
    table = read_particles(particles)
    return sweep(
        table,
        read_map(map_),
        read_map(mask, cubic=False),
        settings,
        tried,
        out,
        subset=min(SUBSET, len(table)) if subset is None else subset,
        seed=seed,
        iterations=iterations,
        evaluation_mask=read_map(evaluation_mask, cubic=False) if evaluation_mask else None,
        wait_for_device=queue,
    )


def describe_sweep(found: "Sweep") -> str:
    """Say how a sweep stands: its verdict with the table, or how far it has come."""
    from locref_widgets.figures.sweep_page import table_rows

    verdict = found.verdict
    if verdict is None:
        done = sum(event["kind"] == "setting_finished" for event in found.events())
        total = len(found.table())
        why = f": {found.message}" if found.message else ""
        return f"{found.path}: {found.status}{why}; {done} of {total} settings tried"
    head, rows = table_rows(verdict, found.names)
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) for row in [head, *rows]
    ]
    lines += ["", verdict["sentence"], *verdict["notes"], str(found.path / "verdict.html")]
    return "\n".join(line.rstrip() for line in lines)


def describe_comparison(found: "Comparison") -> str:
    """Say in lines what a comparison found."""
    told = found.summary()
    lines = []
    for run in told["runs"]:
        at = run["resolution_angstrom"]
        fine = (
            "no iteration yet" if at is None else f"{at:.2f} Å after {run['iteration']} iterations"
        )
        lines.append(f"{run['name']}: {run['status']}, {run['n_particles']} particles, {fine}")
    if told["settings"]:
        lines.append("settings that differ:")
        lines += [
            f"  {name}: " + ", ".join(str(value) for value in values)
            for name, values in told["settings"].items()
        ]
    else:
        lines.append("all settings are the same")
    for pair in told["pairs"]:
        first, second = pair["names"]
        lines.append(
            f"{first} and {second}: {pair['n_common']} particles in both "
            f"({pair['n_only_first']} and {pair['n_only_second']} in one only)"
        )
        if pair["n_common"]:
            lines.append(
                f"  turned by {pair['turn_median_deg']:.2f}° (90 %: {pair['turn_p90_deg']:.2f}°), "
                f"region moved by {pair['shift_median_angstrom']:.2f} Å "
                f"(90 %: {pair['shift_p90_angstrom']:.2f} Å)"
            )
        if pair.get("map_correlation") is not None:
            lines.append(f"  maps correlate {pair['map_correlation']:.3f} inside both masks")
        lines += [f"  {note}" for note in pair["notes"]]
    return "\n".join(lines)
