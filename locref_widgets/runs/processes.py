"""Who a process is, so that a number used again by the system is not taken for the same one."""

import os
import platform
import subprocess
from pathlib import Path
from typing import Any


def identify(pid: int | None = None) -> dict[str, Any]:
    """Identify a process of this machine: pid, its start, host and the machine's boot."""
    pid = os.getpid() if pid is None else pid
    return {
        "pid": pid,
        "start_time": start_time(pid),
        "host": platform.node(),
        "boot": _boot_id(),
    }


def is_alive(identity: dict[str, Any]) -> bool | None:
    """Tell whether the process lives; None when it is another machine's and cannot be known."""
    if identity.get("host") != platform.node():
        return None
    if identity.get("boot") != _boot_id():
        return False
    begun = start_time(int(identity.get("pid", 0)))
    return begun is not None and begun == identity.get("start_time")


def start_time(pid: int) -> str | None:
    """Start of a process in the system's own words; None when it is dead (or a zombie)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # The program's name, in brackets, may itself hold spaces and brackets.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        # Fields 3 and 22 of proc(5): the state, and the start in clock ticks after the boot.
        return None if fields[0] in "ZX" else fields[19]
    listed = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.split()
    return None if not listed or listed[0].startswith("Z") else " ".join(listed[1:])


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
