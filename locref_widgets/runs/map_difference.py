"""The difference of two runs' maps in standard deviations of its noise."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from locref_widgets.engine.filters import lowpass_cosine
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.resample import Order, resample_on_grid

Volume = Float[np.ndarray, "z y x"]

IN_COMMON = 0.5
"""Where a mask has this value or more, it holds the region rather than its soft edge."""
_EDGE_PX = 4.0
"""Fourier pixels over which maps are low-passed: steeper, they would ring."""


@dataclass(frozen=True)
class RunVolumes:
    """Maps of a run's last iteration, on one grid."""

    both: Map
    halves: tuple[Map, Map]
    mask: Map
    resolution_angstrom: float


@dataclass(frozen=True)
class MapDifference:
    """The second map less the first, on the first one's grid.

    Attributes
    ----------
    first, second
        Low-passed to ``resolution_angstrom``, the coarser of the two; the second on the scale of
        the first.
    sigma
        Their difference over its standard deviation, as the half-maps tell that of the noise. What
        two runs over the same particles have in common cancels, so that this is an upper bound: a
        difference of 3 is one of at least 3.
    mask
        The least of the two masks.
    correlation
        Of the two inside the mask.
    resampled
        Whether the second lay on another grid.
    """

    first: Volume
    second: Volume
    sigma: Volume
    mask: Volume
    voxel_size_angstrom: float
    resolution_angstrom: float
    correlation: float
    resampled: bool


def difference_of(first: RunVolumes, second: RunVolumes) -> MapDifference:
    """Compare two maps, the second brought to the grid and scale of the first.

    Raises `InputError` when nothing of the second lies in the first one's box, or of its mask in
    the first one's.
    """
    voxel = first.both.voxel_size_angstrom
    resampled = (
        second.both.data.shape != first.both.data.shape
        or second.both.voxel_size_angstrom != voxel
        or second.both.position != first.both.position
    )

    def placed(volume: Map, order: Order) -> Volume:
        return resample_on_grid(volume, first.both, order=order).data if resampled else volume.data

    coarser = max(first.resolution_angstrom, second.resolution_angstrom)
    mask = np.minimum(first.mask.data, placed(second.mask, 1))
    if mask.max() < IN_COMMON:
        raise InputError(
            "the masks of the two runs have no voxel in common, so that there is no region in "
            "which their maps could be compared. Compare runs of the same region."
        )
    a = _lowpass(first.both.data, voxel, coarser)
    b = _lowpass(placed(second.both, 3), voxel, coarser)
    inside = mask > 0.5 * mask.max()
    centred_a, centred_b = a[inside] - a[inside].mean(), b[inside] - b[inside].mean()
    power = max(float(centred_b @ centred_b), 1e-30)
    scale = float(centred_a @ centred_b) / power
    correlation = float(centred_a @ centred_b) / max(
        float(np.sqrt(power * float(centred_a @ centred_a))), 1e-30
    )
    offset = float(a[inside].mean() - scale * b[inside].mean())
    noise = _noise_power(first, inside, coarser, lambda m: m.data)
    noise += scale**2 * _noise_power(second, inside, coarser, lambda m: placed(m, 3), voxel)
    sigma = (scale * b + offset - a) / max(float(np.sqrt(noise)), 1e-30)
    return MapDifference(
        first=a,
        second=(scale * b + offset).astype(np.float32),
        sigma=sigma.astype(np.float32),
        mask=mask,
        voxel_size_angstrom=voxel,
        resolution_angstrom=coarser,
        correlation=correlation,
        resampled=resampled,
    )


def _lowpass(volume: Volume, voxel_size_angstrom: float, resolution_angstrom: float) -> Volume:
    return np.asarray(lowpass_cosine(volume, voxel_size_angstrom, resolution_angstrom, _EDGE_PX))


def _noise_power(
    run: RunVolumes,
    inside: Bool[np.ndarray, "z y x"],
    resolution_angstrom: float,
    placed: Callable[[Map], Volume],
    voxel: float | None = None,
) -> float:
    """Variance of the noise of the map of both halves inside a mask: that of half their difference.

    The map of both is their mean, whose noise has the variance of ``(h1 - h2) / 2``.
    """
    half_difference = 0.5 * (placed(run.halves[0]) - placed(run.halves[1]))
    shown = _lowpass(half_difference, voxel or run.both.voxel_size_angstrom, resolution_angstrom)
    return float(np.var(shown[inside]))
