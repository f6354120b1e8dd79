"""Each action as the Python line that does the same: to be copied into a notebook or a script."""

import html
from pathlib import Path

import ipywidgets as widgets

from locref_widgets.widgets.studio_parts import column

# Static text, so that nothing of the data is ever run. A page that came over plain http has no
# `navigator.clipboard`: there the lines are selected and copied as if by hand.
COPY = (
    '<button type="button" class="jupyter-button locref-copy" title="Copy these lines" '
    "onclick=\"const lines=this.parentElement.querySelector('pre');"
    "const tell=done=>{this.textContent=done?'Copied':'Press Ctrl+C'};"
    "const byHand=()=>{getSelection().selectAllChildren(lines);tell(document.execCommand('copy'))};"
    "if(navigator.clipboard)navigator.clipboard.writeText(lines.textContent)"
    '.then(()=>tell(true),byHand);else byHand()">Copy</button>'
)


class CodeLines:
    """A switch, and below it what the buttons do, and what was done here, as Python."""

    def __init__(self, folder: Path) -> None:
        self._opening = f"import locref_widgets as lw\nrun = lw.open_run({str(folder)!r})"
        self._done: list[str] = []
        self.switch = widgets.ToggleButton(
            value=False,
            description="Copy as code",
            icon="code",
            tooltip="Show each action as the Python line that does the same",
            layout=widgets.Layout(width="auto"),
        )
        self.text = widgets.HTML(layout=widgets.Layout(min_width="0"))
        self.switch.observe(lambda _change: self._show(), "value")
        self.widget = column(self.text)

    def add(self, line: str) -> None:
        """Note an action that was done here."""
        self._done = [*self._done[-19:], line]
        self._show()

    @property
    def lines(self) -> list[str]:
        """What was done here."""
        return list(self._done)

    def _show(self) -> None:
        if not self.switch.value:
            self.text.value = ""
            return
        done = self._done or [
            "lw.RunDashboard(run)",
            "run.pause()",
            "run.continue_()",
            "run.stop()                      # at once; the iteration under way is lost",
            "run.stop(after_iteration=True)",
            "run.resume()",
        ]
        heading = "Done here, as Python" if self._done else "What the buttons do, as Python"
        self.text.value = (
            f'<div class="locref-code"><b>{heading}</b> {COPY}'
            '<pre class="locref-export" tabindex="0" aria-label="Actions as Python">'
            f"{html.escape(self._opening)}\n{html.escape(chr(10).join(done))}</pre></div>"
        )
