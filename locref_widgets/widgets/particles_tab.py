"""The selected particles: a table of what was found for them, their images, a file of them."""

import html
from collections.abc import Callable
from pathlib import Path

import ipywidgets as widgets
import numpy as np
from jaxtyping import Int

from locref_widgets.runs.particle_columns import table_rows
from locref_widgets.runs.subset_file import write_subset
from locref_widgets.widgets.dashboard_data import DashboardData, Shown
from locref_widgets.widgets.heatmap_panel import Cell
from locref_widgets.widgets.image_stack_view import images_html
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.studio_parts import button, column, note, row, said, text

_PER_PAGE = 24
_MOST_IN_CODE = 1000
_NOTHING = "Select cells of the heatmaps above: their particles are listed here."


class ParticlesTab:
    """Table, images and export. `code` is told the Python line of an export."""

    def __init__(
        self, data: DashboardData, tasks: LatestTasks, code: Callable[[str], None]
    ) -> None:
        self._data, self._tasks, self._code = data, tasks, code
        self._shown: Shown | None = None
        self._cells: frozenset[Cell] = frozenset()
        self._drawn: object = None
        self.rows: Int[np.ndarray, " m"] = np.zeros(0, np.int64)
        self._start = 0
        self._is_writing = False
        self._written: tuple[object, Path] | None = None
        self.words = widgets.HTML(note(_NOTHING))
        self.table = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.images = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.said = widgets.HTML()
        self._page_words = widgets.HTML()
        self.previous = button("◀ Previous", "Particles before these", lambda: self._turn(-1))
        self.next = button("Next ▶", "Particles after these", lambda: self._turn(1))
        self.with_images = widgets.Checkbox(
            value=False,
            description="Show their images",
            tooltip="Read the raw particle images of this page from their stacks",
            indent=False,
            layout=widgets.Layout(width="auto"),
        )
        self.with_images.observe(lambda _change: self._draw(), "value")
        self.path = text(
            "STAR file", "A new file for the selected particles", "selected.star", width="420px"
        )
        self.write_button = button(
            "Write as new STAR",
            "Select particles first",
            self.write,
            primary=True,
        )
        self.write_button.add_class("locref-write-subset")
        self.widget = column(
            row(self.path, self.write_button),
            self.said,
            self.words,
            row(self.previous, self._page_words, self.next, self.with_images),
            self.table,
            self.images,
        )
        self._enable()

    def select(self, cells: frozenset[Cell]) -> None:
        """Take in another selection; it is read when the tab is shown."""
        self._cells = cells

    def show(self, shown: Shown) -> None:
        """List the particles of the selection in the iteration looked at."""
        self._shown = shown
        wanted = (shown.iteration, shown.finished.get("time"), self._cells)
        if wanted == self._drawn:
            return
        self._drawn = wanted
        if not self._cells:
            self._take(np.zeros(0, np.int64))
            return
        self.words.value = note("Looking the particles up …")
        cells = set(self._cells)

        def look_up() -> None:
            try:
                rows = self._data.rows_in(shown, cells)
            except Exception:
                self._drawn = None
                self.words.value = ""
                raise
            if wanted == self._drawn:
                self._take(rows)

        self._tasks.submit("rows", look_up)

    def write(self) -> None:
        """Write the selected particles as a new STAR file."""
        shown, rows, path = self._shown, self.rows, self.path.value.strip()
        # A second press, be it one too many, comes to the file that the first one made.
        if shown is None or self._is_writing:
            return
        asked = (shown.iteration, shown.finished.get("time"), rows.tobytes(), path)
        if self._written is not None and self._written[0] == asked and self._written[1].exists():
            words = f"{self._written[1]} is there already: it was written for these particles."
            self.said.value = said(words, "good")
            return
        self._is_writing = True
        self._enable()
        self.said.value = said("Writing …")

        def work() -> None:
            try:
                written = write_subset(self._data.particles(shown.iteration), rows, path)
                self._written = (asked, written)
            except Exception as error:
                self.said.value = said(str(error), "error")
                return
            finally:
                self._is_writing = False
                self._enable()
            many = "1 particle" if len(rows) == 1 else f"{len(rows):,} particles"
            self.said.value = said(f"Wrote {many} to {written}.", "good")
            star = self._data.folder.iteration_folder(shown.iteration) / "particles.star"
            self._code(subset_code(star, rows, path))

        self._tasks.submit("write", work)

    def _take(self, rows: Int[np.ndarray, " m"]) -> None:
        self.rows, self._start = rows, 0
        self._draw()

    def _turn(self, pages: int) -> None:
        last = max(0, (len(self.rows) - 1) // _PER_PAGE * _PER_PAGE)
        self._start = min(max(0, self._start + pages * _PER_PAGE), last)
        self._draw()

    def _enable(self) -> None:
        why = "They are being written" if self._is_writing else ""
        if not len(self.rows):
            why = "Nothing to write: no particle is selected"
        self.write_button.disabled = bool(why)
        self.write_button.tooltip = why or (
            "Write them with the poses of the iteration shown and every column of the input; a"
            " file that is there already is never replaced"
        )
        self.previous.disabled = self._start == 0
        self.next.disabled = self._start + _PER_PAGE >= len(self.rows)

    def _draw(self) -> None:
        self._enable()
        shown, rows = self._shown, self.rows[self._start : self._start + _PER_PAGE]
        if shown is None or not len(rows):
            self.words.value = note(_NOTHING)
            self.table.value = self.images.value = self._page_words.value = ""
            return
        self.words.value = f"<b>{len(self.rows):,} particles</b>, as of iteration {shown.iteration}"
        end = self._start + len(rows)
        self._page_words.value = f"{self._start + 1:,} to {end:,} of {len(self.rows):,}"
        with_images = self.with_images.value
        if not with_images:
            self.images.value = ""

        def work() -> None:
            told = table_rows(self._data.columns(shown.iteration), rows)
            self.table.value = _table_html(told)
            if with_images:
                self.images.value = note("Reading the images …")
                try:
                    images = self._data.particles(shown.iteration).images(rows)
                except Exception as error:
                    self.images.value = said(str(error), "error")
                    return
                self.images.value = images_html(told["row"].tolist(), images)

        self._tasks.submit("table", work)


def subset_code(star: Path, rows: Int[np.ndarray, " m"], path: str) -> str:
    """Write Python that makes the file of these rows; of very many, that reads the one written."""
    if len(rows) > _MOST_IN_CODE:
        return f"lw.read_particles({path!r})  # {len(rows):,} rows of {str(star)!r}"
    return (
        "import numpy as np\n"
        f"lw.read_particles({str(star)!r}).take(np.array({rows.tolist()})).write_star({path!r})"
    )


def _table_html(told: dict[str, np.ndarray]) -> str:
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in told)
    body = "".join(
        f'<tr><th scope="row">{cells[0]:,}</th>'
        + "".join(f"<td>{_cell(value)}</td>" for value in cells[1:])
        + "</tr>"
        for cells in zip(*(values.tolist() for values in told.values()), strict=True)
    )
    return (
        '<div class="locref-rows" tabindex="0" role="region" aria-label="Selected particles">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
