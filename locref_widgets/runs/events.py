"""The append-only log of a run: one JSON object a line, from which every plot can be rebuilt."""

import asyncio
import json
import os
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from locref_widgets.errors import OutputError
from locref_widgets.refinement.diagnostics import jsonable

SCHEMA = 1

# Lost with the page cache in a power cut, these would not be missed.
_EPHEMERAL = frozenset({"progress", "phase"})


def now_iso() -> str:
    """Tell the time in UTC, ISO 8601 with milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class EventLog:
    """The writing end of ``events.jsonl``; one writer at a time (see `locref_widgets.runs.lock`).

    A line goes out in a single append, so a reader never sees two lines mixed. A line torn by a
    kill or a full disc is closed by a newline before the next one, so it spoils only itself.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mutex = threading.Lock()
        self._torn = True

    def append(self, kind: str, **values: Any) -> dict[str, Any]:
        """Append one event and return it. Raises `OutputError` when it cannot be written."""
        event = jsonable({"schema": SCHEMA, "time": now_iso(), "kind": kind, **values})
        line = json.dumps(event, allow_nan=False, ensure_ascii=False).encode() + b"\n"
        try:
            with self._mutex:
                self._write(line, durable=kind not in _EPHEMERAL)
        except OSError as error:
            raise OutputError(
                f"{self.path}: cannot append ({error.strerror or error}). Everything written "
                "before is safe; free some space or mend the permissions, then resume the run."
            ) from error
        return event

    def _write(self, line: bytes, *, durable: bool) -> None:
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if self._torn:
                size = os.fstat(descriptor).st_size
                if size and os.pread(descriptor, 1, size - 1) != b"\n":
                    line = b"\n" + line
            self._torn = True
            written = os.write(descriptor, line)
            if written < len(line):
                # The rest of the line fails with the reason, which a short write does not tell.
                os.write(descriptor, line[written:])
            self._torn = False
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def read_events(path: str | os.PathLike, from_offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read the whole lines from a byte offset on.

    Returns the events and the offset to go on from. A torn line is passed over (the last one until
    it is whole); a missing file holds no events. A file shorter than the offset was begun anew: it
    is read from its start, and the offset returned is smaller than the one given.
    """
    try:
        with Path(path).open("rb") as handle:
            if os.fstat(handle.fileno()).st_size < from_offset:
                from_offset = 0
            handle.seek(from_offset)
            content = handle.read()
    except FileNotFoundError:
        return [], 0
    whole = content.rfind(b"\n") + 1
    events = []
    for line in content[:whole].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "kind" in event:
            events.append(event)
    return events, from_offset + whole


def follow_events(
    path: str | os.PathLike,
    *,
    ended: Callable[[], bool],
    poll_seconds: float = 0.25,
    from_offset: int = 0,
) -> Iterator[dict[str, Any]]:
    """Yield events as they come, until ``ended()`` holds and the file is read to its end."""
    offset = from_offset
    while True:
        last_round = ended()
        events, offset = read_events(path, offset)
        yield from events
        if last_round:
            return
        if not events:
            time.sleep(poll_seconds)


async def afollow_events(
    path: str | os.PathLike,
    *,
    ended: Callable[[], bool],
    poll_seconds: float = 0.25,
    from_offset: int = 0,
) -> AsyncIterator[dict[str, Any]]:
    """`follow_events` for a program with an event loop, which is never kept waiting by the disc."""
    offset = from_offset
    while True:
        last_round = await asyncio.to_thread(ended)
        events, offset = await asyncio.to_thread(read_events, path, offset)
        for event in events:
            yield event
        if last_round:
            return
        if not events:
            await asyncio.sleep(poll_seconds)
