"""Events of a run on a terminal: a progress bar, or plain lines where there is none."""

import math
import sys
from contextlib import suppress
from typing import Any

from locref_widgets.runs.run_state import PHASE_WORDS, RunState
from locref_widgets.runs.time_left import left_words

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{postfix}"


class ProgressPrinter:
    """Call it with events; `close` it in the end. Writes to stderr unless told otherwise."""

    def __init__(self, stream: Any = None, *, bar: bool | None = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self._with_bar = self.stream.isatty() if bar is None else bar
        self._bar: Any = None
        self._told: set[str] = set()
        self._state = RunState()

    def __call__(self, event: dict[str, Any]) -> None:
        """Show one event; kinds that are not known are passed over."""
        self._state.add(event)
        show = getattr(self, f"_on_{event['kind']}", None)
        if show is not None:
            show(event)

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def line(self, text: str) -> None:
        """Print a line above the bar."""
        if self._bar is not None:
            self._bar.clear()
        # Whoever read along may have gone, or the log's disc be full: the run goes on.
        with suppress(OSError):
            self.stream.write(text + "\n")
            self.stream.flush()

    def _on_run_started(self, event: dict[str, Any]) -> None:
        degrees = math.degrees(event["rotation_extent"])
        pixel_angstrom = event["pixel_size_angstrom"]
        self.line(
            f"{event['n_particles']} particles, box {event['box_px']} px, {pixel_angstrom:g} Å/px; "
            f"fulcrum {_point(event['fulcrum_voxels'])} voxels = "
            f"{_point(event['fulcrum_angstrom'])} Å from the centre"
        )
        self.line(
            f"searching rotations up to {event['rotation_extent']:g} rad = {degrees:.1f}°, shifts "
            f"in a disc {event['shift_extent']:g} px = {event['shift_extent'] * pixel_angstrom:g} Å"
            " across"
        )

    def _on_phase(self, event: dict[str, Any]) -> None:
        if self._with_bar:
            self._start_bar(event["iteration"], event["name"], None)

    def _on_progress(self, event: dict[str, Any]) -> None:
        if not self._with_bar:
            return
        title = self._title(event["iteration"], event["phase"])
        bar = self._bar
        if bar is None or bar.desc != title or bar.total != event["total"]:
            bar = self._start_bar(event["iteration"], event["phase"], event["total"])
        bar.n = event["done"]
        bar.set_postfix_str(left_words(self._state.phase_seconds_left()), refresh=False)
        bar.refresh()

    def _on_preview(self, event: dict[str, Any]) -> None:
        self.line(
            f"iteration {event['iteration']:3d}, {event['done']} particles searched: "
            f"{_number(event['resolution_angstrom'])} Å so far"
        )

    def _on_iteration_finished(self, event: dict[str, Any]) -> None:
        self.close()
        pose, shift = event["pose_change"], event["shift_change"]
        changes = ""
        if event["iteration"] > 0:
            degrees, pixels = _number(pose["median_deg"]), _number(shift["median_px"])
            changes = f"  median change {degrees}° and {pixels} px"
        self.line(
            f"iteration {event['iteration']:3d}  {_number(event['resolution_angstrom'])} Å{changes}"
            f"  {event['seconds']:.1f} s" + ("  converged" if event["converged"] else "")
        )

    def _on_warning(self, event: dict[str, Any]) -> None:
        # A resumed run warns of the same things again.
        if event["message"] not in self._told:
            self._told.add(event["message"])
            self.line(f"warning: {event['message']}")

    def _on_queued(self, event: dict[str, Any]) -> None:
        self.line(f"waiting for the device: first comes {', then '.join(event['waiting_for'])}")

    def _on_executor(self, event: dict[str, Any]) -> None:
        self.line(
            f"computed by {event['choice']}, {event['workers']} workers connected by now;"
            f" dashboard {event['dashboard']}"
        )

    def _on_branched(self, event: dict[str, Any]) -> None:
        self.line(f"goes on from iteration {event['iteration']} of {event['parent']}")

    def _on_settings_changed(self, event: dict[str, Any]) -> None:
        self.close()
        self.line(f"settings changed from iteration {event['iteration']} on")

    def _on_change_refused(self, event: dict[str, Any]) -> None:
        self.line(f"a change was refused: {event['message']}")

    def _on_paused(self, event: dict[str, Any]) -> None:
        self.line(f"paused at {event['time']}")

    def _on_continued(self, event: dict[str, Any]) -> None:
        self.line(f"continued at {event['time']}")

    def _on_stopped(self, event: dict[str, Any]) -> None:
        self.close()
        self.line(f"stopped at {event['time']}; the run can be resumed")

    def _on_failed(self, event: dict[str, Any]) -> None:
        self.close()
        self.line(f"failed: {event['message']}")

    def _on_run_finished(self, event: dict[str, Any]) -> None:
        self.close()
        self.line(
            f"finished after iteration {event['iterations']} at "
            f"{_number(event['resolution_angstrom'])} Å"
        )

    def _start_bar(self, iteration: int, phase: str, total: int | None) -> Any:
        from tqdm import tqdm

        self.close()
        self._bar = tqdm(
            total=total,
            desc=self._title(iteration, phase),
            file=self.stream,
            leave=False,
            dynamic_ncols=True,
            bar_format=_BAR if total else "{desc} …",
        )
        return self._bar

    def _title(self, iteration: int, phase: str) -> str:
        return f"iteration {iteration}: {PHASE_WORDS.get(phase, phase)}"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _point(values: list[float]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
