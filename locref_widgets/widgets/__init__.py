"""What a notebook shows: the live view of a run, and a map with its mask and fulcrum."""

from locref_widgets.widgets.map_view import MapView
from locref_widgets.widgets.run_dashboard import RunDashboard

__all__ = ["MapView", "RunDashboard"]
