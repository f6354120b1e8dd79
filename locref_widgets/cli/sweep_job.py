"""What the commands that try settings and compare runs do and say."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.cli.jobs import (
    choose_settings,
    files_or_recorded,
    given_or_recorded_particles,
)
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
    from locref_widgets.runs.folder import settings_from_json
    from locref_widgets.runs.inputs import load_mask
    from locref_widgets.runs.sweep import ITERATIONS, go_on_with_sweep, sweep
    from locref_widgets.runs.sweep_folder import SweepFolder, is_sweep
    from locref_widgets.runs.sweep_grid import MASK, read_grid
    from locref_widgets.runs.sweep_record import recorded_grid

    if out is None:
        raise InputError("--out is missing: name a folder for the sweep")
    if is_sweep(out) and not resume:
        raise InputError(
            f"{out}: holds a sweep already. Go on with it by --resume, or give another."
        )
    folder = SweepFolder(out) if is_sweep(out) else None
    files = (particles, map_, mask, grid, settings_file, evaluation_mask)
    if folder is not None and not given and all(file is None for file in files):
        return go_on_with_sweep(out, wait_for_device=queue)
    record = folder.read_record() if folder else {}
    recorded, without = record.get("inputs", {}), f"; {out} holds no sweep" if resume else ""
    if grid is not None:
        tried = read_grid(grid)
    elif folder is not None:
        tried = recorded_grid(folder)[0]
    else:
        raise InputError(f"--grid is missing{without}")
    named = {"particles": particles, "map": map_}
    if MASK not in tried or mask is not None or recorded:
        named["mask"] = mask
    chosen = files_or_recorded(named, recorded, without)
    given = dict(given)
    shared = {
        "subset": given.pop("subset", record.get("subset", "usual")),
        "seed": given.pop("seed", record.get("seed")),
        "iterations": given.pop("iterations", record.get("iterations", ITERATIONS)),
    }
    settings = choose_settings(
        settings_file, given, settings_from_json(record["settings"]) if record else None
    )
    compared = record.get("evaluation_mask")
    if evaluation_mask is not None:
        compared_in = read_map(evaluation_mask, cubic=False)
    else:
        compared_in = load_mask(compared) if compared else None
    halves = [read_map(entry["path"]) for entry in recorded.get("half_maps", [])]
    return sweep(
        given_or_recorded_particles(particles, recorded),
        read_map(chosen["map"]),
        read_map(chosen["mask"], cubic=False) if "mask" in chosen else None,
        settings,
        tried,
        out,
        **shared,
        evaluation_mask=compared_in,
        half_maps=(halves[0], halves[1]) if halves else None,
        wait_for_device=queue,
    )


def sweep_values(found: "Sweep") -> dict[str, Any]:
    """What ``locref sweep-status --json`` prints."""
    return {
        "folder": str(found.path),
        "status": found.status,
        "message": found.message,
        "done": found.count_tried(),
        "total": len(found.folder.read_record()["candidates"]),
        "verdict": found.verdict,
    }


def describe_sweep(found: "Sweep") -> str:
    """Say how a sweep stands: its verdict with the table, or how far it has come."""
    from locref_widgets.figures.sweep_page import table_rows

    verdict = found.verdict
    if verdict is None:
        done, total = found.count_tried(), len(found.table())
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
