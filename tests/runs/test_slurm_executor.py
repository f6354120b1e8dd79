"""Workers through SLURM, which is not here: the script that is sent, and a pretended ``sbatch``."""

import itertools
import shlex

import pytest

from locref_widgets.errors import InputError
from locref_widgets.runs.dask_clusters import make_slurm_cluster, start_slurm
from locref_widgets.runs.executors import choose_executor, open_executor
from locref_widgets.runs.slurm_file import SlurmFile
from tests.runs.fake_slurm import with_programs, write_fake_slurm
from tests.runs.test_dask_executor import arguments, local

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
    # On this machine only, unless a network is named.
    assert options["--host"] == "127.0.0.1"
    assert address.startswith("tcp://127.0.0.1:")
    assert dashboard.startswith("http://127.0.0.1:")


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
