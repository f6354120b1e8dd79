"""Commands that make particles of particles, and maps of them."""

from pathlib import Path
from typing import Annotated, Any

import typer

from locref_widgets.cli.app import app
from locref_widgets.errors import InputError

Particles = Annotated[
    Path, typer.Argument(help="Particles with poses (.star, .cs, .csg).", show_default=False)
]
Out = Annotated[Path, typer.Option(help="Folder to make.", show_default=False)]


@app.command()
def subtract(
    particles: Particles,
    out: Out,
    mask: Annotated[
        Path | None,
        typer.Option(metavar="KEEP", help="Soft mask of the region that is kept (.mrc)."),
    ] = None,
    map_: Annotated[
        Path | None,
        typer.Option(
            "--map", help="Map of the whole particle at those poses; without: one reconstructed."
        ),
    ] = None,
    half_maps: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Rid half-sets 1 and 2 of their own half-maps."),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            metavar="particle|shared|none",
            help="Fit the map to the images and to each image; to all images alike; or not at all.",
        ),
    ] = "particle",
    recenter: Annotated[
        bool, typer.Option("--recenter", help="Centre the boxes on the mask.", show_default=False)
    ] = False,
    center: Annotated[
        str | None,
        typer.Option(metavar="X,Y,Z", help="Centre the boxes on this voxel, from the corner."),
    ] = None,
    crop: Annotated[
        int | None, typer.Option(metavar="N", help="Cut the boxes to N pixels (even).")
    ] = None,
    defocus: Annotated[
        bool,
        typer.Option(help="Correct the defocus for the height of the new centre in each particle."),
    ] = True,
    float16: Annotated[
        bool, typer.Option("--float16", help="Write float16 (MRC mode 12).", show_default=False)
    ] = False,
    revert: Annotated[
        bool,
        typer.Option(
            "--revert",
            help="Instead: write the table of the originals of subtracted PARTICLES, at the poses "
            "they have by now.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Subtract the signal outside a mask from every particle; or go back to the originals.

    Writes particles_subtracted.star and its stacks; with --revert particles_original.star.
    """
    from locref_widgets.cli.particle_jobs import revert_file, subtract_files
    from locref_widgets.runs.process_setup import prepare_process

    if revert:
        if any((mask, map_, half_maps, recenter, center, crop, float16)):
            raise InputError(
                "--revert takes nothing but PARTICLES and --out: what was done stands in the table."
                " Leave the other flags out."
            )
        typer.echo(revert_file(particles, out))
        return
    if mask is None:
        raise InputError("--mask is missing: give a soft mask of the region that is kept")
    prepare_process()
    options: dict[str, Any] = {
        "scale": scale,
        "recenter": recenter,
        "centre_voxels": center,
        "crop_px": crop,
        "adjust_defocus": defocus,
        "float16": float16,
    }
    typer.echo(subtract_files(particles, mask, map_, half_maps, out, options))


@app.command()
def reconstruct(
    particles: Particles,
    out: Out,
    mask: Annotated[Path | None, typer.Option(help="Mask for the FSC (.mrc).")] = None,
    symmetry: Annotated[
        str, typer.Option(help="Point group to enforce: C4, D3, T, O, I1 to I4.")
    ] = "C1",
) -> None:
    """Reconstruct both half-sets at the poses given, and measure the resolution."""
    from locref_widgets.cli.particle_jobs import reconstruct_file
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    typer.echo(reconstruct_file(particles, mask, out, symmetry))
