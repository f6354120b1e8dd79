"""Directional FSC: the correlation in cones, how much it depends on direction, and where it is low.

A cone is double (a direction and its opposite are one in the spectrum of a real map) and holds the
coefficients within its half-angle of the axis (Tan et al. 2017, Nat. Methods 14, 793-796). The
ratio of the smallest to the largest area under the cones' curves is cryoSPARC's cFAR.

On the host: the coefficients are sorted by shell and taken block by block, so that nothing larger
than directions x block is held beside the spectra.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.fsc_curve import (
    FSC_THRESHOLD,
    FSCCurve,
    fourier_shell_correlation,
    make_curve,
)
from locref_widgets.engine.shells import shell_indices

CONE_HALF_ANGLE_DEG = 20.0
N_DIRECTIONS = 256
ANISOTROPIC_CFAR = 0.5
"""cryoSPARC's guide: below this the map suffers from preferred orientations."""

_STANDARD_ERRORS = 4.0
"""The smallest of 256 areas, some 30 of them independent, is 2 errors low by chance."""

_BLOCK = 1 << 15
_FEWEST = 6
"""A cone with fewer coefficients of a shell takes the whole shell's value (the first two or three
shells, where every direction agrees)."""


@dataclass(frozen=True)
class DirectionalFSC:
    """FSC curves in cones about directions.

    Attributes
    ----------
    directions
        Unit vectors (x, y, z) over a half-sphere.
    curves
        (directions, shells); shell k is the frequency k / (N voxel_size).
    frequency_per_angstrom
        Of the shells.
    threshold
        At which a cone's curve ends, for its resolution.
    area_error
        Standard error of one cone's area in 1/Å that chance alone gives.
    """

    directions: Float[np.ndarray, "directions 3"]
    curves: Float[np.ndarray, "directions shells"]
    frequency_per_angstrom: Float[np.ndarray, " shells"]
    threshold: float = FSC_THRESHOLD
    area_error: float = 0.0

    @property
    def mean(self) -> FSCCurve:
        """Mean of the cones in each shell."""
        return FSCCurve(self.frequency_per_angstrom, self.curves.mean(axis=0))

    @property
    def smallest(self) -> FSCCurve:
        """The smallest value of any cone in each shell."""
        return FSCCurve(self.frequency_per_angstrom, self.curves.min(axis=0))

    @property
    def largest(self) -> FSCCurve:
        """The largest value of any cone in each shell."""
        return FSCCurve(self.frequency_per_angstrom, self.curves.max(axis=0))

    @property
    def resolutions_angstrom(self) -> Float[np.ndarray, " directions"]:
        """First crossing of the threshold in each direction, of the mean over three shells.

        A cone holds 6 % of a shell, and fewer independent values the smaller a mask is; one shell
        by chance below the threshold is not the end.
        """
        inner = self.curves[:, 1:]
        padded = np.pad(inner, ((0, 0), (1, 1)), mode="edge")
        smooth = (padded[:, :-2] + inner + padded[:, 2:]) / 3.0
        curves = np.concatenate([self.curves[:, :1], smooth], axis=1)
        return np.array(
            [
                FSCCurve(self.frequency_per_angstrom, values).resolution_angstrom(self.threshold)
                for values in curves
            ]
        )

    @property
    def areas(self) -> Float[np.ndarray, " directions"]:
        """Area under each cone's whole curve from shell 1 to Nyquist, in 1/Å; 0 at least.

        Noise beyond the end of a curve has no sign and cancels, whereas an area that ended at the
        first crossing would be short wherever noise crosses early.
        """
        spacing = self.frequency_per_angstrom[1]
        return np.maximum(np.sum(self.curves[:, 1:], axis=1) * spacing, 0.0)

    @property
    def area_ratio(self) -> float:
        """Smallest over largest area (cFAR), 0 to 1; 0 if no direction has any."""
        areas = self.areas
        return float(areas.min() / areas.max()) if areas.max() > 0 else 0.0

    @property
    def is_anisotropic(self) -> bool:
        """Whether the ratio is under 0.5, and the smallest area is that small beyond chance."""
        areas = self.areas
        beyond = areas.mean() - areas.min() > _STANDARD_ERRORS * self.area_error
        return self.area_ratio < ANISOTROPIC_CFAR and bool(beyond)

    @property
    def worst_direction(self) -> Float[np.ndarray, "3"]:
        """The direction of the smallest area: where Fourier space is emptiest."""
        return self.directions[int(np.argmin(self.areas))]


def fibonacci_directions(n: int) -> Float[np.ndarray, "n 3"]:
    """Spread ``n`` unit vectors (x, y, z) evenly over the half-sphere z > 0 (golden spiral)."""
    i = np.arange(n)
    z = 1.0 - (i + 0.5) / n
    azimuth = i * np.pi * (3.0 - np.sqrt(5.0))
    radius = np.sqrt(1.0 - z**2)
    return np.stack([radius * np.cos(azimuth), radius * np.sin(azimuth), z], axis=1)


def directional_fsc(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    mask: Float[AnyArray, "z y x"] | None = None,
    *,
    directions: Float[np.ndarray, "directions 3"] | None = None,
    cone_half_angle_deg: float = CONE_HALF_ANGLE_DEG,
    threshold: float = FSC_THRESHOLD,
) -> DirectionalFSC:
    """Compute the FSC of two half-maps in a cone about each direction.

    Parameters
    ----------
    mask
        Multiplies both maps first.
    directions
        Unit vectors (x, y, z); 256 over a half-sphere when None.
    cone_half_angle_deg
        20 as in cryoSPARC and 3DFSC.
    """
    if directions is None:
        directions = fibonacci_directions(N_DIRECTIONS)
    maps = [np.asarray(half, dtype=np.float32) for half in (half1, half2)]
    if mask is not None:
        maps = [half * np.asarray(mask, dtype=np.float32) for half in maps]
    box_px = maps[0].shape[-1]
    products, unit, bounds = _sorted_products(*maps)
    n_shells = box_px // 2 + 1
    sums = np.zeros((n_shells, len(directions), 4))
    axes = directions.astype(np.float32)
    limit = np.float32(np.cos(np.deg2rad(cone_half_angle_deg)))
    for shell in range(1, n_shells):
        for start in range(bounds[shell], bounds[shell + 1], _BLOCK):
            block = slice(start, min(start + _BLOCK, bounds[shell + 1]))
            inside = (np.abs(axes @ unit[block].T) >= limit).astype(np.float32)
            sums[shell] += inside @ products[block]
    cross, power1, power2, count = np.moveaxis(sums, -1, 0)
    scale = np.sqrt(power1) * np.sqrt(power2)
    everywhere = np.asarray(fourier_shell_correlation(*maps), dtype=np.float64)
    told = (count >= _FEWEST) & (scale > 0)
    values = np.where(told, cross / np.where(scale > 0, scale, 1.0), everywhere[:, None])
    curve = make_curve(everywhere, box_px, voxel_size_angstrom)
    error = _area_error(everywhere, count.mean(axis=1), mask) * curve.frequency_per_angstrom[1]
    return DirectionalFSC(directions, values.T, curve.frequency_per_angstrom, threshold, error)


def _area_error(
    fsc: Float[np.ndarray, " shells"],
    count: Float[np.ndarray, " shells"],
    mask: Float[AnyArray, "z y x"] | None,
) -> float:
    """Standard error of the sum of a cone's shells from 1 on.

    A correlation of n independent pairs of complex numbers has the error (1 - FSC^2) / sqrt(2 n);
    a cone's shell has count / 2 pairs, of which a mask m leaves (sum m^2)^2 / (N^3 sum m^4).
    """
    share = 1.0
    if mask is not None:
        squared = np.asarray(mask, dtype=np.float64) ** 2
        share = squared.sum() ** 2 / max(squared.size * np.sum(squared**2), 1e-30)
    variance = (1.0 - np.clip(fsc, -1.0, 1.0) ** 2) ** 2 / np.maximum(count * share, 1.0)
    return float(np.sqrt(variance[1:].sum()))


def _sorted_products(
    half1: Float[np.ndarray, "z y x"], half2: Float[np.ndarray, "z y x"]
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n 3"], np.ndarray]:
    """Products, unit vectors (x, y, z) and first index of each shell, in the order of the shells.

    Products are Re F1 F2*, |F1|^2, |F2|^2, weighted by how often a coefficient stands in the full
    spectrum, and that weight. They are scaled so that float32 sums hold them.
    """
    box_px = half1.shape[-1]
    shell = shell_indices(box_px).ravel()
    kept = np.flatnonzero(shell <= box_px // 2)
    kept = kept[np.argsort(shell[kept], kind="stable")]
    bounds = np.searchsorted(shell[kept], np.arange(box_px // 2 + 2))
    # Each map is scaled to unit power, so that no product leaves the range of float32.
    f1, f2 = (
        np.fft.rfftn(half / max(float(half.std()), 1e-30)).ravel()[kept].astype(np.complex64)
        for half in (half1, half2)
    )
    weight = np.full(box_px // 2 + 1, 2.0, np.float32)
    weight[0] = 1.0
    if box_px % 2 == 0:
        weight[-1] = 1.0
    z, y, x = np.unravel_index(kept, (box_px, box_px, box_px // 2 + 1))
    full = np.fft.fftfreq(box_px, 1.0 / box_px).astype(np.float32)
    unit = np.stack([x.astype(np.float32), full[y], full[z]], axis=1)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-6)
    weight = weight[x]
    cross = (f1 * f2.conj()).real
    products = np.stack([cross, np.abs(f1) ** 2, np.abs(f2) ** 2, np.ones_like(cross)], axis=1)
    return products * weight[:, None], unit, bounds
