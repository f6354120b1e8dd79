"""Connections to Dask clusters: one that runs already, or workers started through SLURM."""

import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.config
from distributed import Client
from distributed.security import Security

from locref_widgets.errors import InputError
from locref_widgets.runs.slurm_file import SlurmFile

if TYPE_CHECKING:
    from distributed.deploy.cluster import Cluster

_CONNECT_SECONDS = 30
_LOOPBACK = "127.0.0.1"
_ALLOWED_FAILURES = 10
"""Workers that may die over a chunk: jobs end when their time is over, which is nobody's fault."""

_LEAVE_BEFORE_SECONDS = 600
"""Before its job is ended; a chunk that it computes by then is given to another."""


@contextmanager
def connect(place: "str | Cluster") -> Iterator[Client]:
    """Connect to a scheduler by its address, its file (.json), or a cluster that was started.

    Certificates for ``tls://`` addresses are those of Dask's own configuration.

    Raises
    ------
    InputError
        When nobody answers.
    """
    named: dict[str, Any] = {"address": place}
    if isinstance(place, str) and place.endswith(".json"):
        named = {"scheduler_file": place}
    try:
        client = Client(**named, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TypeError, ValueError, RuntimeError) as error:
        # A TypeError is how Dask says that it was told of no certificates.
        raise InputError(
            f"the Dask scheduler at {place} does not answer ({error}). Start one (dask scheduler),"
            " or give its right address; for tls:// addresses, docs/cluster.md says how to name the"
            " certificates."
        ) from error
    with client:
        yield client


@contextmanager
def start_slurm(file: SlurmFile, run_folder: Path) -> "Iterator[Cluster]":
    """Start a scheduler in this process, and workers through SLURM; end both at the end.

    Raises
    ------
    InputError
        When there is no SLURM here, or a scheduler cannot be started as the file says.
    """
    if shutil.which("sbatch") is None:
        raise InputError(
            "--executor slurm: there is no sbatch on this machine. Start the run on a machine from"
            " which SLURM jobs are sent, or use --executor local."
        )
    cluster = make_slurm_cluster(file, run_folder)
    try:
        # Keeps so many: jobs that end, their time being over, are sent again.
        cluster.adapt(minimum=file.workers, maximum=file.workers, interval="2s")
        yield cluster
    finally:
        cluster.close()


def make_slurm_cluster(file: SlurmFile, run_folder: Path) -> Any:
    """The cluster of a file, without workers yet (see `start_slurm`)."""
    cluster_class = _slurm_cluster_class()
    logs = run_folder / "workers"
    logs.mkdir(exist_ok=True)
    scheduler: dict[str, Any] = {"dashboard_address": file.dashboard}
    if file.is_local:
        scheduler["host"] = _LOOPBACK
    with dask.config.set({"distributed.scheduler.allowed-failures": _ALLOWED_FAILURES}):
        try:
            return cluster_class(
                queue=file.queue,
                account=file.account,
                walltime=file.walltime,
                cores=file.threads,
                job_cpu=file.cpus,
                memory=file.memory,
                processes=1,
                python=file.python,
                local_directory=file.scratch,
                interface=file.interface,
                security=_security(file),
                log_directory=str(logs),
                job_name=f"locref-{run_folder.name}",
                job_extra_directives=[*_gpu(file), *file.directives],
                job_script_prologue=list(file.prologue),
                worker_extra_args=["--no-dashboard", *_worker_host(file), *_lifetime(file)],
                scheduler_options=scheduler,
            )
        except (OSError, ValueError, RuntimeError) as error:
            raise InputError(
                f"no Dask scheduler could be started here ({error}). Look at interface, tls and"
                " dashboard in the SLURM file; 'ip addr' lists this machine's interfaces."
            ) from error


def _slurm_cluster_class() -> Any:
    """Dask-jobqueue's class; as it is imported it would take Ctrl-C for itself."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    from dask_jobqueue.slurm import SLURMCluster

    if threading.current_thread() is threading.main_thread():
        for number, handler in before.items():
            # None: one that was not set from Python, which Python cannot put back.
            if handler is not None:
                signal.signal(number, handler)
    return SLURMCluster


def _gpu(file: SlurmFile) -> list[str]:
    return [file.gpu_directive] if file.gpu_directive else []


def _worker_host(file: SlurmFile) -> list[str]:
    return ["--host", _LOOPBACK] if file.interface is None else []


def _lifetime(file: SlurmFile) -> list[str]:
    """Have a worker hand over what it has before its job's time is over, not all at once."""
    left = file.walltime_seconds - _LEAVE_BEFORE_SECONDS
    if left < _LEAVE_BEFORE_SECONDS:
        return []
    return ["--lifetime", f"{left}s", "--lifetime-stagger", f"{_LEAVE_BEFORE_SECONDS // 3}s"]


def _security(file: SlurmFile) -> Security | None:
    if not file.tls:
        return None
    ca, cert, key = (str(path) for path in (file.tls.ca_file, file.tls.cert, file.tls.key))
    roles = {
        f"tls_{role}_{what}": path
        for role in ("scheduler", "worker", "client")
        for what, path in (("cert", cert), ("key", key))
    }
    return Security(require_encryption=True, tls_ca_file=ca, **roles)
