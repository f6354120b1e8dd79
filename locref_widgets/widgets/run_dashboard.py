"""The live view of a run, from any kernel and at any time."""

from typing import Any

import ipywidgets as widgets

from locref_widgets.runs import control
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.control_bar import ControlBar
from locref_widgets.widgets.curves_panel import FSCPanel, HistogramPanel, ResolutionPanel
from locref_widgets.widgets.event_watcher import EventWatcher
from locref_widgets.widgets.heatmap_panel import HeatmapPanel
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.words import at_bound_words


class RunDashboard(widgets.VBox):
    """Progress, pose changes over the view sphere, histograms, FSC and resolution of one run.

    It reads the run folder and writes requests into it; the run itself lives in its own process, so
    closing this view, reloading the page or restarting the kernel changes nothing. Several views
    may watch one run.

    Parameters
    ----------
    run
        A run (from `start_refinement` or `open_run`) or the path of its folder.

    Raises
    ------
    InputError
        The folder holds no run.
    """

    # `close` is also called on a view whose making failed.
    _watcher: EventWatcher | None = None

    def __init__(self, run: Any) -> None:
        self._run_folder = RunFolder(run.path if hasattr(run, "path") else run)
        self.folder = self._run_folder.path
        self._closed = False
        self._controls = ControlBar(self.folder.name, self._request)
        self._rotation_map = HeatmapPanel("Mean pose change", "pose_change_deg", "°")
        self._shift_map = HeatmapPanel("Mean shift change", "shift_change_px", "px")
        self._rotations = HistogramPanel("Pose change", "pose_change", "deg", "°")
        self._shifts = HistogramPanel("Shift change", "shift_change", "px", "px")
        self._fsc, self._resolution = FSCPanel(), ResolutionPanel()
        self._at_bound = widgets.HTML("")
        self._colours = widgets.ToggleButtons(
            options=[("Largest mean so far", False), ("Whole extent searched", True)],
            tooltips=[
                "The colours end at the largest mean seen in this run; they never shrink",
                "The colours end at the largest change that the search allows",
            ],
            style={"button_width": "auto"},
        )
        self._colours.observe(self._choose_colours, "value")
        super().__init__(
            [
                style_sheet(),
                self._controls.widget,
                _side_by_side(self._rotation_map.widget, self._shift_map.widget),
                _labelled("Colours reach to", self._colours),
                _side_by_side(self._rotations.widget, self._shifts.widget),
                self._at_bound,
                _side_by_side(self._fsc.widget, self._resolution.widget),
            ]
        )
        self.add_class("locref-dashboard")
        self._watcher = EventWatcher(
            self.folder,
            self._show,
            self._controls.show_error,
            lambda: self._run_folder.status,
            lambda: self._closed,
        )
        self._watcher.start()

    @property
    def state(self) -> RunState:
        """What the dashboard knows of the run now."""
        return self._watcher.state if self._watcher is not None else RunState()

    def close(self) -> None:
        """Take the view away and end its thread; the run goes on."""
        self._closed = True
        if self._watcher is not None:
            self._watcher.stop()
        super().close()

    def _request(self, action: str) -> None:
        control.request(self.folder, action)

    def _choose_colours(self, change: dict[str, Any]) -> None:
        for panel in (self._rotation_map, self._shift_map):
            panel.use_whole_extent(change["new"])

    def _show(self, state: RunState) -> None:
        self._controls.show(state)
        heatmap = (state.latest or {}).get("heatmap")
        if heatmap:
            pixel = state.pixel_size_angstrom
            self._rotation_map.show(heatmap, state.rotation_extent_deg, pixel)
            self._shift_map.show(heatmap, state.shift_radius_px, pixel)
        self._rotations.show(state)
        self._shifts.show(state)
        self._fsc.show(state)
        self._resolution.show(state)
        words = at_bound_words(state)
        self._at_bound.value = f'<span class="locref-note">{words}</span>' if words else ""


def _side_by_side(left: widgets.Widget, right: widgets.Widget) -> widgets.GridBox:
    # One below the other where there is no room for two.
    box = widgets.GridBox(
        [left, right],
        layout=widgets.Layout(
            grid_template_columns="repeat(auto-fit, minmax(min(100%, 330px), 1fr))", width="auto"
        ),
    )
    box.add_class("locref-panels")
    return box


def _labelled(words: str, control: widgets.Widget) -> widgets.HBox:
    return widgets.HBox(
        [widgets.HTML(words), control],
        layout=widgets.Layout(flex_flow="row wrap", align_items="center", margin="0 0 10px 0"),
    )
