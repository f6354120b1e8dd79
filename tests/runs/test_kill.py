"""``kill -9`` at any instant: the folder stays readable and resuming gives the same bytes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.run import Run, open_run, refine
from tests.runs.fake_job import BEFORE_THE_RECORD, INSTANTS, make_loop, read_job
from tests.runs.test_run import assert_same_results

REPOSITORY = Path(__file__).resolve().parents[2]


def start(job_folder: Path, out: Path, seconds: float, **environment: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.runs.fake_job", str(job_folder), str(out), str(seconds)],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), **environment},
        cwd=REPOSITORY,
    )


def complete(job_folder: Path, out: Path) -> Run:
    settings = RefinementSettings(iterations=3, seed=3)
    arguments = read_job(job_folder).arguments
    return refine(*arguments, settings, out, progress=False, resume=True, refine_loop=make_loop())


@pytest.fixture(scope="module")
def uninterrupted(job_folder, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "uninterrupted"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("locref_widgets.figures.report.write_report", lambda folder: None)
        complete(job_folder, out)
    return out


@pytest.mark.parametrize("instant", INSTANTS)
def test_killed_at_a_delicate_instant(job_folder, run_path, uninterrupted, instant):
    process = start(job_folder, run_path, 0.0, KILL_AT=instant)
    assert process.wait(120) == -9
    run = open_run(run_path)
    assert run.status == "lost"
    for iteration in run.iterations():
        assert run.iteration(iteration).iteration == iteration
    assert not (run_path / "final").exists()
    assert complete(job_folder, run_path).status == "finished"
    told = [e["iteration"] for e in run.events() if e["kind"] == "iteration_finished"]
    assert told == [0, 1, 2, 3]
    assert_same_results(run_path, uninterrupted)


def test_killed_before_there_is_a_run(job_folder, run_path, uninterrupted):
    process = start(job_folder, run_path, 0.0, KILL_AT=BEFORE_THE_RECORD)
    assert process.wait(120) == -9
    assert list(run_path.glob(".run.json.*.part"))
    with pytest.raises(InputError, match="is not a run folder"):
        open_run(run_path)
    assert complete(job_folder, run_path).status == "finished"
    assert not list(run_path.glob(".run.json.*.part"))
    assert_same_results(run_path, uninterrupted)


def test_killed_again_and_again_at_any_time(job_folder, run_path, uninterrupted, rng):
    for _ in range(3):
        process = start(job_folder, run_path, 0.05)
        deadline = time.monotonic() + 120
        log = run_path / "events.jsonl"
        size = log.stat().st_size if log.exists() else 0
        # It is alive and at work once it has told something new.
        while not (log.exists() and log.stat().st_size > size) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.4)))
        process.kill()
        process.wait()
        assert open_run(run_path).status in ("lost", "finished")
    assert complete(job_folder, run_path).status == "finished"
    assert_same_results(run_path, uninterrupted)
