"""Starting a worker that outlives the process that started it."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import locref_widgets
from locref_widgets.errors import OutputError
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.job_folder import JobFolder
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.processes import identify

WORKER_MODULE = "locref_widgets.runs.worker"


def spawn_worker(
    folder: JobFolder,
    lock: WriterLock,
    ticket: DeviceTicket | None = None,
    module: str | None = None,
) -> int:
    """Start ``python -m`` of a worker's module in a session of its own; return its pid.

    The module is that of a refinement unless another one is given.

    Lock and ticket go over to the worker without being free in between. What the worker prints
    goes to ``log.txt``.
    """
    # The worker must find the same package, also when it is not installed but on the path.
    package_parent = str(Path(locref_widgets.__file__).parents[1])
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    command = [sys.executable, "-m", module or WORKER_MODULE, str(folder.path)]
    command += ["--lock", str(lock.descriptor)]
    descriptors = [lock.descriptor]
    if ticket is not None:
        command += ["--ticket", str(ticket.descriptor), str(ticket.path)]
        descriptors.append(ticket.descriptor)
    try:
        with (folder.path / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=descriptors,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            )
    except OSError as error:
        folder.set_status("failed", f"the worker could not be started: {error}")
        lock.release()
        if ticket is not None:
            ticket.release()
        raise OutputError(f"{folder.path}: the worker could not be started: {error}") from error
    lock.hand_to(identify(process.pid))
    lock.drop()
    if ticket is not None:
        ticket.drop()
    # Without a waiting parent the dead worker would stay in the process table.
    threading.Thread(target=process.wait, name="locref-worker", daemon=True).start()
    return process.pid
