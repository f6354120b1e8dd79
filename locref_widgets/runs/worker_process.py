"""What every worker does around its work: arguments, lock, place in the queue, exit status."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from locref_widgets.errors import InputError, OutputError
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.job_folder import JobFolder
from locref_widgets.runs.lock import WriterLock

Folder = TypeVar("Folder", bound=JobFolder)


def serve(
    name: str,
    arguments: Sequence[str] | None,
    open_folder: Callable[[Path], Folder],
    work: Callable[[Folder, DeviceTicket | None], str],
) -> int:
    """Do the work on the folder named by the arguments; return the exit status.

    ``--lock N`` is the file descriptor of the lock that the starting process passes down; without
    it the lock is taken here. ``--ticket N PATH`` is likewise the place in the queue for the
    device; without it the job does not wait. ``work`` returns the job's status at its end.
    """
    parser = argparse.ArgumentParser(prog=name)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int)
    parser.add_argument("--ticket", nargs=2)
    options = parser.parse_args(arguments)
    try:
        folder = open_folder(options.folder)
        if options.lock is None:
            lock = WriterLock.acquire(folder.path)
        else:
            lock = WriterLock.inherit(options.lock)
    except (InputError, OutputError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    ticket = None
    if options.ticket is not None:
        descriptor, path = options.ticket
        ticket = DeviceTicket.inherit(Path(path), int(descriptor))
    try:
        status = work(folder, ticket)
    except (InputError, OutputError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:
        return 1  # its traceback is in the log already
    finally:
        if ticket is not None:
            ticket.release()
        lock.release()
    return 0 if status == "finished" else 130
