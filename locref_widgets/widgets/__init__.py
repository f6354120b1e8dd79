"""What a notebook shows: the live view of a run, maps, masks, particle tables and settings.

Names are imported on first use: a map is shown without the seconds that JAX and bqplot take.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from locref_widgets.widgets.fulcrum_picker import FulcrumPicker
    from locref_widgets.widgets.map_view import MapView
    from locref_widgets.widgets.mask_studio import MaskStudio
    from locref_widgets.widgets.model_view import ModelView
    from locref_widgets.widgets.particle_table import ParticleTable
    from locref_widgets.widgets.run_comparison import RunComparison
    from locref_widgets.widgets.run_dashboard import RunDashboard
    from locref_widgets.widgets.settings_form import SettingsForm
    from locref_widgets.widgets.sweep_view import SweepView
    from locref_widgets.widgets.workbench import Workbench

_HOME = {
    "FulcrumPicker": "fulcrum_picker",
    "MapView": "map_view",
    "MaskStudio": "mask_studio",
    "ModelView": "model_view",
    "ParticleTable": "particle_table",
    "RunComparison": "run_comparison",
    "RunDashboard": "run_dashboard",
    "SettingsForm": "settings_form",
    "SweepView": "sweep_view",
    "Workbench": "workbench",
}

__all__ = [
    "FulcrumPicker",
    "MapView",
    "MaskStudio",
    "ModelView",
    "ParticleTable",
    "RunComparison",
    "RunDashboard",
    "SettingsForm",
    "SweepView",
    "Workbench",
]


def __getattr__(name: str):
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
