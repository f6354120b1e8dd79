"""The steps of a workbench between the files and the run: mask, fulcrum, settings."""

import html
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from locref_widgets.masks.checks import examine_mask
from locref_widgets.masks.mask_check import worst_state
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.widgets.fulcrum_picker import FulcrumPicker
from locref_widgets.widgets.map_view import MapView, fulcrum_voxels
from locref_widgets.widgets.mask_studio import MaskStudio
from locref_widgets.widgets.path_field import PathField
from locref_widgets.widgets.settings_field import SettingField
from locref_widgets.widgets.settings_form import SettingsForm
from locref_widgets.widgets.studio_parts import button, column, note, row, said
from locref_widgets.widgets.workbench_files import WorkbenchFiles, stamp_of
from locref_widgets.widgets.workbench_parts import MAPS, Bench, BenchStep, empty, free_name
from locref_widgets.widgets.workbench_state import WorkbenchState

_LIGHTS = {"ok": ("✔", "locref-good"), "warning": ("⚠", ""), "fault": ("✖", "locref-bad")}
_PROPOSED = (
    "No fulcrum is chosen yet: the marker is a proposal, first at the mask's centre of mass. Next "
    "takes it where it stands; a click, a drag or a choice below takes another. Without a fulcrum "
    "a run turns the region about the centre of the box."
)


class MaskStep(BenchStep):
    """A mask from a file, or one made here in the studio."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.field = PathField(
            "Mask", "A soft mask, 1 around the region that moves", MAPS, self._choose
        )
        self.make = button(
            "Make a mask here",
            "Open the studio: paint, segment, fit a model, shape; starts from the map",
            self._open_studio,
        )
        self.use = button(
            "Use this mask", "Write the mask with its recipe, and go on with it", self._use_made
        )
        self.use.button_style = "primary"
        self.use.disabled, self.use.layout.display = True, "none"
        self._lights, self._view, self._place = widgets.HTML(), column(), column()
        self.studio: MaskStudio | None = None
        self._shown: Any = None
        self._of_volume: Any = None
        self.widget = column(
            self.field.widget, row(self.make, self.use), self._lights, self._view, self._place
        )

    def refresh(self) -> None:
        """Show the mask chosen, and what is wrong with it."""
        state, files = self._bench.state, self._bench.files
        self.field.show(state.mask)
        shown = _region_files(state)
        if shown == self._shown:
            return
        if self._of_volume is not None and shown[0] != self._of_volume:
            self._close_studio()
        self._of_volume, self._shown = shown[0], None
        empty(self._view)
        self._lights.value = ""
        if state.mask is not None:
            self._show_mask(state, files)
        self._shown = shown

    def _show_mask(self, state: WorkbenchState, files: WorkbenchFiles) -> None:
        volume, mask = files.volume(state), files.mask(state)
        checks = examine_mask(mask, volume)
        lines = [
            f'<div><span class="{_LIGHTS[check.state][1]}" aria-hidden="true">'
            f"{_LIGHTS[check.state][0]}</span> {html.escape(check.text)}</div>"
            for check in checks
            if check.state != "ok"
        ]
        if worst_state(checks) == "ok":
            lines = [said("Nothing is wrong with this mask.", "good")]
        self._lights.value = "".join(lines)
        if self.studio is None:
            self._view.children = (MapView(volume, mask),)

    @property
    def holds_work(self) -> bool:
        """Whether a mask is not yet written."""
        return self.studio is not None

    def _choose(self, path: Path | None) -> None:
        chosen = self._bench.state.with_(mask=path)
        if path is None or self._bench.attempt(lambda: self._bench.files.mask(chosen)):
            self._bench.update(mask=path)

    def _open_studio(self) -> None:
        def open_it() -> None:
            state, files = self._bench.state, self._bench.files
            self.studio = MaskStudio(files.volume(state), files.half_maps(state))
            self.studio.observe(self._on_version, "version")
            empty(self._view)
            self._place.children = (self.studio,)
            self.make.disabled = True
            self._on_version()

        self._bench.say("Opening the studio…")
        if self._bench.attempt(open_it):
            self._bench.say("")

    def _on_version(self, _change: Any = None) -> None:
        self.use.disabled = self.studio is None or not self.studio.state.has_mask
        self.use.layout.display = "none" if self.studio is None else ""

    def _use_made(self) -> None:
        def save() -> None:
            if self.studio is None:
                return
            path = free_name(self._bench.folder, "mask", ".mrc")
            self.studio.save(path)
            self._close_studio()
            self._bench.update(mask=path)
            self._bench.say(f"Written as {path.name}, with its recipe beside it.")

        self._bench.attempt(save)

    def _close_studio(self) -> None:
        if self.studio is not None:
            empty(self._place)
            self.studio = None
        self.make.disabled = False
        self._on_version()


class FulcrumStep(BenchStep):
    """The picker, whose point and extents go into the settings."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.picker: FulcrumPicker | None = None
        self._following = False
        self._shown: Any = None
        self._place: Any = None
        self._proposed, self._view = widgets.HTML(), column()
        self.widget = column(self._proposed, self._view)

    def refresh(self) -> None:
        """Open the picker for the map and mask chosen, and bring it up to the settings."""
        state, files = self._bench.state, self._bench.files
        shown = _region_files(state)
        self._proposed.value = "" if state.is_done("fulcrum") else note(_PROPOSED)
        if shown == self._shown:
            self._follow()
            return
        self._shown = self.picker = None
        empty(self._view)
        run = self._bench.folder / "runs" / state.run if state.run else None
        run = run if run is not None and (run / "run.json").exists() else None
        volume, mask = files.volume(state), files.mask(state)
        self.picker = FulcrumPicker(volume, mask, settings=state.settings, run=run)
        self._view.children = (self.picker,)
        self._place = _place(state.settings)
        self.picker.observe(self._on_point, "fulcrum")
        self.picker.front.observe(self._on_found, "found")
        self.picker.front.observe(self._on_extent, ["rotation_extent", "shift_extent"])
        self._shown = shown

    def confirm(self) -> None:
        """Take the point shown, where none is chosen: a run turns about what one has seen."""
        if not self._bench.state.is_done("fulcrum"):
            self._on_point()

    def _follow(self) -> None:
        picker, state, files = self.picker, self._bench.state, self._bench.files
        if picker is None:
            return
        settings, place = state.settings, _place(state.settings)
        self._following = True
        try:
            picker.front.rotation_extent = settings.rotation_extent
            picker.front.shift_extent = settings.shift_extent
            if place != self._place:
                point = fulcrum_voxels(files.volume(state), files.mask(state), *place)
                if point is not None:
                    picker.set_trait("fulcrum", tuple(float(value) for value in point))
                self._place = place
        finally:
            self._following = False

    def _on_point(self, _change: Any = None) -> None:
        if self.picker is not None:
            self._choose(fulcrum=self.picker.fulcrum, fulcrum_angstrom=None)

    def _on_found(self, change: dict[str, Any]) -> None:
        # A quick choice of the point that is shown already moves nothing.
        if change["new"] and not self._bench.state.is_done("fulcrum"):
            self._on_point()

    def _on_extent(self, _change: dict[str, Any]) -> None:
        # Both come in one message; an extent chooses no point.
        if self.picker is not None:
            rotation, shift = self.picker.rotation_extent, self.picker.shift_extent
            self._choose(rotation_extent=rotation, shift_extent=shift)

    def _choose(self, **values: Any) -> None:
        if not self._following:
            settings = self._bench.state.settings.model_copy(update=values)
            self._bench.update(settings=settings)


class SettingsStep(BenchStep):
    """The form, for the region chosen."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.form: SettingsForm | None = None
        self._shown: Any = None
        self.widget = column()

    @property
    def fault(self) -> str:
        """Which entries are not valid, and why: the settings do not hold them."""
        told = {} if self.form is None else self.form.messages
        entries = {name: field.label for name, field in self._faulty().items()}
        lines = {told.get(name, told.get("", [""]))[0]: label for name, label in entries.items()}
        return " ".join(f"{label}: {text.removesuffix('.')}." for text, label in lines.items())

    def refresh(self) -> None:
        """Show the settings as they are now; entries that are not valid stay."""
        state, files = self._bench.state, self._bench.files
        shown = _region_files(state)
        before = None if self.form is None else self.form.value
        if shown == self._shown and before == state.settings:
            return
        typed = {name: field.control.value for name, field in self._faulty().items()}
        if shown != self._shown:
            self._shown = self.form = None
            empty(self.widget)
            volume, mask = files.volume(state), files.mask(state)
            self.form = SettingsForm(state.settings, volume=volume, mask=mask)
            self.widget.children = (self.form,)
            self.form.observe(lambda change: self._bench.update(settings=change["new"]), "value")
            self.form.observe(self._on_valid, "valid")
            self._shown = shown
        elif self.form is not None:
            self.form.value = state.settings
        for name, text in typed.items():
            # What was set elsewhere since then is meant.
            if self.form is not None and getattr(before, name) == getattr(state.settings, name):
                self.form._fields[name].control.value = text

    def _faulty(self) -> dict[str, SettingField]:
        if self.form is None or self.form.valid:
            return {}
        fields = self.form._fields.items()
        return {n: one for n, one in fields if "locref-invalid" in one.control._dom_classes}

    def _on_valid(self, _change: dict[str, Any]) -> None:
        self._bench.say(self.fault, "error")
        self._bench.refresh_frame()


def _region_files(state: WorkbenchState) -> tuple[Any, ...]:
    """The map's and the mask's names, and what tells whether they were written anew."""
    return tuple((path, stamp_of(path)) for path in (state.volume, state.mask))


def _place(settings: RefinementSettings) -> tuple[Any, Any]:
    return settings.fulcrum, settings.fulcrum_angstrom
