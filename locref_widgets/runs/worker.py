"""The process that runs the job of a run folder: ``python -m locref_widgets.runs.worker DIR``."""

import sys
from collections.abc import Sequence

from locref_widgets.runs.device_queue import DeviceTicket
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.inputs import check_inputs, load_inputs
from locref_widgets.runs.job import RefineLoop, run_job
from locref_widgets.runs.job_end import record_failure
from locref_widgets.runs.process_setup import prepare_process
from locref_widgets.runs.progress import ProgressPrinter
from locref_widgets.runs.worker_process import serve


def main(arguments: Sequence[str] | None = None, refine_loop: RefineLoop | None = None) -> int:
    """Refine the run named by the arguments; return the exit status (see `serve`).

    ``refine_loop`` stands in for the real one in tests.
    """
    return serve(
        "locref_widgets.runs.worker",
        arguments,
        RunFolder,
        lambda folder, ticket: _refine(folder, ticket, refine_loop),
    )


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
