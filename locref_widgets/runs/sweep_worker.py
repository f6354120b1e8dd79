"""The process that runs a sweep: ``python -m locref_widgets.runs.sweep_worker DIR``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from locref_widgets.errors import InputError, OutputError
from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.job import record_failure
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.process_setup import prepare_process
from locref_widgets.runs.sweep_folder import SweepFolder
from locref_widgets.runs.sweep_job import run_sweep
from locref_widgets.runs.sweep_progress import SweepPrinter
from locref_widgets.runs.sweep_record import load_plan


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep named by the arguments; return the exit status.

    ``--lock N`` and ``--ticket N PATH`` are passed down by the starting process (see
    `locref_widgets.runs.worker`).
    """
    parser = argparse.ArgumentParser(prog="locref_widgets.runs.sweep_worker")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int)
    parser.add_argument("--ticket", nargs=2)
    options = parser.parse_args(arguments)
    try:
        folder = SweepFolder(options.folder)
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
        prepare_process()
        try:
            plan = load_plan(folder)
        except Exception as error:
            record_failure(folder, EventLog(folder.events_path), error)
            raise
        status = run_sweep(folder, plan, listeners=(SweepPrinter(),), ticket=ticket)
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


if __name__ == "__main__":
    sys.exit(main())
