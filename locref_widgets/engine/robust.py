"""Robust weights and scale for residuals in the plane.

A residual ``x`` of ``r`` standard deviations counts as ``w(r) x``. Beside the weights ``w`` stands
``r w'``, by which the slope of ``w x`` along the residual differs from that across, ``w``.
"""

import numpy as np
from jaxtyping import Float

_HUBER, _BISQUARE = 1.501, 5.123
"""Tuning constants with 95 % efficiency for normal residuals in two dimensions."""
_RAYLEIGH_MEDIAN2 = 2.0 * np.log(2.0)
"""Median of the squared length of two standard normal numbers."""


def huber_weights(
    lengths: Float[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Huber's weights and ``r w'``: far residuals count by their direction alone."""
    weights = _HUBER / np.maximum(lengths, _HUBER)
    return weights, np.where(lengths <= _HUBER, 0.0, -weights)


def bisquare_weights(
    lengths: Float[np.ndarray, " n"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Tukey's bisquare weights and ``r w'``: those beyond 5 standard deviations do not count."""
    left = np.maximum(1.0 - (lengths / _BISQUARE) ** 2, 0.0)
    return left**2, -4.0 * (1.0 - left) * left


def robust_variance(squared_lengths: Float[np.ndarray, " n"]) -> float:
    """Variance along an axis of normal vectors in the plane, from their median squared length."""
    return float(np.median(squared_lengths)) / _RAYLEIGH_MEDIAN2
