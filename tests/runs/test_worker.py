"""The process of its own: it outlives whoever looks on, and can be watched, steered and lost."""

import asyncio
import os
import shutil
import signal

import pytest

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs import launch
from locref_widgets.runs import run as run_module
from locref_widgets.runs.lock import read_owner
from locref_widgets.runs.run import open_run, start_refinement
from tests.runs.fake_job import read_job
from tests.runs.test_run import wait_for

SETTINGS = RefinementSettings(iterations=2, seed=3)


@pytest.fixture(autouse=True)
def fake_worker(monkeypatch):
    monkeypatch.setattr(launch, "WORKER_MODULE", "tests.runs.fake_worker")


def test_it_runs_in_its_own_session_to_the_end(job, run_path):
    run = start_refinement(*job.arguments, SETTINGS, run_path)
    owner = read_owner(run_path)
    assert owner is not None
    assert owner["pid"] != os.getpid()
    assert os.getsid(owner["pid"]) == owner["pid"]
    assert run.status == "running"
    seen = [event["kind"] for event in run.follow()]
    assert seen[-1] == "run_finished"
    assert seen.count("iteration_finished") == 3
    assert run.wait(60) == "finished"
    assert "iteration   2" in (run_path / "log.txt").read_text()
    # The cell is run again: it attaches, and nothing is done twice.
    again = start_refinement(*job.arguments, SETTINGS, run_path)
    assert again.status == "finished"
    assert len(again.events()) == len(seen)


def test_an_event_loop_can_follow_a_run(job, run_path):
    run = start_refinement(*job.arguments, SETTINGS, run_path)

    async def follow():
        return [event["kind"] async for event in run.afollow()]

    assert asyncio.run(follow())[-1] == "run_finished"


def test_stopped_lost_and_started_again(job, run_path, monkeypatch):
    monkeypatch.setenv("SECONDS_PER_BATCH", "0.3")
    run = start_refinement(*job.arguments, SETTINGS, run_path)
    attached = start_refinement(*job.arguments, SETTINGS, run_path)
    assert read_owner(run_path) == read_owner(attached.path)
    wait_for(lambda: len(run.events()) > 2, 120)
    run.stop()
    assert run.wait(120) == "stopped"

    resumed = start_refinement(*job.arguments, SETTINGS, run_path)
    owner = read_owner(run_path)
    assert owner is not None
    os.kill(owner["pid"], signal.SIGKILL)
    assert resumed.wait(60) == "lost"

    monkeypatch.setenv("SECONDS_PER_BATCH", "0")
    assert start_refinement(*job.arguments, SETTINGS, run_path).wait(120) == "finished"


def test_other_settings_are_refused(job, run_path):
    start_refinement(*job.arguments, SETTINGS, run_path).wait(120)
    other = SETTINGS.model_copy(update={"shift_extent": 4.0})
    with pytest.raises(InputError, match=r"shift_extent: 10.0 then, 4.0 now"):
        start_refinement(*job.arguments, other, run_path)


def test_an_input_changed_since_is_a_recorded_failure(job_folder, tmp_path, run_path, monkeypatch):
    folder = tmp_path / "job"
    shutil.copytree(job_folder, folder)
    job = read_job(folder)

    def change_and_spawn(*arguments):
        shutil.copyfile(folder / "mask.mrc", folder / "map.mrc")
        launch.spawn_worker(*arguments)

    monkeypatch.setattr(run_module, "spawn_worker", change_and_spawn)
    run = start_refinement(*job.arguments, SETTINGS, run_path)
    assert run.wait(120) == "failed"
    assert "map.mrc: was changed since the run began" in (run.message or "")
    assert open_run(run_path).events()[-1]["kind"] == "failed"
