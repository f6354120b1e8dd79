"""A real refinement, killed thirty times at random instants, comes to the same bytes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.run import open_run
from tests.runs.killable import write_real_job
from tests.runs.test_run import assert_same_results

REPOSITORY = Path(__file__).resolve().parents[2]
KILLS = 30
_LONGEST_SECONDS = 120.0


class Nursery:
    """Starts refinements of one job, one at a time (see `tests.runs.killable`)."""

    def __init__(self, job: Path, log: Path) -> None:
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.runs.killable", str(job)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            )
        assert self._process.stdin
        assert self._process.stdout
        self._words, self._answers = self._process.stdin, self._process.stdout

    def start(self, run: Path) -> int:
        """Refine, or go on; return the process's number."""
        self._words.write(f"{run}\n")
        self._words.flush()
        return int(self._answers.readline())

    def end(self) -> int:
        """Wait for the process that was started last; return its exit status."""
        return int(self._answers.readline())

    def close(self) -> None:
        self._words.close()
        self._process.wait(60)


@pytest.fixture(scope="module")
def nursery(tmp_path_factory):
    job = tmp_path_factory.mktemp("real_job")
    write_real_job(job)
    nursery = Nursery(job, job / "log.txt")
    yield nursery
    nursery.close()


@pytest.fixture(scope="module")
def uninterrupted(nursery, tmp_path_factory) -> tuple[Path, float]:
    """A whole run, and how long one takes when its programs are compiled."""
    folder = tmp_path_factory.mktemp("real_runs")
    for name in ("compiled", "whole"):
        begun = time.monotonic()
        nursery.start(folder / name)
        assert nursery.end() == 0
    return folder / "whole", time.monotonic() - begun


def test_killed_thirty_times_at_random_instants(nursery, uninterrupted, tmp_path, seed):
    whole, seconds = uninterrupted
    rng = np.random.default_rng(seed)
    sys.stdout.write(f"seed {seed}\n")  # shown if it fails
    run, completed, instants = tmp_path / "run0", [], []
    while len(instants) < KILLS:
        pid = nursery.start(run)
        # Every other one while something is written, which takes but a small part of the time.
        in_a_write = bool(rng.integers(2))
        if in_a_write:
            wait_for_writes(run, int(rng.integers(1, 5)), pid)
            time.sleep(float(rng.uniform(0.0, 0.02)))
        else:
            time.sleep(float(rng.uniform(0.0, seconds)))
        with suppress(ProcessLookupError):  # it was quicker
            os.kill(pid, signal.SIGKILL)
        status = nursery.end()
        instants.append((in_a_write, *look_at(run)))
        if status == 0:
            instants.pop()
            completed.append(run)
            run = tmp_path / f"run{len(completed)}"
        else:
            assert status == -signal.SIGKILL
    nursery.start(run)
    assert nursery.end() == 0
    for finished in (*completed, run):
        assert open_run(finished).status == "finished"
        assert_same_results(finished, whole)
        assert not list(finished.rglob("*.part"))
    sys.stdout.write(f"killed at (in a write, iterations done, left half done): {instants}\n")


def wait_for_writes(run: Path, count: int, pid: int) -> None:
    """Until so many things were being written, or the process is gone."""
    deadline, seen, known = time.monotonic() + _LONGEST_SECONDS, 0, set()
    while seen < count and Path(f"/proc/{pid}/stat").exists():
        assert time.monotonic() < deadline
        parts = {*run.glob(".*.part"), *run.glob("*/.*.part")} if run.exists() else set()
        seen += len(parts - known)
        known = parts
        if is_zombie(pid):
            return
        time.sleep(0.001)


def is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def look_at(run: Path) -> tuple[int, int]:
    """Whatever a kill left can be read, and all that is there is whole."""
    left = len(list(run.rglob("*.part"))) if run.exists() else 0
    try:
        seen = open_run(run)
    except InputError:
        assert not (run / "run.json").exists()
        return 0, left
    assert seen.status in ("lost", "finished")
    for iteration in seen.iterations():
        assert seen.iteration(iteration).iteration == iteration
    seen.events()
    return len(seen.iterations()), left
