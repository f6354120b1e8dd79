"""The difference of two runs' maps in standard deviations of its noise."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.figures.slices import lowpass
from locref_widgets.io.mrc import Map
from locref_widgets.masks.resample import Order, resample_on_grid

Volume = Float[np.ndarray, "z y x"]


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

    Raises `InputError` when nothing of the second lies in the first one's box.
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
    a = lowpass(first.both.data, voxel, coarser)
    b = lowpass(placed(second.both, 3), voxel, coarser)
    inside = mask > 0.5 * max(float(mask.max()), 1e-9)
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


def _noise_power(run: RunVolumes, inside, resolution, placed, voxel: float | None = None) -> float:
    """Variance of the noise of the map of both halves inside a mask: that of half their difference.

    The map of both is their mean, whose noise has the variance of ``(h1 - h2) / 2``.
    """
    half_difference = 0.5 * (placed(run.halves[0]) - placed(run.halves[1]))
    shown = lowpass(half_difference, voxel or run.both.voxel_size_angstrom, resolution)
    return float(np.var(shown[inside]))
