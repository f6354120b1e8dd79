"""Contour levels of a map: one to begin with, the mass that one encloses, where a line meets one."""

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError

DALTON_PER_CUBIC_ANGSTROM = 0.81
"""Mean density of protein: 1.35 g/cm^3 (Fischer, Polikarpov & Craievich 2004) in these units."""

_BINS = 1024
_MOST_VOXELS = 2_000_000


def sample_values(
    volume: Float[np.ndarray, "z y x"], most: int = _MOST_VOXELS
) -> Float[np.ndarray, " n"]:
    """Values on a regular sub-grid of at most about ``most`` voxels, for quantiles and histograms.

    Every k-th voxel along each axis: no random numbers, and no part of the box is left out.
    """
    step = max(1, int(np.ceil((volume.size / most) ** (1 / 3))))
    return volume[::step, ::step, ::step].ravel()


def suggested_level(volume: Float[np.ndarray, "z y x"]) -> float:
    """A contour level to begin with: Otsu's threshold between particle and solvent.

    Otsu (1979): the threshold that leaves least variance within the two classes, here of the
    values above the median, which for most boxes is solvent. A flat map gives its value.
    """
    values = sample_values(volume)
    values = values[np.isfinite(values)].astype(np.float64)
    if not values.size:
        return 0.0
    lowest, highest = float(np.median(values)), float(values.max())
    if not highest > lowest:
        return highest
    counts, edges = np.histogram(values, bins=_BINS, range=(lowest, highest))
    middles = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    best = int(np.nanargmax(np.where(np.isfinite(between), between, -np.inf)))
    return float(edges[best + 1])


def mass_above_kda(
    volume: Float[np.ndarray, "z y x"], level: float, voxel_size_angstrom: float
) -> float:
    """Mass of protein that fills the voxels above ``level``, kDa, at 0.81 Da per cubic Å."""
    voxels = int(np.count_nonzero(volume > level))
    return voxels * voxel_size_angstrom**3 * DALTON_PER_CUBIC_ANGSTROM / 1000.0


def level_enclosing_kda(
    volume: Float[np.ndarray, "z y x"], mass_kda: float, voxel_size_angstrom: float
) -> float:
    """The level above which that mass of protein lies, to within a voxel; see `mass_above_kda`.

    Raises
    ------
    InputError
        if the mass is not positive, or fills more than the box.
    """
    voxel_kda = voxel_size_angstrom**3 * DALTON_PER_CUBIC_ANGSTROM / 1000.0
    if not mass_kda > 0:
        raise InputError(f"the mass to enclose is {mass_kda:g} kDa; give one over 0.")
    voxels = round(mass_kda / voxel_kda)
    if voxels >= volume.size:
        raise InputError(
            f"the mass to enclose, {mass_kda:g} kDa, would fill more than the box, which holds "
            f"{volume.size * voxel_kda:.4g} kDa. Is it in kDa, and the voxel size "
            f"({voxel_size_angstrom:g} Å) right?"
        )
    # The value that exactly so many others exceed.
    place = volume.size - 1 - voxels
    return float(np.partition(volume, place, axis=None)[place])


def value_at(
    volume: Float[np.ndarray, "z y x"], points_voxels: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Trilinear values at points (x, y, z) in voxels from the corner; NaN outside the box."""
    size = np.array(volume.shape[::-1])
    points = np.asarray(points_voxels, dtype=np.float64)
    outside = ~np.all((points >= 0) & (points <= size - 1), axis=1)
    low = np.clip(np.floor(np.nan_to_num(points)), 0, np.maximum(size - 2, 0)).astype(np.int64)
    share = points - low
    total = np.zeros(len(points))
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(np.array(corner), share, 1.0 - share), axis=1)
        x, y, z = np.minimum(low + corner, size - 1).T
        total += weight * volume[z, y, x]
    total[outside] = np.nan
    return total


def surface_point(
    volume: Float[np.ndarray, "z y x"],
    level: float,
    near_voxels: Float[np.ndarray, "3"],
    direction: Float[np.ndarray, "3"],
    reach_voxels: float = 3.0,
) -> Float[np.ndarray, "3"] | None:
    """Where a line of sight passes ``level`` from below, nearest to a point close to the surface.

    Parameters
    ----------
    near_voxels
        (x, y, z) from the corner, found in a coarser copy of the map
    direction
        of sight, (x, y, z), any length
    reach_voxels
        how far before and behind that point is looked

    Returns
    -------
    The point, where the trilinear value is the level to within bisection; None when the line does
    not pass it within reach.
    """
    unit = direction / np.linalg.norm(direction)
    along = np.arange(-reach_voxels, reach_voxels + 0.125, 0.25)
    values = value_at(volume, near_voxels + along[:, None] * unit) - level
    rises = np.flatnonzero((values[:-1] <= 0) & (values[1:] > 0))
    if not len(rises):
        return None
    first = rises[np.argmin(np.abs(along[rises]))]
    low, high = along[first], along[first + 1]
    for _ in range(30):
        half = 0.5 * (low + high)
        if value_at(volume, (near_voxels + half * unit)[None])[0] > level:
            high = half
        else:
            low = half
    return near_voxels + 0.5 * (low + high) * unit
