"""Commands that make masks: what people otherwise leave for Chimera and back to do."""

from pathlib import Path
from typing import Annotated

import typer

from locref_widgets.cli.app import Json, app, to_json
from locref_widgets.errors import InputError

In = Annotated[Path, typer.Argument(metavar="IN", help="Map or mask (.mrc).", show_default=False)]
Out = Annotated[Path, typer.Option(help="File to write (.mrc).", show_default=False)]
Lowpass = Annotated[float | None, typer.Option(metavar="A", help="Low-pass to this resolution.")]
Level = Annotated[
    str | None,
    typer.Option(
        metavar="T",
        help="1 where the map reaches T: a value, or 0.2max, 3sigma, 95% (of the density), "
        "120kDa, auto.",
    ),
]
_GRID_HELP = "Map on whose grid the result lies."
OnGrid = Annotated[
    Path, typer.Option("--on-grid", metavar="MAP", help=_GRID_HELP, show_default=False)
]


@app.command("volume-tools")
def volume_tools(
    in_: In,
    out: Out,
    lowpass: Lowpass = None,
    crop: Annotated[int | None, typer.Option(metavar="N", help="Cut the box to N voxels.")] = None,
    resample: Annotated[
        int | None, typer.Option(metavar="N", help="N voxels along the same box (Fourier).")
    ] = None,
    flip: Annotated[
        bool, typer.Option("--flip", help="The other hand.", show_default=False)
    ] = False,
    threshold: Level = None,
    islands: Annotated[
        int | None, typer.Option(metavar="N", help="Keep the N largest islands.")
    ] = None,
    fill_holes: Annotated[
        bool, typer.Option("--fill-holes", help="Fill enclosed holes.", show_default=False)
    ] = False,
    dilate: Annotated[
        float | None,
        typer.Option(metavar="PX", help="Grow by so many voxels; negative: shrink."),
    ] = None,
    soft_pad: Annotated[
        float | None,
        typer.Option(metavar="PX", help="Raised-cosine edge from 1 to 0, so many voxels wide."),
    ] = None,
    invert: Annotated[
        bool, typer.Option("--invert", help="One minus the mask.", show_default=False)
    ] = False,
    recipe: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            help="Follow the steps of a recipe, before those of the other flags.",
        ),
    ] = None,
    rescale: Annotated[
        bool,
        typer.Option(
            "--rescale",
            help="Convert a recipe that was written for another grid.",
            show_default=False,
        ),
    ] = False,
) -> None:
    """Filter, crop, threshold, grow and soften, in the order of the flags below.

    Beside a mask its recipe is written (OUT without .mrc, .recipe.yaml).
    """
    from locref_widgets.cli.mask_jobs import make_file
    from locref_widgets.masks.tool_steps import tool_steps

    steps = tool_steps(
        lowpass=lowpass,
        crop=crop,
        resample=resample,
        flip=flip,
        threshold=threshold,
        islands=islands,
        fill_holes=fill_holes,
        dilate=dilate,
        soft_pad=soft_pad,
        invert=invert,
    )
    typer.echo(make_file(in_, out, steps, recipe=recipe, rescale=rescale))


@app.command()
def erase(
    in_: In,
    out: Out,
    sphere: Annotated[
        list[str],
        typer.Option(
            metavar="X,Y,Z,R",
            help="Centre and radius, voxels from the corner. May be given more than once.",
            show_default=False,
        ),
    ],
    outside: Annotated[
        bool,
        typer.Option("--outside", help="Erase what is in no sphere.", show_default=False),
    ] = False,
    soft: Annotated[
        float, typer.Option(metavar="PX", help="Width of a raised-cosine edge beyond the radius.")
    ] = 0.0,
) -> None:
    """Erase spheres from a map or mask, or all but them."""
    from locref_widgets.cli.mask_jobs import make_file, sphere_step

    typer.echo(make_file(in_, out, [sphere_step(sphere, outside, soft)]))


@app.command()
def segment(
    in_: In,
    out: Annotated[
        Path,
        typer.Option(
            metavar="LABELS.mrc",
            help="Number of the region at each voxel; with .seg, a file for Segger.",
            show_default=False,
        ),
    ],
    threshold: Level = None,
    smoothing_steps: Annotated[
        int, typer.Option(metavar="N", help="Steps of grouping by smoothing.")
    ] = 4,
    step: Annotated[
        float, typer.Option(metavar="PX", help="Each step smooths by so many voxels more.")
    ] = 1.0,
    merge: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LIST",
            help="Regions to join into one, as in 3,5,8. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    least_voxels: Annotated[int, typer.Option(metavar="N", help="Leave smaller regions out.")] = 1,
    region: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ID",
            help="Region of the mask, or several as in 3,5. May be given more than once.",
            show_default=False,
        ),
    ] = None,
    mask: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Mask of those regions to write (.mrc).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Part a map into regions: watershed, then grouping by smoothing (as Segger does).

    Without --threshold a level is suggested, and the reason told.
    """
    from locref_widgets.cli.segment_job import describe_segments, segment_file

    values = segment_file(
        in_,
        out,
        level=threshold or "auto",
        smoothing_steps=smoothing_steps,
        step_px=step,
        merges=merge or [],
        least_voxels=least_voxels,
        regions=region or [],
        mask=mask,
    )
    typer.echo(to_json(values) if as_json else describe_segments(values))


@app.command()
def molmap(
    model: Annotated[
        Path, typer.Argument(help="Atomic model, PDB or mmCIF, also .gz.", show_default=False)
    ],
    on_grid: OnGrid,
    resolution: Annotated[
        float,
        typer.Option(metavar="A", help="Resolution of the density in Å.", show_default=False),
    ],
    out: Out,
    selection: Annotated[
        str | None,
        typer.Option(metavar="SEL", help="Part of the model, as in A,B or A/10-120 or //A/10-120."),
    ] = None,
    threshold: Level = None,
    dilate: Annotated[
        float | None, typer.Option(metavar="PX", help="Grow the mask by so many voxels.")
    ] = None,
    soft_pad: Annotated[
        float | None, typer.Option(metavar="PX", help="Raised-cosine edge of the mask.")
    ] = None,
) -> None:
    """Density of an atomic model on a map's grid; with --threshold, a mask (95% is usual)."""
    from locref_widgets.cli.mask_jobs import make_file, model_step
    from locref_widgets.masks.tool_steps import tool_steps

    if threshold is None and (dilate is not None or soft_pad is not None):
        raise InputError(
            "--dilate and --soft-pad need a mask, and the density of a model is none: give "
            "--threshold, too (95% is usual)."
        )
    steps = tool_steps(threshold=threshold, dilate=dilate, soft_pad=soft_pad)
    typer.echo(make_file(on_grid, out, [model_step(model, resolution, selection), *steps]))


@app.command()
def resample(in_: In, on_grid: OnGrid, out: Out) -> None:
    """Resample a map or mask on the grid of another map (trilinear; exact at whole voxels)."""
    from locref_widgets.cli.mask_jobs import resample_file

    typer.echo(resample_file(in_, on_grid, out))


@app.command()
def fit(
    model_or_map: Annotated[
        Path, typer.Argument(help="Model (PDB, mmCIF) or map that is moved.", show_default=False)
    ],
    in_map: Annotated[
        Path, typer.Option("--in-map", metavar="MAP", help="Map to fit in.", show_default=False)
    ],
    out: Annotated[
        Path, typer.Option(help="The moved model or map (.cif, .pdb, .mrc).", show_default=False)
    ],
    resolution: Annotated[
        float | None,
        typer.Option(
            metavar="A",
            help="Of a model: compare its density at this resolution; without: at the atoms only.",
        ),
    ] = None,
    search: Annotated[
        int, typer.Option(metavar="N", help="Try N random places and turns; 0: only from here.")
    ] = 0,
    metric: Annotated[
        str,
        typer.Option(
            metavar="average|correlation|about-mean",
            help="What is made greatest: average density, correlation, or that about the mean.",
        ),
    ] = "average",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the search.")] = 0,
    as_json: Json = False,
) -> None:
    """Fit a model or map rigidly in a map, from where it is or by searching everywhere."""
    from locref_widgets.cli.fit_job import describe_fits, fit_file
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    values = fit_file(model_or_map, in_map, out, resolution, search, metric, seed)
    typer.echo(to_json(values) if as_json else describe_fits(values))


@app.command("check-mask")
def check_mask(
    mask: Annotated[Path, typer.Argument(metavar="MASK", help="Mask (.mrc).", show_default=False)],
    map_: Annotated[
        Path | None, typer.Option("--map", help="Map that the mask is for (.mrc).")
    ] = None,
    half_maps: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Half-maps: tell what the mask does to their FSC."),
    ] = None,
    resolution: Annotated[
        float | None,
        typer.Option(metavar="A", help="What the edge must be soft enough for; without: Nyquist."),
    ] = None,
    fulcrum: Annotated[
        str | None, typer.Option(metavar="X,Y,Z", help="Fulcrum, voxels from the corner.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what is wrong with a mask and how to mend it. Exit status 2 if it cannot be used."""
    from locref_widgets.cli.check_job import check_file, describe_check
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    values = check_file(mask, map_, half_maps, resolution, fulcrum)
    typer.echo(to_json(values) if as_json else describe_check(values))
    if values["state"] == "fault":
        raise typer.Exit(2)


@app.command("propose-mask")
def propose_mask(
    out: Annotated[Path, typer.Option(help="Mask to write (.mrc).", show_default=False)],
    half_maps: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Unfiltered half-maps of the whole particle."),
    ] = None,
    run: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Or a run: its pose changes are used too.")
    ] = None,
    blur: Annotated[
        Path | None, typer.Option(metavar="OUT", help="Map of the blur in Å to write (.mrc).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Propose a mask around the part that is more blurred than the rest, and say how sure that is.

    Where the answer is no, no mask is written.
    """
    from locref_widgets.cli.propose_job import describe_proposed, propose_file
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    values = propose_file(out, half_maps, run, blur)
    typer.echo(to_json(values) if as_json else describe_proposed(values))
