"""A map with its mask and fulcrum: three linked slices."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.refinement.fulcrum_point import (
    angstrom_to_voxels,
    check_inside_box,
    voxels_to_angstrom,
)
from locref_widgets.widgets.display_volume import DisplayVolume, to_display

# x, y, z
Point = Sequence[float] | np.ndarray

BUNDLE = Path(__file__).parent / "static" / "map_view.js"


class MapView(anywidget.AnyWidget):
    """Three orthogonal slices of a map, the outline of a mask, and the fulcrum as a cross.

    The volumes are sent as 8-bit binary when a browser asks for them. They are in no trait, so they
    are never printed and never saved in a notebook.

    Parameters
    ----------
    volume, mask
        Maps from `read_map`, on the same grid.
    fulcrum
        Voxels (x, y, z) from the map's corner, `"box"` for its centre, `"mask"` for the mask's
        centre of mass, or None for no cross.
    fulcrum_angstrom
        The same point in Å from the map's centre; give one of the two.

    Raises
    ------
    InputError
        Map and mask differ in grid, the fulcrum lies outside the box, or both forms are given.
    """

    _esm = traitlets.Unicode().tag(sync=True)
    box_px = traitlets.Int(help="Voxels along each axis").tag(sync=True)
    voxel_size_angstrom = traitlets.Float(help="Edge of a voxel, Å").tag(sync=True)
    name = traitlets.Unicode(help="What the map is called on screen").tag(sync=True)
    has_mask = traitlets.Bool(help="Whether there is a mask to outline").tag(sync=True)
    cursor = traitlets.List(
        traitlets.Int(), help="Voxel (x, y, z) from the corner where the three slices meet"
    ).tag(sync=True)
    fulcrum = traitlets.List(
        traitlets.Float(), help="Voxels (x, y, z) from the corner; empty: none"
    ).tag(sync=True)

    def __init__(
        self,
        volume: Map,
        mask: Map | None = None,
        fulcrum: Point | str | None = None,
        *,
        fulcrum_angstrom: Point | None = None,
    ) -> None:
        if mask is not None:
            check_same_grid(volume, mask, "mask")
        self._volume, self._mask = volume, mask
        self._display: list[DisplayVolume] | None = None
        box = volume.box_px
        point = _fulcrum_voxels(volume, mask, fulcrum, fulcrum_angstrom)
        start = point if point is not None else np.full(3, box // 2)
        super().__init__(
            _esm=_read_bundle(),
            box_px=box,
            voxel_size_angstrom=float(volume.voxel_size_angstrom),
            name=volume.path.name if volume.path else "map",
            has_mask=mask is not None,
            cursor=[int(value) for value in np.clip(np.rint(start), 0, box - 1)],
            fulcrum=[] if point is None else [float(value) for value in point],
        )
        self.on_msg(self._answer)

    def __repr__(self) -> str:
        return f"MapView({self.name!r}, {self.box_px} voxels of {self.voxel_size_angstrom:g} Å)"

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        if content.get("kind") == "need_volumes":
            self._send_volumes()
        elif content.get("kind") == "probe":
            self._send_value(content.get("voxel"))

    def _send_volumes(self) -> None:
        if self._display is None:
            shown = [to_display(self._volume.data)]
            if self._mask is not None:
                shown.append(to_display(self._mask.data, low=0.0, high=1.0))
            self._display = shown
        first = self._display[0]
        self.send(
            {
                "kind": "volumes",
                "shape": list(first.data.shape),
                "binning": first.binning,
                "low": first.low,
                "high": first.high,
            },
            [item.data.tobytes() for item in self._display],
        )

    def _send_value(self, voxel: Any) -> None:
        # The browser's copy has 8 bits; exact values are looked up in the map itself.
        if not (isinstance(voxel, list) and len(voxel) == 3):
            return
        x, y, z = (min(max(int(value), 0), self.box_px - 1) for value in voxel)
        answer = {"kind": "value", "voxel": [x, y, z], "density": float(self._volume.data[z, y, x])}
        if self._mask is not None:
            answer["mask"] = float(self._mask.data[z, y, x])
        self.send(answer)


def _fulcrum_voxels(
    volume: Map,
    mask: Map | None,
    fulcrum: Point | str | None,
    fulcrum_angstrom: Point | None,
) -> Float[np.ndarray, "3"] | None:
    if fulcrum is not None and fulcrum_angstrom is not None:
        raise InputError("Give the fulcrum in voxels or in Å, not both.")
    if fulcrum is None and fulcrum_angstrom is None:
        return None
    box_px, voxel_size_angstrom = volume.box_px, volume.voxel_size_angstrom
    if isinstance(fulcrum, np.ndarray):
        fulcrum = fulcrum.tolist()  # an array compared with a word is no truth value
    if fulcrum_angstrom is not None:
        point = _three(fulcrum_angstrom)
    elif fulcrum == "box":
        point = np.zeros(3)
    elif fulcrum == "mask":
        if mask is None:
            raise InputError("The fulcrum 'mask' is the mask's centre of mass: give a mask too.")
        point = centre_of_mass_angstrom(mask.data, voxel_size_angstrom)
    elif isinstance(fulcrum, str):
        raise InputError(f"The fulcrum is {fulcrum!r}; give x, y, z in voxels, 'mask' or 'box'.")
    else:
        point = voxels_to_angstrom(_three(fulcrum), box_px, voxel_size_angstrom)
    check_inside_box(
        point, box_px, voxel_size_angstrom, typed_in_angstrom=fulcrum_angstrom is not None
    )
    return angstrom_to_voxels(point, box_px, voxel_size_angstrom)


def _three(point: Any) -> Float[np.ndarray, "3"]:
    numbers = np.asarray(point, dtype=np.float64)
    if numbers.shape != (3,):
        raise InputError(f"The fulcrum has {numbers.size} numbers; give three: x, y, z.")
    return numbers


def _read_bundle() -> str:
    try:
        return BUNDLE.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RuntimeError(
            f"{BUNDLE} is missing: the front end has not been built. "
            "In a checkout run `pip install -e .` or `npm ci && npm run build`."
        ) from None
