"""The plots of several runs side by side: FSC curves, heatmaps on one scale, poses of a pair."""

import html

import bqplot as bq
import ipywidgets as widgets
import numpy as np

from locref_widgets.figures.comparison_figures import STYLES, heatmap_limits
from locref_widgets.figures.run_data import Curve, RunData, as_array
from locref_widgets.runs.compare import Pair
from locref_widgets.widgets.closing import close_whole
from locref_widgets.widgets.fsc_plot import DrawnCurve, FSCPlot
from locref_widgets.widgets.heatmap_panel import degree_ranges, view_axes
from locref_widgets.widgets.plain_plot import VIEW_MARGIN, plain_plot
from locref_widgets.widgets.style import BAR_COLOUR, LIMIT_COLOUR, TOOLTIP_STYLE, VIRIDIS
from locref_widgets.widgets.ticks import nice_maximum

_DASHES = ("solid", "dashed", "dotted", "dash_dotted", "dashed", "dash_dotted")
_MOST_DOTS = 2000


class CurvesPanel:
    """An FSC curve for each run."""

    def __init__(self) -> None:
        self._plot = FSCPlot()
        self.figure, self.legend = self._plot.figure, self._plot.legend
        self.widget = self._plot.widget

    def show(self, curves: dict[str, Curve]) -> None:
        """Draw curves by the names of their runs; none leave a sentence."""
        drawn = [
            DrawnCurve(
                name,
                curve.frequency_per_angstrom,
                curve.values,
                curve.resolution_angstrom,
                STYLES[place % len(STYLES)][0],
                _DASHES[place % len(_DASHES)],
            )
            for place, (name, curve) in enumerate(curves.items())
        ]
        self._plot.draw(drawn, "No curve to show: the runs have no maps on one grid yet.")


class HeatmapRow:
    """A heatmap over the views for each run, all in one scale of colours."""

    def __init__(self) -> None:
        self.colour = bq.ColorScale(scheme="viridis", min=0.0, max=1.0)
        self.marks: dict[str, bq.GridHeatMap] = {}
        self.words = widgets.HTML("")
        self._grid = widgets.GridBox(
            layout=widgets.Layout(
                grid_template_columns="repeat(auto-fit, minmax(min(100%, 300px), 1fr))",
                width="auto",
            )
        )
        self.widget = widgets.VBox([self._grid, self.words], layout=widgets.Layout(min_width="0"))

    def show(self, runs: dict[str, RunData], key: str) -> None:
        """Draw ``pose_change_deg`` or ``shift_change_px`` (the latter in Å) of each run."""
        limit = heatmap_limits(runs)[key]
        unit = "°" if key == "pose_change_deg" else "Å"
        self.colour.max = nice_maximum(limit)
        self.marks, boxes = {}, []
        for name, run in runs.items():
            told = run.last.get("heatmap") if run.iterations else None
            heading = widgets.HTML(f"<b>{html.escape(name)}</b>")
            if not told:
                boxes.append(widgets.VBox([heading, widgets.HTML("No search has finished yet.")]))
                continue
            scale = 1.0 if unit == "°" else run.pixel_size_angstrom
            self.marks[name] = self._mark(told, as_array(told[key]) * scale, unit)
            figure = plain_plot(
                marks=[self.marks[name]],
                axes=view_axes(),
                height="240px",
                margin=VIEW_MARGIN,
            )
            figure.add_class("locref-heatmap")
            boxes.append(widgets.VBox([heading, figure], layout=widgets.Layout(min_width="0")))
        before, self._grid.children = self._grid.children, boxes
        for box in before:
            self._close_box(box)
        gap = "" if unit == "°" else " "
        self.words.value = (
            '<div class="locref-colour-bar locref-one-scale"><div style="background:'
            f'linear-gradient(to right, {", ".join(VIRIDIS)})"></div><p>'
            f'<span style="left:0;transform:none">0{gap}{unit}</span><span style="left:50%">'
            f"{self.colour.max / 2:g}{gap}{unit}</span>"
            '<span style="left:100%;transform:translateX(-100%)">'
            f"{self.colour.max:g}{gap}{unit}</span></p></div>"
            '<span class="locref-note">Azimuth of the initial view across, elevation upwards '
            "(equal areas); one scale of colours for all runs. Grey: no particle looks from there. "
            "Point at a cell for its numbers.</span>"
        )

    def _close_box(self, box: widgets.Widget) -> None:
        # The scale of colours is everyone's.
        close_whole(box, kept=(self.colour,))

    def _mark(self, told: dict, values: np.ndarray, unit: str) -> bq.GridHeatMap:
        return bq.GridHeatMap(
            color=values,
            row=degree_ranges(as_array(told["elevation_edges_rad"])),
            column=degree_ranges(as_array(told["azimuth_edges_rad"])),
            scales={"row": bq.OrdinalScale(), "column": bq.OrdinalScale(), "color": self.colour},
            stroke="transparent",
            interactions={"hover": "tooltip"},
            tooltip=bq.Tooltip(
                fields=["column", "row", "color"],
                labels=["azimuth", "elevation", f"mean change ({unit})"],
                formats=["", "", ".3f"],
            ),
            tooltip_style=TOOLTIP_STYLE,
        )


class PosePairPanel:
    """How far the poses of two runs lie apart, a dot for each particle, and the medians."""

    def __init__(self) -> None:
        self._x, self._y = bq.LinearScale(min=0.0, max=1.0), bq.LinearScale(min=0.0, max=1.0)
        scales = {"x": self._x, "y": self._y}
        self.dots = bq.Scatter(
            x=np.zeros(0),
            y=np.zeros(0),
            scales=scales,
            colors=[BAR_COLOUR],
            default_size=12,
            opacities=[0.5],
        )
        self._medians = [
            bq.Lines(x=np.zeros(2), y=np.zeros(2), scales=scales, colors=[LIMIT_COLOUR])
            for _ in range(2)
        ]
        for line in self._medians:
            line.line_style = "dashed"
        self.figure = plain_plot(
            marks=[self.dots, *self._medians],
            axes=[
                bq.Axis(scale=self._x, label="Turned by (°)", label_offset="32px"),
                bq.Axis(
                    scale=self._y, side="left", label="Region moved by (Å)", label_offset="40px"
                ),
            ],
            height="260px",
        )
        self.note = widgets.HTML("")
        self.widget = widgets.VBox([self.figure, self.note], layout=widgets.Layout(min_width="0"))

    def show(self, pair: Pair) -> None:
        """Draw a pair; at most 2,000 of its particles, drawn at random."""
        turn = pair.poses.turn_deg if pair.poses is not None else np.zeros(0)
        shift = pair.poses.shift_angstrom if pair.poses is not None else np.zeros(0)
        chosen = np.arange(turn.size)
        if turn.size > _MOST_DOTS:
            chosen = np.random.default_rng(0).choice(turn.size, _MOST_DOTS, replace=False)
        self._x.max = nice_maximum(float(turn.max(initial=0.0)) or 1.0)
        self._y.max = nice_maximum(float(shift.max(initial=0.0)) or 1.0)
        with self.dots.hold_sync():
            self.dots.x, self.dots.y = turn[chosen], shift[chosen]
        median = [float(np.median(values)) if values.size else 0.0 for values in (turn, shift)]
        across, up = self._medians
        across.x, across.y = np.full(2, median[0]), np.array([0.0, self._y.max])
        up.x, up.y = np.array([0.0, self._x.max]), np.full(2, median[1])
        across.visible = up.visible = bool(turn.size)
        shown = f"{chosen.size:,} of {turn.size:,} particles; " if chosen.size < turn.size else ""
        words = f'<span class="locref-note">{shown}dashed: the medians</span>'
        self.note.value = words if turn.size else ""
