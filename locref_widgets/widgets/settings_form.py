"""A form for the settings of a refinement, generated from `RefinementSettings`."""

import html
from typing import Any

import ipywidgets as widgets
import traitlets

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.refinement.region_reach import measure_region
from locref_widgets.refinement.settings import RefinementSettings, setting_options
from locref_widgets.refinement.settings_advice import (
    Grid,
    give_advice,
    in_other_units,
    resolve_fulcrum,
)
from locref_widgets.refinement.settings_presets import PRESETS, Preset
from locref_widgets.widgets.closing import close_parts
from locref_widgets.widgets.settings_field import POINTS, BadEntry, FieldLooks, SettingField
from locref_widgets.widgets.settings_files import SettingsFiles
from locref_widgets.widgets.style import style_sheet

# What is in no group stands in the last one.
GROUPS = {
    "Where it turns": ("fulcrum", "fulcrum_angstrom"),
    "How far to search": ("rotation_extent", "shift_extent", "initial_lowpass"),
    "Priors": ("prior_rotation", "prior_shift", "learn_prior", "marginalize"),
    "From iteration to iteration": (
        "iterations",
        "recenter_rotations",
        "recenter_shifts",
        "shrink_extents",
    ),
    "References": ("non_uniform", "folds", "symmetry", "subtract"),
    "Mask of the references": (
        "masking",
        "dynamic_mask_start_resolution",
        "dynamic_mask_threshold",
        "dynamic_mask_near",
        "dynamic_mask_far",
        "dynamic_mask_in_resolutions",
        "dynamic_mask_absolute",
    ),
    "The job": ("subset", "seed", "batch_size"),
}
_DYNAMIC = [name for name in GROUPS["Mask of the references"] if name != "masking"]


class SettingsForm(widgets.VBox):
    """Every setting with its unit, help, range and warnings; `value` holds the valid settings.

    An entry that is no value leaves `value` as it was, and its message stands beside it; `valid`
    tells whether there is any.

    Parameters
    ----------
    settings
        What the form starts with; the defaults when None.
    volume, mask
        With them, lengths are shown in pixels and Å, and warnings speak of the region.

    Raises
    ------
    InputError
        Map and mask differ in grid, or the mask is empty.
    """

    value = traitlets.Instance(RefinementSettings, help="The settings; observe it")
    valid = traitlets.Bool(True, help="Whether every entry is valid", read_only=True)

    def __init__(
        self,
        settings: RefinementSettings | None = None,
        *,
        volume: Map | None = None,
        mask: Map | None = None,
    ) -> None:
        if volume is not None and mask is not None:
            check_same_grid(volume, mask, "mask")
        grid_of = volume if volume is not None else mask
        self._grid = grid_of and Grid(grid_of.box_px, float(grid_of.voxel_size_angstrom))
        self._region = None if mask is None else measure_region(mask)
        looks = FieldLooks()
        self._fields = {
            option.name: SettingField(option, self._on_edit, looks) for option in setting_options()
        }
        self._summary = widgets.HTML()
        self._reason = widgets.HTML()
        self._files = SettingsFiles(self._take, volume=volume, mask=mask)
        self._following = False
        self._point_typed = ""
        super().__init__(
            [
                style_sheet(),
                widgets.HTML("<b>Settings of the refinement</b>"),
                widgets.HBox(
                    [widgets.HTML("Presets"), *(self._preset_button(p) for p in PRESETS)],
                    layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
                ),
                self._reason,
                self._summary,
                self._grouped_fields(),
                self._files.widget,
            ]
        )
        self.add_class("locref-form")
        self.add_class("locref-keys")
        self.value = RefinementSettings() if settings is None else settings

    def close(self) -> None:
        """Take the form away, with all that it is made of."""
        close_parts(self)
        super().close()

    @property
    def messages(self) -> dict[str, list[str]]:
        """What stands beside the fields: faults and warnings, by setting."""
        return self._messages

    @traitlets.observe("value")
    def _on_value(self, change: dict[str, Any]) -> None:
        # A trait set by the form itself comes from the fields, which show it already.
        if not self._following:
            for name, field in self._fields.items():
                field.show(getattr(change["new"], name))
            self._refresh({})
        self._files.show(change["new"])

    def _take(self, settings: RefinementSettings) -> None:
        self._reason.value = ""
        same = settings == self.value
        self.value = settings
        if same:  # no change is told, but faulty entries have to go
            self._on_value({"new": settings})

    def _on_edit(self, name: str) -> None:
        self._reason.value = ""
        if name in POINTS:
            self._point_typed = name
        values, faults = {}, {}
        for setting, field in self._fields.items():
            try:
                values[setting] = field.read()
            except BadEntry as error:
                faults[setting] = str(error)
        if values.get(self._point_typed) is not None:
            # One point in two units: what was typed last counts.
            for other in set(POINTS) - {self._point_typed}:
                values[other] = None
                faults.pop(other, None)
        faults = RefinementSettings.find_faults(values) | faults
        if not faults:
            faults = self._follow(RefinementSettings(**values), name)
        self._refresh(faults)

    def _follow(self, settings: RefinementSettings, edited: str) -> dict[str, str]:
        faults = self._place_faults(settings)
        if faults:
            return faults
        self._following = True
        try:
            self.value = settings
        finally:
            self._following = False
        # As it was understood: degrees become radians, and the point stands in one unit only. Until
        # then the other entry stays, for the new one may be given up.
        for name in (edited, *POINTS):
            self._fields[name].show(getattr(settings, name))
        return {}

    def _place_faults(self, settings: RefinementSettings) -> dict[str, str]:
        """Say when the fulcrum does not lie in the map."""
        if self._grid is None or (settings.fulcrum == "mask" and self._region is None):
            return {}
        try:
            resolve_fulcrum(settings, self._grid, self._region)
        except InputError as error:
            name = "fulcrum" if settings.fulcrum is not None else "fulcrum_angstrom"
            return {name: str(error)[:1].upper() + str(error)[1:]}
        return {}

    def _refresh(self, faults: dict[str, str]) -> None:
        """Bring units, messages and disabled fields up to the entries."""
        settings = self.value
        warnings: dict[str, list[str]] = {}
        # Settings made elsewhere may not fit this map.
        elsewhere = self._place_faults(settings)
        faults = elsewhere | faults
        for name, text in [] if elsewhere else give_advice(settings, self._grid, self._region):
            warnings.setdefault(name, []).append(text)
        together = faults.get("", "")
        for name, field in self._fields.items():
            fault = faults.get(name, "") or (together if name in together else "")
            units = "" if fault else in_other_units(name, settings, self._grid, self._region)
            # An entry that is faulty says nothing of what the valid settings warn of.
            field.say(units, _brief(fault, field), [] if fault else warnings.get(name, []))
        self._enable_fields(settings)
        self._messages = {
            name: [text for text in (faults.get(name, ""), *warnings.get(name, [])) if text]
            for name in [*self._fields, ""]
            if name in faults or name in warnings
        }
        self.set_trait("valid", not faults)
        self._summary.value = _summary_html(faults, sum(map(len, warnings.values())))
        self._files.enable(not faults)

    def _enable_fields(self, settings: RefinementSettings) -> None:
        for name in _DYNAMIC:
            self._fields[name].control.disabled = settings.masking != "dynamic"
        both = settings.recenter_rotations and settings.recenter_shifts
        shrink = self._fields["shrink_extents"].control
        shrink.disabled = not both and not shrink.value
        given = settings.prior_rotation is not None
        self._fields["learn_prior"].control.disabled = given or settings.recenter_rotations

    def _preset_button(self, preset: Preset) -> widgets.Button:
        button = widgets.Button(
            description=preset.name, tooltip=preset.reason, layout=widgets.Layout(width="auto")
        )
        button.on_click(lambda _button: self._apply(preset))
        return button

    def _apply(self, preset: Preset) -> None:
        self._take(preset.apply(self.value, self._grid and self._grid.voxel_size_angstrom))
        self._reason.value = (
            f'<div class="locref-note" role="status"><b>{html.escape(preset.name)}</b>:'
            f" {html.escape(preset.reason)}</div>"
        )

    def _grouped_fields(self) -> widgets.GridBox:
        named = {name for names in GROUPS.values() for name in names}
        rest = [name for name in self._fields if name not in named]
        last = list(GROUPS)[-1]
        groups = [
            _group(title, [self._fields[n].widget for n in [*names, *(rest * (title == last))]])
            for title, names in GROUPS.items()
        ]
        columns = "repeat(auto-fit, minmax(min(100%, 400px), 1fr))"
        box = widgets.GridBox(groups, layout=widgets.Layout(grid_template_columns=columns))
        box.add_class("locref-groups")
        return box


def _group(title: str, fields: list[widgets.Widget]) -> widgets.VBox:
    box = widgets.VBox(
        [widgets.HTML(f"<h4>{html.escape(title)}</h4>"), *fields],
        layout=widgets.Layout(min_width="0"),
    )
    box.add_class("locref-group")
    return box


def _brief(fault: str, field: SettingField) -> str:
    # The help is in the tooltip already.
    return fault.removesuffix(field.option.description).strip()


def _summary_html(faults: dict[str, str], warnings: int) -> str:
    if faults:
        count = len(faults)
        what = "entry is not valid" if count == 1 else "entries are not valid"
        text = f"✖ {count} {what}: the settings stay as they were before."
        return f'<div class="locref-error" role="status">{text}</div>'
    if warnings:
        text = "1 warning" if warnings == 1 else f"{warnings} warnings"
        return f'<div class="locref-note" role="status">⚠ {text}, beside the fields.</div>'
    return '<div class="locref-note" role="status">✔ Valid; nothing to warn of.</div>'
