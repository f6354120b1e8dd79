"""An atomic model with its map, in nglview."""

import html
from pathlib import Path
from typing import Any

import gemmi
import ipywidgets as widgets
import numpy as np
import traitlets

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.models import read_structure
from locref_widgets.io.mrc import Map
from locref_widgets.io.mrc_header import make_header
from locref_widgets.widgets.display_volume import DisplayVolume, first_level, to_display
from locref_widgets.widgets.nglview_support import FileBridge, load_nglview
from locref_widgets.widgets.number_slider import NumberSlider
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.volume_widget import MapOrPath, as_map

_HEIGHT = "420px"
_SIGNED = 128
"""MRC's bytes are signed, those of a display volume are not."""
_SURFACE = {
    "isolevelType": "value",
    "color": "#c2922e",
    "opacity": 0.45,
    "opaqueBack": False,
    "side": "front",
    # nglview stumbles over clicks on what is no atom.
    "disablePicking": True,
}
_MARKER = (0.82, 0.29, 0.05)
_PAPER = {False: "#fcfcfd", True: "#0e1014"}
"""By whether the page is dark, as in the other views."""


class ModelView(widgets.VBox):
    """An atomic model, and a map around it as a surface; click an atom to read where it is.

    Needs nglview (``pip install 'locref_widgets[nglview]'``). `picked_atom` holds the atom that
    was clicked last: its name, angstrom (x, y, z in the model's frame) and, with a map, voxel
    (x, y, z from the map's corner). `level` is the map's contour level.

    Parameters
    ----------
    model
        Path of a PDB or mmCIF file, or a `gemmi.Structure`.
    volume
        A map, or its path; where it lies among the atoms is told by start and origin in its header.
    level
        Contour level in the map's units.

    Raises
    ------
    InputError
        nglview is absent or unfit, or a file cannot be read.
    """

    picked_atom = traitlets.Dict(help="name, angstrom and voxel of the atom clicked last")
    level = traitlets.Float(help="Contour level of the map")
    is_loaded = traitlets.Bool(False, help="Whether a page shows the model and the map")

    def __init__(
        self,
        model: str | Path | gemmi.Structure,
        volume: MapOrPath | None = None,
        *,
        level: float | None = None,
    ) -> None:
        nglview = load_nglview()
        self._structure = model if isinstance(model, gemmi.Structure) else read_structure(model)
        self._volume = None if volume is None else as_map(volume)
        self._display: DisplayVolume | None = None
        self._waiting: list[dict[str, Any]] = []
        self._paper = _PAPER[False]
        self._has_marker = False
        self._marker: np.ndarray | None = None
        self.view = nglview.NGLWidget()
        self.view.layout.height = _HEIGHT
        self._bridge = FileBridge(
            self._files, self._load, self._use_theme, view_id=str(self.view.model_id)
        )
        self._words = widgets.HTML(_words("Click an atom to read where it is."))
        super().__init__([style_sheet(), self._bridge, self.view])
        self.add_class("locref-keys")
        if self._volume is not None:
            self._add_level(self._volume, level)
        self.children = (*self.children, self._words)
        self.view.on_msg(self._on_message)
        self.view.observe(self._on_picked, "picked")

    def show_point(self, angstrom: Any) -> None:
        """Mark a point, given in Å in the model's frame; None takes the mark away."""
        self._marker = None if angstrom is None else np.asarray(angstrom, dtype=np.float64)
        if self.is_loaded:
            self._send_marker()

    def to_voxel(self, angstrom: Any) -> np.ndarray:
        """Voxels (x, y, z) of the map from its corner, of a point in the model's frame."""
        volume = self._map()
        return (np.asarray(angstrom) - volume.corner_angstrom) / volume.voxel_size_angstrom

    def from_voxel(self, voxel: Any) -> np.ndarray:
        """Å in the model's frame of voxels (x, y, z) of the map from its corner."""
        volume = self._map()
        return np.asarray(voxel) * volume.voxel_size_angstrom + volume.corner_angstrom

    def close(self) -> None:
        """Take the view away, with its drawing context."""
        # Also called on a view whose making failed.
        for part in getattr(self, "children", ()):
            part.close()
        super().close()

    def _map(self) -> Map:
        if self._volume is None:
            raise InputError("This view has no map, so it knows of no voxels: give it a volume.")
        return self._volume

    def _add_level(self, volume: Map, level: float | None) -> None:
        display = self._display = to_display(volume.data)
        if level is None:
            level = first_level(volume.data, float(volume.voxel_size_angstrom))
        self.level = float(level)
        slider = NumberSlider(
            description="Contour level",
            min=display.low,
            max=display.high,
            step=(display.high - display.low) / 255,
            is_live=False,
            tooltip="Contour level of the map's surface, in the map's own units",
        )
        traitlets.link((self, "level"), (slider, "value"))
        self.children = (*self.children, slider)
        self.observe(lambda _change: self._send_level(), "level")

    def _files(self) -> list[tuple[str, bytes]]:
        text = self._structure.make_mmcif_document().as_string()
        files = [("model", text.encode())]
        if self._volume is not None and self._display is not None:
            files.append(("map", as_int8_mrc(self._volume, self._display)))
        return files

    def _on_message(self, _view: Any, content: dict[str, Any], _buffers: Any) -> None:
        if content.get("type") == "request_loaded" and content.get("data"):
            # The view came up, or came up again in another page: it holds nothing yet.
            self.is_loaded = False
            self._words.value = _words("The model is on its way…")
            self._bridge.request()
        elif content.get("type") == "async_message" and content.get("data") == "ok":
            self._send_next()

    def _load(self, addresses: dict[str, str]) -> None:
        """Queue what fills an empty view; each file is waited for."""
        call = self.view._get_remote_call_msg
        self._has_marker = False
        self._waiting = [call("removeAllComponents", target="Stage")]
        for name, extension in (("model", "cif"), ("map", "mrc")):
            if name not in addresses:
                continue
            source = {"type": "url", "data": addresses[name], "binary": False}
            options = {"ext": extension, "name": name, "defaultRepresentation": name == "model"}
            self._waiting.append(call("loadFile", target="Stage", args=[source], kwargs=options))
        if "map" in addresses:
            surface = {**_SURFACE, "isolevel": self._byte_level(), "component_index": 1}
            self._waiting.append(
                call("addRepresentation", target="compList", args=["surface"], kwargs=surface)
            )
        self._waiting.append(call("autoView", target="Stage", args=[0]))
        self._send_next()

    def _send_next(self) -> None:
        while self._waiting:
            message = self._waiting.pop(0)
            self.view.send(message)
            if message["methodName"] == "loadFile":
                return
        if not self.is_loaded:
            self.is_loaded = True
            self._words.value = _words("Click an atom to read where it is.")
            self._send_background()
            self._send_marker()

    def _use_theme(self, is_dark: bool) -> None:
        self._paper = _PAPER[is_dark]
        if self.is_loaded:
            self._send_background()

    def _send_background(self) -> None:
        colour = {"backgroundColor": self._paper}
        call = self.view._get_remote_call_msg
        self.view.send(call("setParameters", target="Stage", args=[colour]))

    def _byte_level(self) -> float:
        display = self._display
        assert display is not None  # noqa: S101 - there is a map
        return (self.level - display.low) / (display.high - display.low) * 255 - _SIGNED

    def _send_level(self) -> None:
        if not self.is_loaded:
            return
        where = {"component_index": 1, "repr_index": 0}
        self.view.send(
            self.view._get_remote_call_msg(
                "setParameters",
                target="Representation",
                args=[{"isolevel": self._byte_level()}],
                kwargs=where,
            )
        )

    def _send_marker(self) -> None:
        call = self.view._get_remote_call_msg
        if self._has_marker:
            place = 1 if self._volume is None else 2
            self.view.send(call("removeComponent", target="Stage", args=[place]))
        self._has_marker = self._marker is not None
        if self._marker is not None:
            radius = 1.5 if self._volume is None else max(1.5, self._volume.voxel_size_angstrom)
            ball = ["sphere", self._marker.tolist(), list(_MARKER), radius]
            self.view.send(call("addShape", target="Widget", args=["fulcrum", [ball]]))

    def _on_picked(self, change: dict[str, Any]) -> None:
        atom = change["new"].get("atom1")
        if not atom:
            return
        place = [float(atom[axis]) for axis in "xyz"]
        picked: dict[str, Any] = {"name": str(atom.get("name", "")), "angstrom": place}
        where = f"({_list(place)}) Å"
        if self._volume is not None:
            picked["voxel"] = [float(value) for value in self.to_voxel(place)]
            where += f" = ({_list(picked['voxel'])}) voxels of the map from its corner"
        self._words.value = _words(f"Atom {picked['name']}: {where}")
        self.picked_atom = picked


def as_int8_mrc(volume: Map, display: DisplayVolume) -> bytes:
    """The display's bytes as an MRC file that lies where the map does."""
    nz, ny, nx = display.data.shape
    size = float(volume.voxel_size_angstrom) * display.binning
    # The first binned voxel's centre lies amid those that it is the mean of.
    amid = 0.5 * (display.binning - 1) * float(volume.voxel_size_angstrom)
    corner = volume.corner_angstrom + amid
    values = display.data.astype(np.int16) - _SIGNED
    statistics = (
        float(values.min()),
        float(values.max()),
        float(values.mean()),
        float(values.std()),
    )
    position = BoxPosition((0, 0, 0), (float(corner[0]), float(corner[1]), float(corner[2])))
    header = make_header((nx, ny, nz), size, statistics, mode=0, position=position)
    return header + values.astype(np.int8).tobytes()


def _list(values: Any) -> str:
    return ", ".join(f"{value:.1f}" for value in values)


def _words(text: str) -> str:
    return f'<div class="locref-note" role="status">{html.escape(text)}</div>'
