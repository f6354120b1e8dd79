"""The command that measures half-maps."""

from pathlib import Path
from typing import Annotated

import typer

from locref_widgets.cli.app import Json, app, to_json


@app.command()
def fsc(
    half1: Annotated[Path, typer.Argument(help="First half-map, unfiltered (.mrc).")],
    half2: Annotated[Path, typer.Argument(help="Second half-map, unfiltered (.mrc).")],
    out: Annotated[
        Path, typer.Option(help="Folder for the results, new or empty.", show_default=False)
    ],
    mask: Annotated[
        Path | None,
        typer.Option(help="Soft mask, 0 to 1; the resolution inside it is then the quoted one."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(metavar="MAP", help="Map to compare the average of the half-maps with."),
    ] = None,
    compare: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="FSC curves of another program to draw beside: EMDB's .xml, RELION's .star or "
            ".dat, cryoSPARC's .txt or .csv, our .json. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    sharpen: Annotated[
        bool, typer.Option("--sharpen", help="Write map_sharpened.mrc.", show_default=False)
    ] = False,
    bfactor: Annotated[
        float | None,
        typer.Option(
            metavar="Å²",
            help="B-factor to sharpen with, negative; by itself it is read from the Guinier plot.",
        ),
    ] = None,
    local_resolution: Annotated[
        bool,
        typer.Option("--local-resolution", help="Write local_resolution.mrc.", show_default=False),
    ] = False,
    directional: Annotated[bool, typer.Option(help="Measure the FSC in cones, and cFAR.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random phases.")] = 0,
    as_json: Json = False,
) -> None:
    """Measure the resolution of two half-maps: FSC curves, masks, files for EMDB and RELION."""
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    from locref_widgets.io.fsc_readers import read_curves_to_compare
    from locref_widgets.io.half_maps import read_half_maps
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.new_folder import check_free
    from locref_widgets.validation.files import write_results
    from locref_widgets.validation.measure import measure
    from locref_widgets.validation.words import describe, summary_values

    check_free(out)
    first, second = read_half_maps(half1, half2)
    results = measure(
        first,
        second,
        None if mask is None else read_map(mask, cubic=False),
        against=None if against is None else read_map(against),
        compared=read_curves_to_compare(
            compare or [], box_angstrom=first.box_px * first.voxel_size_angstrom
        ),
        directional=directional,
        sharpen=sharpen,
        bfactor_angstrom2=bfactor,
        local=local_resolution,
        seed=seed,
    )
    write_results(out, results)
    typer.echo(to_json(summary_values(results)) if as_json else describe(results))
