"""One writer per run folder.

The writer holds an advisory lock on ``lock.json``, which the system drops when the process dies,
and the file tells who it is. The file decides where file locks are not shared between machines:
a writer of another machine is never declared dead from here.
"""

import fcntl
import json
import os
from pathlib import Path
from typing import Any

from locref_widgets.errors import InputError, OutputError
from locref_widgets.runs.processes import identify, is_alive


class WriterLock:
    """The right to write into a run folder; `acquire` it, `release` it in the end."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @classmethod
    def acquire(cls, folder: Path) -> "WriterLock":
        """Take the lock, also that of a dead process.

        Raises
        ------
        InputError
            If a living process, or one of another machine, writes into the folder.
        """
        path = folder / "lock.json"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise OutputError(
                f"{path}: cannot be written ({error.strerror}). Nothing was changed; mend the "
                "permissions or copy the run to another folder."
            ) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            free = True
        except OSError:
            free = False
        owner = read_owner(folder)
        if not free or (owner and is_alive(owner) is not False):
            os.close(descriptor)
            raise InputError(_taken(folder, owner, path))
        lock = cls(descriptor)
        lock.hand_to(identify())
        return lock

    @classmethod
    def inherit(cls, descriptor: int) -> "WriterLock":
        """Go on with the lock that the starting process took and passed down."""
        lock = cls(descriptor)
        lock.hand_to(identify())
        return lock

    def hand_to(self, owner: dict[str, Any]) -> None:
        """Write who holds the lock from now on."""
        content = json.dumps(owner).encode()
        os.pwrite(self.descriptor, content.ljust(os.fstat(self.descriptor).st_size), 0)
        os.ftruncate(self.descriptor, len(content))

    def release(self) -> None:
        """Let the next writer in. The file stays: removing it would let two in at once."""
        os.ftruncate(self.descriptor, 0)
        self.drop()

    def drop(self) -> None:
        """Close this process's hold only; a child that inherited the lock keeps it."""
        os.close(self.descriptor)


def read_owner(folder: Path) -> dict[str, Any] | None:
    """Read who holds the lock, alive or dead; None when it is free."""
    try:
        owner = json.loads((folder / "lock.json").read_text())
    except (OSError, ValueError):
        return None
    return owner if isinstance(owner, dict) else None


def is_held(folder: Path) -> bool:
    """Tell whether a writer holds the folder; one of another machine is believed to."""
    owner = read_owner(folder)
    return owner is not None and is_alive(owner) is not False


def _taken(folder: Path, owner: dict[str, Any] | None, path: Path) -> str:
    if owner is None:
        return f"{folder}: another process has just begun to write into this run; wait for it."
    who = f"process {owner.get('pid')} on {owner.get('host')}"
    if is_alive(owner) is None:
        return (
            f"{folder}: {who} writes into this run, and from here it cannot be seen whether it "
            f"still lives. Stop it there; if that machine is gone for good, remove {path}."
        )
    mend = f"Wait for it, or stop it with: locref stop {folder}"
    return f"{folder}: {who} is writing into this run. {mend}"
