"""From two half-maps to the map that is looked at: average, FSC weight, B-factor, low-pass.

The order and the conventions are those of ``relion_postprocess`` (Rosenthal and Henderson 2003,
J. Mol. Biol. 333, 721-745), so that the two programs agree.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.filters import apply_shell_filter, lowpass_cosine
from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.guinier import (
    LOW_ANGSTROM,
    NO_CORRELATION,
    GuinierPlot,
    fsc_weights,
    guinier_plot,
)
from locref_widgets.errors import InputError

_EDGE_SHELLS = 2.0
"""Width of the low-pass edge, as RELION's ``--filter_edge_width``."""


@dataclass(frozen=True)
class PostProcessed:
    """A sharpened map and how it came about.

    Attributes
    ----------
    volume
        The average of the half-maps, weighted, sharpened and low-passed; not masked.
    bfactor_angstrom2
        B-factor applied; negative sharpens.
    resolution_angstrom
        Of the low-pass.
    guinier
        The plot the B-factor was read from; None when the B-factor was given or could not be told.
    """

    volume: Float[np.ndarray, "z y x"]
    bfactor_angstrom2: float
    resolution_angstrom: float
    guinier: GuinierPlot | None


def postprocess(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    fsc_curve: FSCCurve,
    *,
    bfactor_angstrom2: float | None = None,
    lowpass_angstrom: float | None = None,
    low_angstrom: float = LOW_ANGSTROM,
    high_angstrom: float | None = None,
) -> PostProcessed:
    """Average two unfiltered half-maps, weight by their FSC, sharpen and low-pass.

    Parameters
    ----------
    fsc_curve
        The corrected curve, on the maps' own shells.
    bfactor_angstrom2
        To apply; None reads it from the Guinier plot, and applies none where the plot has fewer
        than three shells between ``low_angstrom`` and the resolution, for then it tells none.
    lowpass_angstrom
        Resolution of the low-pass; the curve's 0.143 resolution when None.
    low_angstrom, high_angstrom
        Limits of the fit. None as the finer one goes on to where the FSC ends, as RELION does.
    """
    average = 0.5 * (np.asarray(half1) + np.asarray(half2))
    guinier = None
    if bfactor_angstrom2 is None:
        guinier = _readable_plot(
            average, voxel_size_angstrom, fsc_curve, low_angstrom, high_angstrom
        )
        bfactor_angstrom2 = guinier.bfactor_angstrom2 if guinier else 0.0
    s_squared = fsc_curve.frequency_per_angstrom**2
    response = fsc_weights(fsc_curve, NO_CORRELATION) * np.exp(
        -0.25 * bfactor_angstrom2 * s_squared
    )
    sharpened = apply_shell_filter(average, response.astype(np.float32))
    resolution = lowpass_angstrom or fsc_curve.resolution_angstrom()
    filtered = lowpass_cosine(sharpened, voxel_size_angstrom, resolution, _EDGE_SHELLS)
    return PostProcessed(
        np.asarray(filtered, dtype=np.float32), float(bfactor_angstrom2), resolution, guinier
    )


def _readable_plot(
    average: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    fsc_curve: FSCCurve,
    low_angstrom: float,
    high_angstrom: float | None,
) -> GuinierPlot | None:
    try:
        return guinier_plot(
            average,
            voxel_size_angstrom,
            fsc_curve,
            low_angstrom=low_angstrom,
            high_angstrom=high_angstrom,
        )
    except InputError:
        return None
