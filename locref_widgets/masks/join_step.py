"""The step that brings something made of the map to the mask at hand."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
from jaxtyping import Float
from pydantic import Field
from typing_extensions import override

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.masks.recipe_step import (
    Bench,
    Rescaling,
    Step,
    mask_values,
    with_values,
)
from locref_widgets.masks.source_steps import SourceStep
from locref_widgets.masks.volume_steps import VolumeStep

MadeStep = VolumeStep | SourceStep
"""Any step but a join."""

How = Literal["replace", "or", "and", "without"]

_Values = Float[np.ndarray, "z y x"]
_JOINED: dict[How, Callable[[_Values, _Values], _Values]] = {
    "or": np.maximum,
    "and": np.minimum,
    # What is left of a soft mask: the two parts add up to what it was.
    "without": lambda mask, other: mask - np.minimum(mask, other),
}
_WORDS: dict[How, str] = {
    "replace": "start anew",
    "or": "add",
    "and": "keep only what is also in this",
    "without": "take away",
}


class Join(Step):
    """What further steps make of the map at the start, joined with the mask at hand.

    So a region, a model or another threshold is added to a mask that was made before, or taken
    away from it. With ``replace`` the mask at hand is left behind.
    """

    tool: Literal["join"] = "join"
    how: How
    steps: Annotated[
        tuple[Annotated[MadeStep, Field(discriminator="tool")], ...],
        Field(min_length=1),
    ]

    @override
    def apply(self, current: Map, bench: Bench) -> Map:
        made = bench.start
        for step in self.steps:
            try:
                made = step.apply(made, bench)
            except InputError as error:
                raise InputError(f"{step.tool}: {error}") from None
        values = mask_values(made)
        if self.how != "replace":
            check_same_grid(current, made, "what is joined")
            values = _JOINED[self.how](mask_values(current), values)
        told = made.remarks[len(bench.start.remarks) :]
        return replace(with_values(made, values), remarks=(*current.remarks, *told))

    @override
    def describe(self) -> str:
        return f"{_WORDS[self.how]}: " + ", then ".join(step.describe() for step in self.steps)

    @override
    def rescaled(self, to: Rescaling) -> Any:
        return self.model_copy(update={"steps": tuple(step.rescaled(to) for step in self.steps)})
