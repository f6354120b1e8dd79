"""Where a run is computed: this machine (``local``), ``dask:ADDRESS`` or ``slurm:FILE.yaml``.

The choice is no setting of the refinement: the results are the same, and a run may be resumed with
another one. It is checked before anything is touched, and opened by the process that refines. This
module loads Dask only for a cluster.
"""

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.refinement.executor import Executor
    from locref_widgets.runs.folder import RunFolder
    from locref_widgets.runs.slurm_file import SlurmFile

LOCAL = "local"
_WAYS = "local, dask:ADDRESS or slurm:FILE.yaml"

Say = Callable[..., None]
"""Logs an event: its kind, and values by name."""


@dataclass(frozen=True)
class ExecutorChoice:
    """A choice that was checked.

    Attributes
    ----------
    kind
        "local", "dask" or "slurm".
    place
        Address or file of the scheduler; file of the SLURM settings; empty for local.
    slurm
        The SLURM settings.
    """

    kind: str
    place: str = ""
    slurm: "SlurmFile | None" = None

    @property
    def is_local(self) -> bool:
        """Whether this machine's devices compute."""
        return self.kind == LOCAL

    @property
    def text(self) -> str:
        """As it was chosen, files by their absolute path."""
        return f"{self.kind}:{self.place}" if self.place else self.kind

    def record(self) -> dict[str, Any]:
        """What ``run.json`` keeps of it."""
        slurm = {} if self.slurm is None else {"slurm": self.slurm.model_dump(mode="json")}
        return {"choice": self.text, "dashboard": None, **slurm}


def choose_executor(text: str) -> ExecutorChoice:
    """Read a choice. Raises `InputError` when it is none, or what it needs is not there."""
    kind, _, place = text.strip().partition(":")
    if kind == LOCAL and not place:
        return ExecutorChoice(LOCAL)
    if kind not in ("dask", "slurm") or not place:
        raise InputError(f"the executor '{text}' is none that is known: give {_WAYS}.")
    _check_extra(kind)
    if kind == "slurm":
        from locref_widgets.runs.slurm_file import SlurmFile

        return ExecutorChoice(kind, str(Path(place).absolute()), SlurmFile.load(place))
    if place.endswith(".json"):
        path = Path(place).absolute()
        if not path.is_file():
            raise InputError(
                f"{path}: there is no such file. It is the one that 'dask scheduler"
                " --scheduler-file' writes."
            )
        return ExecutorChoice(kind, str(path))
    if ":" not in place.split("://")[-1]:
        raise InputError(
            f"the executor '{text}' names no port: give dask:HOST:PORT, as the scheduler prints it"
            " (for example dask:tcp://10.0.0.5:8786)."
        )
    return ExecutorChoice(kind, place)


def executor_for(text: str | None, run: "RunFolder | None") -> ExecutorChoice:
    """Read a choice; None means the one that a run has, or local. Raises `InputError`."""
    recorded = {} if run is None else run.read_record().get("executor") or {}
    return choose_executor(recorded.get("choice", LOCAL) if text is None else text)


@contextmanager
def open_executor(choice: ExecutorChoice, run_folder: Path, say: Say) -> Iterator["Executor"]:
    """Connect to whatever computes, and let go of it at the end.

    For a cluster an event ``executor`` tells the choice, the dashboard's address and how many
    workers there are by then.

    Raises
    ------
    InputError
        When the scheduler does not answer or SLURM does not take the jobs.
    """
    if choice.is_local:
        from locref_widgets.refinement.executor import LocalExecutor

        yield LocalExecutor()
        return
    from locref_widgets.runs.dask_clusters import connect, start_slurm
    from locref_widgets.runs.dask_executor import DaskExecutor

    with ExitStack() as stack:
        address = choice.place
        if choice.slurm is not None:
            address = stack.enter_context(start_slurm(choice.slurm, run_folder))
        client = stack.enter_context(connect(address))
        workers = len(client.scheduler_info(n_workers=-1)["workers"])
        say("executor", choice=choice.text, dashboard=client.dashboard_link, workers=workers)
        yield DaskExecutor(client, run_folder, lambda text: say("warning", message=text))


def _check_extra(kind: str) -> None:
    missing = [
        name
        for name in ("distributed", "dask_jobqueue")
        if importlib.util.find_spec(name) is None and (kind, name) != ("dask", "dask_jobqueue")
    ]
    if missing:
        raise InputError(
            f"a run on a cluster needs {' and '.join(missing)}, which are not installed:"
            " pip install 'locref_widgets[cluster]'"
        )
