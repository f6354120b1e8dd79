"""The recipe in words, as YAML, and the files that a mask studio writes."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets

from locref_widgets.errors import InputError
from locref_widgets.masks.recipe_files import recipe_path
from locref_widgets.widgets.studio_parts import Host, button, column, note, row, text


class RecipePanel:
    """What was done, step by step, and Save."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ours: set[Path] = set()
        self._list = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._yaml = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._shown = widgets.Checkbox(
            value=False,
            description="Show as YAML",
            tooltip="The recipe as it is written to a file",
            indent=False,
            layout=widgets.Layout(width="auto"),
        )
        self._shown.observe(lambda _change: self.refresh(), "value")
        self.mask_path = text(
            "Mask", "File of the mask, MRC, on the map's grid", "mask.mrc", width="380px"
        )
        self.recipe_path = text("Recipe alone", "YAML file", "mask.recipe.yaml", width="380px")
        self.save_button = button(
            "Save mask and recipe",
            "Write the mask, and its recipe beside it",
            self.save_mask,
            primary=True,
        )
        self._save_recipe = button("Save recipe", "Write the recipe as YAML", self.save_recipe)
        self.widget = column(
            row(self.mask_path, self.save_button),
            row(self.recipe_path, self._save_recipe),
            self._list,
            self._shown,
            self._yaml,
        )
        self.refresh()

    def refresh(self) -> None:
        """Show the steps of the state."""
        state = self._host.state
        recipe = state.recipe
        done = "".join(f"<li>{html.escape(words)}</li>" for words in recipe.describe())
        undone = "".join(
            f'<li class="locref-undone">{html.escape(step.describe())} <i>(undone)</i></li>'
            for step in recipe.undone
        )
        begun = html.escape(state.volume.path.name if state.volume.path else "the map given")
        self._list.value = (
            f'<div role="log" aria-label="Recipe of the mask"><b>Recipe</b>, beginning with {begun}'
            f'<ol class="locref-recipe">{done}{undone}</ol></div>'
            if done or undone
            else note("No step yet. Every step is written down here, and can be made again.")
        )
        self.save_button.disabled = not state.has_mask
        self._save_recipe.disabled = not recipe.steps
        self._yaml.value = (
            f'<pre class="locref-export" tabindex="0" aria-label="Recipe as YAML">'
            f"{html.escape(recipe.to_yaml())}</pre>"
            if self._shown.value
            else ""
        )

    def save_mask(self) -> None:
        """Write mask and recipe."""

        def save(path: Path) -> str:
            self._check_ours(recipe_path(path))
            beside = self._host.state.save(path)
            self._ours.add(beside.absolute())
            return f"Wrote {path} and {beside}."

        self._write(self.mask_path.value, save)

    def save_recipe(self) -> None:
        """Write the recipe alone."""

        def save(path: Path) -> str:
            self._host.state.recipe.save(path)
            return f"Wrote {path}."

        self._write(self.recipe_path.value, save)

    def _write(self, typed: str, write: Callable[[Path], str]) -> None:
        told: list[str] = []

        def work() -> None:
            if not typed.strip():
                raise InputError("type the file's name first.")
            path = Path(typed.strip()).expanduser()
            self._check_ours(path)
            told.append(write(path))
            self._ours.add(path.absolute())

        if self._host.act(work):
            self._host.say(told[0], "good")

    def _check_ours(self, path: Path) -> None:
        if path.exists() and path.absolute() not in self._ours:
            raise InputError(f"{path}: is there already, and not of this studio. Choose another.")
