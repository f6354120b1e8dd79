"""Work beside the view that watches: one thread, and of each kind only the newest work."""

import threading
from collections.abc import Callable

from locref_widgets.errors import InputError, OutputError


class LatestTasks:
    """Does what is given to it, one work after the other, each kind's newest only.

    The thread ends when there is nothing left to do. Faults go to `show_error` in words, and an
    empty text once all that failed has succeeded.
    """

    def __init__(self, show_error: Callable[[str], None]) -> None:
        self._show_error = show_error
        self._mutex = threading.Lock()
        self._waiting: dict[str, Callable[[], None]] = {}
        self._thread: threading.Thread | None = None
        self._closed = False
        self._failing: set[str] = set()

    def submit(self, kind: str, work: Callable[[], None]) -> None:
        """Do some work soon, in place of what waits under the same kind."""
        with self._mutex:
            if self._closed:
                return
            self._waiting[kind] = work
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="locref-work", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Take up nothing more."""
        with self._mutex:
            self._closed = True
            self._waiting.clear()

    def wait(self, timeout_seconds: float = 20.0) -> bool:
        """Wait until all is done; whether it was."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)
        return self._thread is None

    def _run(self) -> None:
        while True:
            with self._mutex:
                if not self._waiting:
                    self._thread = None
                    return
                kind = next(iter(self._waiting))
                work = self._waiting.pop(kind)
            try:
                work()
            except (InputError, OutputError) as error:
                self._failing.add(kind)
                self._say(str(error))
            except Exception as error:
                # A thread's traceback would reach nobody.
                self._failing.add(kind)
                self._say(f"{type(error).__name__}: {error}")
            else:
                if self._failing:
                    self._failing.discard(kind)
                    if not self._failing:
                        self._say("")

    def _say(self, words: str) -> None:
        if not self._closed:
            self._show_error(words)
