"""The command that converts particles from one format to another."""

from pathlib import Path
from typing import Annotated

import typer

from locref_widgets.cli.app import app


@app.command()
def convert(
    source: Annotated[
        Path,
        typer.Argument(metavar="IN", help="Particles: .star, .cs or .csg.", show_default=False),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT", help="File to write: .star, .cs or .csg.", show_default=False
        ),
    ],
    relion_names: Annotated[
        bool,
        typer.Option(
            "--relion-names",
            help="Name stacks that end with .mrc as stack.mrc:mrcs, as RELION opens them.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Convert particles between RELION and cryoSPARC and list what could not be carried.

    The passthrough files that lie beside a .cs file under cryoSPARC's names are joined to it. A
    STAR file is written in the form of RELION 3.1. OUT.csg writes OUT.cs and the group by which
    cryoSPARC imports it.
    """
    from locref_widgets.io.convert import convert_particles

    done = convert_particles(source, target, relion_names=relion_names)
    typer.echo(f"{target}: written")
    if done.not_carried:
        typer.echo(f"{len(done.not_carried)} columns could not be carried:")
    for entry in done.not_carried:
        typer.echo(f"  {entry.name}: {entry.reason}")
    for note in done.notes:
        typer.echo(f"note: {note}")
