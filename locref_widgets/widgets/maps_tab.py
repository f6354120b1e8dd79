"""Slices of an iteration's map with the mask that was used, and its surface when asked for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from locref_widgets.figures.run_data import as_array, number
from locref_widgets.io.mrc import read_map
from locref_widgets.widgets.dashboard_data import DashboardData, Shown
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.map_view import MapView
from locref_widgets.widgets.studio_parts import button, column, note, row, said


@dataclass(frozen=True)
class _LookedAt:
    """Maps in a folder, and the event that told of them."""

    folder: Path
    told: dict[str, Any]
    is_preview: bool = False

    @property
    def iteration(self) -> int:
        return int(self.told["iteration"])

    @property
    def resolution_angstrom(self) -> float | None:
        return number(self.told.get("resolution_angstrom"))

    @property
    def title(self) -> str:
        so_far = f", first {self.told['done']:,} particles" if self.is_preview else ""
        return f"Iteration {self.iteration}{so_far}"

    @property
    def words(self) -> str:
        resolution = self.resolution_angstrom
        quoted = "" if resolution is None else f", low-passed to {resolution:.2f} Å"
        return (
            f"<b>{self.title}</b>{quoted}"
            ' <span class="locref-note">dashed: the mask of its FSC and of the next search’s'
            " reference, where it is 0.5</span>"
        )


class MapsTab:
    """Slices through the mask, before and after; a viewer of the map below when asked for."""

    def __init__(self, data: DashboardData, tasks: LatestTasks) -> None:
        self._data, self._tasks = data, tasks
        self._shown: Shown | None = None
        self._drawn: object = None
        self.words = widgets.HTML()
        self.slices = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.button = button(
            "Show in 3D", "Surface and slices of this iteration's map", self.show_in_3d
        )
        self.button.add_class("locref-show-3d")
        self.close_button = button(
            "Close 3D view", "Give the viewer and its memory up", self.close_3d
        )
        self.close_button.disabled = True
        self.view = widgets.VBox(layout=widgets.Layout(min_width="0"))
        self.widget = column(
            self.words, self.slices, row(self.button, self.close_button), self.view
        )

    def show(self, shown: Shown) -> None:
        """Draw the slices of the iteration looked at."""
        self._shown = shown
        looked_at = self._looked_at(shown)
        if looked_at == self._drawn:
            return
        self._drawn = looked_at
        self.words.value = note(f"Drawing the slices of iteration {looked_at.iteration} …")

        def draw() -> None:
            try:
                self.slices.value, told = self._draw(shown, looked_at), looked_at.words
            except Exception as error:
                self._drawn, self.slices.value = None, ""
                self.words.value = said(str(error), "error")
                return
            self.words.value = told

        self._tasks.submit("slices", draw)

    def show_in_3d(self) -> None:
        """Show this iteration's map, mask and fulcrum in a viewer of their own."""
        shown = self._shown
        if shown is None:
            return
        looked_at = self._looked_at(shown)
        folder = looked_at.folder
        effect = shown.state.in_effect(shown.iteration)
        try:
            view = MapView(
                folder / "map.mrc",
                folder / "mask.mrc",
                fulcrum_angstrom=effect.get("fulcrum_angstrom"),
            )
        except Exception as error:
            self.words.value = said(str(error), "error")
            return
        self.close_3d()
        heading = widgets.HTML(f"<b>{looked_at.title}</b>")
        self.view.children = (heading, view)
        self.close_button.disabled = False

    def close_3d(self) -> None:
        """Take the viewer away."""
        old, self.view.children = self.view.children, ()
        for child in old:
            child.close()
        self.close_button.disabled = True

    def _looked_at(self, shown: Shown) -> "_LookedAt":
        """The iteration's maps; after the last finished one what the next has made so far."""
        preview, run = shown.state.preview, self._data.folder
        if preview is not None and shown.iteration == max(shown.state.iterations):
            return _LookedAt(run.preview_folder, preview, is_preview=True)
        return _LookedAt(run.iteration_folder(shown.iteration), shown.finished)

    def _draw(self, shown: Shown, looked_at: "_LookedAt") -> str:
        from locref_widgets.figures.slices import plot_slices
        from locref_widgets.figures.theme import to_svg

        run, state = self._data.folder, shown.state
        first = min(state.iterations, default=shown.iteration)
        folder = looked_at.folder
        after = read_map(folder / "map.mrc")
        mask = read_map(folder / "mask.mrc").data
        same = first == looked_at.iteration
        before = after if same else read_map(run.iteration_folder(first) / "map.mrc")
        fulcrum = state.in_effect(shown.iteration).get("fulcrum_angstrom")
        resolutions = (
            number(state.iterations.get(first, {}).get("resolution_angstrom")),
            looked_at.resolution_angstrom,
        )
        figure = plot_slices(
            before.data,
            None if same else after.data,
            mask,
            after.voxel_size_angstrom,
            resolutions_angstrom=resolutions,
            fulcrum_angstrom=None if fulcrum is None else as_array(fulcrum),
        )
        covered = 100 * float(np.mean(mask > 0.5))
        words = (
            f"Slices through the mask used in iteration {looked_at.iteration}, which covers"
            f" {covered:.1f} % of the box"
        )
        return f'<div class="locref-figures">{to_svg(figure, "dashboard-slices", words)}</div>'
