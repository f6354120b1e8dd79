"""A thread that follows a run's events and hands the newest state to a view.

It polls the file, so it works for a run started by another process or on another machine with a
shared disc. It prints nothing: output of a thread lands in whatever cell ran last.
"""

import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from locref_widgets.runs.events import read_events
from locref_widgets.runs.run_state import ENDED, RunState

# Looking whether the file has grown costs some microseconds.
POLL_SECONDS = 0.025
# At most 5 updates a second: the browser draws a heatmap in up to 0.2 s and queues what it cannot.
# What comes after a silence is shown at once.
SHOW_EVERY_SECONDS = 0.2
# A run that was stopped may be resumed from elsewhere, days later.
ENDED_POLL_SECONDS = 0.5
# The run folder's own word is asked for less often than the events are read.
STATUS_EVERY_POLLS = 40
# A process that starts or ends is for a moment between its lock, its record and its last event:
# the record is believed when it says the same so many times while no event comes.
BELIEVED_AFTER = 2


class EventWatcher:
    """Follow the events of one run folder until it is finished or `stop` is called.

    A run that was stopped, failed or got lost is followed on: it may be resumed from elsewhere.

    Parameters
    ----------
    folder
        The run folder; it may not hold any event yet.
    show
        Called in the thread with the newest state, at most every `SHOW_EVERY_SECONDS`: states that
        came in between are never shown.
    show_error
        Called in the thread with words when events cannot be read or shown, and with an empty text
        when it works again.
    show_gone
        Called in the thread with words when the run folder is moved or deleted, and with an empty
        text when it is there again. The state stays as it was meanwhile.
    read_status
        The run's status as the run folder tells it: it knows of an end that left no event, as when
        the process was killed.
    is_closed
        Whether the view is gone; the thread then ends.
    """

    def __init__(
        self,
        folder: Path,
        show: Callable[[RunState], None],
        show_error: Callable[[str], None],
        show_gone: Callable[[str], None],
        read_status: Callable[[], str],
        is_closed: Callable[[], bool],
    ) -> None:
        self.path = Path(folder) / "events.jsonl"
        self.state = RunState()
        self._show, self._show_error, self._show_gone = show, show_error, show_gone
        self._read_status, self._is_closed = read_status, is_closed
        self._offset = 0
        self._is_gone = False
        self._silent_ends = 0
        self._failing = False
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread; a thread that already runs is left alone."""
        if self._thread is not None and self._thread.is_alive():
            return
        self._stopped.clear()
        self._wake.clear()
        self._thread = threading.Thread(target=self._follow, name="locref-events", daemon=True)
        self._thread.start()

    def revive(self) -> None:
        """Follow a run that had ended and was started again."""
        self.stop()
        self.join()
        self._silent_ends = 0
        self.state.status = "waiting"
        self.start()

    def stop(self) -> None:
        """Ask the thread to end; it ends within one poll."""
        self._stopped.set()
        self._wake.set()

    def join(self, timeout_seconds: float = 5.0) -> bool:
        """Wait for the thread; True when it has ended."""
        if self._thread is None:
            return True
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def poll(self, check_process: bool = True) -> bool:
        """Read what is new and show it. True when the state changed."""
        # What comes back may be another run's: it is read from its start.
        events, offset = read_events(self.path, 0 if self._is_gone else self._offset)
        is_back = self._is_gone
        self._tell_whether_gone()
        if self._is_gone:
            return False
        changed = bool(events)
        if is_back or offset < self._offset:
            self.state = RunState()
            changed = True
        self._offset = offset
        for event in events:
            self.state.add(event)
        if changed:
            self._silent_ends = 0
        elif check_process and not self.state.ended:
            changed = self._ask_the_folder()
        if changed:
            self._show(self.state)
        return changed

    def _tell_whether_gone(self) -> None:
        folder = self.path.parent
        # Of a run that has just begun there may be no event yet.
        is_gone = not self.path.exists() and (self._offset > 0 or not folder.exists())
        if is_gone == self._is_gone:
            return
        self._is_gone = is_gone
        missing = self.path if folder.exists() else folder
        self._show_gone(
            f"{missing}: is gone (moved or deleted, or its disc is not there). What is shown was"
            " read before. Put it back, and the view goes on; or show the run where it is now, with"
            " lw.RunDashboard and its new folder."
            if is_gone
            else ""
        )

    def _ask_the_folder(self) -> bool:
        status = self._read_status()
        self._silent_ends = self._silent_ends + 1 if status in ENDED else 0
        if self._silent_ends < BELIEVED_AFTER:
            return False
        self.state.status = status
        return True

    def _has_grown(self) -> bool:
        try:
            size = self.path.stat().st_size
        except OSError:
            return self._offset != 0 and not self._is_gone
        return self._is_gone or size != self._offset

    def _follow(self) -> None:
        polls, shown_at = 0, -SHOW_EVERY_SECONDS
        while not self._stopped.is_set() and not self._is_closed():
            is_asked = polls % STATUS_EVERY_POLLS == 0
            if is_asked or self._has_grown():
                wait = shown_at + SHOW_EVERY_SECONDS - time.monotonic()
                if wait > 0 and self._wake.wait(wait):
                    return
                if self.poll_safely(check_process=is_asked):
                    shown_at = time.monotonic()
            if self.state.status == "finished":
                # One more reading: the process may have written between the last read and its end.
                self.poll_safely()
                if self.state.status == "finished":
                    return
            polls += 1
            self._wake.wait(ENDED_POLL_SECONDS if self.state.ended else POLL_SECONDS)

    def poll_safely(self, check_process: bool = False) -> bool:
        """`poll`, but errors go to `show_error`. True when the state changed or failed to show."""
        changed = True
        try:
            changed = self.poll(check_process)
        except Exception as error:
            # A thread's traceback reaches nobody: say it in the view, and go on trying.
            self._failing = True
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._show_error(f"{type(error).__name__}: {error} ({where.name})")
        else:
            if self._failing:
                self._failing = False
                self._show_error("")
        return changed
