"""Opening a folder whose kind is not known: a run's or a sweep's."""

import os
from pathlib import Path

from locref_widgets.runs.run import Run
from locref_widgets.runs.sweep_folder import is_sweep
from locref_widgets.runs.sweep_handle import Sweep


def open_job(path: str | os.PathLike) -> Run | Sweep:
    """Open a run, or a sweep over many. Raises `InputError` when the folder is neither."""
    return Sweep(path) if is_sweep(Path(path)) else Run(path)
