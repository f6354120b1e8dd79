"""A slider with its name, its number and its unit, which screen readers know for one."""

from typing import Any

import anywidget
import ipywidgets as widgets
import traitlets

from locref_widgets.widgets.volume_widget import read_bundle


class NumberSlider(anywidget.AnyWidget):
    """A number within limits; Jupyter's own sliders have no names for those who do not see them."""

    _esm = traitlets.Unicode().tag(sync=True)
    value = traitlets.Float(help="The number").tag(sync=True)
    min = traitlets.Float().tag(sync=True)
    max = traitlets.Float().tag(sync=True)
    step = traitlets.Float().tag(sync=True)
    description = traitlets.Unicode().tag(sync=True)
    tooltip = traitlets.Unicode().tag(sync=True)
    unit = traitlets.Unicode("", help="Said after the number").tag(sync=True)
    disabled = traitlets.Bool(False).tag(sync=True)
    is_live = traitlets.Bool(True, help="Tell every move, not only where it ends").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        layout = widgets.Layout(width="540px", max_width="100%", min_width="0")
        super().__init__(_esm=read_bundle("number_slider.js"), layout=layout, **traits)

    @traitlets.validate("value")
    def _within(self, proposal: dict[str, Any]) -> float:
        return min(max(proposal["value"], self.min), self.max)
