"""What every widget with a viewer has: maps that are sent when asked for, and exact answers.

The browser gets 8-bit copies. Values, masses and picked points are looked up in the maps here.
State is in few small traits; volumes travel as binary buffers of messages and are in no trait, so
they are never printed and never saved in a notebook.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid, read_map
from locref_widgets.masks.levels import level_of_mass
from locref_widgets.masks.protein_mass import protein_mass_kda
from locref_widgets.masks.sightline import surface_point
from locref_widgets.widgets.shown_maps import ShownMap, make_shown

STATIC = Path(__file__).parent / "static"

MapOrPath = Map | str | os.PathLike


class VolumeWidget(anywidget.AnyWidget):
    """A viewer of maps on one grid; `MapView` and the editors are made of it.

    A subclass names its front end in `_bundle` and may answer further messages by adding to
    `_answers`: a dictionary from a message's ``kind`` to the function that takes its content.
    """

    _bundle = "map_view.js"

    _esm = traitlets.Unicode().tag(sync=True)
    shape_xyz = traitlets.List(traitlets.Int(), help="Voxels along x, y, z").tag(sync=True)
    voxel_size_angstrom = traitlets.Float(help="Edge of a voxel, Å").tag(sync=True)
    name = traitlets.Unicode(help="What the map is called on screen").tag(sync=True)
    level = traitlets.Float(help="Contour level of the first map, in its own units").tag(sync=True)
    layers = traitlets.List(
        traitlets.Dict(),
        help="How each map and mask is shown: id, name, kind, colour (#rrggbb; empty: the theme's),"
        " opacity, visible, level (of the first map: the trait `level`)",
    ).tag(sync=True)
    cursor = traitlets.List(
        traitlets.Int(), help="Voxel (x, y, z) from the corner where the three slices meet"
    ).tag(sync=True)
    picked = traitlets.Dict(
        help="The point of a surface that was clicked last: layer, voxel (x, y, z; from the corner,"
        " with fractions), angstrom (from the centre), density"
    ).tag(sync=True)

    def __init__(
        self,
        volume: MapOrPath,
        mask: MapOrPath | None = None,
        *,
        level: float | None = None,
        overlays: Iterable[MapOrPath] = (),
        **traits: Any,
    ) -> None:
        first = as_map(volume)
        self._shown = [make_shown(first, "map", 0, level=level)]
        if mask is not None:
            self._append(as_map(mask), "mask")
        for overlay in overlays:
            self._append(as_map(overlay), "map")
        self._answers: dict[str, Callable[[dict[str, Any]], None]] = {
            "need_volumes": self._send_volumes,
            "probe": self._send_values,
            "measure": self._send_mass,
            "level_for_mass": self._set_level_for_mass,
            "pick": self._pick,
        }
        middle = [size // 2 for size in first.size_xyz]
        super().__init__(
            _esm=read_bundle(self._bundle),
            shape_xyz=list(first.size_xyz),
            voxel_size_angstrom=float(first.voxel_size_angstrom),
            name=first.path.name if first.path else "map",
            level=self._shown[0].style["level"],
            layers=[shown.style for shown in self._shown],
            **{"cursor": middle, **traits},
        )
        self.on_msg(self._answer)

    def __repr__(self) -> str:
        size = " x ".join(map(str, self.shape_xyz))
        return (
            f"{type(self).__name__}({self.name!r}, {size} voxels of {self.voxel_size_angstrom:g} Å)"
        )

    @property
    def map(self) -> Map:
        """The first map: its grid is the one that all places are told in."""
        return self._shown[0].map

    def add_map(
        self,
        volume: MapOrPath,
        *,
        name: str | None = None,
        colour: str = "",
        opacity: float | None = None,
        level: float | None = None,
    ) -> str:
        """Show another map over the first one, and return the id of its layer.

        It may have a grid of its own; where headers do not say how the boxes lie, their centres
        are put in one place. `colour` is ``#rrggbb``, `level` in the map's own units.
        """
        shown = self._append(
            as_map(volume), "map", name=name, colour=colour, opacity=opacity, level=level
        )
        self.layers = [*self.layers, shown.style]
        return shown.id

    def add_mask(self, mask: MapOrPath, *, name: str | None = None, colour: str = "") -> str:
        """Outline a mask on the first map's grid, and return the id of its layer."""
        shown = self._append(as_map(mask), "mask", name=name, colour=colour)
        self.layers = [*self.layers, shown.style]
        return shown.id

    def set_layer(self, layer: str, **style: Any) -> None:
        """Change how a layer is shown, named by its id or name: visible, colour, opacity, level.

        Raises
        ------
        InputError
            if there is no such layer, or nothing of that name to change.
        """
        wrong = set(style) - {"visible", "colour", "opacity", "level", "name"}
        if wrong:
            raise InputError(
                f"{', '.join(sorted(wrong))}: a layer has visible, colour, opacity, level and name."
            )
        places = [i for i, item in enumerate(self.layers) if layer in (item["id"], item["name"])]
        if not places:
            names = ", ".join(item["name"] for item in self.layers)
            raise InputError(f"there is no layer {layer!r}; there are: {names}.")
        if places[0] == 0 and "level" in style:
            self.level = float(style["level"])
        self.layers = [
            {**item, **style} if i == places[0] else item for i, item in enumerate(self.layers)
        ]

    def mass_above_kda(self, level: float | None = None) -> float:
        """Mass of protein that fills the voxels above a level of the first map, kDa."""
        above = int(np.count_nonzero(self.map.data > (self.level if level is None else level)))
        return protein_mass_kda(above, self.map.voxel_size_angstrom)

    def _append(self, added: Map, kind: Any, **style: Any) -> ShownMap:
        if kind == "mask":
            check_same_grid(self.map, added, "mask")
        shown = make_shown(added, kind, len(self._shown), **style)
        self._shown.append(shown)
        return shown

    def _layer(self, identity: Any) -> ShownMap | None:
        return next((shown for shown in self._shown if shown.id == identity), None)

    def _answer(self, _widget: Any, content: dict[str, Any], _buffers: Any) -> None:
        answer = self._answers.get(content.get("kind", ""))
        if answer is None:
            return
        try:
            answer(content)
        except InputError as error:
            self.send({"kind": "words", "message": str(error)})
        except Exception as error:
            # An error in a message's handler would only reach the server's log.
            self.send({"kind": "words", "message": f"{type(error).__name__}: {error}"})
            raise

    def _send_volumes(self, content: dict[str, Any]) -> None:
        wanted = content.get("ids")
        for shown in self._shown:
            if wanted is None or shown.id in wanted:
                told, data = shown.message(self.map)
                self.send(told, [data])

    def _send_values(self, content: dict[str, Any]) -> None:
        voxel = _whole_voxel(content.get("voxel"), self.shape_xyz)
        if voxel is None:
            return
        values = {shown.id: _nearest_value(shown, self.map, voxel) for shown in self._shown}
        self.send({"kind": "values", "voxel": voxel, "values": values})

    def _send_mass(self, content: dict[str, Any]) -> None:
        shown, level = self._layer(content.get("id")), content.get("level")
        if shown is None or not isinstance(level, int | float):
            return
        above = int(np.count_nonzero(shown.map.data > level))
        kda = protein_mass_kda(above, shown.map.voxel_size_angstrom)
        self.send({"kind": "mass", "id": shown.id, "level": level, "kda": kda})

    def _set_level_for_mass(self, content: dict[str, Any]) -> None:
        shown = self._layer(content.get("id"))
        if shown is None:
            return
        level = level_of_mass(
            shown.map.data, float(content["kda"]), float(shown.map.voxel_size_angstrom)
        )
        # `level_of_mass` counts voxels of the level itself, contours do not.
        self.set_layer(shown.id, level=float(np.nextafter(np.float32(level), -np.inf)))
        self.send({"kind": "words", "message": ""})

    def _pick(self, content: dict[str, Any]) -> None:
        near = np.asarray(content.get("voxel"), dtype=np.float64)
        if near.shape != (3,):
            return
        shown = self._layer(content.get("id"))
        direction = content.get("direction")
        density = None
        if shown is not None and direction is not None:
            scale, offset = shown.placement(self.map)
            found = surface_point(
                shown.map.data,
                self._level_of(shown.id),
                (near - offset) / scale,
                np.asarray(direction, dtype=np.float64),
                3.0 * shown.display.binning,
            )
            if found is not None:
                near = found * scale + offset
                density = self._level_of(shown.id)
        self.picked = self._describe_pick(near, content.get("id"), density)

    def _describe_pick(
        self, voxel: np.ndarray, layer: Any, density: float | None
    ) -> dict[str, Any]:
        centre = np.array(self.shape_xyz) // 2
        if density is None:
            whole = _whole_voxel(list(voxel), self.shape_xyz)
            density = None if whole is None else _nearest_value(self._shown[0], self.map, whole)
        return {
            "layer": layer,
            "voxel": [float(value) for value in voxel],
            "angstrom": [float(value) for value in (voxel - centre) * self.voxel_size_angstrom],
            "density": density,
        }

    def _level_of(self, identity: str) -> float:
        if identity == self._shown[0].id:
            return self.level
        return next(item["level"] for item in self.layers if item["id"] == identity)


def as_map(volume: MapOrPath) -> Map:
    """A map as it is, or read from its file, cubic or not."""
    return volume if isinstance(volume, Map) else read_map(volume, cubic=False)


def read_bundle(name: str) -> str:
    """Text of a front end's bundle. Raises `RuntimeError` when it has not been built."""
    path = STATIC / name
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise RuntimeError(
            f"{path} is missing: the front end has not been built. "
            "In a checkout run `pip install -e .` or `npm ci && npm run build`."
        ) from None


def _whole_voxel(voxel: Any, shape_xyz: list[int]) -> list[int] | None:
    if not (isinstance(voxel, list) and len(voxel) == 3):
        return None
    return [
        min(max(round(value), 0), size - 1) for value, size in zip(voxel, shape_xyz, strict=True)
    ]


def _nearest_value(shown: ShownMap, first: Map, voxel: list[int]) -> float | None:
    """Value of the map's voxel nearest to a voxel of the first map; None beyond its box."""
    scale, offset = shown.placement(first)
    x, y, z = np.rint((np.array(voxel) - offset) / scale).astype(int)
    nx, ny, nz = shown.map.size_xyz
    if not (0 <= x < nx and 0 <= y < ny and 0 <= z < nz):
        return None
    value = float(shown.map.data[z, y, x])
    return value if np.isfinite(value) else None
