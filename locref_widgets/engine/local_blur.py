"""How much a map is blurred, place by place: read off two half-maps.

Where particles differ by displacements of variance ``u^2`` along an axis, the average has lost
``exp(-2 pi^2 k^2 u^2)`` of its amplitude at the frequency k (a Debye-Waller factor). The product of
two half-maps, band-passed and averaged over a window, is the power of the signal alone, for their
noise is independent. Its fall-off with k, against that of the particle as a whole, therefore tells
``u^2`` up to a constant, whatever the density and the noise are there: a local B-factor (= 8 pi^2
u^2). Local resolution, in contrast, also is low where there is little density.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Complex, Float
from scipy import ndimage

from locref_widgets.engine.array_types import AnyArray, Scalar
from locref_widgets.engine.filters import radius_fourier_px

_STEPS_IN_WINDOW = 3.0
"""Grid points in a standard deviation of the window: its means are smooth, so few are enough."""

_BAND_OF_WINDOW = 1.0 / 2.355
"""Width of the bands, at half height, times the window's standard deviation. A band as narrow as
``w`` sees ``1 / w`` far, whatever the window; these see as far as the window is wide at half height
(2.355 standard deviations)."""

_NARROWEST_SHELLS = 2.0

_NO_POWER = 1e-30

_GRID = 81
"""Values of the blur that are tried."""

_WIDEST = 0.4
"""Largest blur ``u`` looked for, in units of the finest band's wavelength: the amplitude there is
then down to 4 %, and more of it cannot be told."""


@dataclass(frozen=True)
class LocalPower:
    """Means over a window about points ``step_px`` apart, for each band.

    Attributes
    ----------
    cross
        Product of the band-passed half-maps (bands, z, y, x): power of the signal.
    power
        Mean of their squares: power of signal and noise.
    frequency_per_angstrom
        Centres of the bands.
    independent
        How many independent values a window holds in each band, counted once in all bands.
    step_px
        Point i lies at voxel ``step_px (i + 1/2) - 1/2``.
    """

    cross: Float[np.ndarray, "bands z y x"]
    power: Float[np.ndarray, "bands z y x"]
    frequency_per_angstrom: Float[np.ndarray, " bands"]
    independent: Float[np.ndarray, " bands"]
    step_px: int


@dataclass(frozen=True)
class LocalBlur:
    """Blur at the points of a region, in their order.

    ``variance_angstrom2`` is ``u^2`` along an axis, over that of the points of reference, so below
    0 where the map is sharper than they are; ``error_angstrom2`` its standard error from noise and
    from what structure happens to lie in the window.
    """

    variance_angstrom2: Float[np.ndarray, " points"]
    error_angstrom2: Float[np.ndarray, " points"]
    widest_angstrom2: float
    """Points blurred beyond this are given this."""


def local_power(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    *,
    finest_angstrom: float,
    window_angstrom: float,
) -> LocalPower:
    """Power of two unfiltered half-maps in windows, for bands half a width apart.

    The first band is centred one width from zero, so that none holds the mean; the last at
    ``finest_angstrom`` or before. ``window_angstrom`` is the standard deviation of the Gaussian
    window.
    """
    box_px = half1.shape[-1]
    edge_angstrom = box_px * voxel_size_angstrom
    width = max(_BAND_OF_WINDOW * edge_angstrom / window_angstrom, _NARROWEST_SHELLS)
    highest = min(edge_angstrom / finest_angstrom, box_px / 2)
    centres = np.arange(width, max(highest, width) + 1e-6, 0.5 * width)
    step = max(int(window_angstrom / voxel_size_angstrom / _STEPS_IN_WINDOW), 1)
    step = min(step, box_px)
    # The mean over a block of the step's size is a part of the window.
    sigma = np.sqrt(max((window_angstrom / voxel_size_angstrom) ** 2 - (step**2 - 1) / 12.0, 0.0))
    spectra = [jnp.fft.rfftn(jnp.asarray(half, dtype=jnp.float32)) for half in (half1, half2)]
    both = []
    for centre in centres:
        blocks = _block_means(*spectra, float(centre), float(width), box_px=box_px, step_px=step)
        # Beyond the box there is nothing.
        means = [ndimage.gaussian_filter(m, sigma / step, mode="constant") for m in blocks]
        both.append(np.asarray(means, np.float32))
    frequency = centres / edge_angstrom
    shell = 4.0 * np.pi * frequency**2 * width / edge_angstrom
    # Each coefficient is in two bands.
    independent = 0.5 * (4.0 * np.pi) ** 1.5 * window_angstrom**3 * shell
    cross, power = np.moveaxis(np.array(both), 1, 0)
    return LocalPower(cross, power, frequency, independent, step)


@partial(jax.jit, static_argnames=("box_px", "step_px"))
def _block_means(
    spectrum1: Complex[AnyArray, "z y half"],
    spectrum2: Complex[AnyArray, "z y half"],
    centre_px: Scalar,
    width_px: Scalar,
    *,
    box_px: int,
    step_px: int,
) -> Float[Array, "2 blocks blocks blocks"]:
    away = jnp.clip(jnp.abs(radius_fourier_px(box_px) - centre_px) / width_px, 0.0, 1.0)
    band = 0.5 + 0.5 * jnp.cos(jnp.pi * away)
    shape = (box_px,) * 3
    map1, map2 = (jnp.fft.irfftn(spectrum * band, s=shape) for spectrum in (spectrum1, spectrum2))
    count = box_px // step_px
    kept = (slice(0, count * step_px),) * 3
    blocked = (count, step_px) * 3
    return jnp.stack(
        [
            values[kept].reshape(blocked).mean(axis=(1, 3, 5))
            for values in (map1 * map2, 0.5 * (map1**2 + map2**2))
        ]
    )


def local_blur(
    local: LocalPower,
    region: Bool[np.ndarray, "z y x"],
    reference: Bool[np.ndarray, " points"] | None = None,
) -> LocalBlur:
    """Blur at the points of a region, against the mean of the signal's power over a reference.

    At each point the power in the bands is fitted by ``a S exp(-4 pi^2 k^2 u^2)``, S the mean over
    the reference: weighted least squares with the variance of a mean of so many independent values,
    ``power^2 / independent``.

    Parameters
    ----------
    reference
        Which of the region's points, in their order; all if not given. Only against points that are
        alike is the result the blur that was put in: a mean of several is no Gaussian's fall-off.
    """
    cross = local.cross[:, region].astype(np.float64)
    mean = cross.mean(axis=1) if reference is None else cross[:, reference].mean(axis=1)
    mean = np.maximum(mean, 0.0)
    power = local.power[:, region].astype(np.float64)
    floor = max(1e-6 * float(power.max(initial=0.0)), _NO_POWER)
    weight = local.independent[:, None] / np.maximum(power, floor) ** 2
    k = local.frequency_per_angstrom
    widest = (_WIDEST / k[-1]) ** 2
    tried = np.linspace(-0.5 * widest, widest, _GRID)
    told = np.empty((_GRID, cross.shape[1]))
    for row, u2 in zip(told, tried, strict=True):
        shape = (mean * np.exp(-4.0 * np.pi**2 * k**2 * u2))[:, None]
        scale = np.maximum(np.sum(weight * cross * shape, axis=0), 0.0)
        row[:] = 0.5 * scale**2 / np.maximum(np.sum(weight * shape**2, axis=0), _NO_POWER)
    best = np.argmax(told, axis=0)
    inner = np.clip(best, 1, _GRID - 2)
    below, at, above = (np.take_along_axis(told, inner[None] + d, 0)[0] for d in (-1, 0, 1))
    spacing = tried[1] - tried[0]
    curvature = np.maximum(2.0 * at - below - above, 1e-12)
    offset = np.clip(0.5 * (above - below) / curvature, -1.0, 1.0)
    return LocalBlur(tried[inner] + offset * spacing, spacing / np.sqrt(curvature), widest)
