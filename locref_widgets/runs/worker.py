"""The process that runs the job of a run folder: ``python -m locref_widgets.runs.worker DIR``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from locref_widgets.errors import InputError, OutputError
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.inputs import check_inputs, load_inputs
from locref_widgets.runs.job import RefineLoop, record_failure, run_job
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.process_setup import prepare_process
from locref_widgets.runs.progress import ProgressPrinter


def main(arguments: Sequence[str] | None = None, refine_loop: RefineLoop | None = None) -> int:
    """Refine the run named by the arguments; return the exit status.

    ``--lock N`` is the file descriptor of the lock that the starting process passes down; without
    it the lock is taken here. ``--ticket N PATH`` is likewise the place in the queue for the
    device; without it the run does not wait. ``refine_loop`` stands in for the real one in tests.
    """
    parser = argparse.ArgumentParser(prog="locref_widgets.runs.worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int)
    parser.add_argument("--ticket", nargs=2)
    options = parser.parse_args(arguments)
    try:
        folder = RunFolder(options.folder)
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
        status = _refine(folder, ticket, refine_loop)
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


def _refine(folder: RunFolder, ticket: DeviceTicket | None, refine_loop: RefineLoop | None) -> str:
    printer = ProgressPrinter(bar=False)
    try:
        prepare_process()
        settings = folder.settings
        inputs = load_inputs(folder.read_record()["inputs"])
        warnings = check_inputs(inputs, settings)
    except Exception as error:
        # Before the job begins, nobody else would record what went wrong.
        record_failure(folder, EventLog(folder.events_path), error)
        raise
    return run_job(
        folder,
        inputs,
        settings,
        warnings=warnings,
        listeners=(printer,),
        ticket=ticket,
        refine_loop=refine_loop,
    )


if __name__ == "__main__":
    sys.exit(main())
