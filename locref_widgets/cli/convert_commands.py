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
        Path, typer.Argument(metavar="OUT", help="File to write: .star or .cs.", show_default=False)
    ],
) -> None:
    """Convert particles between RELION and cryoSPARC and list what could not be carried.

    The passthrough files that lie beside a .cs file under cryoSPARC's names are joined to it. A
    STAR file is written in the form of RELION 3.1.
    """
    from locref_widgets.io.convert import convert_particles

    left = convert_particles(source, target)
    typer.echo(f"{target}: written")
    if left:
        typer.echo(f"{len(left)} columns could not be carried:")
    for entry in left:
        typer.echo(f"  {entry.name}: {entry.reason}")
