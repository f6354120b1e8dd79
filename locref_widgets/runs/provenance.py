"""Where a result comes from: checksums of the inputs, versions, host, device."""

import hashlib
import os
import platform
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import locref_widgets
from locref_widgets.errors import InputError
from locref_widgets.processors import processors

_ENDS_BYTES = 2**20
"""Of a stack only this much is hashed at either end: reading 1 TB twice would cost hours."""

_MOST_HASHED_STACKS = 32
"""Of a table with a stack per micrograph the first ones are hashed, the others only measured."""

_SLOW_SCATTER_JAXLIB = ("0.10.2", "0.11.0")
"""These compile float32 scatter-add for GPUs into a compare-and-swap loop (openxla/xla#46225)."""

_PACKAGES = ("jax", "jaxlib", "equinox", "numpy", "scipy", "pydantic")


def describe_file(path: str | os.PathLike) -> dict[str, Any]:
    """Name a file and its content: absolute path, size, SHA-256 of all of it."""
    path = Path(path).resolve()
    digest = hashlib.sha256()
    try:
        with path.open("rb") as handle:
            while block := handle.read(2**22):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}).") from None
    return {"path": str(path), "bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def describe_stacks(paths: Sequence[Path]) -> dict[str, Any]:
    """Name the image stacks and what of their content was looked at.

    Sizes of all; of the first 32 the SHA-256 of the first and the last MiB (the header among
    them). A change in the middle of a stack that keeps its size therefore goes unseen here, but
    for the time of its last change, which is recorded too.
    """
    sizes = hashlib.sha256()
    total = 0
    hashed = []
    for number, path in enumerate(paths):
        stat = path.stat()
        total += stat.st_size
        sizes.update(f"{path.name} {stat.st_size}\n".encode())
        if number < _MOST_HASHED_STACKS:
            entry = {"path": str(path.resolve()), "bytes": stat.st_size}
            hashed.append(
                entry | {"mtime_ns": stat.st_mtime_ns, "sha256_first_and_last_mib": _ends(path)}
            )
    return {
        "count": len(paths),
        "bytes": total,
        "sha256_of_names_and_sizes": sizes.hexdigest(),
        "first": hashed,
    }


def versions() -> dict[str, str]:
    """List the versions that a result may depend on."""
    found = {"locref_widgets": locref_widgets.__version__, "python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def describe_host() -> dict[str, Any]:
    """Name the machine."""
    return {
        "name": platform.node(),
        "system": platform.platform(),
        "cores": processors(),
    }


def describe_device() -> dict[str, Any]:
    """Name the devices that JAX computes on. Starts JAX: only the process that refines asks."""
    import jax

    devices = jax.devices()
    return {
        "platform": devices[0].platform,
        "kind": devices[0].device_kind,
        "count": len(devices),
    }


def slow_device_warning(device: Mapping[str, Any], versions: Mapping[str, str]) -> str | None:
    """Warn of a jaxlib that makes back-projection hundreds of times slower on this device.

    ``device`` and ``versions`` are what `describe_device` and `versions` return.
    """
    jaxlib = versions.get("jaxlib")
    if device["platform"] not in ("gpu", "cuda") or jaxlib not in _SLOW_SCATTER_JAXLIB:
        return None
    return (
        f"jaxlib {jaxlib} adds into arrays hundreds of times slower than it should on a GPU "
        f"({device['kind']}), so reconstruction will take very long. Stop the run, install jax and "
        "jaxlib 0.10.1, or 0.11.1 or later, and resume it."
    )


def command_line() -> list[str]:
    """Return the words this process was started with."""
    return [Path(sys.argv[0]).name, *sys.argv[1:]] if sys.argv else []


def _ends(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as handle:
        digest.update(handle.read(_ENDS_BYTES))
        end = path.stat().st_size
        handle.seek(max(handle.tell(), end - _ENDS_BYTES))
        digest.update(handle.read())
    return digest.hexdigest()
