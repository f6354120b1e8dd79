"""The pictures of a mask studio: map, mask, preview and regions, and the tools of the pointer.

The browser paints a stroke at once and sends it when the button comes up. Here it is done on the
mask itself, and what has changed goes back: a box of bytes.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import traitlets
from jaxtyping import Float, Int32

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.widgets.changed_box import (
    Box,
    ball_box,
    box_bytes,
    changed_box,
    filled_box,
    joined_box,
)
from locref_widgets.widgets.display_volume import LARGEST_DISPLAY_BOX
from locref_widgets.widgets.volume_widget import STATIC, VolumeWidget

BUNDLE = STATIC / "mask_studio.js"
TOOLS = ("look", "paint", "remove", "eraser", "regions")
MOST_SPHERES = 20_000
"""A message of more would be over 1 MB."""
SHOWN_REGIONS = 254
"""Colours there are; further regions share the last."""

Handler = Callable[..., None]


class StudioView(VolumeWidget):
    """A viewer with a brush, an eraser and a picker of regions.

    What the pointer did is told to functions in `handlers`: ``stroke(spheres, remove, at_least)``,
    ``erase(spheres, outside)``, ``regions(places, split)``, ``undo()``, ``redo()``.
    """

    _bundle = "mask_studio.js"

    tool = traitlets.Unicode("look", help=f"The pointer's tool: {', '.join(TOOLS)}").tag(sync=True)
    brush_radius = traitlets.Float(4.0, help="Radius of brush and eraser, voxels").tag(sync=True)
    gated = traitlets.Bool(
        True, help="Whether the brush touches only density of at least the contour level"
    ).tag(sync=True)
    has_mask = traitlets.Bool(False, help="Whether there is a mask yet").tag(sync=True)
    previewing = traitlets.Unicode("", help="What is previewed, in words").tag(sync=True)
    undo_words = traitlets.Unicode("", help="What undo takes back").tag(sync=True)
    redo_words = traitlets.Unicode("", help="What redo brings back").tag(sync=True)
    chosen_ranks = traitlets.List(
        traitlets.Int(), help="Regions taken into the preview, by rank: 1 is the largest"
    ).tag(sync=True)
    hidden_ranks = traitlets.List(traitlets.Int(), help="Regions without colour").tag(sync=True)

    def __init__(self, volume: Map, mask: Map | None, level: float | None = None) -> None:
        self.handlers: dict[str, Handler] = {}
        self._gate = self._density = volume
        self._preview: np.ndarray | None = None
        self._ranks: np.ndarray | None = None
        self._asked: tuple[Box, Any] | None = None
        super().__init__(volume, None, level=level)
        self._mask_id = self.add_mask(mask or self._blank(), name="mask")
        self._mask_layer = self._shown[-1]
        self.has_mask = mask is not None
        self._answers |= {
            "stroke": self._on_stroke,
            "erase": self._on_erase,
            "regions": self._on_regions,
            "undo": lambda _content: self._tell("undo"),
            "redo": lambda _content: self._tell("redo"),
            "need_studio": self._send_extras,
        }

    @property
    def binning(self) -> int:
        """Voxels of the map along an edge of one that is displayed."""
        return -(-max(self.shape_xyz) // LARGEST_DISPLAY_BOX)

    # What is shown -----------------------------------------------------------------------------

    def show_mask(self, mask: Map | None) -> None:
        """Send what changed of the mask, and what a stroke touched whether it changed or not."""
        touched, stroke = self._asked or (None, None)
        self._asked = None
        shown = self._mask_layer
        before = shown.map
        after = mask or (self._blank() if self.has_mask else before)
        values = after.data
        box = joined_box(None if after is before else changed_box(before.data, values), touched)
        shown.map = after
        self.has_mask = mask is not None
        if box is None:
            return
        part = box_bytes(values, box, self.binning)
        if part:
            x, y, z = part.low
            nx, ny, nz = part.size
            shown.display.data[z : z + nz, y : y + ny, x : x + nx] = part.data
        self._send_box(self._mask_id, part, stroke)

    def show_density(self, density: Map, *, is_preview: bool = False) -> None:
        """Show another map in place of the first.

        A preview may be made of means over blocks of voxels: then only the picture is another,
        and values and picks stay those of the map before.
        """
        if density is self._density:
            return
        self._density = density
        first = self._shown[0]
        made_of = self._made_of(density.data) if is_preview else 1
        if made_of == 1:
            first.map = density
            first.forget_display()
        else:
            first.show_means(density.data, made_of)
        told, data = first.message(self.map)
        self.send(told, [data])

    def show_preview(self, values: Float[np.ndarray, "z y x"] | None, words: str = "") -> None:
        """Show what a step would give beside the mask, or (None) no longer."""
        self._preview, self.previewing = values, words
        self._send_preview()

    def show_regions(self, labels: Int32[np.ndarray, "z y x"] | None, ids: list[int]) -> None:
        """Colour regions; ``ids`` are all of them, the largest first."""
        if labels is None:
            self._ranks = None
        else:
            rank = np.zeros(int(max(ids, default=0)) + 1, np.uint8)
            for position, number in enumerate(ids):
                rank[number] = min(position, SHOWN_REGIONS) + 1
            self._ranks = rank[labels]
        self._send_ranks()

    def _made_of(self, values: Float[np.ndarray, "z y x"]) -> int:
        """Voxels of the map along an edge of one of these."""
        return round(max(self.shape_xyz) / max(values.shape))

    # What is sent ------------------------------------------------------------------------------

    def _send_box(self, identity: str, part: Any, stroke: int | None) -> None:
        told: dict[str, Any] = {"kind": "box", "id": identity, "stroke": stroke}
        if part is None:
            self.send({**told, "low": [0, 0, 0], "size": [0, 0, 0]}, [b""])
        else:
            told |= {"low": list(part.low), "size": list(part.size)}
            self.send(told, [part.data.tobytes()])

    def _send_preview(self) -> None:
        nothing = {"kind": "preview", "low": [0, 0, 0], "size": [0, 0, 0]}
        if self._preview is None:
            self.send({**nothing, "shape": [0, 0, 0], "scale": 1, "offset": 0}, [b""])
            return
        values = self._preview
        # A preview may be made of fewer voxels than are displayed.
        made_of = self._made_of(values)
        further = max(1, -(-max(values.shape) // LARGEST_DISPLAY_BOX))
        scale = made_of * further
        shape = [size // further for size in values.shape[::-1]]
        told = {**nothing, "shape": shape, "scale": scale, "offset": (scale - 1) / 2}
        # Most of a mask is empty: what is sent is what a slider waits for.
        box = filled_box(values)
        part = None if box is None else box_bytes(values, box, further)
        if part is None:
            self.send(told, [b""])
        else:
            told |= {"low": list(part.low), "size": list(part.size)}
            self.send(told, [part.data.tobytes()])

    def _send_ranks(self) -> None:
        if self._ranks is None:
            self.send({"kind": "ranks", "shape": [0, 0, 0], "scale": 1, "offset": 0}, [b""])
            return
        step = self.binning
        # One voxel of each block: ranks have no mean.
        first = (step - 1) // 2
        ranks = self._ranks[first::step, first::step, first::step]
        shape = ranks.shape[::-1]
        told = {"kind": "ranks", "shape": shape, "scale": step, "offset": first}
        self.send(told, [np.ascontiguousarray(ranks).tobytes()])

    def _send_extras(self, _content: dict[str, Any]) -> None:
        """What a page that was opened later needs beside the volumes."""
        if self._preview is not None:
            self._send_preview()
        if self._ranks is not None:
            self._send_ranks()

    # What the pointer did ----------------------------------------------------------------------

    def _tell(self, name: str, *values: Any) -> None:
        handler = self.handlers.get(name)
        if handler is not None:
            handler(*values)

    def _on_stroke(self, content: dict[str, Any]) -> None:
        number = content.get("stroke")
        spheres = _spheres(content.get("spheres"))
        self._asked = ball_box(spheres, self._gate.data.shape), number
        gate = content.get("at_least")
        self._tell(
            "stroke",
            [tuple(sphere) for sphere in spheres.tolist()],
            bool(content.get("remove")),
            None if gate is None else float(gate),
        )
        if self._asked is not None:
            # It failed, but the browser has painted it already.
            self.show_mask(self._mask_now())

    def _on_erase(self, content: dict[str, Any]) -> None:
        spheres = [tuple(sphere) for sphere in _spheres(content.get("spheres")).tolist()]
        self._tell("erase", spheres, bool(content.get("outside")))

    def _on_regions(self, content: dict[str, Any]) -> None:
        places = content.get("places")
        if not isinstance(places, list) or not places:
            return
        self._tell("regions", places[:MOST_SPHERES], bool(content.get("split")))

    def _blank(self) -> Map:
        return replace(self._gate, data=np.zeros(self._gate.data.shape, np.float32), path=None)

    def _mask_now(self) -> Map | None:
        return self._mask_layer.map if self.has_mask else None


def _spheres(values: Any) -> Float[np.ndarray, "n 4"]:
    spheres = np.asarray(values, dtype=np.float64)
    if spheres.ndim != 2 or spheres.shape[1] != 4 or not len(spheres):
        raise InputError("a stroke has no spheres (x, y, z, radius).")
    if len(spheres) > MOST_SPHERES or not np.isfinite(spheres).all():
        raise InputError("a stroke has too many spheres, or some that are no numbers.")
    return spheres
