"""The mask workshop in one widget."""

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import traitlets

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.mask_check import MaskCheck, worst_state
from locref_widgets.masks.recipe import MaskRecipe
from locref_widgets.masks.recipe_step import Step
from locref_widgets.widgets.checks_panel import ChecksPanel
from locref_widgets.widgets.mask_studio_state import StudioState
from locref_widgets.widgets.mask_tools_panel import MaskToolsPanel
from locref_widgets.widgets.model_panel import ModelPanel
from locref_widgets.widgets.recipe_panel import RecipePanel
from locref_widgets.widgets.region_panel import RegionPanel
from locref_widgets.widgets.studio_parts import HOW, said
from locref_widgets.widgets.studio_style import studio_style
from locref_widgets.widgets.studio_view import StudioView
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.volume_widget import MapOrPath, as_map

_PANELS = ("Shape", "Regions", "Model", "Checks", "Recipe and files")
_SIGNS = {"ok": "✔", "warning": "⚠", "fault": "✖"}


class MaskStudio(widgets.VBox):
    """Make a mask of a map: paint, erase, cut into regions, fit a model, shape, check, save.

    The result lies on the map's grid. Every action can be undone, and is a step of `recipe`, which
    makes the same mask again.

    Parameters
    ----------
    volume
        The map, or the path of one.
    half_maps
        Two unfiltered half-maps on its grid, for the FSC that the mask would give.
    model
        Path of an atomic model to begin the model's panel with.
    recipe
        A recipe, or the path of one, to go on with.
    level
        Contour level to begin with, in the map's units.
    resolution_angstrom
        What the mask's edge must be soft enough for; Nyquist when not given.

    Raises
    ------
    InputError
        A map cannot be read or lies on another grid, or the recipe cannot be followed.
    """

    version = traitlets.Int(0, help="Grows with every change of mask or recipe; observe it")

    def __init__(
        self,
        volume: MapOrPath,
        half_maps: tuple[MapOrPath, MapOrPath] | None = None,
        model: str | os.PathLike[str] | None = None,
        recipe: MaskRecipe | str | os.PathLike[str] | None = None,
        *,
        level: float | None = None,
        resolution_angstrom: float | None = None,
    ) -> None:
        folder = None
        if recipe is not None and not isinstance(recipe, MaskRecipe):
            folder = Path(recipe).absolute().parent
            recipe = MaskRecipe.load(recipe)
        halves = None
        if half_maps is not None:
            first, second = half_maps
            halves = (as_map(first), as_map(second))
        self.state = StudioState(
            as_map(volume),
            recipe,
            half_maps=halves,
            resolution_angstrom=resolution_angstrom,
            folder=folder,
        )
        # Threads that finish long work come in while the kernel follows a stroke.
        self._lock = threading.RLock()
        self.view = StudioView(self.state.volume, self.state.mask, level)
        # The mask inside has to be seen.
        self.view.set_layer("map0", opacity=0.5)
        self.view.set_layer("mask1", opacity=0.6)
        self.view.handlers |= {
            "stroke": self._on_stroke,
            "erase": self._on_erase,
            "undo": self.undo,
            "redo": self.redo,
        }
        self._recipe_shown = self.state.recipe
        self._said = widgets.HTML(layout=widgets.Layout(min_height="28px", min_width="0"))
        how = widgets.ToggleButtons(
            options=[(words, value) for words, (value, _) in HOW.items()],
            tooltips=[tip for _, tip in HOW.values()],
            value="or" if self.state.has_mask else "replace",
            description="With the mask",
            layout=widgets.Layout(width="auto", max_width="100%"),
            style={"button_width": "auto", "description_width": "116px"},
        )
        self._panels = {
            "tools": MaskToolsPanel(self, how),
            "regions": RegionPanel(self, self.view, how),
            "model": ModelPanel(self, how, None if model is None else Path(model)),
            "checks": ChecksPanel(self, self._show_lights),
            "recipe": RecipePanel(self),
        }
        self._tabs = widgets.Tab([panel.widget for panel in self._panels.values()])
        for index, title in enumerate(_PANELS):
            self._tabs.set_title(index, title)
        super().__init__([style_sheet(), studio_style(), self.view, self._said, self._tabs])
        for name in ("locref-form", "locref-keys", "locref-studio"):
            self.add_class(name)
        self._refresh()

    def __repr__(self) -> str:
        return f"MaskStudio({self.view.name!r}, {len(self.state.recipe.steps)} steps)"

    # For notebooks -------------------------------------------------------------------------------

    @property
    def mask(self) -> Map:
        """The mask so far. Raises `InputError` where there is none."""
        return self.state.finished()

    @property
    def recipe(self) -> MaskRecipe:
        """The steps that make the mask."""
        return self.state.recipe

    def do(self, *steps: Step) -> None:
        """Do steps, as the panels do. Raises `InputError`; then nothing is changed."""
        with self._lock:
            self.state.do(*steps)
            self._refresh()

    def undo(self) -> None:
        """Take back the last action; says so where there is none."""
        self.act(self.state.undo)

    def redo(self) -> None:
        """Do the action again that was undone last; says so where there is none."""
        self.act(self.state.redo)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write mask and recipe; return the recipe's path. Raises `InputError`, `OutputError`."""
        return self.state.save(Path(path))

    def close(self) -> None:
        """End the widget and its threads."""
        self._panels["checks"].close()
        super().close()

    # For panels ----------------------------------------------------------------------------------

    def act(self, work: Callable[[], None]) -> bool:
        """Do something that may fail, then show everything anew; whether it went well."""
        with self._lock:
            self.say("")
            try:
                work()
            except (InputError, OutputError) as error:
                self.say(str(error), "error")
                return False
            except Exception as error:
                # An error in a button's handler would only reach the server's log.
                self.say(f"{type(error).__name__}: {error}", "error")
                raise
            self._refresh()
            return True

    def preview(self, steps: list[Step], words: str) -> None:
        """Show what steps would give; no steps: nothing any more."""
        shown = None
        if steps:
            try:
                shown = self.state.preview(*steps)
            except InputError as error:
                self.say(str(error), "error")
            else:
                if self._said.value:
                    self.say("")
        if shown is not None and steps[-1].tool == "lowpass":
            self.view.show_preview(None, words)
            self.view.show_density(shown, is_preview=True)
            return
        # A filtered map that was shown before takes its leave.
        self.view.show_density(self.state.density)
        if shown is None:
            self.view.show_preview(None)
        else:
            self.view.show_preview(shown.data, words)

    def say(self, text: str, kind: str = "note") -> None:
        """Say something in words under the pictures."""
        self._said.value = said(text, kind)  # type: ignore[arg-type]

    # How it goes together ------------------------------------------------------------------------

    def _refresh(self) -> None:
        state, view = self.state, self.view
        changed = self._recipe_shown is not state.recipe
        self._recipe_shown = state.recipe
        view.show_density(state.density)
        view.show_mask(state.mask)
        view.undo_words, view.redo_words = state.undo_words, state.redo_words
        if changed and view.previewing:
            view.show_preview(None)
        for panel in self._panels.values():
            panel.refresh()
        if changed:
            self.version += 1

    def _on_stroke(self, spheres: Any, remove: bool, at_least: float | None) -> None:
        self.act(lambda: self.state.stroke(spheres, remove=remove, at_least=at_least))

    def _on_erase(self, spheres: Any, outside: bool) -> None:
        self.act(lambda: self.state.erase(spheres, outside=outside))

    def _show_lights(self, checks: list[MaskCheck]) -> None:
        if not hasattr(self, "_tabs"):
            return
        sign = f" {_SIGNS[worst_state(checks)]}" if checks else ""
        self._tabs.set_title(_PANELS.index("Checks"), f"Checks{sign}")
