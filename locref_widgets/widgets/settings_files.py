"""The foot of the settings form: settings as text to copy, and YAML files to read and write."""

import html
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.settings_export import to_command, to_python

_FORMS = {
    "Command line": "What differs from the defaults, for a terminal",
    "Python": "What differs from the defaults, for a notebook or script",
    "YAML": "Every setting with its help, for `locref refine --settings` and for keeping",
}


class SettingsFiles:
    """Shows settings as text and reads YAML. `take` is called with settings that were read."""

    def __init__(
        self,
        take: Callable[[RefinementSettings], None],
        *,
        volume: Map | None = None,
        mask: Map | None = None,
    ) -> None:
        self._take = take
        self._settings = RefinementSettings()
        self._paths: dict[str, Any] = {
            name: given.path
            for name, given in {"volume": volume, "mask": mask}.items()
            if given is not None and given.path is not None
        }
        self._ours: set[Path] = set()
        self._form = widgets.ToggleButtons(
            options=list(_FORMS),
            tooltips=list(_FORMS.values()),
            style={"button_width": "auto"},
        )
        self._form.observe(lambda _change: self.show(self._settings), "value")
        self._text = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._pasted = widgets.Textarea(
            placeholder="rotation_extent: 0.3",
            description="YAML to read",
            tooltip="Names that are left out keep their defaults",
            continuous_update=False,
            rows=3,
            style={"description_width": "90px"},
            layout=widgets.Layout(width="min(100%, 520px)", height="auto"),
        )
        self._path = widgets.Text(
            placeholder="settings.yaml",
            description="YAML file",
            tooltip="Path of the file, as the kernel sees it",
            style={"description_width": "90px"},
            layout=widgets.Layout(width="min(100%, 520px)"),
        )
        self._read_text = _button("Read", "Put the YAML on the left into the form", self._on_read)
        self._load = _button("Load", "Read the file into the form", self._on_load)
        self._save = _button("Save", "Write the form into the file", self._on_save)
        self._said = widgets.HTML()
        wrap = widgets.Layout(flex_flow="row wrap", align_items="center")
        self.widget = widgets.VBox(
            [
                widgets.HTML("<h4>Take the settings elsewhere</h4>"),
                self._form,
                self._text,
                widgets.HBox([self._path, self._load, self._save], layout=wrap),
                widgets.HBox([self._pasted, self._read_text], layout=wrap),
                self._said,
            ],
            layout=widgets.Layout(min_width="0"),
        )

    def show(self, settings: RefinementSettings) -> None:
        """Show the settings as text."""
        self._settings = settings
        form = self._form.value
        if form == "YAML":
            text = settings.to_yaml()
        else:
            text = to_python(settings) if form == "Python" else to_command(settings, **self._paths)
        self._text.value = (
            f'<pre class="locref-export" tabindex="0" aria-label="Settings as {form}">'
            f"{html.escape(text)}</pre>"
        )

    def enable(self, valid: bool) -> None:
        """Entries that are not valid are in no file."""
        self._save.disabled = not valid

    def _on_read(self) -> None:
        self._attempt(
            lambda: RefinementSettings.from_yaml(self._pasted.value, "the text"), "Read the text."
        )

    def _on_load(self) -> None:
        path = self._chosen()
        if path is None:
            return
        if self._attempt(lambda: RefinementSettings.load(path), f"Read {path}."):
            self._ours.add(path.absolute())

    def _on_save(self) -> None:
        path = self._chosen()
        if path is None:
            return
        if path.exists() and path.absolute() not in self._ours:
            self._tell(f"{path} is there already, and is not of this form. Choose another name.")
            return
        try:
            self._settings.save(path)
        except OSError as error:
            self._tell(f"{path} cannot be written: {error.strerror or error}.")
            return
        self._ours.add(path.absolute())
        self._tell(f"Wrote {path}.", good=True)

    def _chosen(self) -> Path | None:
        text = self._path.value.strip()
        if not text:
            self._tell("Type the file's name first.")
            return None
        return Path(text).expanduser()

    def _attempt(self, read: Callable[[], RefinementSettings], done: str) -> bool:
        try:
            settings = read()
        except InputError as error:
            self._tell(f"{str(error)[:1].upper()}{str(error)[1:]}")
            return False
        self._take(settings)
        self._tell(done, good=True)
        return True

    def _tell(self, text: str, good: bool = False) -> None:
        kind, icon = ("note", "✔") if good else ("error", "✖")
        role = "status" if good else "alert"
        self._said.value = (
            f'<div class="locref-{kind}" role="{role}"><span aria-hidden="true">{icon}</span>'
            f" {html.escape(text)}</div>"
        )


def _button(words: str, tooltip: str, press: Callable[[], None]) -> widgets.Button:
    button = widgets.Button(
        description=words, tooltip=tooltip, layout=widgets.Layout(width="auto", min_width="70px")
    )
    button.on_click(lambda _button: press())
    return button
