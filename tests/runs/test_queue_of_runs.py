"""Runs of one machine take turns; all runs of a folder can be listed."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from locref_widgets.cli.run_words import describe_runs, describe_status
from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs import launch
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.listing import list_runs
from locref_widgets.runs.lock import read_owner
from locref_widgets.runs.run import open_run, start_refinement
from tests.runs.fake_job import make_loop
from tests.runs.test_run import kinds, run_fake, wait_for

SETTINGS = RefinementSettings(iterations=1, seed=3)


@pytest.fixture(autouse=True)
def fake_worker(monkeypatch, tmp_path):
    monkeypatch.setattr(launch, "WORKER_MODULE", "tests.runs.fake_worker")
    monkeypatch.setenv("LOCREF_QUEUE", str(tmp_path / "queue"))


def test_runs_started_together_go_one_after_the_other(job, tmp_path, monkeypatch):
    monkeypatch.setenv("SECONDS_PER_BATCH", "0.2")
    runs = [start_refinement(*job.arguments, SETTINGS, tmp_path / name) for name in "abc"]
    first, second, third = runs
    wait_for(lambda: "queued" in kinds(third), 120)
    assert third.status == "queued"
    assert third.waiting_for[-1] == second.path
    assert f"waiting for {first.path}, {second.path}" in describe_status(third) or (
        first.status == "finished"
    )
    assert [run.wait(300) for run in runs] == ["finished"] * 3
    begun = [next(e["time"] for e in run.events() if e["kind"] == "run_started") for run in runs]
    ended = [run.events()[-1]["time"] for run in runs]
    assert begun[1] > ended[0]
    assert begun[2] > ended[1]
    assert third.waiting_for == []
    assert "turn_came" in kinds(third)


def test_a_killed_run_is_passed_over_and_a_stopped_one_gives_way(job, tmp_path, monkeypatch):
    monkeypatch.setenv("SECONDS_PER_BATCH", "30")
    first, second = (
        start_refinement(*job.arguments, SETTINGS, tmp_path / name) for name in ("a", "b")
    )
    wait_for(lambda: "queued" in kinds(second), 120)
    monkeypatch.setenv("SECONDS_PER_BATCH", "0")
    third = start_refinement(*job.arguments, SETTINGS, tmp_path / "c")
    wait_for(lambda: third.status == "queued", 120)
    second.stop()
    assert second.wait(60) == "stopped"
    assert second.iterations() == []
    os.kill(read_owner(first.path)["pid"], signal.SIGKILL)
    assert third.wait(120) == "finished"
    assert first.status == "lost"
    # The one that gave way can go on now.
    second.resume()
    assert second.wait(120) == "finished"


def test_the_queue_outlives_the_process_that_started_the_runs(job, job_folder, tmp_path):
    """As when a notebook's kernel is restarted."""
    code = (
        "import sys; from pathlib import Path; from tests.runs.fake_job import *\n"
        "from locref_widgets.runs import launch; from locref_widgets.runs.run import *\n"
        "launch.WORKER_MODULE = 'tests.runs.fake_worker'\n"
        "job = read_job(Path(sys.argv[1]))\n"
        "settings = RefinementSettings(iterations=1, seed=3)\n"
        "for out in sys.argv[2:]: start_refinement(*job.arguments, settings, out)\n"
        "os._exit(0)"
    )
    outs = [tmp_path / "a", tmp_path / "b"]
    environment = {**os.environ, "SECONDS_PER_BATCH": "0.4"}
    words = [sys.executable, "-c", code, str(job_folder), *map(str, outs)]
    assert subprocess.run(words, env=environment).returncode == 0
    first, second = map(open_run, outs)
    wait_for(lambda: second.status == "queued", 120)
    assert first.status == "running"
    assert [run.wait(120) for run in (first, second)] == ["finished", "finished"]


def test_one_that_need_not_wait_begins_at_once(job, run_path, tmp_path):
    ticket = DeviceTicket.draw(tmp_path / "other")
    run = run_fake(job, run_path, SETTINGS, wait_for_device=False)
    assert run.status == "finished"
    assert "queued" not in kinds(run)
    ticket.release()


def test_in_the_foreground_it_waits_as_well(job, run_path, tmp_path):
    ticket = DeviceTicket.draw(tmp_path / "other")
    thread = threading.Thread(target=lambda: run_fake(job, run_path, SETTINGS))
    thread.start()
    wait_for((run_path / "run.json").exists)
    wait_for(lambda: open_run(run_path).status == "queued")
    assert open_run(run_path).waiting_for == [tmp_path / "other"]
    ticket.release()
    thread.join(60)
    assert open_run(run_path).status == "finished"


def test_all_runs_of_a_folder_are_listed_with_their_state(job, tmp_path, monkeypatch):
    top = tmp_path / "project"
    run_fake(job, top / "done", SETTINGS)
    run_fake(job, top / "deeper" / "done", SETTINGS)

    class Killed(BaseException):
        pass

    def killed(inputs, settings, observer, resume=None):
        observer.tell_iteration = lambda result: (_ for _ in ()).throw(Killed())
        return make_loop()(inputs, settings, observer, resume=resume)

    def failing(inputs, settings, observer, resume=None):
        raise RuntimeError("out of luck")

    with pytest.raises(Killed):
        run_fake(job, top / "lost", SETTINGS, killed)
    with pytest.raises(RuntimeError):
        run_fake(job, top / "failed", SETTINGS, failing)
    (top / "broken").mkdir()
    (top / "broken" / "run.json").write_text("{")
    (top / "no run").mkdir()
    found = {run["folder"]: run for run in list_runs(top)}
    assert {path.removeprefix(f"{top}/"): run["status"] for path, run in found.items()} == {
        "done": "finished",
        "deeper/done": "finished",
        "lost": "lost",
        "failed": "failed",
        "broken": "unreadable",
    }
    assert "out of luck" in found[str(top / "failed")]["message"]
    done = found[str(top / "done")]
    assert (done["iterations"], done["maximum_iterations"]) == ([0, 1], 1)
    assert done["summary"]["resolution_angstrom"] == 15.0
    lines = describe_runs(list_runs(top), top).splitlines()
    assert len(lines) == 6
    assert any("deeper/done" in line and "30 → 15 Å" in line for line in lines)
    assert describe_runs([], top).endswith("holds no runs")


def test_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(InputError, match="is no folder"):
        list_runs(tmp_path / "absent")
