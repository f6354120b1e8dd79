"""Data sets of hinged two-body complexes with known truth, and scores against that truth."""

from locref_widgets.simulation.dataset import simulate_hinge_dataset
from locref_widgets.simulation.score import score_poses

__all__ = ["score_poses", "simulate_hinge_dataset"]
