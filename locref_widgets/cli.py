"""``locref …``: every command is one call into the package below.

Exit status 0: done; 2: wrong input, one message on stderr; 1: the results could not be written, or
a fault of ours; 130: interrupted, and the run can be resumed.
"""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from locref_widgets.cli_settings import with_settings
from locref_widgets.errors import InputError, OutputError

INTERRUPTED = 130


class _Commands(TyperGroup):
    """Turns the errors meant for a user into one message and an exit status."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (InputError, OutputError) as error:
            typer.echo(f"locref: {error}", err=True)
            raise typer.Exit(2 if isinstance(error, InputError) else 1) from None
        except KeyboardInterrupt:
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    name="locref",
    help="Local refinement of single-particle cryo-EM data.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

RunDir = Annotated[Path, typer.Argument(metavar="DIR", help="A run folder.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def main() -> None:
    """Run the command line."""
    app(prog_name="locref")


@app.command()
@with_settings
def refine(
    particles: Annotated[
        Path | None, typer.Argument(help="Particles with poses and half-sets (.star).")
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
    *,
    given: dict[str, Any],
) -> None:
    """Refine the region inside a mask, starting from given poses.

    With --resume, particles, maps and settings are those of the run unless given (and then they
    must be the same).
    """
    from locref_widgets.cli_jobs import describe_result, refine_files
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    run = refine_files(particles, map_, mask, half_maps, out, settings, given, resume=resume)
    status = run.status
    typer.echo(describe_result(run))
    if status != "finished":
        raise typer.Exit(INTERRUPTED)


@app.command()
def status(folder: RunDir, as_json: Json = False) -> None:
    """Say how a run stands."""
    from locref_widgets.cli_jobs import describe_status, status_values
    from locref_widgets.runs.run import open_run

    run = open_run(folder)
    typer.echo(_to_json(status_values(run)) if as_json else describe_status(run))


@app.command()
def watch(folder: RunDir) -> None:
    """Follow a run until it ends. Ctrl-C leaves the run alone."""
    from locref_widgets.runs.progress import ProgressPrinter
    from locref_widgets.runs.run import open_run

    run = open_run(folder)
    printer = ProgressPrinter(sys.stdout)
    try:
        for event in run.follow():
            printer(event)
    except KeyboardInterrupt:
        pass
    finally:
        printer.close()
    typer.echo(f"{run.path}: {run.status}")


@app.command()
def pause(folder: RunDir) -> None:
    """Ask a run to pause."""
    from locref_widgets.runs.run import open_run

    open_run(folder).pause()
    typer.echo("asked to pause; go on with: locref continue")


@app.command("continue")
def continue_(folder: RunDir) -> None:
    """Ask a paused run to go on."""
    from locref_widgets.runs.run import open_run

    open_run(folder).continue_()
    typer.echo("asked to go on")


@app.command()
def stop(folder: RunDir) -> None:
    """Ask a run to stop. The iteration under way is lost, and the run can be resumed."""
    from locref_widgets.runs.run import open_run

    open_run(folder).stop()
    typer.echo("asked to stop; go on later with: locref refine --resume --out DIR")


@app.command()
def report(folder: RunDir) -> None:
    """Write a run's report again, from what it holds so far."""
    from locref_widgets.runs.run import open_run

    typer.echo(str(open_run(folder).write_report()))


@app.command()
def info(
    file: Annotated[Path, typer.Argument(help="Map, image stack, STAR file or run folder.")],
    as_json: Json = False,
) -> None:
    """Say what a file holds and what is wrong with it."""
    from locref_widgets.cli_jobs import describe_facts, describe_path

    values = describe_path(file)
    typer.echo(_to_json(values) if as_json else describe_facts(values))


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the data.", show_default=False)],
    n: Annotated[int, typer.Option("--n", metavar="N", help="Particles.")] = 1000,
    box: Annotated[int, typer.Option(metavar="PX", help="Box of the images.")] = 128,
    apix: Annotated[float, typer.Option(metavar="Å", help="Pixel size.")] = 2.0,
    hinge: Annotated[float, typer.Option(metavar="DEG", help="Largest angle of the hinge.")] = 10.0,
    shift: Annotated[float, typer.Option(metavar="PX", help="Largest extra shift.")] = 1.5,
    snr: Annotated[float, typer.Option(help="Variance of signal over that of noise.")] = 0.05,
    seed: Annotated[int, typer.Option(help="Seed of everything drawn.")] = 0,
    model: Annotated[
        Path | None, typer.Option(help="PDB or mmCIF file in place of the packaged 30S subunit.")
    ] = None,
    moving: Annotated[
        str | None,
        typer.Option(
            metavar="SELECTION", help="The body of the model that turns, as in B,C or A/921-1396."
        ),
    ] = None,
) -> None:
    """Write particles of two bodies joined by a hinge, with their true poses."""
    from locref_widgets.runs.process_setup import prepare_process
    from locref_widgets.simulation import simulate_hinge_dataset

    prepare_process()
    simulate_hinge_dataset(
        out,
        n=n,
        box_px=box,
        pixel_size_angstrom=apix,
        hinge_deg=hinge,
        shift_px=shift,
        snr=snr,
        seed=seed,
        model=model,
        moving=moving,
    )
    typer.echo(f"{out}: {n} particles, their poses before the hinge moved in consensus.star")


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the run.")] = Path("locref_demo"),
) -> None:
    """Refine the packaged sample and write its report."""
    from locref_widgets.cli_demo import run_demo
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    text, finished = run_demo(out)
    typer.echo(text)
    if not finished:
        raise typer.Exit(INTERRUPTED)


@app.command(context_settings={"ignore_unknown_options": True})
def lab(
    options: Annotated[
        list[str] | None,
        typer.Argument(metavar="[OPTIONS OF JUPYTERLAB]", show_default=False),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where the notebook is copied to.")
    ] = Path("locref_lab"),
) -> None:
    """Open JupyterLab on the first notebook."""
    from locref_widgets.cli_demo import open_lab

    open_lab(folder, options or [])


def _to_json(values: dict[str, Any]) -> str:
    return json.dumps(values, indent=2, ensure_ascii=False)
