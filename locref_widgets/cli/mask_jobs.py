"""What the commands that make masks do and say."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.io.mrc import Map
    from locref_widgets.masks.recipe_step import Step


def sphere_step(texts: Sequence[str], outside: bool, soft_px: float) -> "Step":
    """The spheres of ``erase``. Raises `InputError` for what is not X,Y,Z,R."""
    from locref_widgets.masks.tool_steps import make_step
    from locref_widgets.masks.volume_steps import Erase

    spheres = [_numbers(text, "--sphere", "X,Y,Z,R") for text in texts]
    return make_step(Erase, "--sphere", spheres=spheres, outside=outside, soft_px=soft_px)


def model_step(model: Path, resolution_angstrom: float, selection: str | None) -> "Step":
    """The density of a model. Raises `InputError` if the file is not there."""
    from locref_widgets.masks.source_steps import File, ModelMap
    from locref_widgets.masks.tool_steps import make_step

    return make_step(
        ModelMap,
        "molmap",
        model=File.of(model),
        resolution_angstrom=resolution_angstrom,
        selection=selection,
    )


def make_file(
    source: Path,
    out: Path,
    steps: Sequence["Step"],
    *,
    recipe: Path | None = None,
    rescale: bool = False,
) -> str:
    """Follow the steps from a map's file to another; say what was done and what is in it.

    Raises
    ------
    InputError
        for what cannot be read or done. Nothing is written then.
    OutputError
        where the result cannot be written.
    """
    from locref_widgets.io.mrc import read_map, write_map
    from locref_widgets.masks.recipe import MaskRecipe
    from locref_widgets.masks.recipe_files import save_mask

    volume = read_map(source, cubic=False)
    given = MaskRecipe() if recipe is None else MaskRecipe.load(recipe)
    if rescale:
        given = given.rescaled_to(volume)
    if given.made_on is None:
        given = given.made_for(volume)
    whole = given.add(*steps) if steps else given
    if not whole.steps:
        raise InputError(
            "there is nothing to do: give at least one tool, as in --threshold auto --soft-pad 12, "
            "or --recipe FILE.yaml."
        )
    check_not_the_input(out, source)
    result = whole.apply(volume, folder=None if recipe is None else recipe.parent)
    if not np.any(result.data):
        raise InputError(
            f"{source}: nothing is left after these steps, every voxel is zero: "
            f"{'; '.join(step.describe() for step in whole.steps)}. Nothing was written."
        )
    lines = [f"{out}:", *(f"  {remark}" for remark in result.remarks)]
    if is_mask(result):
        beside = save_mask(out, result, result, whole)
        lines += [*describe_mask(result), f"  recipe: {beside}"]
    else:
        write_map(out, result.data, result.voxel_size_angstrom, result.position)
        lines.append(f"  {_describe_box(result)}")
    return "\n".join(lines)


def resample_file(source: Path, grid: Path, out: Path) -> str:
    """Resample a file on another's grid and say what came of it."""
    from locref_widgets.io.mask_file import write_mask
    from locref_widgets.io.mrc import read_map, write_map
    from locref_widgets.masks.resample import resample_on_grid

    volume, reference = read_map(source, cubic=False), read_map(grid, cubic=False)
    check_not_the_input(out, source, grid)
    was_mask = is_mask(volume)
    result = resample_on_grid(volume, reference, mask=was_mask)
    lines = [f"{out}: on the grid of {grid}", *(f"  {remark}" for remark in result.remarks)]
    if was_mask:
        write_mask(out, result, reference)
        lines += describe_mask(result)
    else:
        write_map(out, result.data, result.voxel_size_angstrom, reference.position)
        lines.append(f"  {_describe_box(result)}")
    return "\n".join(lines)


def is_mask(volume: "Map") -> bool:
    """Whether values look like those of a mask: from 0 to 1, and most of them 0 or 1 itself."""
    values = volume.data
    if float(values.min()) < 0.0 or not 0.5 <= float(values.max()) <= 1.0:
        return False
    return bool(np.mean((values == 0) | (values == 1)) > 0.5)


def describe_mask(mask: "Map") -> list[str]:
    """Lines about a mask: size, centre of mass in both units, and what its checks say."""
    from locref_widgets.masks.volume_tools import centre_of_mass

    voxels = int(np.count_nonzero(mask.data >= 0.5))
    lines = [f"  {_describe_box(mask)}; {voxels} voxels are inside"]
    if voxels:
        centre = centre_of_mass(mask)
        at, angstrom = (
            ", ".join(f"{value:.1f}" for value in point)
            for point in (centre.voxels, centre.angstrom)
        )
        lines.append(
            f"  centre of mass: {at} voxels from the corner = {angstrom} Å from the centre"
        )
    return lines


def _describe_box(volume: "Map") -> str:
    return f"{' x '.join(map(str, volume.size_xyz))} voxels of {volume.voxel_size_angstrom:g} Å"


def _numbers(text: str, flag: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != len(form.split(",")) or not all(map(math.isfinite, numbers)):
        raise InputError(
            f"{flag} {text!r}: expected {form}, numbers without spaces, voxels from the corner."
        )
    return numbers


def check_not_the_input(out: Path, *inputs: Path) -> None:
    """Refuse to write over what is read: it could not be made again."""
    for path in inputs:
        if out.exists() and out.resolve() == path.resolve():
            raise InputError(f"--out {out} is an input; give another file, so that it stays.")
