"""Making a mask step by step: a recipe with its results at hand, so that undo costs nothing."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from locref_widgets.io.mrc import Map
from locref_widgets.masks.recipe import MaskRecipe, apply_step
from locref_widgets.masks.recipe_step import Bench, Step

_KEPT_BYTES = 512 << 20


@dataclass(frozen=True)
class _Packed:
    """A map whose values are all 0 or 1, one bit each."""

    bits: np.ndarray
    map: Map

    @property
    def nbytes(self) -> int:
        return self.bits.nbytes

    def unpack(self) -> Map:
        shape = self.map.data.shape
        count = int(np.prod(shape))
        values = np.unpackbits(self.bits, count=count).reshape(shape).astype(np.float32)
        return replace(self.map, data=values)


@dataclass(frozen=True)
class _Whole:
    map: Map

    @property
    def nbytes(self) -> int:
        return self.map.data.nbytes

    def unpack(self) -> Map:
        return self.map


class MaskEditor:
    """A map, a recipe, and what the recipe makes of the map.

    Results of earlier steps are kept within a budget of memory; one that was dropped is made again
    from the nearest that is left, with the same values bit by bit.
    """

    def __init__(
        self,
        volume: Map,
        recipe: MaskRecipe | None = None,
        *,
        folder: Path | None = None,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        """Begin with a map, or go on with a recipe. Raises `InputError` if that cannot be done."""
        self.volume = volume
        self._bench = Bench(volume, folder or Path())
        self._kept_bytes = kept_bytes
        self._kept: dict[int, _Packed | _Whole] = {0: _Whole(volume)}
        self._recipe = recipe or MaskRecipe().made_for(volume)
        self._current = self._recipe.apply(volume, folder=folder)
        self._keep(len(self._recipe.steps))

    @property
    def recipe(self) -> MaskRecipe:
        """The steps so far, and those undone."""
        return self._recipe

    @property
    def current(self) -> Map:
        """What the recipe makes of the map."""
        return self._current

    def preview(self, *steps: Step) -> Map:
        """Show what steps would give, without doing them. Raises `InputError` where one fails."""
        shown = self._current
        for number, step in enumerate(steps, start=len(self._recipe.steps) + 1):
            shown = apply_step(step, shown, self._bench, number)
        return shown

    def do(self, step: Step) -> Map:
        """Do a step. Where it fails, `InputError` is raised and nothing is changed."""
        result = self.preview(step)
        done = len(self._recipe.steps)
        self._kept = {number: kept for number, kept in self._kept.items() if number <= done}
        self._recipe, self._current = self._recipe.add(step), result
        self._keep(done + 1)
        return result

    def undo(self) -> Map:
        """Take back the last step. Raises `InputError` where there is none."""
        return self._go_to(self._recipe.undo())

    def redo(self) -> Map:
        """Do the step again that was undone last. Raises `InputError` where there is none."""
        return self._go_to(self._recipe.redo())

    def _go_to(self, recipe: MaskRecipe) -> Map:
        wanted = len(recipe.steps)
        nearest = max(number for number in self._kept if number <= wanted)
        current = self._kept[nearest].unpack()
        for number in range(nearest, wanted):
            current = apply_step(recipe.steps[number], current, self._bench, number + 1)
        self._recipe, self._current = recipe, current
        self._keep(wanted)
        return current

    def _keep(self, number: int) -> None:
        if number in self._kept:
            return
        self._kept[number] = _pack(self._current)
        # The step before is the one that undo asks for: the farthest go first, never the map.
        for far in sorted(self._kept, key=lambda kept: abs(kept - number), reverse=True):
            if sum(kept.nbytes for n, kept in self._kept.items() if n) <= self._kept_bytes:
                break
            if far not in (0, number):
                del self._kept[far]


def _pack(volume: Map) -> _Packed | _Whole:
    values = volume.data
    ones = values == 1
    if not np.array_equal(ones, values != 0):
        return _Whole(volume)
    # The shape without the memory.
    shape_only = np.broadcast_to(np.float32(0), values.shape)
    return _Packed(np.packbits(ones), replace(volume, data=shape_only))
