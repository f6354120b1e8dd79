"""The fulcrum by hand: clicked, dragged, typed or chosen, with what it means for the region."""

import html
from typing import Any

import ipywidgets as widgets
import numpy as np
import traitlets

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.refinement.fulcrum_point import angstrom_to_voxels, voxels_to_angstrom
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.widgets.fulcrum_front import FulcrumFront
from locref_widgets.widgets.map_view import Point, fulcrum_voxels
from locref_widgets.widgets.model_view import ModelView
from locref_widgets.widgets.nglview_support import load_nglview
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.volume_widget import MapOrPath, as_map


class FulcrumPicker(widgets.VBox):
    """Pick the point about which the masked region turns.

    Click a slice or the surface, drag the marker, type it in either unit, or take a quick choice.
    A preview swings the region about the point by the rotation extent. Read or observe `fulcrum`
    (voxels from the corner) and `fulcrum_angstrom` (Å from the centre); setting either moves the
    marker.

    Parameters
    ----------
    volume, mask
        A cubic map and a mask on its grid, or their paths.
    fulcrum
        Where to begin, as in `MapView`; the settings' own point, else the middle of the mask.
    settings
        Extents for the preview, and a fulcrum to begin with.
    run
        An earlier run, or its folder, whose fitted fulcrum is offered.
    model
        A model fitted into the map: a PDB or mmCIF file, or a `gemmi.Structure`. It is shown below
        in nglview, where a click on an atom puts the fulcrum there; `model_view` is that view.
    level
        Contour level in the map's units.

    Raises
    ------
    InputError
        The map is no cube, map and mask differ in grid, or the fulcrum lies outside the box.
    """

    fulcrum = traitlets.Tuple(
        traitlets.Float(),
        traitlets.Float(),
        traitlets.Float(),
        help="Voxels (x, y, z) from the map's corner",
    )
    fulcrum_angstrom = traitlets.Tuple(
        traitlets.Float(),
        traitlets.Float(),
        traitlets.Float(),
        help="The same point in Å (x, y, z) from the map's centre",
    )

    def __init__(
        self,
        volume: MapOrPath,
        mask: MapOrPath | None = None,
        fulcrum: Point | str | None = None,
        *,
        settings: RefinementSettings | None = None,
        run: Any = None,
        model: Any = None,
        level: float | None = None,
    ) -> None:
        volume = as_map(volume)
        mask = None if mask is None else as_map(mask)
        if mask is not None:
            check_same_grid(volume, mask, "mask")
        settings = RefinementSettings() if settings is None else settings
        in_angstrom = None
        if fulcrum is None:
            fulcrum, in_angstrom = settings.fulcrum, settings.fulcrum_angstrom
        if fulcrum is None and in_angstrom is None:
            fulcrum = "box" if mask is None else "mask"
        start = np.asarray(fulcrum_voxels(volume, mask, fulcrum, in_angstrom), dtype=np.float64)
        point = [float(value) for value in start]
        self._box_px, self._size = volume.box_px, float(volume.voxel_size_angstrom)
        self._front = FulcrumFront(
            volume,
            mask,
            level=level,
            fulcrum=point,
            cursor=[int(value) for value in np.clip(np.rint(start), 0, volume.box_px - 1)],
            rotation_extent=float(settings.rotation_extent),
            shift_extent=float(settings.shift_extent),
            run_path="" if run is None else str(getattr(run, "path", run)),
        )
        super().__init__([self._front, *self._model_part(model, volume)])
        self._take(point)
        self._front.observe(lambda change: self._take(change["new"]), "fulcrum")

    @property
    def rotation_extent(self) -> float:
        """The extent that is previewed, rad."""
        return self._front.rotation_extent

    @property
    def shift_extent(self) -> float:
        """The extent that is previewed, pixels."""
        return self._front.shift_extent

    @property
    def front(self) -> FulcrumFront:
        """The view itself: its `level`, `layers`, `cursor`, `picked`, and quick choices."""
        return self._front

    @property
    def model_view(self) -> ModelView | None:
        """The view of the fitted model; None without a model or without nglview."""
        return self._model_view

    def settings_values(self) -> dict[str, Any]:
        """What was chosen, as values for `RefinementSettings(**values)`."""
        return {
            "fulcrum": self.fulcrum,
            "rotation_extent": self.rotation_extent,
            "shift_extent": self.shift_extent,
        }

    def close(self) -> None:
        """Take the view away, with its drawing contexts."""
        # Also called on a view whose making failed.
        for part in getattr(self, "children", ()):
            part.close()
        super().close()

    def _model_part(self, model: Any, volume: Map) -> list[widgets.Widget]:
        self._model_view = None
        if model is None:
            return []
        try:
            load_nglview()
        except InputError as error:
            # The rest of the picker needs no nglview.
            words = f'<div class="locref-warning" role="status">{html.escape(str(error))}</div>'
            return [style_sheet(), widgets.HTML(words)]
        view = self._model_view = ModelView(model, volume, level=self._front.level)
        view.observe(self._on_atom, "picked_atom")
        return [view]

    def _on_atom(self, change: dict[str, Any]) -> None:
        atom = change["new"]
        try:
            self._front.fulcrum = atom["voxel"]
            self._front.found = f"Atom {atom['name']} of the model."
        except InputError as error:
            self._front.advice = f"Atom {atom['name']}: {error}"

    def _take(self, voxels: Any) -> None:
        with self.hold_trait_notifications():
            self.fulcrum = tuple(float(value) for value in voxels)
            self.fulcrum_angstrom = self._to_angstrom(self.fulcrum)
        if self._model_view is not None:
            self._model_view.show_point(self._model_view.from_voxel(self.fulcrum))

    def _to_angstrom(self, voxels: Any) -> tuple[float, float, float]:
        x, y, z = voxels_to_angstrom(np.asarray(voxels), self._box_px, self._size)
        return float(x), float(y), float(z)

    @traitlets.observe("fulcrum")
    def _on_fulcrum(self, change: dict[str, Any]) -> None:
        if list(change["new"]) != self._front.fulcrum:
            self._move(np.asarray(change["new"]))

    @traitlets.observe("fulcrum_angstrom")
    def _on_angstrom(self, change: dict[str, Any]) -> None:
        point = np.asarray(change["new"], dtype=np.float64)
        if not np.allclose(point, self._to_angstrom(self._front.fulcrum), rtol=0, atol=1e-9):
            self._move(angstrom_to_voxels(point, self._box_px, self._size))

    def _move(self, voxels: Any) -> None:
        """Set by a program: the front end checks it; what it refuses is taken back."""
        try:
            self._front.found = ""
            self._front.fulcrum = [float(value) for value in voxels]
        finally:
            self._take(self._front.fulcrum)
