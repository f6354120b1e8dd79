"""Noise of the half-sets by shell, and how well that noise explains each particle."""

import math

import ipywidgets as widgets
import numpy as np

from locref_widgets.runs.particle_columns import ParticleColumns, noise_spectra
from locref_widgets.widgets.dashboard_data import DashboardData, Shown
from locref_widgets.widgets.inline_svg import histogram_svg
from locref_widgets.widgets.latest_task import LatestTasks
from locref_widgets.widgets.studio_parts import column, note, said

_HISTOGRAMS = (
    (
        "dispersion",
        "Scale of the residual",
        "over-dispersion",
        (
            "What is left of an image at its best pose, over what the noise explains: 1 when the"
            " reference fits it."
        ),
        1.0,
    ),
    (
        "rotation_error_rad",
        "Error of the rotation",
        "degrees",
        "Standard error by the likelihood's curvature at the best pose.",
        180 / math.pi,
    ),
    (
        "shift_error_px",
        "Error of the shift",
        "px",
        "Standard error of both components together.",
        1.0,
    ),
    (
        "effective_cells",
        "Effective poses",
        "poses",
        "Effective sample size of the posterior: 1 when one pose takes it all.",
        1.0,
    ),
)


class NoiseTab:
    """Spectra and histograms of the iteration looked at."""

    def __init__(self, data: DashboardData, tasks: LatestTasks) -> None:
        self._data, self._tasks = data, tasks
        self._drawn: object = None
        self.plots = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.widget = column(self.plots)

    def show(self, shown: Shown) -> None:
        """Draw the iteration looked at."""
        wanted = (shown.iteration, shown.finished.get("time"))
        if wanted == self._drawn:
            return
        self._drawn = wanted

        def draw() -> None:
            try:
                self.plots.value = self._draw(shown)
            except Exception as error:
                self._drawn, self.plots.value = None, said(str(error), "error")

        self._tasks.submit("noise", draw)

    def _draw(self, shown: Shown) -> str:
        from locref_widgets.figures.noise import plot_noise
        from locref_widgets.figures.theme import to_svg

        columns: ParticleColumns = self._data.columns(shown.iteration)
        box_px = int(shown.state.in_effect(0).get("box_px") or 0)
        pieces = []
        spectra = noise_spectra(columns)
        if spectra and box_px:
            figure = plot_noise(spectra, box_px, shown.state.pixel_size_angstrom)
            svg = to_svg(figure, "dashboard-noise", "Variance of the noise by resolution.")
            pieces.append(_figure("Noise of the images", svg, "By half-set, from the images."))
        for name, title, unit, words, factor in _HISTOGRAMS:
            values = columns.get(name)
            if values is None:
                continue
            finite = np.asarray(values, np.float64) * factor
            finite = finite[np.isfinite(finite)]
            if len(finite):
                # The few far out would press all others into one bar.
                finite = np.minimum(finite, np.quantile(finite, 0.995))
                pieces.append(_figure(title, histogram_svg(finite, unit, title), words))
        if not pieces:
            return note(f"Iteration {shown.iteration} has neither noise nor errors on the disc.")
        return (
            f"<b>Iteration {shown.iteration}</b>"
            f'<div class="locref-plots locref-figures">{"".join(pieces)}</div>'
        )


def _figure(title: str, svg: str, words: str) -> str:
    return f"<figure><figcaption>{title}</figcaption>{svg}{note(words)}</figure>"
