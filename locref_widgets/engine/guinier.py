"""Guinier plot of a map and the B-factor read from it.

Rosenthal and Henderson 2003, J. Mol. Biol. 333, 721-745: beyond about 10 Å the logarithm of a
structure's mean amplitude falls linearly with 1/d^2, by B/4. Conventions are those of RELION's
post-processing: the mean of |F| (not of |F|^2), of the average of the half-maps without a mask,
weighted by the FSC, divided by the number of voxels.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.fft import rfftn

from locref_widgets.engine.array_types import AnyArray, Scalar
from locref_widgets.engine.fsc_curve import FSC_THRESHOLD, FSCCurve
from locref_widgets.engine.shells import shell_mean
from locref_widgets.errors import InputError

LOW_ANGSTROM = 10.0
"""Coarser than this the shape of the particle rules the amplitudes."""

_ROUNDING = 1e-9  # keeps a shell that lies on a limit in spite of rounding
NO_CORRELATION = 1e-4
"""FSC at and below which nothing common is left; beyond the first such shell the weight is 0."""


@dataclass(frozen=True)
class GuinierPlot:
    """Amplitudes by shell, and the line fitted to the weighted ones.

    Attributes
    ----------
    inverse_squared_angstrom
        1/d^2 of each shell.
    log_amplitude
        ln of the mean amplitude; NaN in an empty shell.
    log_weighted
        The same after weighting by the FSC; NaN where the weight is 0.
    fitted
        Shells that the line was fitted to.
    slope_angstrom2, intercept, correlation
        Of the line.
    """

    inverse_squared_angstrom: Float[np.ndarray, " shells"]
    log_amplitude: Float[np.ndarray, " shells"]
    log_weighted: Float[np.ndarray, " shells"]
    fitted: Bool[np.ndarray, " shells"]
    slope_angstrom2: float
    intercept: float
    correlation: float

    @property
    def bfactor_angstrom2(self) -> float:
        """Four times the slope: negative for a map whose amplitudes fall."""
        return 4.0 * self.slope_angstrom2


def fsc_weights(
    fsc_curve: FSCCurve, threshold: float = FSC_THRESHOLD
) -> Float[np.ndarray, " shells"]:
    """Amplitude weight of each shell of the average of two half-maps, ``sqrt(2 FSC / (1 + FSC))``.

    (Rosenthal and Henderson 2003, J. Mol. Biol. 333, 721-745.) Shell 0 has weight 1; the shells
    from the first with FSC below ``threshold`` on hold noise and have weight 0.
    """
    bridged = fsc_curve.bridged_values()
    values = np.clip(bridged, 0.0, 1.0)
    weights = np.sqrt(2.0 * values / (1.0 + values))
    below = np.flatnonzero(~(bridged[1:] >= threshold))
    if len(below):
        weights[below[0] + 1 :] = 0.0
    weights[0] = 1.0
    return weights.astype(np.float32)


def guinier_plot(
    volume: Float[AnyArray, "z y x"],
    voxel_size_angstrom: Scalar,
    fsc_curve: FSCCurve | None = None,
    *,
    low_angstrom: float = LOW_ANGSTROM,
    high_angstrom: float | None = None,
) -> GuinierPlot:
    """Fit a line to ln|F| against 1/d^2 between two resolutions, both included.

    Parameters
    ----------
    volume
        The unfiltered average of the half-maps.
    voxel_size_angstrom
        Of the map.
    fsc_curve
        Weights the amplitudes (``fsc_weights``) up to the first shell without correlation; None
        leaves them as they are.
    low_angstrom, high_angstrom
        Limits of the fit; None is Nyquist.

    Raises
    ------
    InputError
        If fewer than three shells with signal lie in the range, or the map is empty in one.
    """
    box_px = volume.shape[-1]
    amplitudes = np.abs(np.asarray(rfftn(np.asarray(volume), workers=-1)))
    amplitude = shell_mean(amplitudes) / float(box_px) ** 3
    s = np.arange(len(amplitude)) / (box_px * float(voxel_size_angstrom))
    weight = np.ones(len(amplitude))
    if fsc_curve is not None:
        weight = fsc_weights(fsc_curve, NO_CORRELATION).astype(np.float64)
    high = 2.0 * float(voxel_size_angstrom) if high_angstrom is None else high_angstrom
    in_range = (s >= 1.0 / low_angstrom - _ROUNDING) & (s <= 1.0 / high + _ROUNDING) & (s > 0)
    fitted = in_range & (weight > 0)
    if fitted.sum() < 3 or not np.all(amplitude[fitted] > 0):
        raise InputError(
            f"the B-factor cannot be estimated between {low_angstrom:g} and {high:g} Å: "
            f"{int(fitted.sum())} shells with signal there, at least 3 are needed. "
            "Give the B-factor, or widen the range."
        )
    log_amplitude, log_weighted = _log(amplitude), _log(amplitude * weight)
    slope, intercept = np.polyfit(s[fitted] ** 2, log_weighted[fitted], 1)
    correlation = np.corrcoef(s[fitted] ** 2, log_weighted[fitted])[0, 1]
    return GuinierPlot(
        s**2,
        log_amplitude,
        log_weighted,
        fitted,
        float(slope),
        float(intercept),
        float(correlation),
    )


def _log(values: Float[np.ndarray, " shells"]) -> Float[np.ndarray, " shells"]:
    return np.log(np.where(values > 0, values, np.nan))
