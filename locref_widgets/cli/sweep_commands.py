"""Commands that try many settings, and that compare runs."""

from pathlib import Path
from typing import Annotated, Any

import typer

from locref_widgets.cli.app import INTERRUPTED, Json, app, to_json
from locref_widgets.cli.run_commands import Queue
from locref_widgets.cli.settings_flags import with_settings
from locref_widgets.errors import InputError


@app.command()
@with_settings
def sweep(
    particles: Annotated[
        Path | None, typer.Argument(help="Particles with poses and half-sets (.star, .cs, .csg).")
    ] = None,
    map_: Annotated[Path | None, typer.Option("--map", help="Map at those poses (.mrc).")] = None,
    mask: Annotated[Path | None, typer.Option(help="Soft mask of the region (.mrc).")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the sweep, new or empty.")] = None,
    grid: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="Settings to try, a line each: `rotation_extent: [0.1, 0.2, 0.35]`. May name "
            "`mask: [a.mrc, b.mrc]`.",
        ),
    ] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="The other settings; flags override.")
    ] = None,
    evaluation_mask: Annotated[
        Path | None,
        typer.Option(help="Mask in which all are compared. (unset: what all masks tried have)"),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the sweep in --out.", show_default=False)
    ] = False,
    queue: Queue = True,
    *,
    given: dict[str, Any],
) -> None:
    """Try every combination of some settings on a random subset, and say which is best.

    Each is refined for a few iterations (--iterations, 3 unless given) with the same --subset
    particles (500 unless given, or all of a smaller set). The verdict and how sure it is are in
    verdict.html. A grid that names masks needs no --mask. With --resume, what is not given is that
    of the sweep, and what is given must be the same.
    """
    from locref_widgets.cli.sweep_job import describe_sweep, sweep_files
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    done = sweep_files(
        *(particles, map_, mask, out, grid, settings, evaluation_mask, given),
        resume=resume,
        queue=queue,
    )
    typer.echo(describe_sweep(done))
    if done.status != "finished":
        raise typer.Exit(INTERRUPTED)


@app.command("sweep-status")
def sweep_status(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder of a sweep.")],
    as_json: Json = False,
) -> None:
    """Say how a sweep stands, and its verdict."""
    from locref_widgets.cli.sweep_job import describe_sweep, sweep_values
    from locref_widgets.runs.sweep import open_sweep

    found = open_sweep(folder)
    typer.echo(to_json(sweep_values(found)) if as_json else describe_sweep(found))


@app.command()
def compare(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN [RUN …]", help="Two to six run folders.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Write the comparison as a page (.html).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Compare runs: settings that differ, resolution, poses particle by particle, maps."""
    from locref_widgets.cli.sweep_job import describe_comparison
    from locref_widgets.figures.comparison_page import write_comparison
    from locref_widgets.runs.compare import compare_runs

    if out is not None and out.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"--out {out}: the comparison is a page; give a name that ends in .html.")
    found = compare_runs(runs)
    if out is not None:
        write_comparison(found, out)
    typer.echo(to_json(found.summary()) if as_json else describe_comparison(found))
    if out is not None:
        typer.echo(str(out))
