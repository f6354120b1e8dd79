import asyncio
import json
import os
import threading

import numpy as np
import pytest

from locref_widgets.errors import OutputError
from locref_widgets.runs import events
from locref_widgets.runs.events import EventLog, afollow_events, follow_events, read_events


def test_events_come_back_in_order_with_time_and_schema(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.append("phase", iteration=1, name="search")
    log.append("progress", done=np.int64(3), total=4, fraction=float("nan"))
    read, offset = read_events(log.path)
    assert [event["kind"] for event in read] == ["phase", "progress"]
    assert all(event["schema"] == 1 and event["time"].endswith("Z") for event in read)
    assert read[1]["done"] == 3
    assert read[1]["fraction"] is None
    assert offset == log.path.stat().st_size
    assert read_events(log.path, offset) == ([], offset)


def test_a_missing_file_holds_no_events(tmp_path):
    assert read_events(tmp_path / "events.jsonl") == ([], 0)


def test_a_torn_last_line_is_waited_for_and_then_closed(tmp_path):
    path = tmp_path / "events.jsonl"
    EventLog(path).append("phase", iteration=1, name="search")
    whole = path.stat().st_size
    with path.open("ab") as handle:
        handle.write(b'{"schema": 1, "kind": "progr')
    torn, offset = read_events(path)
    assert len(torn) == 1
    assert offset == whole

    EventLog(path).append("stopped")
    read, _ = read_events(path, offset)
    assert [event["kind"] for event in read] == ["stopped"]
    assert path.read_bytes().count(b"\n") == 3


def test_a_line_completed_later_is_read_once(tmp_path):
    path = tmp_path / "events.jsonl"
    line = json.dumps({"schema": 1, "kind": "paused"}).encode() + b"\n"
    path.write_bytes(line[:10])
    events_1, offset = read_events(path)
    with path.open("ab") as handle:
        handle.write(line[10:])
    events_2, offset = read_events(path, offset)
    assert (events_1, [event["kind"] for event in events_2]) == ([], ["paused"])
    assert offset == len(line)


def test_a_file_begun_anew_is_read_from_its_start(tmp_path):
    path = tmp_path / "events.jsonl"
    log = EventLog(path)
    for _ in range(5):
        log.append("paused")
    _, offset = read_events(path)
    path.unlink()
    EventLog(path).append("continued")
    read, new_offset = read_events(path, offset)
    assert [event["kind"] for event in read] == ["continued"]
    assert new_offset < offset


def test_following_sees_what_is_written_meanwhile_and_ends(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.append("paused")
    ended = threading.Event()
    seen = []
    for event in follow_events(log.path, ended=ended.is_set, poll_seconds=0.01):
        seen.append(event["kind"])
        if len(seen) == 1:
            log.append("continued")
        elif len(seen) == 2:
            log.append("run_finished")
            ended.set()
    assert seen == ["paused", "continued", "run_finished"]


def test_an_event_loop_follows_and_is_free_meanwhile(tmp_path):
    log = EventLog(tmp_path / "events.jsonl")
    log.append("paused")
    ended = threading.Event()
    seen, ticks = [], []

    async def follow():
        events = afollow_events(log.path, ended=ended.is_set, poll_seconds=0.01)
        seen.extend([event["kind"] async for event in events])

    async def meanwhile():
        for _ in range(20):
            ticks.append(None)
            await asyncio.sleep(0.01)
        log.append("run_finished")
        ended.set()

    async def both():
        await asyncio.gather(follow(), meanwhile())

    asyncio.run(both())
    assert seen == ["paused", "run_finished"]
    assert len(ticks) == 20


def test_a_full_disc_is_an_output_error_and_spoils_only_its_own_line(tmp_path, monkeypatch):
    log = EventLog(tmp_path / "events.jsonl")
    log.append("paused")
    write = os.write

    def short_write(descriptor, data, calls=[]):  # noqa: B006 - counts the calls
        calls.append(1)
        if len(calls) == 1:
            return write(descriptor, data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(events.os, "write", short_write)
    with pytest.raises(OutputError, match="No space left"):
        log.append("stopped")
    monkeypatch.setattr(events.os, "write", write)
    log.append("continued")
    assert [event["kind"] for event in read_events(log.path)[0]] == ["paused", "continued"]
