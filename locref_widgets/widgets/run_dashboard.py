"""The live view of a run, from any kernel and at any time."""

import base64
import functools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from locref_widgets.runs import control
from locref_widgets.runs.run import Run
from locref_widgets.runs.run_state import RunState
from locref_widgets.widgets.closing import close_parts
from locref_widgets.widgets.code_lines import CodeLines
from locref_widgets.widgets.control_bar import RESUME, ControlBar
from locref_widgets.widgets.curves_panel import FSCPanel
from locref_widgets.widgets.dashboard_data import DashboardData, Shown
from locref_widgets.widgets.dashboard_picture import overview_text, picture_png
from locref_widgets.widgets.dashboard_style import dashboard_style
from locref_widgets.widgets.event_watcher import EventWatcher
from locref_widgets.widgets.heatmap_pair import HeatmapPair, side_by_side
from locref_widgets.widgets.histogram_panel import HistogramPanel
from locref_widgets.widgets.iteration_choice import IterationChoice
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.log_tab import LogTab
from locref_widgets.widgets.maps_tab import MapsTab
from locref_widgets.widgets.noise_tab import NoiseTab
from locref_widgets.widgets.particles_tab import ParticlesTab
from locref_widgets.widgets.same_cell import close_earlier
from locref_widgets.widgets.settings_tab import SettingsTab
from locref_widgets.widgets.studio_parts import column
from locref_widgets.widgets.style import style_sheet
from locref_widgets.widgets.trend_panel import PoseTrendPanel, ResolutionPanel
from locref_widgets.widgets.words import at_bound_words

_CODE = {
    "pause": "run.pause()",
    "continue": "run.continue_()",
    "stop": "run.stop()",
    control.STOP_AFTER: "run.stop(after_iteration=True)",
    RESUME: "run.resume()",
}


class RunDashboard(widgets.VBox):
    """Progress, pose changes over the view sphere, curves, maps, particles and settings of a run.

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
    _tasks: LatestTasks | None = None
    _pictures: LatestTasks | None = None
    _numbers: LatestTasks | None = None

    def __init__(self, run: Any) -> None:
        self.run = run if isinstance(run, Run) else Run(getattr(run, "path", run))
        self._run_folder = self.run.folder
        self.folder = self._run_folder.path
        self._closed = False
        # The thread that watches and the one that answers the browser draw in turn.
        self._drawing = threading.RLock()
        self._code = CodeLines(self.folder)
        is_pending = functools.partial(control.is_pending, self.folder)
        self._controls = ControlBar(
            self.folder.name, self._request, is_pending, (self._code.switch,)
        )
        # Figures take seconds on a busy machine: what is looked up does not wait for them.
        say = self._controls.show_error
        self._tasks = LatestTasks(functools.partial(say, source="work"))
        self._pictures = LatestTasks(functools.partial(say, source="pictures"))
        self._numbers = LatestTasks(functools.partial(say, source="numbers"))
        self._data = DashboardData(self._run_folder)
        self._choice = IterationChoice(self._redraw)
        self._maps = HeatmapPair(
            self._data, self._tasks, self._numbers, self._on_selection, self._drawing
        )
        self._resolution, self._pose_trend = ResolutionPanel(), PoseTrendPanel()
        self._rotations = HistogramPanel("Pose change", "pose_change", "deg", "°")
        self._shifts = HistogramPanel("Shift change", "shift_change", "px", "px")
        self._trends: tuple[object, ...] = ()
        self._at_bound = widgets.HTML("")
        self._fsc = FSCPanel()
        self._map_tab = MapsTab(self._data, self._pictures)
        self._particles = ParticlesTab(self._data, self._tasks, self._code.add)
        self._noise = NoiseTab(self._data, self._pictures)
        self._settings = SettingsTab(self.run, self._code.add, self._show_branch)
        self._log = LogTab(self.folder)
        self._branches = widgets.VBox(layout=widgets.Layout(min_width="0"))
        self._tabs = self._make_tabs()
        look = widgets.HBox(
            [self._choice.widget, self._maps.controls],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )
        look.add_class("locref-look")
        super().__init__(
            [
                style_sheet(),
                dashboard_style(),
                self._controls.widget,
                self._code.widget,
                look,
                self._maps.maps,
                self._maps.selection.widget,
                side_by_side(self._resolution.widget, self._pose_trend.widget),
                self._tabs,
                self._branches,
            ]
        )
        self.add_class("locref-dashboard")
        self._watcher = EventWatcher(
            self.folder,
            self._show,
            self._controls.show_error,
            self._show_gone,
            lambda: self._run_folder.status,
            lambda: self._closed,
        )
        # What is known already leaves before the view is drawn, which is then drawn once.
        self._watcher.poll_safely()
        self._watcher.start()
        close_earlier(self)

    @property
    def state(self) -> RunState:
        """What the dashboard knows of the run now."""
        return self._watcher.state if self._watcher is not None else RunState()

    def close(self) -> None:
        """Take the view away and end its thread; the run goes on."""
        self._closed = True
        if self._watcher is not None:
            self._watcher.stop()
        for tasks in (self._tasks, self._pictures, self._numbers):
            if tasks is not None:
                tasks.close()
        hidden = [plot for _, plots in getattr(self, "_plots", {}).values() for plot in plots]
        hidden += [content for _, content in getattr(self, "_later", {}).values()]
        close_parts(self, hidden)
        super().close()

    def save_html(self, path: str | os.PathLike[str]) -> Path:
        """Write everything as one page that opens without a network, and return where it is.

        Raises
        ------
        InputError
            A file that is no saved dashboard is there already.
        OutputError
            It cannot be written.
        """
        from locref_widgets.figures.run_page import save_run_page

        return save_run_page(self.folder, path)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Bring a picture and a table along, for places where no widget comes alive."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if not isinstance(bundle, dict):
            return bundle
        try:
            with self._drawing:
                bundle["text/plain"] = overview_text(self.state, self.folder.name)
                picture = picture_png(self.state)
            if picture is not None:
                bundle["image/png"] = base64.b64encode(picture).decode("ascii")
        except Exception as error:
            # The live view is worth more than its stand-in.
            bundle["text/plain"] = f"RunDashboard({str(self.folder)!r}) ({error})"
        return bundle

    def _make_tabs(self) -> widgets.Tab:
        changes = (
            side_by_side(self._rotations.widget, self._shifts.widget),
            self._at_bound,
            self._maps.cell_table,
        )
        # bqplot complains of plots that have no room: they are in the page while it is open. The
        # other pages are filled when they are first opened, for the dashboard to come up sooner.
        self._plots = {"Pose changes": (column(), changes), "FSC": (column(), (self._fsc.widget,))}
        self._later = {
            "Maps": (column(), self._map_tab.widget),
            "Particles": (column(), self._particles.widget),
            "Noise and scale": (column(), self._noise.widget),
            "Settings": (column(), self._settings.widget),
            "Log": (column(), self._log.widget),
        }
        pages: dict[str, tuple[widgets.Widget, Callable[[Shown], None]]] = {
            "Pose changes": (self._plots["Pose changes"][0], self._show_changes),
            "FSC": (self._plots["FSC"][0], lambda shown: self._fsc.show(shown.finished)),
            "Maps": (self._later["Maps"][0], self._map_tab.show),
            "Particles": (self._later["Particles"][0], self._particles.show),
            "Noise and scale": (self._later["Noise and scale"][0], self._noise.show),
            "Settings": (self._later["Settings"][0], _nothing),
            "Log": (self._later["Log"][0], _nothing),
        }
        self._show_page = [show for _, show in pages.values()]
        self._titles = list(pages)
        tabs = widgets.Tab(
            children=[page for page, _ in pages.values()],
            titles=tuple(pages),
            selected_index=0,
            layout=widgets.Layout(min_width="0"),
        )
        tabs.observe(lambda _change: self._turn_to_page(), "selected_index")
        self._place_plots("Pose changes")
        return tabs

    def _turn_to_page(self) -> None:
        self._place_plots(self._titles[self._tabs.selected_index or 0])
        self._redraw()

    def _place_plots(self, page: str) -> None:
        for title, (box, plots) in self._plots.items():
            box.children = plots if title == page else ()
        if page in self._later:
            box, content = self._later.pop(page)
            box.children = (content,)

    def _request(self, action: str) -> None:
        if action == RESUME:
            self.run.resume()
            if self._watcher is not None:
                self._watcher.revive()
        else:
            control.request(self.folder, action)
        self._code.add(_CODE[action])

    def _on_selection(self) -> None:
        self._particles.select(self._maps.selection.cells)
        self._redraw()

    def _show_branch(self, branch: Run) -> None:
        below = RunDashboard(branch)
        below.add_class("locref-branches")
        self._branches.children = (*self._branches.children, below)
        self._code.add(f"lw.RunDashboard({str(branch.path)!r})")

    def _show_gone(self, words: str) -> None:
        with self._drawing:
            self._controls.show_gone(words)

    def _redraw(self) -> None:
        # An error in a control's handler would only reach the server's log.
        try:
            self._show(self.state)
        except Exception as error:
            self._controls.show_error(f"{type(error).__name__}: {error}")
        else:
            self._controls.show_error("")

    def _show(self, state: RunState) -> None:
        """Bring up to the state what is in sight; the other tabs follow when they are opened."""
        with self._drawing:
            numbers = sorted(state.iterations)
            self._choice.show(numbers)
            iteration = self._choice.value
            finished = None if iteration is None else state.iterations.get(iteration)
            shown = None
            # The browser draws in the order told: the maps come first, small plots last.
            try:
                if iteration is not None and finished is not None:
                    shown = Shown(state, iteration, finished)
                    self._maps.show(shown)
            finally:
                self._controls.show(state)
            page = self._titles[self._tabs.selected_index or 0]
            if page == "Settings":
                self._settings.show(state)
            elif page == "Log":
                self._log.show()
            if shown is None:
                return
            events = (iteration, *state.iterations.values())
            if len(events) != len(self._trends) or any(
                one is not other for one, other in zip(events, self._trends, strict=True)
            ):
                self._resolution.show(state, iteration)
                self._pose_trend.show(state, iteration)
                self._trends = events
            self._show_page[self._tabs.selected_index or 0](shown)

    def _show_changes(self, shown: Shown) -> None:
        self._rotations.show(shown.state, shown.finished)
        self._shifts.show(shown.state, shown.finished)
        words = at_bound_words(shown.finished)
        self._at_bound.value = f'<span class="locref-note">{words}</span>' if words else ""
        self._maps.show_table()


def _nothing(_shown: Shown) -> None:
    """What a tab needs of an iteration that shows none."""
