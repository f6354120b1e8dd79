"""Commands that look at files, make data, and show the way in."""

from pathlib import Path
from typing import Annotated

import typer

from locref_widgets.cli.app import INTERRUPTED, Json, app, to_json


@app.command()
def info(
    file: Annotated[
        Path, typer.Argument(help="Map, image stack, STAR or .cs file, or run folder.")
    ],
    as_json: Json = False,
) -> None:
    """Say what a file holds and what is wrong with it."""
    from locref_widgets.cli.jobs import describe_facts, describe_path

    values = describe_path(file)
    typer.echo(to_json(values) if as_json else describe_facts(values))


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="Folder for the data.", show_default=False)],
    n: Annotated[int, typer.Option("--n", metavar="N", help="Particles.")] = 1000,
    box: Annotated[int, typer.Option(metavar="PX", help="Box of the images.")] = 128,
    apix: Annotated[float, typer.Option(metavar="Å", help="Pixel size.")] = 2.0,
    hinge: Annotated[float, typer.Option(metavar="DEG", help="Largest angle of the hinge.")] = 10.0,
    shift: Annotated[float, typer.Option(metavar="PX", help="Largest extra shift.")] = 1.5,
    snr: Annotated[float, typer.Option(help="Variance of signal over that of noise.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Seed of everything drawn.")] = 0,
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

    prepare_process()
    from locref_widgets.simulation import simulate_hinge_dataset

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
    from locref_widgets.cli.demo_job import run_demo
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
        Path, typer.Option("--folder", help="Where the notebooks are copied to.")
    ] = Path("locref_lab"),
) -> None:
    """Open JupyterLab on the workbench, with the tutorials beside it."""
    from locref_widgets.cli.demo_job import open_lab

    open_lab(folder, options or [])
