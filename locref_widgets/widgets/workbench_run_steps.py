"""The steps of a workbench from the start of a run on: run and results."""

import html
import math
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.runs.listing import list_runs
from locref_widgets.runs.run import open_run, start_refinement
from locref_widgets.widgets.display_volume import first_level
from locref_widgets.widgets.map_view import MapView
from locref_widgets.widgets.run_dashboard import RunDashboard
from locref_widgets.widgets.studio_parts import LABEL_WIDTH, button, column, note, row, text
from locref_widgets.widgets.workbench_files import stamp_of
from locref_widgets.widgets.workbench_parts import Bench, BenchStep, empty, free_name

_MOST_COMPARED = 6
_CLICK_SECONDS = 1.0
"""A click that comes so soon after a start belongs to the same double click."""


def runs_of(folder: Path) -> list[str]:
    """Names of the runs of a workbench's folder, the latest first."""
    runs = folder / "runs"
    if not runs.is_dir():
        return []
    return [str(Path(run["folder"]).relative_to(runs)) for run in list_runs(runs)]


class RunStep(BenchStep):
    """A run is started, or one that is there is opened; the dashboard follows it."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.name = text("Name", "Folder of the next run, below runs/ in the workbench's folder")
        self.where = text(
            "Computed on",
            "local: all devices of this machine; dask:ADDRESS or slurm:FILE.yaml: a cluster",
            "local",
        )
        self.start = button("Start the refinement", "In a process of its own", self._start)
        self.start.button_style, self.start.icon = "primary", "play"
        self.runs = _dropdown("Shown run", "Runs of this workbench; the latest first")
        self.runs.observe(self._on_run, "value")
        self._place = column()
        self.dashboard: RunDashboard | None = None
        self._shown: str | None = None
        self._starting = threading.Lock()
        self._started = -math.inf
        self._about = widgets.HTML()
        self.widget = column(
            self._about,
            row(self.name, self.where, self.start),
            row(self.runs),
            self._place,
        )

    def refresh(self) -> None:
        """Show the runs there are, and the dashboard of the one chosen."""
        bench = self._bench
        if not self.name.value or (bench.folder / "runs" / self.name.value).exists():
            self.name.value = free_name(bench.folder / "runs", "run").name
        self._about.value = note(_about(bench))
        chosen = _offer(self.runs, self._on_run, runs_of(bench.folder), bench.state.run)
        if chosen is not None and chosen != bench.state.run:
            bench.update(run=chosen)
        if chosen == self._shown:
            return
        self._shown = self.dashboard = None
        empty(self._place)
        if chosen is not None:
            self.dashboard = RunDashboard(bench.folder / "runs" / chosen)
            self._place.children = (self.dashboard,)
        self._shown = chosen

    def _start(self) -> None:
        # The second click of a double click is served right after the first, when the name is
        # that of the next run already, or by another thread while the first is being served.
        if not self._starting.acquire(blocking=False):
            return
        try:
            if time.monotonic() - self._started > _CLICK_SECONDS:
                self._start_one(self.name.value.strip())
        finally:
            self._starting.release()

    def _start_one(self, name: str) -> None:
        bench = self._bench

        def start() -> None:
            out = bench.folder / "runs" / name
            if not name or Path(name).name != name:
                raise InputError(f"{name!r}: is no name for a folder. Give one without slashes.")
            if out.exists():
                raise InputError(f"{name}: there is such a run already. Give another name.")
            state, files = bench.state, bench.files
            start_refinement(
                files.particles(state),
                files.volume(state),
                files.mask(state),
                state.settings,
                out,
                half_maps=files.half_maps(state),
                executor=self.where.value.strip() or None,
            )

        bench.say("Starting…")
        self.start.disabled = True
        try:
            started = bench.attempt(start)
        finally:
            self.start.disabled = False
        if started:
            bench.say("")
            bench.update(run=name)
            self._started = time.monotonic()

    def _on_run(self, change: dict[str, Any]) -> None:
        if change["new"] and change["new"] != self._bench.state.run:
            self._bench.update(run=change["new"])


class ResultsStep(BenchStep):
    """The refined map beside the one it came from, the report, and runs compared."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.runs = _dropdown("Shown run", "Runs of this workbench; the latest first")
        self.runs.observe(self._on_run, "value")
        self.report = button(
            "Show the report", "All figures of the run on one page", self._show_report
        )
        self.compared = widgets.SelectMultiple(
            description="Compare",
            tooltip="Hold Ctrl (or Cmd) or Shift to choose two to six runs",
            rows=4,
            style={"description_width": LABEL_WIDTH},
            layout=widgets.Layout(width="360px", max_width="100%"),
        )
        self.compare = button(
            "Compare the runs chosen",
            "FSC, pose changes, maps and agreement of the poses, side by side",
            self._compare,
        )
        self._files, self._map, self._page, self._pair = (
            widgets.HTML(),
            column(),
            column(),
            column(),
        )
        self._shown: Any = None
        self.comparison: Any = None
        self.widget = column(
            row(self.runs, self.report),
            self._files,
            self._map,
            self._page,
            row(self.compared, self.compare),
            self._pair,
        )

    def refresh(self) -> None:
        """Show the maps of the run chosen."""
        bench = self._bench
        names = runs_of(bench.folder)
        chosen = _offer(self.runs, self._on_run, names, bench.state.run)
        if tuple(self.compared.options) != tuple(names):
            self.compared.options = names
            self.compared.value = [name for name in bench.state.compared if name in names]
        if chosen is None:
            return
        if chosen != bench.state.run:
            bench.update(run=chosen)
        path = bench.folder / "runs" / chosen
        run = open_run(path)
        final = path / "final" / "map.mrc"
        shown = (chosen, run.status, len(run.iterations()), stamp_of(final))
        if shown == self._shown:
            return
        self._shown = None
        empty(self._map)
        empty(self._page)
        self.report.disabled = not run.iterations()
        if final.exists():
            self._files.value = _files_html(path / "final")
            self._map.children = (_shown_map(read_map(final), _mask_of(path)),)
        else:
            self._files.value = note(
                f"{chosen}: {run.status}, {len(run.iterations())} iterations so far. The final "
                "maps come when it is finished; come back to this step then."
            )
        self._shown = shown

    def _on_run(self, change: dict[str, Any]) -> None:
        if change["new"] and change["new"] != self._bench.state.run:
            self._bench.update(run=change["new"])

    def _show_report(self) -> None:
        def show() -> None:
            run = open_run(self._bench.folder / "runs" / str(self.runs.value))
            page = run.write_report()
            text = html.escape(page.read_text(encoding="utf-8"), quote=True)
            empty(self._page)
            self._page.children = (
                widgets.HTML(
                    f'<iframe title="Report of {html.escape(str(self.runs.value))}" '
                    f'srcdoc="{text}" sandbox style="width: 100%; height: 640px; '
                    'border: 1px solid var(--jp-border-color1); background: white"></iframe>'
                ),
            )

        self._bench.attempt(show)

    def _compare(self) -> None:
        names = tuple(self.compared.value)

        def compare() -> None:
            if not 2 <= len(names) <= _MOST_COMPARED:
                raise InputError(
                    f"{len(names)} runs are chosen. Choose two to {_MOST_COMPARED} in the list, "
                    "holding Ctrl or Shift."
                )
            # It brings plots that no other step needs.
            import locref_widgets as lw

            empty(self._pair)
            self.comparison = lw.RunComparison([self._bench.folder / "runs" / one for one in names])
            self._pair.children = (self.comparison,)
            self._bench.update(compared=names)

        self._bench.attempt(compare)


def _dropdown(label: str, tooltip: str) -> widgets.Dropdown:
    return widgets.Dropdown(
        description=label,
        tooltip=tooltip,
        style={"description_width": LABEL_WIDTH},
        layout=widgets.Layout(width="360px", max_width="100%"),
    )


def _offer(
    control: widgets.Dropdown,
    told: Callable[[dict[str, Any]], None],
    names: list[str],
    chosen: str | None,
) -> str | None:
    """Put names into a list and choose one of them, the first where the wanted one is gone.

    ``told`` observes the list, and hears nothing of it.
    """
    wanted = chosen if chosen in names else next(iter(names), None)
    # New options choose the first of them on their own.
    control.unobserve(told, "value")
    try:
        if tuple(control.options) != tuple(names):
            control.options = names
        control.value = wanted
    finally:
        control.observe(told, "value")
    control.layout.display = "" if names else "none"
    return wanted


def _about(bench: Bench) -> str:
    settings, particles = bench.state.settings, bench.files.particles(bench.state)
    number = min(len(particles), settings.subset or len(particles))
    degrees = math.degrees(settings.rotation_extent)
    chosen = bench.state.is_done("fulcrum")
    point = "the fulcrum" if chosen else "the centre of the box (no fulcrum is chosen)"
    return (
        f"{number:,} particles of {particles.box_px} px, turned by up to {degrees:.3g}° about "
        f"{point} and shifted within {settings.shift_extent:g} px, in at most "
        f"{settings.iterations} iterations. The run goes on when this page is closed or the "
        "kernel is restarted."
    )


def _mask_of(run: Path) -> Map | None:
    """The mask that a run ended with: the one chosen now may be another."""
    path = run / "final" / "mask.mrc"
    return read_map(path) if path.exists() else None


def _shown_map(volume: Map, mask: Map | None) -> MapView:
    if mask is None:
        return MapView(volume)
    # Outside of the mask is the noise of what was subtracted: it says nothing about a level.
    inside = volume.data * mask.data
    return MapView(volume, mask, level=first_level(inside, float(volume.voxel_size_angstrom)))


def _files_html(folder: Path) -> str:
    names = ", ".join(f"<code>{html.escape(p.name)}</code>" for p in sorted(folder.iterdir()))
    return f'<p class="locref-unit">In <code>{html.escape(str(folder))}</code>: {names}</p>'
