"""Which iteration is looked at: the newest one, or any earlier one by a slider."""

from collections.abc import Callable

import ipywidgets as widgets

from locref_widgets.widgets.number_slider import NumberSlider


class IterationChoice:
    """A slider over the iterations, and a switch that keeps it at the newest one.

    `chosen` is called when another iteration is to be shown. Moving the slider by hand lets go of
    the newest one, so that nothing jumps under the reader's eyes while data arrive.
    """

    def __init__(self, chosen: Callable[[], None]) -> None:
        self._chosen = chosen
        self._setting = False
        self._numbers: list[int] = []
        self.slider = NumberSlider(
            min=0.0,
            max=1.0,
            step=1.0,
            value=0.0,
            description="Iteration shown",
            tooltip="Iteration whose heatmaps, histograms, curves and maps are shown; 0 is the map"
            " at the poses given",
            disabled=True,
        )
        self.slider.layout.width = "400px"
        self.follow = widgets.Checkbox(
            value=True,
            description="Follow the newest",
            tooltip="Show each iteration as soon as it is finished",
            indent=False,
            layout=widgets.Layout(width="auto"),
        )
        self.slider.observe(lambda _change: self._on_slider(), "value")
        self.follow.observe(lambda _change: self._on_follow(), "value")
        self.widget = widgets.HBox(
            [self.slider, self.follow],
            layout=widgets.Layout(flex_flow="row wrap", align_items="center", min_width="0"),
        )

    @property
    def value(self) -> int | None:
        """The iteration shown; None while there is none."""
        if not self._numbers:
            return None
        if self.follow.value:
            return self._numbers[-1]
        wanted = round(self.slider.value)
        return min(self._numbers, key=lambda number: abs(number - wanted))

    def show(self, numbers: list[int]) -> None:
        """Take in which iterations there are, in order."""
        if numbers == self._numbers:
            return
        self._numbers = list(numbers)
        self._setting = True
        try:
            last = numbers[-1] if numbers else 0
            self.slider.max = float(max(1, last))
            self.slider.disabled = last == 0
            if self.follow.value:
                self.slider.value = float(last)
        finally:
            self._setting = False

    def choose(self, iteration: int) -> None:
        """Show an iteration, as if by hand."""
        self.slider.value = float(iteration)

    def _on_slider(self) -> None:
        if self._setting or not self._numbers:
            return
        newest = round(self.slider.value) >= self._numbers[-1]
        if self.follow.value != newest:
            self._setting = True
            try:
                self.follow.value = newest
            finally:
                self._setting = False
        self._chosen()

    def _on_follow(self) -> None:
        if self._setting:
            return
        if self.follow.value and self._numbers:
            self._setting = True
            try:
                self.slider.value = float(self._numbers[-1])
            finally:
                self._setting = False
        self._chosen()
