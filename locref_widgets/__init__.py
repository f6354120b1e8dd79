"""Interactive local refinement of single-particle cryo-EM data.

Names are imported on first use, so that ``import locref_widgets`` stays quick, opens no file and
starts no JAX backend.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.reconstruct_job import reconstruct
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.refinement.subtract_job import revert, subtract
    from locref_widgets.refinement.subtract_options import SubtractOptions
    from locref_widgets.runs.compare import compare_runs
    from locref_widgets.runs.run import open_run, refine, start_refinement
    from locref_widgets.runs.sweep import open_sweep, start_sweep, sweep
    from locref_widgets.widgets import (
        FulcrumPicker,
        MapView,
        MaskStudio,
        ModelView,
        ParticleTable,
        RunComparison,
        RunDashboard,
        SettingsForm,
        SweepView,
        Workbench,
    )
    from locref_widgets.widgets.search_explorer import SearchExplorer

__version__ = "0.1.0"

_HOME = {
    "read_particles": "locref_widgets.io.particles",
    "read_map": "locref_widgets.io.mrc",
    "RefinementSettings": "locref_widgets.refinement.settings",
    "refine": "locref_widgets.runs.run",
    "start_refinement": "locref_widgets.runs.run",
    "open_run": "locref_widgets.runs.run",
    "compare_runs": "locref_widgets.runs.compare",
    "sweep": "locref_widgets.runs.sweep",
    "start_sweep": "locref_widgets.runs.sweep",
    "open_sweep": "locref_widgets.runs.sweep",
    "subtract": "locref_widgets.refinement.subtract_job",
    "revert": "locref_widgets.refinement.subtract_job",
    "SubtractOptions": "locref_widgets.refinement.subtract_options",
    "reconstruct": "locref_widgets.refinement.reconstruct_job",
    "RunComparison": "locref_widgets.widgets",
    "RunDashboard": "locref_widgets.widgets",
    "SweepView": "locref_widgets.widgets",
    "FulcrumPicker": "locref_widgets.widgets",
    "MapView": "locref_widgets.widgets",
    "MaskStudio": "locref_widgets.widgets",
    "ModelView": "locref_widgets.widgets",
    "ParticleTable": "locref_widgets.widgets",
    "SearchExplorer": "locref_widgets.widgets.search_explorer",
    "SettingsForm": "locref_widgets.widgets",
    "Workbench": "locref_widgets.widgets",
}

__all__ = [
    "FulcrumPicker",
    "MapView",
    "MaskStudio",
    "ModelView",
    "ParticleTable",
    "RefinementSettings",
    "RunComparison",
    "RunDashboard",
    "SearchExplorer",
    "SettingsForm",
    "SubtractOptions",
    "SweepView",
    "Workbench",
    "__version__",
    "compare_runs",
    "open_run",
    "open_sweep",
    "read_map",
    "read_particles",
    "reconstruct",
    "refine",
    "revert",
    "start_refinement",
    "start_sweep",
    "subtract",
    "sweep",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
