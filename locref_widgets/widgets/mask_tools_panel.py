"""The studio's tools that shape a mask: threshold, filter, holes, islands, dilation, soft edge."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np

from locref_widgets.masks.check_values import EDGE_RESOLUTIONS, needed_edge_px
from locref_widgets.masks.level_text import LEVEL_FORMS, find_level
from locref_widgets.masks.protein_mass import protein_mass_kda
from locref_widgets.masks.recipe_step import Step
from locref_widgets.masks.volume_steps import (
    Dilate,
    FillHoles,
    Invert,
    Islands,
    SoftPad,
    Threshold,
)
from locref_widgets.widgets.display_volume import first_level
from locref_widgets.widgets.number_slider import NumberSlider
from locref_widgets.widgets.studio_parts import (
    Host,
    button,
    chosen_how,
    column,
    row,
    slider,
    text,
)

_LEVEL_STEPS = 400
_FURTHEST_PX = 20
_WIDEST_PX = 40


class MaskToolsPanel:
    """Rows of a slider and an Apply button; a moved slider shows what Apply would do."""

    def __init__(self, host: Host, how: widgets.ToggleButtons) -> None:
        self._host, self._how = host, how
        self._quiet = False
        self._density: object = None
        voxel = host.state.volume.voxel_size_angstrom
        self.threshold = slider(
            "Threshold", "1 where the map reaches this value, in the map's own units", 0, 1, 0.01, 0
        )
        self.level = text(
            "or as",
            f"The threshold as {LEVEL_FORMS}: shares are found anew on every map",
            placeholder="0.2max, 120kDa",
            width="220px",
        )
        self.level.style.description_width = "48px"
        self.lowpass = slider(
            "Smooth to",
            "Low-pass filter, Å: of the map, or once there is a mask of the mask, cut at a half",
            0,
            round(40 * max(voxel, 0.5)),
            0.5,
            0,
        )
        self.dilate = slider(
            "Dilate by",
            "Grow the mask by so many voxels; less than zero: shrink it",
            -_FURTHEST_PX / 2,
            _FURTHEST_PX,
            0.5,
            0,
        )
        self.soft = slider(
            "Soft edge",
            "Width in voxels of the raised-cosine edge from 1 to 0, outside of what is inside now",
            0,
            _WIDEST_PX,
            1,
            0,
        )
        self.islands = widgets.BoundedIntText(
            value=1,
            min=1,
            max=999,
            description="Keep islands",
            tooltip="How many of the largest pieces are kept",
            style={"description_width": "116px"},
            layout=widgets.Layout(width="190px"),
        )
        self.apply: dict[str, widgets.Button] = {}
        self._mask_only: list[Any] = []
        self.threshold.observe(lambda _c: self._moved_threshold(), "value")
        self.level.observe(lambda _c: self._typed_level(), "value")
        for name, control in self._sliders.items():
            control.observe(lambda _c, name=name: self._moved(name), "value")
        suggest = button("Suggest", "Find the threshold anew", self._suggest)
        edge = button(
            "5 × resolution",
            f"A width of {EDGE_RESOLUTIONS:g} times the resolution, as refinements want it",
            self._soft_for_resolution,
        )
        fill = button("Fill holes", "Fill what is enclosed on all sides", self._do(FillHoles))
        keep = button(
            "Keep largest",
            "Remove all islands but the largest ones",
            lambda: self._commit([Islands(count=self.islands.value)]),
        )
        invert = button("Invert", "One minus the mask", self._do(Invert))
        self._mask_only += [fill, keep, invert, self.islands, self.dilate, self.soft, edge]
        self.widget = column(
            row(how),
            row(
                self.threshold,
                self._apply_button("threshold", "Cut the map at the threshold"),
                self.level,
                suggest,
            ),
            row(
                self.lowpass,
                self._apply_button("lowpass", "Filter with this resolution"),
            ),
            row(
                self.dilate,
                self._apply_button("dilate", "Grow or shrink by this"),
            ),
            row(
                self.soft,
                self._apply_button("soft", "Give the mask this edge"),
                edge,
            ),
            row(fill, self.islands, keep, invert),
        )
        self.refresh()

    @property
    def _sliders(self) -> dict[str, NumberSlider]:
        return {"lowpass": self.lowpass, "dilate": self.dilate, "soft": self.soft}

    def refresh(self) -> None:
        """Follow the state: the map's range, and what can be done at all."""
        state = self._host.state
        if self._density is not state.density:
            self._density = state.density
            self._take_range()
        for control in self._mask_only:
            control.disabled = not state.has_mask
        self._how.disabled = not state.has_mask
        self._say_units()

    def steps_of(self, name: str) -> list[Step]:
        """Name the steps that a row's Apply would do; none where its slider does nothing."""
        state = self._host.state
        if name == "threshold":
            # As it was typed, so that a share is a share on another map too.
            typed = self.level.value.strip()
            level = typed or f"{self.threshold.value:.6g}"
            return [state.source(chosen_how(self._how), Threshold(level=level))]
        value = self._sliders[name].value
        if not value:
            return []
        if name == "lowpass":
            return state.smoothing_steps(value)
        if not state.has_mask:
            return []
        return [Dilate(radius_px=value)] if name == "dilate" else [SoftPad(width_px=value)]

    # What a hand does ----------------------------------------------------------------------------

    def _moved_threshold(self) -> None:
        if self._quiet:
            return
        self._set(self.level, "")
        self._show("threshold")

    def _typed_level(self) -> None:
        if self._quiet or not self.level.value.strip():
            return

        def find() -> None:
            level, _ = find_level(self.level.value, self._host.state.density)
            self._set(self.threshold, level)

        if self._host.act(find):
            self._show("threshold")

    def _moved(self, name: str) -> None:
        if not self._quiet:
            self._show(name)

    def _show(self, name: str) -> None:
        for other, control in self._sliders.items():
            if other != name:
                self._set(control, 0)
        self._say_units()
        steps = self.steps_of(name)
        words = ", ".join(step.describe() for step in steps)
        self._host.preview(steps, words)

    def _suggest(self) -> None:
        self._set(self.level, "auto")
        self._typed_level()
        _, reason = find_level("auto", self._host.state.density)
        self._host.say(reason)

    def _soft_for_resolution(self) -> None:
        state = self._host.state
        voxel = state.volume.voxel_size_angstrom
        resolution = state.resolution_angstrom or 2 * voxel
        # First the preview, which takes away what was said.
        self.soft.value = min(needed_edge_px(resolution, voxel), _WIDEST_PX)
        if state.resolution_angstrom is None:
            self._host.say(
                f"no resolution was given, so Nyquist ({resolution:.3g} Å) is taken: "
                "MaskStudio(…, resolution_angstrom=…)."
            )

    def _commit(self, steps: list[Step]) -> None:
        if not steps:
            return
        if self._host.act(lambda: self._host.state.do(*steps)):
            for control in self._sliders.values():
                self._set(control, 0)
            self._say_units()

    def _do(self, step: Callable[[], Step]) -> Callable[[], None]:
        return lambda: self._commit([step()])

    def _apply_button(self, name: str, tooltip: str) -> widgets.Button:
        made = button("Apply", tooltip, lambda: self._commit(self.steps_of(name)), primary=True)
        self.apply[name] = made
        return made

    # What is shown -------------------------------------------------------------------------------

    def _take_range(self) -> None:
        values = self._host.state.density.data
        highest = float(values.max())
        lowest = min(float(np.median(values)), highest)
        span = highest - lowest or 1.0
        level = first_level(values, self._host.state.density.voxel_size_angstrom)
        self._quiet = True
        # In an order in which the value is never outside.
        self.threshold.min, self.threshold.max = lowest, highest
        self.threshold.step = span / _LEVEL_STEPS
        self.threshold.value = level
        self._quiet = False

    def _say_units(self) -> None:
        voxel = self._host.state.volume.voxel_size_angstrom
        above = int(np.count_nonzero(self._host.state.density.data >= self.threshold.value))
        kda = protein_mass_kda(above, voxel)
        self.threshold.unit = f"{kda:.3g} kDa above"
        self.lowpass.unit = "Å" if self.lowpass.value else "Å (off)"
        for name in ("dilate", "soft"):
            control = self._sliders[name]
            control.unit = f"voxels = {control.value * voxel:.3g} Å"
        for name, control in self._sliders.items():
            # At 0 a slider does nothing.
            self.apply[name].disabled = control.disabled or not control.value

    def _set(self, control: Any, value: object) -> None:
        self._quiet = True
        try:
            control.value = value
        finally:
            self._quiet = False
