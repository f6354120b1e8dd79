"""What is in a mask studio's hands, without a browser: the recipe, the regions, undo and redo."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.masks.editor import MaskEditor
from locref_widgets.masks.fsc_consequence import FSCConsequence, fsc_consequence
from locref_widgets.masks.join_step import How, Join, MadeStep
from locref_widgets.masks.mask_check import Mend
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.masks.recipe_files import save_mask
from locref_widgets.masks.recipe_step import Bench, Rescaling, Step
from locref_widgets.masks.volume_steps import (
    Dilate,
    Empty,
    Erase,
    FillHoles,
    Islands,
    LowPass,
    Paint,
    SoftPad,
    Threshold,
)
from locref_widgets.widgets.display_volume import bin_for_display
from locref_widgets.widgets.region_choice import RegionChoice

MAKES_A_MAP = ("lowpass", "crop", "resample", "flip", "erase", "on-grid")
"""Tools that leave a map a map and a mask a mask."""

PREVIEW_BOX = 160
"""Previews of larger maps are made of means over blocks."""

STALE_REGIONS = (
    "the map has become another one since it was cut into regions: segment it again, or undo what "
    "changed it."
)

Spheres = Sequence[tuple[float, float, float, float]]
"""(x, y, z, radius) in voxels from the corner."""


@dataclass(frozen=True)
class _Steps:
    """Steps that were done by one action."""

    count: int
    words: str


@dataclass(frozen=True)
class _Regions:
    """Work on regions: what there was before and after."""

    before: RegionChoice | None
    after: RegionChoice | None
    words: str


class StudioState:
    """A map, the recipe that makes a mask of it, the regions at hand, and every action so far.

    Steps, region work and mends are undone and done again in the order in which they were done.
    """

    def __init__(
        self,
        volume: Map,
        recipe: MaskRecipe | None = None,
        *,
        half_maps: tuple[Map, Map] | None = None,
        resolution_angstrom: float | None = None,
        folder: Path | None = None,
    ) -> None:
        """Begin with a map, or go on with a recipe.

        Raises
        ------
        InputError
            If the half-maps are on another grid than the map, or the recipe cannot be followed or
            leads to another grid.
        """
        for half in half_maps or ():
            check_same_grid(volume, half, "half-map")
        if resolution_angstrom is not None and not resolution_angstrom > 0:
            raise InputError(f"a resolution of {resolution_angstrom} Å: expected a length above 0.")
        self.volume, self.half_maps = volume, half_maps
        self.resolution_angstrom = resolution_angstrom
        self._regions: RegionChoice | None = None
        given = recipe or MaskRecipe()
        # Done step by step, so that each is kept for undo.
        start = given.model_copy(update={"steps": (), "undone": (*given.steps, *given.undone)})
        self._editor = MaskEditor(volume, start if recipe else None, folder=folder)
        self._densities: list[Map] = [volume]
        self._small: dict[int, tuple[Map, Map]] = {}
        for _ in given.steps:
            self._editor.redo()
            self._note_density()
        check_same_grid(volume, self._editor.current, "the mask that the recipe makes")
        self._done: list[_Steps | _Regions] = [_Steps(1, s.describe()) for s in given.steps]
        self._undone: list[_Steps | _Regions] = [
            _Steps(1, step.describe()) for step in reversed(given.undone)
        ]

    # What there is -----------------------------------------------------------------------------

    @property
    def recipe(self) -> MaskRecipe:
        """The steps so far, and those undone."""
        return self._editor.recipe

    @property
    def has_mask(self) -> bool:
        """Whether the steps so far make a mask, and not only another map."""
        return len(self._densities) <= len(self.recipe.steps)

    @property
    def mask(self) -> Map | None:
        """The mask so far."""
        return self._editor.current if self.has_mask else None

    @property
    def density(self) -> Map:
        """The map that thresholds and regions are taken of: filtered, if the recipe begins so."""
        return self._densities[-1]

    @property
    def density_steps(self) -> tuple[Step, ...]:
        """The steps that lead from the map that was read to the density."""
        return self.recipe.steps[: len(self._densities) - 1]

    @property
    def regions(self) -> RegionChoice | None:
        """The regions at hand. Those of another density are not: undo brings both back."""
        return None if self.regions_are_stale else self._regions

    @property
    def regions_are_stale(self) -> bool:
        """Whether the map has become another one since it was cut into regions."""
        # By steps: undo and redo may make the same density anew.
        return self._regions is not None and self._regions.made_by != self.density_steps

    @property
    def undo_words(self) -> str:
        """What undo would take back; empty where there is nothing."""
        return self._done[-1].words if self._done else ""

    @property
    def redo_words(self) -> str:
        """What redo would bring back; empty where there is nothing."""
        return self._undone[-1].words if self._undone else ""

    # What can be done --------------------------------------------------------------------------

    def do(self, *steps: Step, words: str | None = None) -> None:
        """Do steps as one action: all or, where one fails, none. Raises `InputError`."""
        with self._all_or_nothing():
            for step in steps:
                self._editor.do(step)
                self._note_density()
        self._remember(_Steps(len(steps), words or ", ".join(s.describe() for s in steps)))

    def undo(self) -> None:
        """Take back the last action. Raises `InputError` where there is none, or it cannot be."""
        if not self._done:
            raise InputError("there is nothing to undo.")
        action = self._done[-1]
        if isinstance(action, _Regions):
            self._regions = action.before
        else:
            with self._all_or_nothing():
                for _ in range(action.count):
                    self._step_back()
        self._undone.append(self._done.pop())

    def redo(self) -> None:
        """Do the action again that was undone last. Raises `InputError` as `undo` does."""
        if not self._undone:
            raise InputError("there is nothing to do again.")
        action = self._undone[-1]
        if isinstance(action, _Regions):
            self._regions = action.after
        else:
            with self._all_or_nothing():
                for _ in range(action.count):
                    self._editor.redo()
                    self._note_density()
        self._done.append(self._undone.pop())

    def stroke(
        self, spheres: Spheres, *, remove: bool = False, at_least: float | None = None
    ) -> None:
        """Commit a stroke of the brush, on an empty mask where there is none yet.

        ``at_least`` is the level that the map as it was read must reach where the stroke is to
        touch anything.
        """
        gate = None if at_least is None else f"{at_least:.9g}"
        paint = Paint(spheres=tuple(spheres), remove=remove, at_least=gate)
        if self.has_mask:
            self.do(paint)
        elif remove:
            raise InputError("there is no mask yet to paint out of. Paint, or threshold the map.")
        else:
            self.do(Join(how="replace", steps=(Empty(), paint)))

    def erase(self, spheres: Spheres, *, outside: bool = False) -> None:
        """Commit the eraser: on the mask, or on the map where there is no mask yet."""
        self.do(Erase(spheres=tuple(spheres), outside=outside))

    def source(self, how: How, *steps: MadeStep) -> Step:
        """Name the step that makes something of the density and joins it with the mask."""
        if not self.has_mask:
            if len(steps) == 1:
                return steps[0]
            return Join(how="replace", steps=(*self._filters(), *steps))
        return Join(how=how, steps=(*self._filters(), *steps))

    def preview(self, *steps: Step) -> Map:
        """Show what steps would give, without doing them. Raises `InputError` where one fails.

        A large map's is made of means over blocks of voxels, so that a slider can be followed.
        """
        edge = -(-max(self.volume.data.shape) // PREVIEW_BOX)
        if edge == 1:
            return self.preview_exact(*steps)
        to = Rescaling(1.0 / edge, ((edge - 1) / 2,) * 3, (0.0, 0.0, 0.0))
        bench = Bench(self._binned(self.volume, edge), Path())
        shown = self._binned(self._editor.current, edge)
        for step in steps:
            shown = step.rescaled(to).apply(shown, bench)
        return shown

    def preview_exact(self, *steps: Step) -> Map:
        """Show what steps would give to the last voxel, whatever it takes."""
        return self._editor.preview(*steps)

    def work_on_regions(self, after: RegionChoice | None, words: str) -> None:
        """Take up changed regions as an action that can be undone.

        Raises `InputError` where they are of another density than the one at hand.
        """
        if after is not None and after.made_by != self.density_steps:
            raise InputError(STALE_REGIONS)
        self._remember(_Regions(self._regions, after, words))
        self._regions = after

    def take_regions(self, how: How) -> None:
        """Commit the chosen regions. Raises `InputError` where none are chosen."""
        if self.regions_are_stale:
            raise InputError(STALE_REGIONS)
        if self.regions is None:
            raise InputError("there are no regions yet: segment the map first.")
        self.do(self.source(how, self.regions.step()))

    def mend(self, mend: Mend) -> None:
        """Do what a check advises. Raises `InputError` where it is nothing for a studio."""
        self.do(*self.mending_steps(mend), words=f"mend: {mend.flag}")

    def mending_steps(self, mend: Mend) -> list[Step]:
        """Steps that mend; none where a mend belongs elsewhere."""
        if mend.tool != "volume-tools":
            raise InputError(f"this is mended elsewhere: {mend.command()}.")
        values = mend.values
        steps: list[Step] = []
        if "threshold" in values:
            steps.append(Threshold(level=values["threshold"]))
        if "islands" in values:
            steps.append(Islands(count=values["islands"]))
        if values.get("fill_holes"):
            steps.append(FillHoles())
        if "soft_pad" in values:
            grown = values.get("dilate")
            steps.append(SoftPad(width_px=values["soft_pad"], dilate_px=grown))
        elif "dilate" in values:
            steps.append(Dilate(radius_px=values["dilate"]))
        return steps

    def smoothing_steps(self, resolution_angstrom: float) -> list[Step]:
        """Low-pass the map; a mask is cut at a half again."""
        steps: list[Step] = [LowPass(resolution_angstrom=resolution_angstrom)]
        return [*steps, Threshold(level="0.5")] if self.has_mask else steps

    # What comes out ----------------------------------------------------------------------------

    def consequence(self) -> FSCConsequence:
        """What the mask would do to the FSC. Raises `InputError` without mask or half-maps."""
        if self.half_maps is None:
            raise InputError(
                "no half-maps were given: MaskStudio(volume, half_maps=(half1, half2))."
            )
        return fsc_consequence(*self.half_maps, self.finished())

    def finished(self) -> Map:
        """The mask. Raises `InputError` where there is none yet."""
        mask = self.mask
        if mask is None:
            raise InputError(
                "there is no mask yet: threshold the map, choose regions, use a model, or paint."
            )
        return mask

    def save(self, path: str | Path) -> Path:
        """Write mask and recipe; return the recipe's path. Raises `InputError`, `OutputError`."""
        return save_mask(path, self.finished(), self.volume, self.recipe)

    # How it is kept ----------------------------------------------------------------------------

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """Leave recipe, mask and density as they were where something fails on the way."""
        # A result that is no longer kept is made anew: a model's file may be gone by then.
        before, densities = copy(self._editor), [*self._densities]
        try:
            yield
        except BaseException:
            self._editor, self._densities = before, densities
            raise

    def _remember(self, action: _Steps | _Regions) -> None:
        self._done.append(action)
        self._undone.clear()

    def _binned(self, given: Map, edge: int) -> Map:
        kept = self._small.get(id(given))
        if kept is None or kept[0] is not given:
            data, _ = bin_for_display(given.data, PREVIEW_BOX)
            small = replace(given, data=data, voxel_size_angstrom=given.voxel_size_angstrom * edge)
            # Of the map and what is at hand only.
            self._small = {
                key: value for key, value in self._small.items() if value[0] is self.volume
            }
            kept = self._small[id(given)] = (given, small)
        return kept[1]

    def _filters(self) -> list[MadeStep]:
        """Those of `density_steps` that a join can hold."""
        return [step for step in self.density_steps if not isinstance(step, Join)]

    def _step_back(self) -> None:
        self._editor.undo()
        del self._densities[len(self.recipe.steps) + 1 :]

    def _note_density(self) -> None:
        """Keep the result of the last step if it is still a map."""
        step = self.recipe.steps[-1]
        is_map = step.tool == "molmap" or step.tool in MAKES_A_MAP
        if is_map and len(self._densities) == len(self.recipe.steps):
            self._densities.append(self._editor.current)
