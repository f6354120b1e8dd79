"""A table of regions: chosen or not, shown or not, colour, size."""

from collections.abc import Callable
from typing import Any

import anywidget
import traitlets

from locref_widgets.widgets.volume_widget import read_bundle

LISTED = 60
"""More rows nobody reads; ChimeraX shows as many regions."""


class RegionTable(anywidget.AnyWidget):
    """Rows of regions, the largest first. Ticks and clicks are told to `changed`."""

    _esm = traitlets.Unicode().tag(sync=True)
    rows = traitlets.List(
        traitlets.Dict(), help="id, rank, voxels, kda, contacts, leaves, chosen, hidden"
    ).tag(sync=True)
    left_out = traitlets.Int(0, help="Regions that are not listed").tag(sync=True)

    def __init__(self, changed: Callable[[str, int], None]) -> None:
        super().__init__(_esm=read_bundle("region_table.js"))
        self._changed = changed
        self.on_msg(self._answer)

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        kind, number = content.get("kind"), content.get("id")
        if kind in ("toggle", "hide", "find") and isinstance(number, int):
            self._changed(kind, number)
