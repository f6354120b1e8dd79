"""Events of a sweep as lines."""

import sys
from contextlib import suppress
from typing import Any

from locref_widgets.runs.sweep_verdict import words_of


class SweepPrinter:
    """Call it with events. Writes to stderr unless told otherwise."""

    def __init__(self, stream: Any = None) -> None:
        self.stream = sys.stderr if stream is None else stream
        self._total = 0

    def __call__(self, event: dict[str, Any]) -> None:
        """Print a line of one event; kinds that are not known are passed over."""
        line = self._words(event)
        if line:
            # Whoever read along may have gone, or the log's disc be full: the sweep goes on.
            with suppress(OSError):
                self.stream.write(line + "\n")
                self.stream.flush()

    def _words(self, event: dict[str, Any]) -> str:
        match event["kind"]:
            case "sweep_started":
                self._total = event["settings"]
                return f"{event['settings']} settings, {event['iterations']} iterations each"
            case "queued":
                return f"waiting for the device: first comes {', then '.join(event['waiting_for'])}"
            case "setting_started":
                return f"setting {event['number']} of {self._total}: {words_of(event['values'])}"
            case "setting_finished":
                found = event.get("resolution_angstrom")
                told = [] if found is None else [f"{found:.2f} Å"]
                if "seconds" in event:
                    told.append(f"{event['seconds']:.0f} s ({event['cpu_seconds']:.0f} CPU-s)")
                return f"  {', '.join(told) or 'was finished before'}"
            case "setting_failed":
                return f"  cannot be refined: {event['message']}"
            case "measuring":
                return "comparing the settings"
            case "verdict":
                return event["sentence"]
            case "paused" | "continued":
                return f"{event['kind']} at {event['time']}"
            case "stopped":
                return f"stopped at {event['time']}; the sweep can be resumed"
            case "warning" | "failed":
                return f"{event['kind']}: {event['message']}"
        return ""
