"""The volume tools by the names that the command line, mends and sliders give them."""

from typing import Any

from pydantic import ValidationError

from locref_widgets.errors import InputError
from locref_widgets.masks import volume_steps as steps
from locref_widgets.masks.recipe_step import Step


def tool_steps(
    *,
    lowpass: float | None = None,
    crop: int | None = None,
    resample: int | None = None,
    flip: bool = False,
    threshold: str | float | None = None,
    islands: int | None = None,
    fill_holes: bool = False,
    dilate: float | None = None,
    soft_pad: float | None = None,
    invert: bool = False,
) -> list[Step]:
    """Steps of the volume tools, in the order of their arguments.

    Arguments are named as the flags of ``locref volume-tools`` are, and as the values of a `Mend`.
    Lengths are in voxels. What is grown and then softened is so by one distance: 1 up to it, the
    edge beyond.

    Raises
    ------
    InputError
        for a value out of its range; the flag is named.
    """
    chosen: list[Step] = []
    if lowpass is not None:
        chosen.append(make_step(steps.LowPass, "--lowpass", resolution_angstrom=lowpass))
    if crop is not None:
        chosen.append(make_step(steps.Crop, "--crop", size_px=crop))
    if resample is not None:
        chosen.append(make_step(steps.Resample, "--resample", size_px=resample))
    if flip:
        chosen.append(steps.Flip())
    if threshold is not None:
        chosen.append(make_step(steps.Threshold, "--threshold", level=threshold))
    if islands is not None:
        chosen.append(make_step(steps.Islands, "--islands", count=islands))
    if fill_holes:
        chosen.append(steps.FillHoles())
    if soft_pad is not None and (dilate is None or dilate >= 0):
        values = {"width_px": soft_pad, "dilate_px": dilate or None}
        chosen.append(make_step(steps.SoftPad, "--soft-pad", **values))
    else:
        if dilate is not None:
            chosen.append(make_step(steps.Dilate, "--dilate", radius_px=dilate))
        if soft_pad is not None:
            chosen.append(make_step(steps.SoftPad, "--soft-pad", width_px=soft_pad))
    if invert:
        chosen.append(steps.Invert())
    return chosen


def make_step(kind: type[Step], flag: str, **values: Any) -> Step:
    """Make a step; say which flag a wrong value was given with."""
    try:
        return kind(**values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        message = fault["msg"].removeprefix("Value error, ")
        raise InputError(f"{flag} is {fault['input']}: {message}.") from None
