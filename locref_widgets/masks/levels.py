"""Levels of density: where a map is cut into what counts and what does not."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.masks.protein_mass import (
    DALTON_PER_CUBIC_ANGSTROM,
    check_voxel_size,
    protein_mass_kda,
)

_BINS = 1024
"""Bins of the histogram that Otsu's threshold is sought in."""

_NOISE_SD = 4.0
"""A level is at least so many standard deviations of the noise over its mean: of a million voxels
of Gaussian noise 32 reach it."""

_FAR_SD = 50.0
"""Beyond this the noise is the tail of a mask, and a number says nothing."""

_SD_OF_MAD = 1.4826
"""Standard deviation of a Gaussian by its median absolute deviation."""


@dataclass(frozen=True)
class SuggestedLevel:
    """A level, and a line that says how it was chosen."""

    level: float
    reason: str


@dataclass(frozen=True)
class SolventNoise:
    """Mean and standard deviation of the density where no particle is."""

    mean: float
    sd: float


def suggest_level(
    volume: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    *,
    mass_kda: float | None = None,
) -> SuggestedLevel:
    """Suggest a level to threshold or segment a map at.

    With a mass it is the level that encloses it (`level_of_mass`). Without, it is Otsu's threshold
    inside the sphere that fits into the box, but at least 4 standard deviations of the noise
    outside of it, where there is noise (a masked map has none) and not density as high.

    Raises
    ------
    InputError
        if the map is constant or holds NaN, or the mass does not fit it.
    """
    if mass_kda is not None:
        level = level_of_mass(volume, mass_kda, voxel_size_angstrom)
        return SuggestedLevel(
            level,
            f"{level:.4g} encloses {mass_kda:g} kDa at {DALTON_PER_CUBIC_ANGSTROM} Da/Å³ of "
            "protein.",
        )
    check_voxel_size(voxel_size_angstrom)
    otsu, noise = otsu_level(volume), solvent_noise(volume)
    by_otsu = f"{otsu:.4g} parts density from background inside the sphere best (Otsu)"
    level = otsu
    if noise is None:
        reason = f"{by_otsu}; outside the map is masked, so its noise is not known."
    elif (floor := noise.mean + _NOISE_SD * noise.sd) <= otsu:
        height = (otsu - noise.mean) / noise.sd
        told = f"{height:.1f} standard deviations" if height < _FAR_SD else "far"
        reason = f"{by_otsu}, {told} over the noise outside."
    elif floor >= _highest(volume):
        reason = f"{by_otsu}; outside there is density as high, so the noise is not known."
    else:
        level = floor
        reason = (
            f"{floor:.4g} is {_NOISE_SD:g} standard deviations over the noise outside the sphere; "
            f"the level that parts density from background best (Otsu), {otsu:.4g}, is lower."
        )
    enclosed = protein_mass_kda(int(np.count_nonzero(volume >= level)), voxel_size_angstrom)
    return SuggestedLevel(level, f"{reason} It encloses {enclosed:.4g} kDa of protein.")


def level_enclosing(volume: Float[np.ndarray, "z y x"], *, share: float) -> float:
    """The highest level whose voxels hold a share of all density above zero (as in ChimeraX).

    Raises
    ------
    InputError
        if the share is not over 0 and up to 1, or the map has no density above zero, or holds NaN.
    """
    if not 0.0 < share <= 1.0:
        raise InputError(
            f"a level that encloses a share of {share:g} of the density: the share must be over 0 "
            "and up to 1 (0.95 is usual for a model's map)."
        )
    if _highest(volume) <= 0:
        raise InputError(
            "the map has no density above zero, so no level encloses a share of it. If its "
            "contrast is inverted, multiply it by -1."
        )
    values = np.sort(volume[volume > 0])[::-1]
    held = np.cumsum(values, dtype=np.float64)
    # The whole is a sum of the same order, so a share of 1 is reached.
    return float(values[np.searchsorted(held, share * held[-1])])


def level_of_mass(
    volume: Float[np.ndarray, "z y x"], mass_kda: float, voxel_size_angstrom: float
) -> float:
    """The highest level whose voxels have the volume of a mass of protein, at 0.81 Da/Å³.

    To the nearest voxel; voxels of one value come together.

    Raises
    ------
    InputError
        if the mass is under half a voxel's or more than the density above zero can hold, or the
        map holds NaN.
    """
    check_voxel_size(voxel_size_angstrom)
    highest = _highest(volume)
    a_voxel = protein_mass_kda(1, voxel_size_angstrom)
    count = mass_kda / a_voxel
    if not (np.isfinite(count) and count >= 0.5):
        raise InputError(
            f"a mass of {mass_kda:g} kDa: expected more than half a voxel of "
            f"{voxel_size_angstrom:g} Å holds, {a_voxel / 2:.3g} kDa."
        )
    positive = int(np.count_nonzero(volume > 0))
    count = round(count)
    if count > positive:
        raise InputError(
            f"a mass of {mass_kda:g} kDa fills {count} voxels of {voxel_size_angstrom:g} Å, but "
            f"density above zero (up to {highest:.4g}) has only {positive} "
            f"({positive * a_voxel:.4g} kDa). Check the mass (in kDa), the voxel size, and that "
            "density is positive."
        )
    rank = volume.size - count
    return float(np.partition(volume, rank, axis=None)[rank])


def otsu_level(volume: Float[np.ndarray, "z y x"]) -> float:
    """Otsu's threshold of the density inside the sphere that fits into the box.

    It parts a histogram of 1,024 bins so that the variance between both sides is the greatest
    (Otsu, IEEE Trans. Syst. Man Cybern. 9, 62, 1979). A level for ``density >= level``.

    Raises
    ------
    InputError
        if the density in the sphere is all the same, or the map holds NaN.
    """
    _highest(volume)
    inside = volume[_sphere(volume.shape)]
    lowest, highest = float(inside.min()), float(inside.max())
    if not highest > lowest:
        raise InputError(
            f"the map is {lowest:g} everywhere inside the sphere that fits into its box: no level "
            "parts density from background. Is it the right file?"
        )
    counts, edges = np.histogram(inside, _BINS, (lowest, highest))
    centres = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = below[-1] + counts[-1] - below
    sum_below = np.cumsum(counts * centres)
    total, sum_below = sum_below[-1], sum_below[:-1]
    apart = sum_below / below - (total - sum_below) / above
    return float(edges[1 + int(np.argmax(below * above * apart**2))])


def solvent_noise(volume: Float[np.ndarray, "z y x"]) -> SolventNoise | None:
    """Noise outside the sphere that fits into the box; None if the map is masked there.

    By median and median absolute deviation, so that density which reaches into the corners of the
    box counts little. A map is masked where more than half of the voxels have one value.

    Raises
    ------
    InputError
        if the map holds NaN.
    """
    _highest(volume)
    outside = volume[~_sphere(volume.shape)]
    if not len(outside):
        return None
    middle = float(np.median(outside))
    deviation = float(np.median(np.abs(outside - np.float32(middle))))
    return SolventNoise(middle, _SD_OF_MAD * deviation) if deviation > 0 else None


def _sphere(shape: tuple[int, ...]) -> np.ndarray:
    """Whether a voxel lies in the sphere about voxel N//2 that fits into the box."""
    radius = min(shape) / 2
    z, y, x = (((np.arange(n) - n // 2) / radius) ** 2 for n in shape)
    return z[:, None, None] + y[None, :, None] + x[None, None, :] <= 1.0


def _highest(volume: Float[np.ndarray, "z y x"]) -> float:
    """The map's maximum, once it is known to hold numbers only."""
    lowest, highest = float(volume.min()), float(volume.max())
    if not (np.isfinite(lowest) and np.isfinite(highest)):
        raise InputError(
            "the map holds NaN or infinite values, so no level of it can be found. Write it again "
            "with the program that made it."
        )
    return highest
