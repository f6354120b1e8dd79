"""Workers through SLURM, which is not here: the script that is sent, and a pretended ``sbatch``."""

import itertools
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dask.config
import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs import dask_clusters
from locref_widgets.runs.dask_clusters import connect, make_slurm_cluster, start_slurm
from locref_widgets.runs.executors import choose_executor, open_executor
from locref_widgets.runs.run import refine
from locref_widgets.runs.slurm_file import SlurmFile
from tests.runs.fake_slurm import is_over, job_process, with_programs, write_fake_slurm
from tests.runs.test_dask_executor import arguments, assert_same, in_search, local, once

REPOSITORY = Path(__file__).resolve().parents[2]
__all__ = ["arguments", "local"]  # fixtures


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """The folder of the jobs of a pretended SLURM."""
    programs, jobs = write_fake_slurm(tmp_path / "slurm")
    monkeypatch.setenv("PATH", with_programs(programs))
    return jobs


def test_the_script_asks_for_what_the_file_says(slurm, tmp_path):
    file = SlurmFile(
        workers=3,
        queue="gpu",
        account="em",
        walltime="1-00:00:00",
        cpus=6,
        memory="48GB",
        directives=("--constraint=a100",),
        prologue=("module load cuda",),
        python="/opt/env/bin/python",
        scratch="/scratch/me",
    )
    cluster = make_slurm_cluster(file, tmp_path)
    try:
        script = cluster.job_script()
        address = cluster.scheduler_address
        dashboard = cluster.dashboard_link
    finally:
        cluster.close()
    asked = [line.removeprefix("#SBATCH ") for line in script.splitlines() if "#SBATCH" in line]
    assert asked == [
        f"-J locref-{tmp_path.name}",
        f"-e {tmp_path}/workers/locref-{tmp_path.name}-%J.err",
        f"-o {tmp_path}/workers/locref-{tmp_path.name}-%J.out",
        *("-p gpu", "-A em", "-n 1", "--cpus-per-task=6", "--mem=45G", "-t 1-00:00:00"),
        *("--gres=gpu:1", "--constraint=a100"),
    ]
    assert "\nmodule load cuda\n" in script
    words = shlex.split(script.splitlines()[-1])
    assert words[:4] == ["/opt/env/bin/python", "-m", "distributed.cli.dask_worker", address]
    options = dict(itertools.pairwise(words))
    assert options["--nthreads"] == "2"
    assert options["--local-directory"] == "/scratch/me"
    # Before the day is over it hands over what it has.
    assert options["--lifetime"] == "85800s"
    # On this machine only, unless a network is named.
    assert options["--host"] == "127.0.0.1"
    assert address.startswith("tcp://127.0.0.1:")
    assert dashboard.startswith("http://127.0.0.1:")


def test_a_run_is_computed_by_jobs_of_which_one_ends_early(
    slurm, arguments, local, run_path, tmp_path
):
    yaml = tmp_path / "two.yaml"
    yaml.write_text(
        "workers: 2\nthreads: 1\ncpus: 1\nmemory: 4GB\ngpu_directive: null\ndashboard: ':0'\n"
    )

    def end_one() -> None:
        os.killpg(job_process(slurm, 1), signal.SIGKILL)

    with once(run_path, in_search(1), end_one):
        run = refine(*arguments, run_path, progress=False, executor=f"slurm:{yaml}")
    assert run.status == "finished"
    assert_same(run, local)
    record = run.folder.read_record()["executor"]
    assert record["choice"] == f"slurm:{yaml}"
    assert record["slurm"]["workers"] == 2
    assert record["dashboard"]
    # With the run its jobs end.
    wait_until(lambda: all(is_over(job_process(slurm, number)) for number in jobs_in(slurm)))


def test_a_job_that_ends_is_sent_again(slurm, tmp_path):
    file = SlurmFile(workers=2, threads=1, memory="2GB", gpu_directive=None, dashboard=":0")
    with (
        dask.config.set({"distributed.deploy.lost-worker-timeout": "500 ms"}),
        start_slurm(file, tmp_path) as cluster,
        connect(cluster) as client,
    ):
        client.wait_for_workers(2, timeout=60)
        os.killpg(job_process(slurm, 1), signal.SIGKILL)
        wait_until(lambda: jobs_in(slurm) == [1, 2, 3] and len(client.nthreads()) == 2)


def jobs_in(slurm: Path) -> list[int]:
    """Numbers of the jobs that were sent."""
    return sorted(int(path.stem) for path in slurm.glob("*.pid"))


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_with_certificates_all_that_goes_over_the_network_is_encrypted(slurm, tmp_path, program):
    # As docs/cluster.md says.
    command = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=locref -keyout key.pem"
    words = [program("openssl"), *command.split(), "-out", "cert.pem"]
    subprocess.run(words, cwd=tmp_path, check=True, capture_output=True)
    yaml = tmp_path / "tls.yaml"
    yaml.write_text(
        "workers: 1\nthreads: 1\ncpus: 1\nmemory: 2GB\ngpu_directive: null\ndashboard: ':0'\n"
        "interface: lo\ntls: {ca_file: cert.pem, cert: cert.pem, key: key.pem}\n"
    )
    with start_slurm(SlurmFile.load(yaml), tmp_path) as cluster:
        assert cluster.scheduler_address.startswith("tls://127.0.0.1:")
        with connect(cluster) as client:
            assert client.submit(sum, [1, 2]).result(timeout=60) == 3
            (worker,) = client.nthreads()
            assert worker.startswith("tls://127.0.0.1:")
        # Who has no certificate does not come in.
        with (
            pytest.raises(InputError, match=r"does not answer.*how to name the certificates"),
            connect(cluster.scheduler_address),
        ):
            pass


_CTRL_C = """
import signal, sys
from pathlib import Path
from locref_widgets.runs.dask_clusters import make_slurm_cluster
from locref_widgets.runs.signals import StopOnSignal
from locref_widgets.runs.slurm_file import SlurmFile

with StopOnSignal() as signals:
    make_slurm_cluster(SlurmFile(workers=1, dashboard=":0"), Path(sys.argv[1])).close()
    signal.raise_signal(signal.SIGINT)
    print("stops between chunks:", signals.requested)
"""


def test_ctrl_c_stops_a_run_as_it_does_without_slurm(tmp_path):
    """Dask-jobqueue, as it is imported, makes Ctrl-C end the process on the spot."""
    done = subprocess.run(
        [sys.executable, "-c", _CTRL_C, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.stdout == "stops between chunks: True\n", done.stderr[-2000:]


def test_a_signal_that_was_not_set_from_python_is_left_alone(monkeypatch):
    monkeypatch.setattr(signal, "getsignal", lambda _: None)
    assert dask_clusters._slurm_cluster_class().__name__ == "SLURMCluster"


def test_without_slurm_it_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with (
        pytest.raises(InputError, match="no sbatch on this machine"),
        start_slurm(SlurmFile(workers=1), tmp_path),
    ):
        pass


def test_an_interface_that_is_not_there_is_told(slurm, tmp_path):
    yaml = tmp_path / "far.yaml"
    yaml.write_text("workers: 1\ninterface: nowhere0\ntls: false\n")
    with (
        pytest.raises(InputError, match="no Dask scheduler could be started here"),
        open_executor(choose_executor(f"slurm:{yaml}"), tmp_path, lambda *_, **__: None),
    ):
        pass
