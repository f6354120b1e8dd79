"""Fourier shell correlation of two maps: the curve, and the resolutions read from it.

Curves are per shell of |k| (``engine.shells``).
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.shells import ShellTable, shell_table, sum_by_table

FSC_THRESHOLD = 0.143
"""Where the correlation of two half-maps tells their mean's resolution (Rosenthal and Henderson,
2003, J. Mol. Biol. 333, 721)."""


@dataclass(frozen=True)
class FSCCurve:
    """A correlation curve on the host.

    ``frequency_per_angstrom`` and ``values`` are arrays (shells,), shell k being the frequency
    k / (N voxel_size); shell 0 (the mean of the map) takes no part in the resolution.
    ``notch`` are the shells (first, one past the last) in which the correction for a mask has no
    meaning (``phase_randomisation``): a curve that dips there and rises again has not ended.
    ``standard_error`` of each value is known of a mean of draws, None of other curves; it is not
    written to files.
    """

    frequency_per_angstrom: Float[np.ndarray, " shells"]
    values: Float[np.ndarray, " shells"]
    notch: tuple[int, int] = (0, 0)
    standard_error: Float[np.ndarray, " shells"] | None = None

    def resolution_angstrom(self, threshold: float = FSC_THRESHOLD) -> float:
        """Resolution at which the curve first falls below ``threshold``.

        Linear in frequency between the two shells. A curve that never falls below has the
        resolution of its last shell (Nyquist); one already below in shell 1 that of shell 1.
        """
        frequency, values = self._counted(threshold)
        below = ~(values >= threshold)  # a NaN is no correlation
        if not below.any():
            return float(1.0 / frequency[-1])
        last = int(np.argmax(below))
        if last == 0:
            return float(1.0 / frequency[0])
        (f0, f1), (v0, v1) = (a[last - 1 : last + 1] for a in (frequency, values))
        fall = v0 - v1
        part = (v0 - threshold) / fall if np.isfinite(fall) else 0.0
        return float(1.0 / (f0 + part * (f1 - f0)))

    def falls_below(self, threshold: float = FSC_THRESHOLD) -> bool:
        """Whether the curve falls below ``threshold``; if not, Nyquist limits its resolution."""
        return not bool(np.all(self._counted(threshold)[1] >= threshold))

    def bridged_values(self, threshold: float = FSC_THRESHOLD) -> Float[np.ndarray, " shells"]:
        """The values, in a notch that the curve comes out of no lower than the line across it.

        For filters: they must not end in shells that do not count for the resolution.
        """
        first, end = self.notch
        if not (0 < first < end < len(self.values) and self.values[end] >= threshold):
            return self.values
        line = np.interp(
            np.arange(first, end), [first - 1, end], [self.values[first - 1], self.values[end]]
        )
        bridged = self.values.copy()
        bridged[first:end] = np.maximum(bridged[first:end], line)
        return bridged

    def _counted(self, threshold: float) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """Frequencies and values from shell 1 on, without a notch that the curve comes out of."""
        counted = np.arange(len(self.values)) > 0
        first, end = self.notch
        if end < len(self.values) and self.values[end] >= threshold:
            counted[first:end] = False
        return (
            self.frequency_per_angstrom[counted].astype(np.float64),
            self.values[counted].astype(np.float64),
        )


def fourier_shell_correlation(
    map1: Float[AnyArray, "z y x"],
    map2: Float[AnyArray, "z y x"],
    mask: Float[AnyArray, "z y x"] | None = None,
    *,
    as_stored: bool = False,
) -> Float[Array, " shells"]:
    """Correlation of the Fourier coefficients of two cubic maps in the shells 0 .. N//2.

    The maps are multiplied by ``mask`` first where one is given. The value is
    ``sum Re(F1 conj(F2)) / sqrt(sum |F1|^2 sum |F2|^2)``; 0 in a shell where a map has no power.
    ``as_stored`` weighs the plane kx = 0 as RELION does (``shells.shell_sum``). As the plane holds
    1/(2k) of shell k, that moves the shell by about 1/sqrt(2k) of its standard error.
    """
    if mask is None:
        mask = np.broadcast_to(np.ones((), np.float32), map1.shape)
    table = shell_table(map1.shape[-1], as_stored)
    return _masked_correlation(map1, map2, mask, table)


@jax.jit
def _masked_correlation(
    map1: Float[AnyArray, "z y x"],
    map2: Float[AnyArray, "z y x"],
    mask: Float[AnyArray, "z y x"],
    table: ShellTable,
) -> Float[Array, " shells"]:
    f1, f2 = jnp.fft.rfftn(map1 * mask), jnp.fft.rfftn(map2 * mask)
    cross = f1.real * f2.real + f1.imag * f2.imag
    products = jnp.stack([cross, f1.real**2 + f1.imag**2, f2.real**2 + f2.imag**2])
    cross, power1, power2 = sum_by_table(products, *table)
    scale = jnp.sqrt(power1) * jnp.sqrt(power2)  # not sqrt(p1 p2): that product can overflow
    return jnp.where(scale > 0, cross / jnp.where(scale > 0, scale, 1.0), 0.0)


def compute_fsc_curve(
    map1: Float[AnyArray, "z y x"],
    map2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    mask: Float[AnyArray, "z y x"] | None = None,
    *,
    as_stored: bool = False,
) -> FSCCurve:
    """FSC of two cubic maps, multiplied by ``mask`` first where one is given."""
    values = fourier_shell_correlation(map1, map2, mask, as_stored=as_stored)
    return make_curve(values, map1.shape[-1], voxel_size_angstrom)


def make_curve(
    values: Float[AnyArray, " shells"],
    box_px: int,
    voxel_size_angstrom: float,
    notch: tuple[int, int] = (0, 0),
) -> FSCCurve:
    """Put values of the shells of a box into a curve."""
    values = np.asarray(values)
    frequency = np.arange(len(values)) / (box_px * voxel_size_angstrom)
    return FSCCurve(frequency.astype(np.float64), values, notch)
