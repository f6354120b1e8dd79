"""Workers on one machine with several GPUs take one each, without a word between them.

JAX reserves most of the memory of every GPU that it sees, so each process must see only its own.
"""

import fcntl
import os
import tempfile
from collections.abc import MutableMapping
from pathlib import Path

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_held: list[int] = []
"""Descriptors of the locks, held until this process ends, however it ends."""


def take_one_gpu(
    environment: MutableMapping[str, str] | None = None, locks: Path | None = None
) -> str | None:
    """Leave one GPU visible to this process; to be called before JAX starts.

    Of the GPUs that ``CUDA_VISIBLE_DEVICES`` names, or of all where it is unset, the first is taken
    whose lock no other worker holds. Where all are taken, one is shared, and JAX is told to reserve
    no memory in advance. Returns what is visible by then; None where nothing was to be done.
    """
    environment = os.environ if environment is None else environment
    names = visible_gpus(environment)
    if len(names) < 2:
        return None
    for name in names:
        if (descriptor := _lock(locks or Path(tempfile.gettempdir()), name)) is not None:
            _held.append(descriptor)
            environment[_VISIBLE] = name
            return name
    environment[_VISIBLE] = names[os.getpid() % len(names)]
    environment["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    return environment[_VISIBLE]


def visible_gpus(
    environment: MutableMapping[str, str], driver: Path = Path("/proc/driver/nvidia/gpus")
) -> list[str]:
    """Names of the NVIDIA GPUs that this process may use, as CUDA takes them."""
    if _VISIBLE in environment:
        return [name.strip() for name in environment[_VISIBLE].split(",") if name.strip()]
    try:
        return [str(number) for number in range(len(list(driver.iterdir())))]
    except OSError:
        return []


def _lock(folder: Path, name: str) -> int | None:
    """Lock a GPU's file; None when another process holds it."""
    path = folder / f"locref-gpu-{os.getuid()}-{name.replace('/', '_')}.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
