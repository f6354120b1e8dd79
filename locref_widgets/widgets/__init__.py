"""What a notebook shows: the live view of a run, maps, masks, particle tables and settings."""

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
