"""Non-uniform regularisation: how fine a half-map may be trusted at each place.

A cut-off field says up to which frequency the two half-maps agree around each voxel. It is found by
cross-validation: of the low-passes of a family, each place takes the one with which either half-map
predicts the other one best,

    c(x) = argmin sum_y w(y - x) [ |h_c * m1 - m2|^2 + |h_c * m2 - m1|^2 ](y),

for filtering away noise lowers the error, and filtering away what both halves show raises it. The
family is the one of Punjani, Zhang & Fleet 2020 (Nature Methods 17, 1214-1221), Butterworth filters
of order 8, and so is the window's growth with the wavelength. Two things are done differently:

- Errors of two cut-offs are compared within one and the same window, that of the finer one, and the
  differences are added up from the coarsest cut-off on. Compared in windows of different sizes, a
  coarse cut-off looks better in dense parts only because its window reaches beyond them. (On the
  30S set the pose error was 1.9 degrees with the errors compared as they are, and 1.2 like this.)
- ``h_c`` may hold a Wiener filter, ``response``. Without it a frequency is kept where signal
  outweighs noise, FSC > 1/2; with the half-maps' own FSC, where it does so half as well as on
  average. In a particle that is equally good everywhere nothing is then cut off.

The halves share the field, one number for each place, and nothing else. Cut-offs are in shells of
the map's box (Fourier pixels): ``N voxel_size / c`` is the resolution.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray, Scalar
from locref_widgets.engine.filters import (
    between_shells,
    butterworth,
    gaussian_mean,
    radius_fourier_px,
)

WINDOW_FACTOR = 3.0
"""Diameter of the window over the wavelength at the cut-off (the adaptive window factor)."""
_HANN_SIGMA = 0.324
"""Standard deviation along an axis of a ball of radius 1 with a Hann profile,
``sqrt(int r^4 (1 + cos pi r) dr / 3 int r^2 (1 + cos pi r) dr)``."""


def cutoff_candidates(
    first_shell: float, last_shell: float, step_shells: float = 1.0
) -> Float[np.ndarray, " c"]:
    """Cut-offs to choose from, ascending, at most ``step_shells`` apart and both ends included."""
    count = max(1, int(np.ceil((last_shell - first_shell) / step_shells)) + 1)
    return np.linspace(first_shell, max(first_shell, last_shell), count).astype(np.float32)


@jax.jit
def cutoff_field(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    candidates: Float[AnyArray, " c"],
    response: Float[AnyArray, " shells"],
    window_factor: Scalar = WINDOW_FACTOR,
) -> Float[Array, "z y x"]:
    """Cut-off of each voxel, in shells, chosen by cross-validation (see the module).

    The memory is a few volumes, whatever the number of candidates.

    Parameters
    ----------
    half1, half2
        Unfiltered half-maps.
    candidates
        Cut-offs in shells, ascending and over 0 (`cutoff_candidates`).
    response
        Filter of shells 0, 1, 2 ... that goes with every cut-off; all ones for none.
    window_factor
        Diameter of the window over the wavelength at the cut-off.
    """
    box = half1.shape[-1]
    radius = _full_radius(box)
    # A real filter acts on real and imaginary part alike, so one transform serves both halves.
    spectrum = jnp.fft.fftn(jax.lax.complex(jnp.asarray(half1), jnp.asarray(half2)))
    cutoffs = jnp.asarray(candidates, radius.dtype)
    # What no candidate lets through would only add noise to every error.
    target = jnp.fft.ifftn(spectrum * (radius <= cutoffs[-1]))
    other = jax.lax.complex(target.imag, target.real)
    spectrum = spectrum * between_shells(response, radius, beyond=0.0)

    def squared_error(cutoff: Array) -> Array:
        difference = jnp.fft.ifftn(spectrum * butterworth(radius, cutoff)) - other
        return difference.real**2 + difference.imag**2

    def compare(state: tuple[Array, ...], cutoff: Array) -> tuple[tuple[Array, ...], None]:
        error_before, total, least, field = state
        error = squared_error(cutoff)
        total = total + _windowed(error - error_before, window_factor * box / cutoff)
        better = total < least
        least = jnp.where(better, total, least)
        return (error, total, least, jnp.where(better, cutoff, field)), None

    zero = jnp.zeros_like(radius)
    first = (squared_error(cutoffs[0]), zero, zero, jnp.full_like(zero, cutoffs[0]))
    (*_, field), _ = jax.lax.scan(compare, first, cutoffs[1:])
    return field


@jax.jit
def filter_by_field(
    volume: Float[AnyArray, "z y x"],
    field: Float[AnyArray, "z y x"],
    candidates: Float[AnyArray, " c"],
) -> Float[Array, "z y x"]:
    """Low-pass each voxel at its cut-off; between two candidates linearly in the cut-off."""
    volume = jnp.asarray(volume)
    spectrum = jnp.fft.rfftn(volume)
    radius = radius_fourier_px(volume.shape[-1])
    cutoffs = jnp.asarray(candidates, volume.dtype)
    place = jnp.interp(field, cutoffs, jnp.arange(cutoffs.size, dtype=volume.dtype))

    def add(total: Array, item: tuple[Array, Array]) -> tuple[Array, None]:
        number, cutoff = item
        lowpassed = jnp.fft.irfftn(spectrum * butterworth(radius, cutoff), s=volume.shape)
        return total + jnp.clip(1.0 - jnp.abs(place - number), 0.0, 1.0) * lowpassed, None

    numbers = jnp.arange(cutoffs.size, dtype=volume.dtype)
    return jax.lax.scan(add, jnp.zeros_like(volume), (numbers, cutoffs))[0]


def _full_radius(box_px: int) -> Float[Array, "z y x"]:
    """|k| of each coefficient of the full spectrum of a cubic map, in Fourier pixels."""
    k = jnp.fft.fftfreq(box_px, 1.0 / box_px)
    return jnp.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2)


def _windowed(volume: Float[Array, "z y x"], diameter_px: Scalar) -> Float[Array, "z y x"]:
    """Weighted mean about each voxel: a Gaussian as wide as a Hann window of this diameter."""
    return gaussian_mean(volume, 0.5 * _HANN_SIGMA * diameter_px)
