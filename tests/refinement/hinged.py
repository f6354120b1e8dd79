"""What tests refine: the images of blobs whose hinge motion is known, and the settings for them."""

from typing import Any

from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.settings import RefinementSettings
from tests.refinement.following import soft_ball


def hinged_input(blob_set, scale: float = 1.0) -> RefinementInput:
    """Particles, their map times ``scale``, and a soft ball about the hinged body for a mask."""
    n, a = blob_set.box_px, blob_set.pixel_size_angstrom
    volume = blob_set.blobs.volume(n, a) + blob_set.hinge.body.volume(n, a)
    mask = soft_ball(n, a, blob_set.hinge.body.centres_angstrom.mean(axis=0))
    return RefinementInput(read_particles(blob_set.star), Map(scale * volume, a), Map(mask, a))


def hinged_settings(blob_set, **others: Any) -> RefinementSettings:
    """About the hinge, with extents that hold its motion."""
    told = {"initial_lowpass": 20.0, "iterations": 2} | others
    return RefinementSettings(
        fulcrum_angstrom=tuple(float(x) for x in blob_set.hinge.fulcrum_angstrom),
        rotation_extent=0.26,
        shift_extent=2.0,
        **told,
    )
