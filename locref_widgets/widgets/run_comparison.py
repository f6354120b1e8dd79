"""Two to six runs side by side."""

import base64
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from locref_widgets.figures.comparison_figures import corrected_curves, plot_difference
from locref_widgets.figures.comparison_page import (
    comparison_png,
    pairs_table,
    resolution_table,
    settings_table,
    write_comparison,
)
from locref_widgets.figures.theme import to_svg
from locref_widgets.runs.compare import Comparison, Pair, compare_runs
from locref_widgets.widgets.closing import close_parts
from locref_widgets.widgets.comparison_panels import CurvesPanel, HeatmapRow, PosePairPanel
from locref_widgets.widgets.dashboard_style import dashboard_style
from locref_widgets.widgets.heatmap_pair import side_by_side
from locref_widgets.widgets.studio_parts import column, note, said
from locref_widgets.widgets.style import style_sheet

_CURVES = ("Each run's own mask, corrected", "One mask for all runs")
_CHANGES = {"Pose change": "pose_change_deg", "Shift change": "shift_change_px"}


class RunComparison(widgets.VBox):
    """Runs side by side: settings that differ, FSC, heatmaps on one scale, poses and maps in pairs.

    It shows the runs as they are when it is made; `refresh` reads them again.

    Parameters
    ----------
    runs
        Two to six runs (from `open_run`), or the paths of their folders.

    Raises
    ------
    InputError
        For fewer or more, one given twice, or a folder that is no run.
    """

    def __init__(self, runs: Sequence[Any]) -> None:
        self._given = list(runs)
        self.found: Comparison = compare_runs(runs)
        self._tables = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._pairs_table = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._which_curves = widgets.ToggleButtons(
            options=list(_CURVES),
            tooltips=[
                "The curve from which each run's resolution is read, in the mask of its references",
                "Half-maps inside what the last masks of all runs have in common, not corrected",
            ],
            style={"button_width": "auto"},
        )
        self._change = widgets.ToggleButtons(
            options=list(_CHANGES),
            tooltips=["Mean angle turned, by viewing direction", "Mean shift, by direction"],
            style={"button_width": "auto"},
        )
        self._pair = widgets.Dropdown(
            description="Runs",
            tooltip="Which two runs are compared particle by particle and map by map",
            layout=widgets.Layout(width="min(100%, 420px)"),
            style={"description_width": "50px"},
        )
        self._curves, self._heatmaps, self._poses = CurvesPanel(), HeatmapRow(), PosePairPanel()
        self._pair_words = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._maps = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self._maps.add_class("locref-figures")
        for text in (self._tables, self._pairs_table, self._maps):
            text.add_class("locref-wide")
        self._error = widgets.HTML("")
        self._offering = False
        for control, show in (
            (self._which_curves, self._show_curves),
            (self._change, self._show_heatmaps),
            (self._pair, self._show_pair),
        ):
            control.observe(lambda _change, show=show: self._answer(show), "value")
        super().__init__(
            [
                style_sheet(),
                dashboard_style(),
                self._error,
                self._tables,
                side_by_side(
                    column(self._which_curves, self._curves.widget),
                    column(self._pair, self._poses.widget, self._pair_words),
                ),
                self._change,
                self._heatmaps.widget,
                self._maps,
                self._pairs_table,
            ]
        )
        self.add_class("locref-dashboard")
        self.add_class("locref-comparison")
        self._show_all()

    def refresh(self) -> None:
        """Read the runs again."""
        self.found = compare_runs(self._given)
        self._show_all()

    def close(self) -> None:
        """Take the view away with all its plots."""
        close_parts(self)
        super().close()

    def save_html(self, path: Any) -> Any:
        """Write everything as one page that opens without a network (see `write_comparison`)."""
        return write_comparison(self.found, path)

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Bring a picture and a table along, for places where no widget comes alive."""
        bundle = super()._repr_mimebundle_(**kwargs)
        if not isinstance(bundle, dict):
            return bundle
        try:
            bundle["text/plain"] = comparison_text(self.found)
            bundle["image/png"] = base64.b64encode(comparison_png(self.found)).decode("ascii")
        except Exception as error:
            # The live view is worth more than its stand-in.
            bundle["text/plain"] = f"RunComparison ({error})"
        return bundle

    def _show_all(self) -> None:
        told = self.found.summary()
        self._tables.value = (
            f"{_scrolling('The runs', resolution_table(told))}"
            '<h4 class="locref-heading">Settings that differ</h4>'
            f"{_scrolling('Settings that differ', settings_table(self.found))}"
        )
        self._pairs_table.value = (
            '<h4 class="locref-heading">Every two runs</h4>'
            f"{_scrolling('Every two runs', pairs_table(told))}"
        )
        self._offer_pairs()
        self._show_curves()
        self._show_heatmaps()
        self._show_pair()

    def _offer_pairs(self) -> None:
        """List the pairs; the one looked at stays. What is shown is drawn afterwards, once."""
        options = [(_title(pair), place) for place, pair in enumerate(self.found.pairs)]
        if list(self._pair.options) == options:
            return
        looked_at, self._offering = self._pair.label, True
        try:
            self._pair.options = options
            titles = [title for title, _ in options]
            self._pair.index = titles.index(looked_at) if looked_at in titles else 0
        finally:
            self._offering = False

    def _answer(self, show: Callable[[], None]) -> None:
        if self._offering:
            return
        # An error in a control's handler would only reach the server's log.
        try:
            show()
        except Exception as error:
            self._error.value = said(f"{type(error).__name__}: {error}", "error")
        else:
            self._error.value = ""

    def _show_curves(self) -> None:
        runs = {run.name: run.data for run in self.found.runs}
        common = self._which_curves.value == _CURVES[1]
        curves = self.found.common_curves() if common else corrected_curves(runs)
        self._curves.show(curves)

    def _show_heatmaps(self) -> None:
        runs = {run.name: run.data for run in self.found.runs}
        self._heatmaps.show(runs, _CHANGES[str(self._change.value)])

    def _show_pair(self) -> None:
        pair = self.found.pairs[self._pair.value or 0]
        self._poses.show(pair)
        self._pair_words.value = note(_pair_words(pair))
        self._maps.value = ""
        if pair.maps is not None:
            names = (pair.first.name, pair.second.name)
            svg = to_svg(plot_difference(pair.maps, names), "maps", f"Maps of {_title(pair)}")
            words = (
                f"Both maps to {pair.maps.resolution_angstrom:.2f} Å, in three planes through the "
                "middle of the mask, and their difference in standard deviations of the noise that "
                "the half-maps show."
            )
            self._maps.value = f"{svg}<p>{note(words)}</p>"


def _scrolling(name: str, table: str) -> str:
    return (
        f'<div class="locref-rows locref-short" tabindex="0" role="region" aria-label="{name}">'
        f"{table}</div>"
    )


def comparison_text(found: Comparison) -> str:
    """The comparison as lines of plain text."""
    lines = []
    for run in found.summary()["runs"]:
        at = run["resolution_angstrom"]
        lines.append(f"{run['name']}: {run['status']}" + ("" if at is None else f", {at:.2f} Å"))
    lines += [f"{_title(pair)}: {_pair_words(pair)}" for pair in found.pairs]
    return "\n".join(lines)


def _title(pair: Pair) -> str:
    return f"{pair.first.name} and {pair.second.name}"


def _pair_words(pair: Pair) -> str:
    told = pair.summary(with_maps=False)
    words = f"{told['n_common']:,} particles in both"
    only = (told["n_only_first"], told["n_only_second"])
    if any(only):
        words += f" ({only[0]:,} and {only[1]:,} in one only)"
    if pair.n_common:
        words += (
            f"; turned against each other by {told['turn_median_deg']:.2f}° (90 %: "
            f"{told['turn_p90_deg']:.2f}°), region moved by {told['shift_median_angstrom']:.2f} Å "
            f"(90 %: {told['shift_p90_angstrom']:.2f} Å)"
        )
    return ". ".join([words, *pair.notes])
