"""``locref watch``: what stands on the screen, and what a terminal and a pipe are given."""

import os
import pty
import select
import subprocess
import sys
import time

import pytest

from locref_widgets.cli.watch_screen import screen_lines
from locref_widgets.runs.run_state import RunState
from tests.widgets.fake_run import FakeRun


@pytest.fixture
def run(tmp_path):
    fake = FakeRun(tmp_path / "run", n_particles=300)
    fake.begin()
    yield fake
    fake.release()


def state_of(run) -> RunState:
    from locref_widgets.runs.events import read_events

    state = RunState()
    for event in read_events(run.folder / "events.jsonl")[0]:
        state.add(event)
    return state


def lines(run, width=100, height=24, **keywords) -> list[str]:
    return screen_lines("runs/a", state_of(run), width=width, height=height, **keywords)


def test_the_screen_tells_state_progress_and_iterations(run):
    run.finish_iteration(0)
    run.finish_iteration(1)
    run.search(2, batches=3, seconds=0.01)
    shown = lines(run)
    assert shown[0] == "runs/a: running"
    assert "300 particles; rotations to 20.1°, shifts to 5 px" in shown[1]
    assert "iteration 2 of at most 4" in shown[2]
    assert "searching each particle's pose" in shown[3]
    assert "[####" in shown[4]
    assert "300 of 300" in shown[4]
    title, before, after = shown[-3:]
    assert title.split() == ["iteration", "resolution", "turn", "shift", "at", "bound", "time"]
    assert before.split()[:3] == ["0", "18.00", "Å"]
    assert "°" in after
    assert "%" in after


def test_no_time_is_told_before_it_is_measured(run):
    run.events.append("progress", iteration=1, phase="search", done=10, total=300)
    assert any("10 of 300, measuring" in line for line in lines(run))


def test_what_waits_what_failed_and_what_was_warned_of_is_said(run):
    run.events.append("queued", waiting_for=["/runs/b"])
    assert lines(run)[1] == "  first comes /runs/b"
    for number in range(5):
        run.events.append("warning", message=f"beware {number}")
    run.events.append("failed", message="no space is left")
    shown = lines(run)
    assert shown[0] == "runs/a: failed"
    assert "  no space is left" in shown
    assert shown[-4:] == ["! 2 earlier warnings", "! beware 2", "! beware 3", "! beware 4"]


@pytest.mark.parametrize(("width", "height"), [(100, 24), (40, 10), (20, 4), (5, 2), (1, 1)])
def test_it_never_needs_more_room_than_there_is(run, width, height):
    for iteration in range(12):
        run.finish_iteration(iteration)
    run.events.append("warning", message="long " * 50)
    shown = lines(run, width, height)
    assert len(shown) <= height
    assert max(len(line) for line in shown) <= width
    if height >= 10:
        # The last iterations are the ones that are seen.
        assert shown[-2].split()[0] == "11"


def test_a_run_cannot_steer_the_terminal(run):
    run.events.append("warning", message="harmless\x1b]0;title\x07\x1b[2J")
    assert "\x1b" not in "".join(lines(run))


def test_a_terminal_gets_a_screen_that_is_put_away_at_the_end(run):
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "locref_widgets", "watch", str(run.folder)],
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
        env={**os.environ, "COLUMNS": "90", "LINES": "24"},
    )
    os.close(terminal)
    run.finish_iteration(0)
    shown = read_until(main, "18.00 Å")
    run.finish_iteration(1)
    run.end("finished")
    shown += read_until(main, "\x1b[?1049l")
    shown += read_until(main, None)
    assert process.wait(60) == 0
    assert shown.count("\x1b[?1049h") == shown.count("\x1b[?1049l") == 1
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1
    # What is left on the user's own page.
    left = shown[shown.index("\x1b[?1049l") :]
    assert "finished" in left
    assert "14.50 Å" in left


def test_a_killed_run_is_noticed(run):
    main, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "locref_widgets", "watch", str(run.folder)],
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
    )
    os.close(terminal)
    read_until(main, "running")
    run.release()
    assert "lost" in read_until(main, None)
    assert process.wait(60) == 0


def test_a_pipe_gets_plain_lines(run):
    run.finish_iteration(0)
    run.end("finished")
    watched = subprocess.run(
        [sys.executable, "-m", "locref_widgets", "watch", str(run.folder)],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert watched.returncode == 0
    assert "\x1b" not in watched.stdout
    assert "iteration   0  18.00 Å" in watched.stdout
    assert watched.stdout.splitlines()[-1].endswith(": finished")


def read_until(descriptor: int, words: str | None, seconds: float = 120.0) -> str:
    """What a terminal is given, until some words or (None) its end."""
    read, deadline = "", time.monotonic() + seconds
    while words is None or words not in read:
        assert time.monotonic() < deadline, read
        if not select.select([descriptor], [], [], 0.2)[0]:
            continue
        try:
            piece = os.read(descriptor, 65536)
        except OSError:  # Linux says so when the other end is closed
            piece = b""
        if not piece:
            assert words is None, read
            return read
        read += piece.decode(errors="replace")
    return read
