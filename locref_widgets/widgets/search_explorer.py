"""One particle's search, to be stepped through: what was scored, what was dropped and why."""

import html
import os
from typing import Any

import ipywidgets as widgets
import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import Particles
from locref_widgets.refinement.one_particle import ParticleSearch, ParticleSearches
from locref_widgets.refinement.pose_search import pose_search
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.searches import found_in_iteration, search_of_iteration
from locref_widgets.widgets.closing import close_parts
from locref_widgets.widgets.number_slider import NumberSlider
from locref_widgets.widgets.search_panels import in_cells, optimum_html, pictures_html
from locref_widgets.widgets.search_pictures import cells_svg, tree_svg
from locref_widgets.widgets.search_plots import scores_svg
from locref_widgets.widgets.search_style import STYLE
from locref_widgets.widgets.search_words import (
    legend_html,
    levels_html,
    step_words,
    verdict_html,
)
from locref_widgets.widgets.style import style_sheet

ROOMY = (72, 13, 24)
"""Lists of tilts, turns and shifts that hold all cells of extents of 0.2 rad and 4 px."""
_MOST_SEARCHED, _MOST_KEPT = 24, 12
_MADE_UP = (0.25, 1.0, 4.0, 16.0, 64.0)


class SearchExplorer(widgets.VBox):
    """Step through the search of one particle, level by level.

    What is shown is the search itself, not a copy of it: of a run, the search that the run made in
    an iteration, with its maps, noise and settings.

    Parameters
    ----------
    source
        A run, or the path of its folder; or a table of particles, with ``volume`` and ``mask``, of
        which the first search is shown.
    volume, mask, settings
        As for `refine`, with a table of particles.
    particle
        Row of the table, from 0; unset: the first that takes part.
    iteration
        Of a run: whose search. For the first three iterations the images are read to open it.
    truth
        A table of the true poses, of the same rows: they are marked.

    Raises
    ------
    InputError
        The run has no such iteration, the particle takes no part, or inputs do not fit together.
    """

    def __init__(
        self,
        source: Any,
        volume: Map | None = None,
        mask: Map | None = None,
        settings: RefinementSettings | None = None,
        particle: int | None = None,
        *,
        iteration: int = 1,
        truth: Particles | None = None,
    ) -> None:
        self._searches, self._told = _open(source, volume, mask, settings, iteration)
        self._truth, self.iteration = truth, iteration
        # The latest are kept, the oldest first: each holds every cell of its levels.
        self._cache: dict[tuple[int, str, str], ParticleSearch] = {}
        self._step = 0
        problem = self._searches.posed.problem
        first = int(problem.rows[0]) if particle is None else particle
        self._position = self._searches.position_of_row(first)
        self._make_controls()
        self._words = [_wide() for _ in range(6)]
        head, table, tree, level, pictures, optimum = self._words
        self._error = widgets.HTML("")
        super().__init__(
            [
                style_sheet(),
                widgets.HTML(STYLE, layout=widgets.Layout(height="0", margin="0")),
                self._particle_bar,
                self._error,
                head,
                self._step_bar,
                table,
                tree,
                level,
                pictures,
                optimum,
            ]
        )
        for name in ("locref-search", "locref-keys"):
            self.add_class(name)
        self._show_all()

    @property
    def search(self) -> ParticleSearch:
        """The search that is shown; its `trace` holds every cell."""
        return self._search()

    @property
    def step(self) -> int:
        """The step shown: 0 the first level, the number of levels the optimum."""
        return self._step

    @step.setter
    def step(self, step: int) -> None:
        self._slider.value = min(max(int(step), 0), self._last_step) + 1

    @property
    def particle(self) -> int:
        """Row of the particle shown, from 0."""
        return int(self._searches.posed.problem.rows[self._position])

    @particle.setter
    def particle(self, row: int) -> None:
        self._go_to(self._searches.position_of_row(int(row)))

    def close(self) -> None:
        """Take the view away with all its controls."""
        close_parts(self)
        super().close()

    def next_uncertified(self) -> None:
        """Go to the next particle that is not certified."""
        n = len(self._searches)
        # Of a run it is known who is certified; else each has to be searched.
        last = n if "certified" in self._told else min(n, _MOST_SEARCHED + 1)
        for ahead in range(1, last):
            position = (self._position + ahead) % n
            told = self._told.get("certified")
            certified = (
                bool(told[position])
                if told is not None
                else self._search(position, "data", "run").trace.certified
            )
            if not certified:
                self._go_to(position)
                return
        if last == n:
            self._say("Every other particle is certified.")
            return
        self._go_to((self._position + last - 1) % n)
        self._say(
            f"The {last - 1} particles up to this one are certified. Press again to look further."
        )

    def largest_change(self) -> None:
        """Go to the particle that turned most in this iteration of the run."""
        self._go_to(int(np.argmax(self._told["pose_change_rad"])))

    def _repr_mimebundle_(self, **keys: Any) -> Any:
        """The widget, and for pages without a kernel a plain picture and table."""
        bundle: Any = super()._repr_mimebundle_(**keys)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data:
            data["text/html"] = self.to_html()
        return bundle

    def to_html(self) -> str:
        """The step shown as a page's part that needs no kernel."""
        inside = "".join(words.value for words in self._words)
        return f'{STYLE}<div class="locref-search">{inside}</div>'

    def _make_controls(self) -> None:
        rows = self._searches.posed.problem.rows
        self._row = widgets.BoundedIntText(
            value=self.particle,
            min=int(rows.min()),
            max=int(rows.max()),
            description="Particle",
            tooltip="Row of the particle table, from 0",
            layout=widgets.Layout(width="180px"),
        )
        self._row.observe(self._on_row, "value")
        has_run = bool(self._told)
        self._uncertified = _button(
            "Next not certified", "Go to the next particle without a certificate"
        )
        self._uncertified.on_click(lambda _: self._safely(self.next_uncertified))
        self._largest = _button(
            "Largest change",
            "Go to the particle that turned most"
            if has_run
            else "Only of a run that has finished this iteration",
        )
        self._largest.disabled = not has_run
        self._largest.on_click(lambda _: self._safely(self.largest_change))
        made_up = [(f"made up, signal/noise × {f:g}", f"{f:g}") for f in _MADE_UP]
        self._image = widgets.Dropdown(
            options=[("as recorded", "data"), *made_up],
            description="Image",
            tooltip="As recorded, or made of the reference at the pose found, with noise: then the"
            " right answer is known",
            layout=widgets.Layout(width="300px"),
        )
        level = self._searches.posed.plan.levels[0]
        own = " × ".join(map(str, (level.keep_tilts, level.keep_turns, level.keep_shifts)))
        self._lists = widgets.Dropdown(
            options=[
                (f"as searched: {own}", "run"),
                (f"long: {' × '.join(map(str, ROOMY))}", "long"),
            ],
            description="Lists",
            tooltip="How many tilts × in-plane turns × shifts a level may hand on",
            layout=widgets.Layout(width="280px"),
        )
        for choice in (self._image, self._lists):
            choice.observe(lambda _: self._safely(self._show_all), "value")
        self._particle_bar = widgets.HBox(
            [self._row, self._uncertified, self._largest, self._image, self._lists]
        )
        self._back = _button("◀ Back", "The step before")
        self._on = _button("Forward ▶", "The next step")
        self._back.on_click(lambda _: self._move(-1))
        self._on.on_click(lambda _: self._move(1))
        self._last_step = len(self._searches.posed.plan.levels)
        self._slider = NumberSlider(
            value=1,
            min=1,
            max=self._last_step + 1,
            step=1,
            description="Step",
            tooltip="Level of the search; the last step is the optimum. Arrow keys step.",
            unit=f"of {self._last_step + 1}",
        )
        self._slider.observe(
            lambda change: self._safely(lambda: self._show_step(round(change["new"]) - 1)), "value"
        )
        self._step_bar = widgets.HBox([self._back, self._on, self._slider])
        for bar in (self._particle_bar, self._step_bar):
            bar.add_class("locref-steps")

    def _search(
        self, position: int | None = None, image: str | None = None, lists: str | None = None
    ) -> ParticleSearch:
        position = self._position if position is None else position
        image = image or str(self._image.value)
        lists = lists or str(self._lists.value)
        key = (position, image, lists)
        if key in self._cache:
            self._cache[key] = self._cache.pop(key)
        else:
            search = self._searches.search(position)
            if image != "data":
                pose = self._search(position, "data", "run").trace.pose
                search = self._searches.made_up(search, pose, float(image) ** -0.5)
            if lists == "long":
                search = search.with_lists(*ROOMY)
            self._cache[key] = search
            while len(self._cache) > _MOST_KEPT:
                del self._cache[next(iter(self._cache))]
        return self._cache[key]

    def _go_to(self, position: int) -> None:
        self._position = position
        if self._row.value != self.particle:
            self._row.value = self.particle
        else:
            self._show_all()

    def _on_row(self, change: dict[str, Any]) -> None:
        def go() -> None:
            self._position = self._searches.position_of_row(change["new"])
            self._show_all()

        self._safely(go)

    def _move(self, by: int) -> None:
        self.step = self._step + by

    def _safely(self, do: Any) -> None:
        self._say("")
        try:
            do()
        except InputError as error:
            self._say(str(error))
        except Exception as error:
            # An error in a control's handler would only reach the server's log.
            self._say(f"{type(error).__name__}: {error}")

    def _say(self, words: str) -> None:
        shown = f'<div class="locref-error" role="alert">{html.escape(words)}</div>'
        self._error.value = shown if words else ""

    def _show_all(self) -> None:
        search = self.search
        title = f"Particle {search.row}, iteration {self.iteration}"
        if self._image.value != "data":
            title = f"Made-up image like particle {search.row}"
        self._words[0].value = verdict_html(search, title)
        self._show_step(self._step)

    def _show_step(self, step: int) -> None:
        search, self._step = self.search, step
        trace = search.trace
        self._back.disabled, self._on.disabled = step == 0, step == self._last_step
        _, table, tree, level, pictures, optimum = self._words
        table.value = f"<p>{step_words(search, step)}</p>" + levels_html(search, step)
        truth = self._true_place()
        tree.value = (
            "<h4>The tree</h4><p>A box for each entry of a list, best on the left, its height split"
            " into what became of its cells; the entries kept are halved below.</p>"
            + legend_html(truth=truth is not None)
            + tree_svg(trace, step, search.radius_px)
        )
        at_end = step == self._last_step
        shown = min(step, self._last_step - 1)
        tilt, shift = truth or (None, None)
        last = shown == self._last_step - 1
        line = (
            "Nothing is dropped at the last level, so there is no bound."
            if last
            else "Below the line the true pose cannot be."
        )
        level.value = (
            '<div class="locref-pair">'
            f"<figure><h4>Tilts of level {shown + 1}</h4>"
            + cells_svg(trace, shown, 0, tilt)
            + "</figure>"
            f"<figure><h4>Shifts of level {shown + 1}</h4>"
            + cells_svg(trace, shown, 2, shift)
            + "</figure></div>"
            f"<h4>Bound against scores of level {shown + 1}</h4><p>A dot for each rotation at its"
            f" best shift. {line}</p>"
            f'<div style="max-width:640px">{scores_svg(trace.levels[shown], shown)}</div>'
        )
        pose = trace.pose if at_end else trace.levels[shown].pose
        shell = search.radius_px
        if not at_end:
            shell = min(shell, trace.levels[shown].plan.radius_px)
        pictures.value = pictures_html(search, pose, shell, at_end=at_end)
        optimum.value = optimum_html(search) if at_end else ""

    def _true_place(self) -> tuple[Float[np.ndarray, " 2"], Float[np.ndarray, " 2"]] | None:
        """Tilt and shift of the true pose, as the cells count them; None where it is not known."""
        if self._image.value != "data":
            pose = self._search(self._position, "data", "run").trace.pose
            return in_cells(pose[:3], pose[3:])
        if self._truth is None:
            return None
        posed = self._searches.posed
        problem, row = posed.problem, [self.particle]
        size = problem.pixel_size_angstrom
        turn, shift = motion_about_fulcrum(
            problem.particles.rotations[row],
            problem.particles.origins_angstrom[row],
            self._truth.rotations[row],
            self._truth.origins_angstrom[row],
            problem.fulcrum_angstrom,
            problem.particles.magnifications[row],
        )
        return in_cells(turn[0], shift[0] / size)


def _open(
    source: Any,
    volume: Map | None,
    mask: Map | None,
    settings: RefinementSettings | None,
    iteration: int,
) -> tuple[ParticleSearches, dict[str, np.ndarray]]:
    if isinstance(source, ParticleSearches):
        return source, {}
    if isinstance(source, Particles):
        if volume is None or mask is None:
            raise InputError("With a table of particles give the map and the mask, too.")
        inputs = RefinementInput(source, volume, mask)
        return ParticleSearches(pose_search(inputs, settings or RefinementSettings())), {}
    path = source.path if hasattr(source, "path") else source
    if not isinstance(path, str | os.PathLike):
        raise InputError("Give a run, the path of its folder, or a table of particles.")
    searches = ParticleSearches(search_of_iteration(os.fspath(path), iteration))
    try:
        return searches, found_in_iteration(os.fspath(path), iteration)
    except InputError:  # that iteration is under way
        return searches, {}


def _wide() -> widgets.HTML:
    part = widgets.HTML("")
    part.add_class("locref-wide")
    return part


def _button(words: str, tip: str) -> widgets.Button:
    return widgets.Button(description=words, tooltip=tip, layout=widgets.Layout(width="auto"))
