"""Commands that refine, and that follow and steer runs."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from locref_widgets.cli.app import INTERRUPTED, Json, app, to_json
from locref_widgets.cli.settings_flags import with_settings, with_steerable_settings
from locref_widgets.errors import InputError

RunDir = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)]
NewMask = Annotated[Path | None, typer.Option("--mask", help="Another soft mask (.mrc).")]
Queue = Annotated[
    bool,
    typer.Option(
        "--queue/--no-queue",
        help="Wait until your earlier runs on this machine's device are over, or begin at once.",
        show_default=False,
    ),
]

Executor = Annotated[
    str | None,
    typer.Option(
        metavar="local|dask:ADDRESS|slurm:FILE.yaml",
        help="Where it is computed: all devices of this machine, the workers of a Dask cluster, or "
        "SLURM jobs as a file describes them. (unset: local; with --resume: as before)",
        show_default=False,
    ),
]


@app.command()
@with_settings
def refine(
    particles: Annotated[
        Path | None, typer.Argument(help="Particles with poses and half-sets (.star, .cs, .csg).")
    ] = None,
    map_: Annotated[Path | None, typer.Option("--map", help="Map at those poses (.mrc).")] = None,
    mask: Annotated[Path | None, typer.Option(help="Soft mask of the region (.mrc).")] = None,
    half_maps: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="A B",
            help="Half-maps of half-sets 1 and 2, beside --map: each half starts from its own, "
            "which is also what is subtracted from it.",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the run, new or empty.")] = None,
    settings: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="Settings; flags override them.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run in --out.", show_default=False)
    ] = False,
    queue: Queue = True,
    executor: Executor = None,
    *,
    given: dict[str, Any],
) -> None:
    """Refine the region inside a mask, starting from given poses.

    With --resume, particles, maps and settings are those of the run unless given (and then they
    must be the same).
    """
    from locref_widgets.cli.jobs import refine_files
    from locref_widgets.cli.run_words import describe_result
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    run = refine_files(
        *(particles, map_, mask, half_maps, out, settings, given),
        resume=resume,
        queue=queue,
        executor=executor,
    )
    status = run.status
    typer.echo(describe_result(run))
    if status != "finished":
        raise typer.Exit(INTERRUPTED)


@app.command()
@with_steerable_settings
def branch(
    folder: RunDir,
    from_iteration: Annotated[
        int | None, typer.Option(metavar="K", help="Iteration to go on from.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the new run.")] = None,
    mask: NewMask = None,
    queue: Queue = True,
    *,
    given: dict[str, Any],
) -> None:
    """Go on from an iteration of a run in a new one, with other settings if any are given.

    The iterations up to there are shared; the first run is left as it is.
    """
    from locref_widgets.cli.jobs import branch_off
    from locref_widgets.cli.run_words import describe_result
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    run = branch_off(folder, from_iteration, out, given, mask, queue=queue)
    typer.echo(describe_result(run))
    if run.status != "finished":
        raise typer.Exit(INTERRUPTED)


@app.command()
def status(folder: RunDir, as_json: Json = False) -> None:
    """Say how a run stands."""
    from locref_widgets.cli.run_words import describe_status, status_values
    from locref_widgets.runs.run import open_run

    run = open_run(folder)
    typer.echo(to_json(status_values(run)) if as_json else describe_status(run))


@app.command("runs")
def runs_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder with runs.")] = Path(),
    as_json: Json = False,
) -> None:
    """List the runs under a folder, with state and headline numbers."""
    from locref_widgets.cli.run_words import describe_runs
    from locref_widgets.runs.listing import list_runs

    found = list_runs(folder)
    typer.echo(to_json(found) if as_json else describe_runs(found, folder))


@app.command()
def watch(
    folder: RunDir,
    plain: Annotated[
        bool,
        typer.Option("--plain", help="Lines, as where there is no terminal.", show_default=False),
    ] = False,
) -> None:
    """Follow a run until it ends. Ctrl-C leaves the run alone."""
    from locref_widgets.cli.watch_screen import watch_on_screen
    from locref_widgets.runs.progress import ProgressPrinter
    from locref_widgets.runs.run import open_run

    run = open_run(folder)
    try:
        if sys.stdout.isatty() and not plain:
            events = run.folder.events_path
            watch_on_screen(events, lambda: run.status, sys.stdout, name=str(run.path))
            return
        printer = ProgressPrinter(sys.stdout)
        for event in run.follow():
            printer(event)
        printer.close()
    except KeyboardInterrupt:
        pass
    typer.echo(f"{run.path}: {run.status}")


@app.command()
def pause(folder: RunDir) -> None:
    """Ask a run or a sweep to pause."""
    from locref_widgets.runs.open_job import open_job

    open_job(folder).pause()
    typer.echo("asked to pause; go on with: locref continue")


@app.command("continue")
def continue_(folder: RunDir) -> None:
    """Ask a paused run or sweep to go on."""
    from locref_widgets.runs.open_job import open_job

    open_job(folder).continue_()
    typer.echo("asked to go on")


@app.command()
@with_steerable_settings
def change(folder: RunDir, mask: NewMask = None, *, given: dict[str, Any]) -> None:
    """Change settings or the mask of a run, from its next iteration on.

    What is not given stays as it is. The run's events and report tell of it.
    """
    from locref_widgets.runs.run import open_run

    run = open_run(folder)
    for warning in run.change(mask=mask, **given):
        typer.echo(f"warning: {warning}", err=True)
    going = run.status in ("queued", "running", "paused")
    when = "with the next iteration" if going else "when the run goes on"
    typer.echo(f"asked; it is taken up {when}")


@app.command()
def stop(
    folder: RunDir,
    after_iteration: Annotated[
        bool,
        typer.Option(
            "--after-iteration",
            help="Finish the iteration under way first; locref continue takes it back.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Ask a run or a sweep to stop. It can be resumed."""
    from locref_widgets.runs.open_job import open_job
    from locref_widgets.runs.run import Run

    job = open_job(folder)
    if isinstance(job, Run):
        job.stop(after_iteration=after_iteration)
    elif after_iteration:
        raise InputError(
            f"{folder}: is a sweep, which stops at once only; what is finished of it stays. Leave "
            "--after-iteration out."
        )
    else:
        job.stop()
    when = "after this iteration" if after_iteration else "at once"
    again = "refine" if isinstance(job, Run) else "sweep"
    typer.echo(f"asked to stop {when}; go on later with: locref {again} --resume --out {folder}")


@app.command()
def report(folder: RunDir) -> None:
    """Write a run's report again, from what it holds so far."""
    from locref_widgets.runs.run import open_run

    typer.echo(str(open_run(folder).write_report()))
