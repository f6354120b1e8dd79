"""A table of particles: what it holds, its faults, how its values spread, and its rows."""

import html
import os
from typing import Any

import ipywidgets as widgets
import numpy as np

from locref_widgets.io.info import describe
from locref_widgets.io.particle_overview import ParticleOverview, TableBlock, read_overview
from locref_widgets.refinement.diagnostics import viewing_grid, viewing_heatmap
from locref_widgets.widgets.facts import facts_html, faults_html
from locref_widgets.widgets.inline_svg import histogram_svg, view_map_svg
from locref_widgets.widgets.style import style_sheet

_ROWS_OPTIONS = (10, 25, 50, 100)
_STEPS = {
    "first": ("fast-backward", "First rows"),
    "previous": ("step-backward", "Previous rows"),
    "next": ("step-forward", "Next rows"),
    "last": ("fast-forward", "Last rows"),
}


class ParticleTable(widgets.VBox):
    """Statistics, faults and rows of a STAR file or a particle table of cryoSPARC.

    Only the rows on the page are sent to the browser, however long the table is.

    Parameters
    ----------
    path
        A .star, .cs or .csg file.

    Raises
    ------
    InputError
        The file is absent, or cannot be read as a table.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.overview = read_overview(path)
        self.path = self.overview.path
        self.facts = describe(self.path, self.overview.table)
        self._block = self._first_block()
        self._start = 0
        self._table = widgets.HTML(layout=widgets.Layout(min_width="0", width="auto"))
        self._words = widgets.HTML()
        self._blocks = widgets.Dropdown(
            options=[(f"data_{block.name}", block.name) for block in self.overview.blocks],
            value=self._block.name if self._block else None,
            description="Block",
            tooltip="Which table of the file is shown",
            layout=widgets.Layout(width="260px"),
            style={"description_width": "50px"},
        )
        self._rows = widgets.Dropdown(
            options=_ROWS_OPTIONS,
            value=25,
            description="Rows",
            tooltip="Rows on a page",
            layout=widgets.Layout(width="130px"),
            style={"description_width": "50px"},
        )
        self._go_to = widgets.BoundedIntText(
            value=1,
            min=1,
            max=max(1, self._length()),
            description="Go to row",
            tooltip="Row, counted from 1, with which the page starts",
            layout=widgets.Layout(width="190px"),
            style={"description_width": "70px"},
        )
        self._buttons = {step: self._button(step) for step in _STEPS}
        self._blocks.observe(self._choose_block, "value")
        self._rows.observe(lambda _change: self._show(), "value")
        self._go_to.observe(lambda change: self._show(change["new"] - 1), "value")
        pager = widgets.HBox(
            [*self._buttons.values(), self._words, self._go_to, self._rows],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center"),
        )
        if len(self.overview.blocks) > 1:
            pager.children = (self._blocks, *pager.children)
        super().__init__(
            [
                style_sheet(),
                widgets.HTML(facts_html(self.facts, self._headline())),
                widgets.HTML(faults_html(self.facts["faults"])),
                widgets.HTML(_plots(self.overview)),
                pager,
                self._table,
            ]
        )
        self.add_class("locref-table")
        self.add_class("locref-keys")
        self._show()

    def _first_block(self) -> TableBlock | None:
        blocks = self.overview.blocks
        wanted = self.overview.particle_block
        longest = max(blocks, key=lambda block: block.rows, default=None)
        return next((block for block in blocks if block.name == wanted), longest)

    def _length(self) -> int:
        return self._block.rows if self._block else 0

    def _headline(self) -> str:
        if self.overview.particle_block is None:
            count = len(self.overview.blocks)
            return "STAR file" + (f" with {count} tables" if count != 1 else "")
        return f"{self._length():,} particles"

    def _button(self, step: str) -> widgets.Button:
        icon, tooltip = _STEPS[step]
        button = widgets.Button(icon=icon, tooltip=tooltip, layout=widgets.Layout(width="38px"))
        button.add_class(f"locref-{step}")
        button.on_click(lambda _button: self._turn(step))
        return button

    def _turn(self, step: str) -> None:
        page, length = int(self._rows.value or 1), self._length()
        last = max(0, (length - 1) // page * page)
        starts = {
            "first": 0,
            "previous": max(0, self._start - page),
            "next": min(self._start + page, last),
            "last": last,
        }
        self._show(starts[step])

    def _choose_block(self, change: dict[str, Any]) -> None:
        self._block = next(b for b in self.overview.blocks if b.name == change["new"])
        self._go_to.max = max(1, self._length())
        self._show(0)

    def _show(self, start: int | None = None) -> None:
        self._start = self._start if start is None else start
        page, length = int(self._rows.value or 1), self._length()
        rows = self._block.page(self._start, page) if self._block else []
        end = self._start + len(rows)
        first = self._start + 1 if rows else 0
        self._words.value = f"rows {first:,} to {end:,} of {length:,}"
        for step in ("first", "previous"):
            self._buttons[step].disabled = self._start == 0
        for step in ("next", "last"):
            self._buttons[step].disabled = end >= length
        self._table.value = _table_html(self._block, rows, self._start)


def _plots(overview: ParticleOverview) -> str:
    plots = []
    if overview.rotations is not None and len(overview.rotations):
        azimuths, elevations = viewing_grid(len(overview.rotations))
        counts = viewing_heatmap(overview.rotations, {}, azimuths, elevations).count
        plots.append(("Viewing directions", view_map_svg(counts)))
    spreads = [
        ("Defocus", "µm", overview.defocus_micrometre),
        ("Astigmatism", "Å", overview.astigmatism_angstrom),
    ]
    if overview.origins_angstrom is not None:
        spreads.append(("Shift", "Å", np.linalg.norm(overview.origins_angstrom, axis=1)))
    plots += [
        (name, histogram_svg(values, unit, name))
        for name, unit, values in spreads
        if values is not None and len(values)
    ]
    figures = "".join(
        f"<figure><figcaption>{name}</figcaption>{svg}</figure>" for name, svg in plots
    )
    return f'<div class="locref-plots">{figures}</div>' if figures else ""


def _table_html(block: TableBlock | None, rows: list[list[str]], start: int) -> str:
    if block is None:
        return "<p>The file holds no table.</p>"
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in block.columns)
    body = "".join(
        f'<tr><th scope="row">{start + number:,}</th>'
        + "".join(f"<td>{html.escape(cell)}</td>" for cell in row)
        + "</tr>"
        for number, row in enumerate(rows, start=1)
    )
    return (
        '<div class="locref-rows" tabindex="0" role="region" aria-label="Rows of the table">'
        f'<table><thead><tr><th scope="col">row</th>{head}</tr></thead><tbody>{body}</tbody>'
        "</table></div>"
    )
