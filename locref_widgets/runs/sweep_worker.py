"""The process that runs a sweep: ``python -m locref_widgets.runs.sweep_worker DIR``."""

import sys
from collections.abc import Sequence

from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.job_end import record_failure
from locref_widgets.runs.process_setup import prepare_process
from locref_widgets.runs.sweep_folder import SweepFolder
from locref_widgets.runs.sweep_job import run_sweep
from locref_widgets.runs.sweep_progress import SweepPrinter
from locref_widgets.runs.sweep_record import load_plan
from locref_widgets.runs.worker_process import serve


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the sweep named by the arguments; return the exit status (see `serve`)."""
    return serve("locref_widgets.runs.sweep_worker", arguments, SweepFolder, _sweep)


def _sweep(folder: SweepFolder, ticket: DeviceTicket | None) -> str:
    try:
        prepare_process()
        plan = load_plan(folder)
    except Exception as error:
        # Before the sweep begins, nobody else would record what went wrong.
        record_failure(folder, EventLog(folder.events_path), error)
        raise
    return run_sweep(folder, plan, listeners=(SweepPrinter(),), ticket=ticket)


if __name__ == "__main__":
    sys.exit(main())
