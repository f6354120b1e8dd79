"""One setting of the form: its control, what it says in other units, and its message."""

import html
import math
from collections.abc import Callable
from typing import Any, Literal, get_args, get_origin

import ipywidgets as widgets
from ipywidgets.widgets.widget_string import HTMLStyle

from locref_widgets.errors import InputError
from locref_widgets.refinement.fulcrum_point import parse_point
from locref_widgets.refinement.settings_text import SettingOption

LABELS = {
    "fulcrum": "Fulcrum (voxels)",
    "fulcrum_angstrom": "Fulcrum (Å)",
    "initial_lowpass": "Initial low-pass",
    "prior_rotation": "Prior, rotation",
    "prior_shift": "Prior, shift",
    "marginalize": "Marginalise",
    "recenter_rotations": "Re-centre rotations",
    "recenter_shifts": "Re-centre shifts",
    "non_uniform": "Non-uniform filter",
    "masking": "Mask of references",
    "subtract": "Subtract the rest",
    "dynamic_mask_start_resolution": "Dynamic from",
    "dynamic_mask_threshold": "Threshold",
    "dynamic_mask_absolute": "Negative density too",
    "dynamic_mask_near": "Near distance",
    "dynamic_mask_far": "Far distance",
    "dynamic_mask_in_resolutions": "In resolutions",
}
_EMPTY_WORDS = {
    "fulcrum": "centre of the box",
    "prior_rotation": "off",
    "prior_shift": "off",
    "subset": "all",
    "batch_size": "automatic",
}
POINTS = ("fulcrum", "fulcrum_angstrom")
"""One point in two units."""
_LABEL_WIDTH = "150px"
_AUTOMATIC = "automatic"


class BadEntry(Exception):
    """The text in a field is no value of its kind; the message is for people."""


class FieldLooks:
    """Layouts and styles that all fields of a form share: each one of its own is a message."""

    def __init__(self) -> None:
        self.control = widgets.Layout(width="320px", max_width="100%", min_width="0")
        self.row = widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0")
        self.unit = widgets.Layout(min_width="0", flex="1 1 140px")
        self.narrow = widgets.Layout(min_width="0")
        self.html = HTMLStyle()


class SettingField:
    """A labelled control with its unit, and a line below it for faults and warnings.

    `edited` is called when a person has changed the control, not when `show` does.
    """

    def __init__(
        self, option: SettingOption, edited: Callable[[str], None], looks: FieldLooks
    ) -> None:
        self.option = option
        self._looks = looks
        self._edited = edited
        self._quiet = False
        self._value = self._shown = option.default
        kinds = get_args(option.annotation) or (option.annotation,)
        self._number = next((kind for kind in (int, float) if kind in kinds), None)
        self.control = self._make_control(kinds)
        self.control.observe(self._on_change, "value")
        unit = self.option.unit if self._number else ""
        self._unit = widgets.HTML(_unit_html(unit), layout=looks.unit, style=looks.html)
        self._message = widgets.HTML(layout=looks.narrow, style=looks.html)
        row = widgets.HBox([self.control, self._unit], layout=looks.row)
        self.widget = widgets.VBox(
            [row, self._message], layout=looks.narrow, _dom_classes=("locref-field",)
        )

    @property
    def label(self) -> str:
        """What the setting is called on screen."""
        return LABELS.get(self.option.name, self.option.name.replace("_", " ").capitalize())

    def show(self, value: Any) -> None:
        """Put a value into the control."""
        self._quiet = True
        try:
            self._shown = _to_text(value) if self._is_text else self._chosen(value)
            self.control.value = self._shown
            self._value = value
        finally:
            self._quiet = False

    def read(self) -> Any:
        """Read the control. Raises `BadEntry`."""
        value = self.control.value
        if value == self._shown:
            # The text may have fewer digits than the number that it stands for.
            return self._value
        if not self._is_text:
            return None if value == _AUTOMATIC else value
        text = str(value).strip()
        if not text:
            if self.option.default is not None:
                raise BadEntry(f"Give a value; the default is {_to_text(self.option.default)}.")
            return None
        if self.option.name in POINTS:
            return self._read_point(text)
        return self._read_number(text) if self._number else text

    def say(self, other_units: str, fault: str = "", warnings: list[str] | None = None) -> None:
        """Say the value in other units, what is wrong with it, and what may go wrong."""
        unit = self.option.unit if self._number else ""
        words = " = ".join(part for part in (unit, other_units) if part)
        self._unit.value = _unit_html(words)
        lines = [_line("error", "✖", fault, 'role="alert"')] if fault else []
        lines += [_line("warning", "⚠", text, 'role="status"') for text in warnings or ()]
        self._message.value = "".join(lines)
        if bool(fault) != ("locref-invalid" in self.control._dom_classes):
            mark = self.control.add_class if fault else self.control.remove_class
            mark("locref-invalid")

    @property
    def _is_text(self) -> bool:
        return isinstance(self.control, widgets.Text)

    def _make_control(self, kinds: tuple[Any, ...]) -> Any:
        style = {"description_width": _LABEL_WIDTH}
        name, tooltip = self.option.name, self.option.help
        common = {"description": self.label, "tooltip": tooltip, "style": style}
        wide = self._looks.control
        choices = self._choices(kinds)
        if choices:
            return widgets.Dropdown(
                options=choices, value=self._chosen(self.option.default), layout=wide, **common
            )
        if kinds == (bool,):
            return widgets.Checkbox(value=self.option.default, layout=wide, **common)
        return widgets.Text(
            placeholder=_EMPTY_WORDS.get(name, ""), continuous_update=False, layout=wide, **common
        )

    def _chosen(self, value: Any) -> Any:
        return _AUTOMATIC if value is None else value

    def _choices(self, kinds: tuple[Any, ...]) -> list[tuple[str, Any]]:
        if bool in kinds and type(None) in kinds:
            # A drop-down takes None for "nothing chosen".
            return [("automatic", _AUTOMATIC), ("on", True), ("off", False)]
        if get_origin(self.option.annotation) is Literal:
            return [(str(kind), kind) for kind in kinds]
        return []

    def _on_change(self, _change: dict[str, Any]) -> None:
        if not self._quiet:
            self._edited(self.option.name)

    def _read_point(self, text: str) -> Any:
        if self.option.name == "fulcrum" and text.lower() in ("box", "mask"):
            return text.lower()
        try:
            return parse_point(text.strip("()[]").replace(" ", ""), self.option.name)
        except InputError:
            others = "" if self.option.name == "fulcrum_angstrom" else ", or mask, or box"
            raise BadEntry(f"Give three numbers, as in 64, 82.5, 55{others}.") from None

    def _read_number(self, text: str) -> float | int:
        degrees = self.option.unit == "rad" and text.endswith(("°", "deg"))
        bare = text.removesuffix("°").removesuffix("deg").strip() if degrees else text
        try:
            value = (self._number or float)(bare)
        except ValueError:
            kind = "a whole number" if self._number is int else "a number, with a point"
            also = ", or degrees as in 20°" if self.option.unit == "rad" else ""
            raise BadEntry(f"{text!r} is not {kind}{also}.") from None
        if not degrees:
            return value
        angle_rad = math.radians(value)
        # No more digits than the field shows; what lies within half a turn stays within it.
        rounded = float(f"{angle_rad:.5g}")
        return min(rounded, math.pi) if angle_rad <= math.pi else rounded


def _to_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ", ".join(f"{one:g}" for one in value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _unit_html(words: str) -> str:
    # A number keeps its unit on the line.
    bound = html.escape(words).replace(" Å", "&nbsp;Å")
    return f'<span class="locref-unit">{bound}</span>'


def _line(kind: str, icon: str, text: str, role: str) -> str:
    return (
        f'<div class="locref-{kind}" {role}><span aria-hidden="true">{icon}</span>'
        f" {html.escape(text)}</div>"
    )
