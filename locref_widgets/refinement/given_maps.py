"""The maps a user gives, brought to the scale of the images: to start from, and to subtract."""

from collections.abc import Callable

import numpy as np

from locref_widgets.engine.filters import lowpass_cosine
from locref_widgets.engine.fsc import compute_fsc_curve
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.consensus import Consensus, check_half_map_order
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.references import (
    ScaledMap,
    filter_half,
    scale_to,
    shell_of_resolution,
)

Warn = Callable[[str], None]


def subtraction_maps(
    inputs: RefinementInput, consensus: Consensus, lowpass_angstrom: float, warn: Warn
) -> dict[int, np.ndarray]:
    """What is subtracted of each half-set: the half-maps given, or its own reconstruction."""
    if inputs.half_maps is None:
        return dict(zip(HALVES, consensus.filtered, strict=True))
    given = inputs.half_maps
    voxel, box_px = given[0].voxel_size_angstrom, given[0].box_px
    check_half_map_order(given, consensus, voxel)
    curve = compute_fsc_curve(given[0].data, given[1].data, voxel)
    last = shell_of_resolution(curve.resolution_angstrom(), box_px, voxel)
    scaled = [on_image_scale(half_map, consensus, lowpass_angstrom, warn) for half_map in given]
    return {half: filter_half(m.data, curve, last) for half, m in zip(HALVES, scaled, strict=True)}


def starting_maps(
    inputs: RefinementInput, consensus: Consensus, lowpass_angstrom: float, warn: Warn
) -> dict[int, np.ndarray]:
    """The maps given, scaled to the images and low-passed."""
    given = inputs.half_maps or (inputs.volume,)
    voxel = inputs.volume.voxel_size_angstrom
    maps = [
        lowpass_cosine(
            on_image_scale(m, consensus, lowpass_angstrom, warn).data, voxel, lowpass_angstrom
        )
        for m in given
    ]
    return {1: np.asarray(maps[0]), 2: np.asarray(maps[-1])}


def on_image_scale(
    given: Map, consensus: Consensus, lowpass_angstrom: float, warn: Warn
) -> ScaledMap:
    """A given map scaled to the images, once it is clear that it shows the same object.

    Raises
    ------
    InputError
        If its contrast is inverted.
    """
    scaled = scale_to(
        given.data, consensus.both_as_seen, given.voxel_size_angstrom, lowpass_angstrom
    )
    if scaled.is_inverted:
        raise InputError(
            f"{given.name}: the map's contrast is inverted against the particles (correlation"
            f" {scaled.correlation:.2f} to {lowpass_angstrom:g} Å). Multiply it by -1"
            " (relion_image_handler --multiply_constant -1)."
        )
    if not scaled.agrees:
        warn(
            f"{given.name} and a reconstruction of the particles at their poses correlate only"
            f" {scaled.correlation:.2f} to {lowpass_angstrom:g} Å. Is this the map of the"
            " refinement these poses come from, with the same hand?"
        )
    return scaled
