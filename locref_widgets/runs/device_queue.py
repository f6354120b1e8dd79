"""Runs of one user on one machine take turns on its devices.

Whoever wants to compute draws a ticket: a numbered file in a folder of the user's own, locked for
as long as its process lives. A run may begin when no ticket with a lower number asks for a device
of its own. The system drops the lock of a process that dies, however it dies, so its ticket is
passed over; and as tickets belong to the processes that compute, a notebook's kernel may come and
go.

Within an allocation of a batch system the devices are the job's own, and only its runs take turns.
"""

import fcntl
import json
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from locref_widgets.errors import OutputError

_BATCH_JOBS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")
_ALL_GPUS = "gpu:*"
_MOST_BYTES = 64 * 1024


class DeviceTicket:
    """A place in the queue, kept until `release` or the end of the process.

    ``descriptor`` may be passed down to the process that computes (see `inherit`).
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path, self.descriptor = path, descriptor

    @classmethod
    def draw(cls, run: Path, environment: Mapping[str, str] | None = None) -> "DeviceTicket":
        """Take the next number for the devices that this process's environment shows.

        Raises
        ------
        OutputError
            If the queue's folder cannot be used.
        """
        environment = os.environ if environment is None else environment
        folder = queue_folder(environment)
        try:
            with _alone(folder):
                number = 1 + max((_number(path) for path in _tickets(folder)), default=0)
                path = folder / f"{number:012d}.json"
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                content = {"run": str(run), "devices": devices(environment)}
                os.write(descriptor, json.dumps(content).encode())
        except OSError as error:
            raise OutputError(
                f"{folder}: cannot be written ({error.strerror or error}), so runs cannot take "
                "turns. Mend it, name another folder in the environment variable LOCREF_QUEUE, or "
                "start the run without waiting (--no-queue)."
            ) from error
        return cls(path, descriptor)

    @classmethod
    def inherit(cls, path: Path, descriptor: int) -> "DeviceTicket":
        """Go on with a ticket that the starting process drew and passed down."""
        return cls(path, descriptor)

    def ahead(self) -> list[Path]:
        """List the runs that come first on a device of ours, the next one first.

        Tickets of dead processes are removed. Where the queue's folder is gone, nobody is ahead.
        """
        folder, mine = self.path.parent, _read(self.path)
        found = []
        try:
            with _alone(folder):
                for path in _tickets(folder):
                    if _number(path) >= _number(self.path):
                        continue
                    other = _read(path)
                    if _is_dead(path):
                        path.unlink(missing_ok=True)
                    elif _share_a_device(mine.get("devices", []), other.get("devices", [])):
                        found.append(Path(other.get("run", "?")))
        except OSError:
            return []
        return found

    def release(self) -> None:
        """Let the next one begin."""
        self.path.unlink(missing_ok=True)
        self.drop()

    def drop(self) -> None:
        """Close this process's hold only; a child that inherited the ticket keeps it."""
        os.close(self.descriptor)


def devices(environment: Mapping[str, str]) -> list[str]:
    """Name the devices that JAX would use, without starting it (it would take their memory)."""
    job = next((environment[name] for name in _BATCH_JOBS if environment.get(name)), "")
    return [f"{job}/{name}" for name in _device_names(environment)]


def queue_folder(environment: Mapping[str, str]) -> Path:
    """Make, if need be, the folder of the tickets: ``LOCREF_QUEUE``, else in the temporary folder.

    Raises `OutputError` when it cannot be made or is another user's.
    """
    chosen = environment.get("LOCREF_QUEUE")
    folder = Path(chosen or Path(tempfile.gettempdir()) / f"locref_widgets-{os.getuid()}" / "queue")
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        for made in (folder,) if chosen else (folder.parent, folder):
            facts = made.lstat()
            # In a folder that all may write to, another user may have been there first.
            if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.getuid():
                raise PermissionError(0, f"{made} belongs to another user")
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be made ({error.strerror or error}), so runs cannot take turns. "
            "Name another folder in the environment variable LOCREF_QUEUE, or start the run "
            "without waiting (--no-queue)."
        ) from error
    return folder


def _device_names(environment: Mapping[str, str]) -> list[str]:
    if environment.get("JAX_PLATFORMS", "").split(",")[0] == "cpu":
        return ["cpu"]
    visible = next((environment[name] for name in _VISIBLE if name in environment), None)
    if visible is None:
        return [_ALL_GPUS] if _has_gpus() else ["cpu"]
    names = [name.strip() for name in visible.split(",") if name.strip()]
    return [f"gpu:{name}" for name in names] if names and names != ["-1"] else ["cpu"]


def _has_gpus() -> bool:
    return any(Path("/dev").glob("nvidia[0-9]*")) or Path("/dev/kfd").exists()


def _share_a_device(some: list[str], others: list[str]) -> bool:
    return any(_may_be_the_same(one, other) for one in some for other in others)


def _may_be_the_same(one: str, other: str) -> bool:
    (job, _, name), (other_job, _, other_name) = one.rpartition("/"), other.rpartition("/")
    gpus = [name, other_name]
    if job != other_job or (name == "cpu") != (other_name == "cpu"):
        return False
    if name == other_name or _ALL_GPUS in gpus:
        return True
    # The number of a device and its long name may mean the same one.
    return len({gpu.removeprefix("gpu:").isdecimal() for gpu in gpus}) == 2


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the lock under which tickets are drawn and looked at."""
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _tickets(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*.json") if path.stem.isdecimal())


def _number(path: Path) -> int:
    return int(path.stem)


def _is_dead(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return not path.exists()
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as handle:
            content = json.loads(handle.read(_MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
