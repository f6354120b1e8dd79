"""The choice of where a run is computed, and what this machine alone needs: no network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs import chunk_worker, executors
from locref_widgets.runs.executors import choose_executor, executor_for, open_executor
from locref_widgets.runs.run import open_run, refine
from tests.runs.fake_job import make_loop

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "give local, dask:ADDRESS or slurm:FILE.yaml"),
        ("ray", "'ray' is none that is known"),
        ("local:2", "'local:2' is none that is known"),
        ("dask:", "'dask:' is none that is known"),
        ("dask:head-node", "names no port.*dask:HOST:PORT"),
        ("dask:tcp://head-node", "names no port"),
        ("dask:absent.json", r"absent\.json: there is no such file"),
        ("slurm:absent.yaml", r"absent\.yaml: cannot be read"),
    ],
)
def test_a_choice_that_is_none_is_told(text, words):
    with pytest.raises(InputError, match=words):
        choose_executor(text)


def test_choices_are_kept_as_they_can_be_read_from_anywhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("gpus.yaml").write_text("workers: 2\n")
    Path("scheduler.json").write_text("{}")
    for text, kept in (
        ("local", "local"),
        ("dask:tls://10.0.0.5:8786", "dask:tls://10.0.0.5:8786"),
        ("dask:head:8786", "dask:head:8786"),
        ("dask:scheduler.json", f"dask:{tmp_path}/scheduler.json"),
        ("slurm:gpus.yaml", f"slurm:{tmp_path}/gpus.yaml"),
    ):
        choice = choose_executor(text)
        assert choice.text == kept
        assert choose_executor(choice.text) == choice
    assert choice.record()["slurm"]["workers"] == 2
    json.dumps(choice.record())


@pytest.mark.parametrize(
    ("text", "missing"), [("dask:a:1", "distributed"), ("slurm:a", "jobqueue")]
)
def test_without_the_extra_it_is_told_how_to_install_it(text, missing, monkeypatch):
    find = executors.importlib.util.find_spec
    monkeypatch.setattr(
        executors.importlib.util, "find_spec", lambda name: None if missing in name else find(name)
    )
    with pytest.raises(InputError, match=r"pip install 'locref_widgets\[cluster\]'"):
        choose_executor(text)
    assert choose_executor("local").is_local


def test_nothing_is_touched_when_the_choice_is_wrong(job, run_path):
    with pytest.raises(InputError, match="none that is known"):
        refine(*job.arguments, out=run_path, progress=False, executor="ray")
    assert not run_path.exists()


def test_a_scheduler_that_does_not_answer_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("locref_widgets.runs.dask_clusters._CONNECT_SECONDS", 1)
    with (
        pytest.raises(InputError, match=r"127\.0\.0\.1:9 does not answer"),
        open_executor(choose_executor("dask:127.0.0.1:9"), tmp_path, lambda *_, **__: None),
    ):
        pass


def test_a_run_keeps_its_executor_until_it_is_given_another(job, run_path, monkeypatch):
    settings, loop = None, make_loop()
    refine(*job.arguments, settings, run_path, progress=False, refine_loop=loop)
    folder = open_run(run_path).folder
    assert folder.read_record()["executor"] == {"choice": "local", "dashboard": None}
    folder.set_values(executor={"choice": "dask:head:8786", "dashboard": None})
    assert executor_for(None, folder).text == "dask:head:8786"
    assert executor_for("local", folder).text == "local"
    # As a version without executors wrote it.
    record = folder.read_record()
    del record["executor"]
    (run_path / "run.json").write_text(json.dumps(record))
    assert executor_for(None, folder).is_local


def test_workers_of_another_version_are_refused(monkeypatch):
    bench = chunk_worker.Parcel.pack("bench", ("/nowhere", "0.0.1", {}, None))
    monkeypatch.setattr(chunk_worker, "_prepare", lambda: None)
    with pytest.raises(InputError, match=r"^on .*: locref_widgets .* is installed, .* 0\.0\.1"):
        chunk_worker.compute_chunk(bench, bench, bench)


_LISTENING = """
import json, sys
import psutil
from locref_widgets.refinement.executor import LocalExecutor
from locref_widgets.runs import observer
from tests.runs.fake_job import read_job
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.run import refine
from pathlib import Path

seen = set()
say = observer.RunObserver.say
def looking(self, kind, **values):
    found = psutil.Process().net_connections(kind="inet")
    seen.update(f"{c.laddr} {c.status}" for c in found)
    return say(self, kind, **values)
observer.RunObserver.say = looking
job = read_job(Path(sys.argv[1]))
settings = RefinementSettings(
    iterations=1, rotation_extent=0.1, shift_extent=2.0, initial_lowpass=40
)
run = refine(*job.arguments, settings, sys.argv[2], progress=False, wait_for_device=False)
print(json.dumps([run.status, sorted(seen), sorted(m for m in sys.modules if "distributed" in m)]))
"""


def test_computed_here_a_run_opens_no_network_port_and_loads_no_dask(job_folder, run_path):
    done = subprocess.run(
        [sys.executable, "-c", _LISTENING, str(job_folder), str(run_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    status, ports, dask = json.loads(done.stdout.splitlines()[-1])
    assert status == "finished"
    assert ports == []
    assert [name for name in dask if name.startswith("distributed")] == []
