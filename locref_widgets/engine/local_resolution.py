"""Local resolution: the correlation of two half-maps, band by band, in a window about each voxel.

Within a narrow band of frequencies the FSC of windowed maps is the correlation of the band-passed
maps averaged over the window, so all voxels are done at once by filtering (the "blocres" idea,
Cardone, Heymann and Steven 2013, J. Struct. Biol. 184, 226-236, without a loop over voxels). The
window grows with the wavelength of the band, so that fine bands are judged from about as many
independent values each, up to a size that still lies within a domain. Cost is eight transforms a
band, memory a few volumes.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray, Scalar
from locref_widgets.engine.filters import gaussian_mean, radius_fourier_px

THRESHOLD = 0.5
"""As blocres and cryoSPARC take it: windows hold too few values to tell 0.143 from chance."""

WINDOW_WAVELENGTHS = 1.5
"""Standard deviation of the Gaussian window in wavelengths of the band. With bands of a relative
width of 0.15 there are (4 pi)^(3/2) 4 pi 0.15 1.5^3 = 283 independent values in a window, and
independent noise correlates within +-0.06."""

WINDOW_LARGEST_ANGSTROM = 15.0
"""The window's standard deviation grows no further. Coarse bands have few values in it, but far
more signal than noise; a larger window would see the solvent around a domain."""

LOWEST_ANGSTROM = 30.0
"""Worst resolution told. Coarser bands hold too few coefficients, and see the particle's shape."""

_RELATIVE_WIDTH = 0.15
"""Width at half height of a band over its frequency."""
_LEAST_WIDTH_SHELLS = 2.0


def band_centres(
    box_px: int, voxel_size_angstrom: float, lowest_angstrom: float = LOWEST_ANGSTROM
) -> Float[np.ndarray, " bands"]:
    """Frequencies of the bands in Fourier pixels: half a band apart, from the lowest to Nyquist."""
    nyquist = box_px / 2
    centre = min(max(box_px * voxel_size_angstrom / lowest_angstrom, 2.0), nyquist)
    centres = [centre]
    while (centre := centre + 0.5 * _band_width(centre)) <= nyquist:
        centres.append(centre)
    return np.array(centres)


def _band_width(centre_px: float) -> float:
    return max(_RELATIVE_WIDTH * centre_px, _LEAST_WIDTH_SHELLS)


def local_resolution(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    *,
    threshold: float = THRESHOLD,
    window_wavelengths: float = WINDOW_WAVELENGTHS,
    window_largest_angstrom: float = WINDOW_LARGEST_ANGSTROM,
    lowest_angstrom: float = LOWEST_ANGSTROM,
) -> Float[np.ndarray, "z y x"]:
    """Resolution in Å at every voxel of two unfiltered half-maps.

    The frequency at which the local correlation first falls below ``threshold``, linear between
    the bands. A voxel already below in the coarsest band (solvent) has the resolution
    ``lowest_angstrom``, one that never falls below the Nyquist limit.

    Parameters
    ----------
    window_wavelengths
        Standard deviation of the Gaussian window, in wavelengths of the band.
    window_largest_angstrom
        It is no larger than this.
    lowest_angstrom
        Coarsest resolution looked at; no coarser than half the box.
    """
    box_px = half1.shape[-1]
    centres = band_centres(box_px, voxel_size_angstrom, lowest_angstrom)
    spectra = [jnp.fft.rfftn(jnp.asarray(half, dtype=jnp.float32)) for half in (half1, half2)]
    alive = jnp.ones(half1.shape, bool)
    reached = jnp.full(half1.shape, centres[0], jnp.float32)
    before = jnp.ones(half1.shape, jnp.float32)
    previous = centres[0]
    largest_px = window_largest_angstrom / voxel_size_angstrom
    for centre in centres:
        sigma_px = min(window_wavelengths * box_px / centre, largest_px)
        now = _local_correlation(
            *spectra, float(centre), _band_width(centre), float(sigma_px), box_px=box_px
        )
        reached, alive = _follow(reached, alive, before, now, previous, float(centre), threshold)
        before, previous = now, float(centre)
    return np.asarray(box_px * voxel_size_angstrom / reached, dtype=np.float32)


@partial(jax.jit, static_argnames="box_px")
def _local_correlation(
    spectrum1: Float[Array, "z y half"] | AnyArray,
    spectrum2: Float[Array, "z y half"] | AnyArray,
    centre_px: Scalar,
    width_px: Scalar,
    sigma_px: Scalar,
    *,
    box_px: int,
) -> Float[Array, "z y x"]:
    """Correlation of the band-passed maps in a Gaussian window about each voxel.

    The band is a raised cosine of half height at ``width_px / 2`` from its centre.
    """
    radius = radius_fourier_px(box_px)
    shape = (box_px,) * 3
    away = jnp.clip(jnp.abs(radius - centre_px) / width_px, 0.0, 1.0)
    band = 0.5 + 0.5 * jnp.cos(jnp.pi * away)
    map1, map2 = (jnp.fft.irfftn(spectrum * band, s=shape) for spectrum in (spectrum1, spectrum2))
    cross, power1, power2 = (
        gaussian_mean(values, sigma_px) for values in (map1 * map2, map1**2, map2**2)
    )
    # Roots before the product: that of two powers can overflow, and vanish.
    root1, root2 = (jnp.sqrt(jnp.maximum(power, 0.0)) for power in (power1, power2))
    # Where there is nothing, rounding leaves powers of about 1e-7 of the largest.
    something = root1 * root2 > 1e-6 * jnp.sqrt(jnp.max(power1)) * jnp.sqrt(jnp.max(power2))
    scale = jnp.where(something, root1 * root2, 1.0)
    return jnp.where(something, cross / scale, 0.0)


@jax.jit
def _follow(
    reached: Float[Array, "z y x"],
    alive: AnyArray,
    before: Float[Array, "z y x"],
    now: Float[Array, "z y x"],
    previous_px: Scalar,
    centre_px: Scalar,
    threshold: Scalar,
) -> tuple[Float[Array, "z y x"], AnyArray]:
    """Move on the frequency reached where the correlation still holds; stop where it falls."""
    holds = alive & (now >= threshold)
    part = jnp.clip((before - threshold) / jnp.maximum(before - now, 1e-6), 0.0, 1.0)
    crossing = previous_px + part * (centre_px - previous_px)
    reached = jnp.where(holds, centre_px, jnp.where(alive, crossing, reached))
    return reached, holds
