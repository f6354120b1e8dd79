"""The file that says how workers are started through SLURM: ``--executor slurm:FILE.yaml``."""

import os
import re
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from locref_widgets.errors import InputError

_LOOPBACK = ("lo", "lo0")
_WALLTIME = r"(?:(\d+)-)?(\d+)(?::(\d\d))?(?::(\d\d))?"
"""Days-hours:minutes:seconds, minutes:seconds or minutes, as SLURM takes them."""


class TLSFiles(BaseModel):
    """Certificates by which scheduler, workers and this process know each other (PEM files)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca_file: Path
    cert: Path
    key: Path


class SlurmFile(BaseModel):
    """How workers are started: each is one SLURM job with one GPU (see ``docs/cluster.md``).

    Attributes
    ----------
    workers
        How many jobs are kept in the queue or running; those that end are sent again.
    gpu_directive
        What asks for the GPU of a job; null for none.
    cpus, memory, walltime, queue, account
        Of each job. The queue is what SLURM calls a partition.
    threads
        Chunks of particles that a worker computes side by side.
    directives, prologue
        Further ``#SBATCH`` options, and shell lines before the worker starts.
    python
        The Python that runs the workers; unset: the one that runs this.
    scratch
        A folder of the compute node for the worker's temporary files.
    interface
        The network by which workers reach this process, as ``ip addr`` names it. Unset: only this
        machine itself.
    tls
        Certificates, or false to go without on a network where nobody else can connect.
    dashboard
        Address and port of the Dask dashboard.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    workers: int = Field(ge=1, le=10_000)
    gpu_directive: str | None = "--gres=gpu:1"
    cpus: int = Field(4, ge=1)
    memory: str = Field("32GB", pattern=r"^\d+(\.\d+)?\s?([kMGT]i?B)$")
    walltime: str = Field("12:00:00", pattern=rf"^{_WALLTIME}$")
    queue: str | None = None
    account: str | None = None
    threads: int = Field(2, ge=1)
    directives: tuple[str, ...] = ()
    prologue: tuple[str, ...] = ()
    python: str | None = None
    scratch: str | None = None
    interface: str | None = None
    tls: TLSFiles | Literal[False] | None = None
    dashboard: str = Field("127.0.0.1:8787", pattern=r"^[^:]*:\d+$")

    @property
    def walltime_seconds(self) -> int:
        """How long a job may take."""
        found = re.fullmatch(_WALLTIME, self.walltime)
        days, *rest = found.groups() if found else (None, "0", None, None)
        numbers = [int(number) for number in rest if number is not None]
        if days is None and len(numbers) < 3:
            numbers = [0, *numbers]  # minutes come first
        hours, minutes, seconds = (*numbers, 0, 0)[:3]
        return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds

    @property
    def is_local(self) -> bool:
        """Whether scheduler and workers only listen on this machine's own address."""
        return self.interface is None or self.interface in _LOOPBACK

    @model_validator(mode="after")
    def _check_encryption(self) -> "SlurmFile":
        if self.tls is None and not self.is_local:
            raise ValueError(
                f"anyone who reaches {self.interface} could run programs in your name. Give"
                " certificates (tls: ca_file, cert, key; docs/cluster.md says how to make them), or"
                " 'tls: false' on a network where nobody else can connect"
            )
        return self

    @classmethod
    def load(cls, path: str | os.PathLike) -> "SlurmFile":
        """Read and check a file; paths in it are relative to its folder. Raises `InputError`."""
        path = Path(path)
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            where = getattr(error, "problem_mark", None)
            line = f" (line {where.line + 1})" if where else ""
            raise InputError(f"{path}: is not valid YAML{line}.") from None
        if not isinstance(values, dict):
            raise InputError(
                f"{path}: expected settings of SLURM workers, one 'name: value' a line (at least"
                " 'workers: 4'); docs/cluster.md has an example."
            )
        _resolve_tls(values, path.parent)
        try:
            found = cls(**values)
        except ValidationError as error:
            raise InputError(f"{path}: {_explain(error)}") from None
        for file in (found.tls.ca_file, found.tls.cert, found.tls.key) if found.tls else ():
            if not os.access(file, os.R_OK):
                raise InputError(f"{path}: the file {file} named under tls cannot be read.")
        return found


def _resolve_tls(values: dict[str, Any], folder: Path) -> None:
    tls = values.get("tls")
    if isinstance(tls, dict):
        values["tls"] = {
            name: str(folder.absolute() / Path(file).expanduser())
            if isinstance(file, str)
            else file
            for name, file in tls.items()
        }


def _explain(error: ValidationError) -> str:
    """Put what is wrong into one sentence each."""
    known = ", ".join(SlurmFile.model_fields)
    said = []
    for fault in error.errors():
        # Of a union pydantic tells each member's complaint; the first says it.
        place = [str(part) for part in fault["loc"]]
        name = ".".join(part for part in place if part not in ("TLSFiles", "literal[False]"))
        if fault["type"] == "extra_forbidden":
            text = f"'{name}' is no setting of it; known: {known}"
        elif fault["type"] == "missing":
            text = f"'{name}' is missing"
        else:
            message = fault["msg"].removeprefix("Value error, ")
            text = f"'{name}' is {fault['input']!r}: {message}" if name else message
        if text not in said:
            said.append(text)
    return "; ".join(said) + "."
