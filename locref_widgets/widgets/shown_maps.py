"""The maps and masks of a viewer: where each lies, how it is shown, and what of it is sent."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from locref_widgets.io.mrc import Map, offset_px
from locref_widgets.widgets.display_volume import DisplayVolume, first_level, to_display

# Okabe and Ito's hues (2008) without those of the mask, the fulcrum and the first map.
OVERLAY_COLOURS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#a6761d", "#999999")
MASK_OPACITY = 0.35
MASK_LEVEL = 0.5

Kind = Literal["map", "mask"]


@dataclass
class ShownMap:
    """One map or mask, and its 8-bit copy once a browser has asked for it."""

    id: str
    map: Map
    kind: Kind
    style: dict[str, Any]
    _display: DisplayVolume | None = field(default=None, repr=False)

    @property
    def display(self) -> DisplayVolume:
        """The copy for the browser, made once."""
        if self._display is None:
            limits = (0.0, 1.0) if self.kind == "mask" else (None, None)
            self._display = to_display(self.map.data, *limits)
        return self._display

    def forget_display(self) -> None:
        """Make the copy anew when it is next asked for: the values have changed."""
        self._display = None

    def show_means(self, values: Float[np.ndarray, "z y x"], made_of: int) -> None:
        """Make the copy of means over blocks of ``made_of`` voxels along each edge."""
        made = to_display(values)
        self._display = replace(made, binning=made_of * made.binning)

    def placement(self, first: Map) -> tuple[float, Float[np.ndarray, "3"]]:
        """Scale and offset that bring this map's voxels (x, y, z) to those of the first map.

        Where start or origin of either header say nothing of where its box lies, both boxes have
        their centres of rotation, voxel N // 2, in one place: so a map and its binned copy agree.
        """
        scale = self.map.voxel_size_angstrom / first.voxel_size_angstrom
        if _says_where(first) and _says_where(self.map):
            return scale, offset_px(first, self.map)
        centres = (np.array(shown.size_xyz) // 2 for shown in (first, self.map))
        here, there = centres
        return scale, here - scale * there

    def message(self, first: Map) -> tuple[dict[str, Any], bytes]:
        """What the browser is told of it, and its bytes, x fastest."""
        shown = self.display
        scale, offset = self.placement(first)
        # A displayed voxel is the mean of several: its centre lies amid theirs.
        amid = scale * (shown.binning - 1) / 2
        content = {
            "kind": "volume",
            "id": self.id,
            "shape": list(shown.data.shape[::-1]),
            "scale": scale * shown.binning,
            "offset": [float(value) + amid for value in offset],
            "low": shown.low,
            "high": shown.high,
            "grey": list(shown.grey),
            "mean": shown.mean,
            "deviation": shown.deviation,
        }
        return content, shown.data.tobytes()


def make_shown(
    shown_map: Map,
    kind: Kind,
    position: int,
    *,
    name: str | None = None,
    colour: str = "",
    opacity: float | None = None,
    level: float | None = None,
) -> ShownMap:
    """Prepare a map or mask for a viewer; `position` counts those that it has already."""
    usual_opacity = MASK_OPACITY if kind == "mask" else 1.0
    if level is None:
        usual = MASK_LEVEL if kind == "mask" else None
        level = usual or first_level(shown_map.data, shown_map.voxel_size_angstrom)
    if not colour and kind == "map" and position > 0:
        colour = OVERLAY_COLOURS[(position - 1) % len(OVERLAY_COLOURS)]
    identity = f"{kind}{position}"
    style = {
        "id": identity,
        "name": name or (shown_map.path.name if shown_map.path else kind),
        "kind": kind,
        "colour": colour,
        "opacity": usual_opacity if opacity is None else float(opacity),
        "visible": True,
        "level": float(level),
    }
    return ShownMap(identity, shown_map, kind, style)


def _says_where(shown: Map) -> bool:
    voxel = shown.voxel_size_angstrom
    return not (
        shown.position.is_unstated(voxel)
        or shown.position.names_only_the_centre(shown.size_xyz, voxel)
    )
