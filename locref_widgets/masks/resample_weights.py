"""Weights that resample a line of voxels at evenly spaced positions.

One rule holds for both kernels: the line is zero beyond its ends, and the value at a position is
the sum over voxels of ``kernel((voxel - position) / stretch)``, made to sum to one over a line
without ends. ``stretch`` is 1 while the new voxels are no larger than the old: that is plain
interpolation. Where they are larger it is the ratio of the two, so the kernel keeps its form in
units of the *new* voxels and averages what they can no longer hold: the anti-alias filter. It goes
over into plain interpolation without a jump, and cuts off at the new Nyquist frequency about as
sharply as the kernel does at its own.

The kernels are the triangle (trilinear interpolation; no negative weights, so a mask stays within 0
and 1) and the cardinal cubic spline (what prefiltering and cubic B-splines do together; Unser,
Aldroubi and Eden 1993, IEEE Trans. Signal Process. 41, 821: close to an ideal low-pass, with small
negative lobes).
"""

from typing import Literal

import numpy as np
from jaxtyping import Float, Shaped

Order = Literal[1, 3]
"""1: linear. 3: cubic B-spline."""

POLE = np.sqrt(3.0) - 2.0
"""Of the filter that turns samples into coefficients of cubic B-splines."""

CARDINAL_REACH = 12
"""Voxels after which the cardinal spline is left out: ``|POLE|^12`` is 1.4e-7."""


def reach_px(order: Order) -> int:
    """Voxels from a position within which the kernel of this order has weight."""
    return 1 if order == 1 else CARDINAL_REACH


def line_weights(
    n_source: int,
    n_new: int,
    start_px: float,
    step_px: float,
    order: Order,
    *,
    stretch: float | None = None,
) -> Float[np.ndarray, "new source"]:
    """Matrix that takes a line of ``n_source`` voxels to ``n_new`` positions, float64.

    New voxel ``j`` lies at ``start_px + j step_px`` in voxels of the source. ``stretch`` follows
    from the step unless given.
    """
    weights = np.zeros((n_new, n_source))
    positions = start_px + step_px * np.arange(n_new)
    stretch = max(step_px, 1.0) if stretch is None else stretch
    reach = reach_px(order) * stretch
    near = np.flatnonzero((positions > -reach) & (positions < n_source - 1 + reach))
    if not len(near):
        return weights
    taps = np.arange(-np.ceil(reach), np.ceil(reach) + 1)
    voxels = np.rint(positions[near])[:, None] + taps
    values = kernel((voxels - positions[near, None]) / stretch, order)
    values /= values.sum(axis=1, keepdims=True)
    exists = (voxels >= 0) & (voxels < n_source)
    rows = np.broadcast_to(near[:, None], voxels.shape)[exists]
    weights[rows, voxels[exists].astype(np.int64)] = values[exists]
    return weights


def kernel(x: Shaped[np.ndarray, "*any"], order: Order) -> Shaped[np.ndarray, "*any"]:
    """Value of the interpolating kernel at distance ``x`` in voxels: 1 at 0, 0 at whole numbers."""
    if order == 1:
        return np.maximum(1.0 - np.abs(x), 0.0)
    total = np.zeros_like(x)
    # The cardinal spline: B-splines weighted by the inverse of their own samples.
    for k in range(-CARDINAL_REACH - 1, CARDINAL_REACH + 2):
        total += inverse_filter(abs(k)) * cubic_b_spline(x - k)
    return np.where(np.abs(x) < CARDINAL_REACH, total, 0.0)


def inverse_filter(distance_px: int) -> float:
    """Weight of a sample in the spline coefficient that many voxels away."""
    return float(-6.0 * POLE / (1.0 - POLE**2) * POLE**distance_px)


def cubic_b_spline(x: Shaped[np.ndarray, "*any"]) -> Shaped[np.ndarray, "*any"]:
    """Cubic B-spline: 2/3 at 0, 1/6 at 1, 0 from 2 on."""
    x = np.abs(x)
    outer = np.maximum(2.0 - x, 0.0) ** 3
    inner = np.maximum(1.0 - x, 0.0) ** 3
    return (outer - 4.0 * inner) / 6.0


def smoothing_weights(
    n_source: int, pad_px: int, stretch: float, order: Order
) -> Float[np.ndarray, "padded source"]:
    """Matrix that low-passes a line on its own voxels, for interpolation at coarser ones after.

    The line grows by ``pad_px`` at either end. For the triangle, a Gaussian of the variance by
    which the stretched one exceeds the one that interpolates after it, ``(stretch^2 - 1) / 6``;
    the stretched cardinal spline may be applied as it is, for the one after it changes little.
    """
    n_padded = n_source + 2 * pad_px
    if order == 3:
        return line_weights(n_source, n_padded, -float(pad_px), 1.0, order, stretch=stretch)
    distance = np.arange(n_padded)[:, None] - pad_px - np.arange(n_source)[None, :]
    variance = max((stretch**2 - 1.0) / 6.0, 1e-9)
    values = np.exp(-0.5 * distance**2 / variance)
    whole = np.exp(-0.5 * np.arange(-pad_px, pad_px + 1) ** 2 / variance).sum()
    return np.where(np.abs(distance) <= pad_px, values / whole, 0.0)


def coefficient_weights(n_source: int, pad_px: int) -> Float[np.ndarray, "padded source"]:
    """Matrix that turns a line of samples into spline coefficients, ``pad_px`` more at each end."""
    distance = np.arange(n_source + 2 * pad_px)[:, None] - pad_px - np.arange(n_source)[None, :]
    near = np.arange(CARDINAL_REACH + 1)
    values = np.array([inverse_filter(int(d)) for d in near])
    far = np.abs(distance)
    return np.where(far <= CARDINAL_REACH, values[np.minimum(far, CARDINAL_REACH)], 0.0)
