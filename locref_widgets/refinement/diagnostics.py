"""Where on the view sphere the poses changed, and by how much. NumPy only.

One summary per iteration feeds everything that is shown: the run's events, the dashboard's plots
and the report. A particle is filed under the direction it was *given*, so that a change stays in
its bin however far the pose moves.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import ROTATION_PRIOR, IterationResult

# Bins of azimuth x elevation, finest first. A bin's mean needs a handful of particles.
_GRIDS = ((72, 36), (36, 18), (24, 12), (18, 9))
_PARTICLES_PER_BIN = 5


@dataclass(frozen=True)
class ViewingHeatmap:
    """Means over the bins of the view sphere; all bins cover the same area of it.

    ``count`` and each array of ``mean`` are ``[elevation, azimuth]``. ``mean`` is NaN, never zero,
    where no particle looks from.
    """

    azimuth_edges_rad: Float[np.ndarray, " azimuths"]
    elevation_edges_rad: Float[np.ndarray, " elevations"]
    count: Int[np.ndarray, "rows columns"]
    mean: dict[str, Float[np.ndarray, "rows columns"]]


@dataclass(frozen=True)
class ChangeHistogram:
    """Counts of a change's magnitude; edges, median and 90th percentile in the values' unit."""

    edges: Float[np.ndarray, " edges"]
    counts: Int[np.ndarray, " bins"]
    median: float
    p90: float


def viewing_directions(
    rotations: Float[np.ndarray, "n 3 3"],
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Azimuth in [-pi, pi) and elevation in [-pi/2, pi/2], radians, of each pose's line of sight.

    The line of sight in the map frame is the third row of the rotation matrix (the image's z axis).
    """
    direction = np.asarray(rotations, dtype=np.float64)[:, 2, :]
    azimuth = np.arctan2(direction[:, 1], direction[:, 0])
    azimuth = np.where(azimuth >= math.pi, -math.pi, azimuth)
    return azimuth, np.arcsin(np.clip(direction[:, 2], -1.0, 1.0))


def viewing_grid(n_particles: int) -> tuple[int, int]:
    """Numbers of azimuth and elevation bins that leave a few particles to a bin on average."""
    for n_azimuth, n_elevation in _GRIDS:
        if n_particles >= _PARTICLES_PER_BIN * n_azimuth * n_elevation:
            return n_azimuth, n_elevation
    return _GRIDS[-1]


def viewing_bins(
    rotations: Float[np.ndarray, "n 3 3"], n_azimuth: int, n_elevation: int
) -> Int[np.ndarray, " n"]:
    """Bin of each pose, ``row * n_azimuth + column``: rows up in elevation, columns in azimuth.

    Bins are equal in azimuth and in the sine of the elevation.
    """
    azimuth, elevation = viewing_directions(rotations)
    column = _bin_index((azimuth + math.pi) / (2 * math.pi), n_azimuth)
    row = _bin_index((np.sin(elevation) + 1) / 2, n_elevation)
    return row * n_azimuth + column


def viewing_heatmap(
    initial_rotations: Float[np.ndarray, "n 3 3"],
    values: dict[str, Float[np.ndarray, " n"]],
    n_azimuth: int = 36,
    n_elevation: int = 18,
) -> ViewingHeatmap:
    """Mean of each of ``values`` over bins equal in azimuth and in the sine of the elevation.

    Equal steps of sin(elevation) cut equal areas of the sphere (Archimedes), so uniformly
    distributed views fill the bins evenly. Values that are not finite are left out of the means.
    """
    bins, shape = viewing_bins(initial_rotations, n_azimuth, n_elevation), (n_elevation, n_azimuth)

    def total(selected: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
        return np.bincount(selected, weights, minlength=n_azimuth * n_elevation).reshape(shape)

    mean = {}
    for name, given in values.items():
        value = np.asarray(given, dtype=np.float64)
        finite = np.isfinite(value)
        members = total(bins[finite])
        summed = total(bins[finite], value[finite])
        mean[name] = np.divide(summed, members, out=np.full(shape, np.nan), where=members > 0)
    return ViewingHeatmap(
        azimuth_edges_rad=np.linspace(-math.pi, math.pi, n_azimuth + 1),
        elevation_edges_rad=np.arcsin(np.linspace(-1.0, 1.0, n_elevation + 1)),
        count=total(bins),
        mean=mean,
    )


def change_histogram(
    values: Float[np.ndarray, " n"], extent: float, bins: int = 40
) -> ChangeHistogram:
    """Histogram of magnitudes from 0 to the largest one the search allows.

    ``extent`` is that largest magnitude, in the unit of ``values`` (for shifts: half the disc's
    diameter). The last edge moves out if a value lies beyond it: every finite value is counted.
    """
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    upper = max(float(extent), float(finite.max(initial=0.0)))
    counts, edges = np.histogram(finite, bins=bins, range=(0.0, upper))
    median, p90 = np.quantile(finite, [0.5, 0.9]) if finite.size else (math.nan, math.nan)
    return ChangeHistogram(edges=edges, counts=counts, median=float(median), p90=float(p90))


def summarise_iteration(
    result: IterationResult,
    initial_rotations: Float[np.ndarray, "n 3 3"],
    settings: RefinementSettings,
    pixel_size_angstrom: float,
) -> dict[str, Any]:
    """Values of the event ``iteration_finished``, ready for JSON (None where undefined).

    ``initial_rotations`` are the poses given to the job for the particles ``result.indices``, in
    that order. Shifts are counted in pixels; their median and 90th percentile come in Å too.

    Raises ValueError when the numbers of particles differ.
    """
    if len(initial_rotations) != len(result.rotations):
        raise ValueError(
            f"{len(initial_rotations)} initial rotations for {len(result.rotations)} refined "
            "particles; pass those of result.indices."
        )
    pose_deg = np.rad2deg(np.asarray(result.info["pose_change_rad"], dtype=np.float64))
    shift_px = np.asarray(result.info["shift_change_px"], dtype=np.float64)
    at_bound = np.asarray(result.info["at_bound"], dtype=bool)
    rotation_limit_deg = math.degrees(settings.rotation_extent)
    shift_limit_px = settings.shift_extent / 2
    pose = change_histogram(pose_deg, rotation_limit_deg)
    shift = change_histogram(shift_px, shift_limit_px)
    heatmap = viewing_heatmap(
        initial_rotations,
        {"pose_change_deg": pose_deg, "shift_change_px": shift_px},
        *viewing_grid(len(pose_deg)),
    )
    payload = {
        "iteration": result.iteration,
        "resolution_angstrom": result.resolution_angstrom,
        "seconds": result.seconds,
        "converged": bool(result.converged),
        "fsc": {
            name: {
                "frequency_per_angstrom": curve.frequency_per_angstrom,
                "values": curve.values,
                "resolution_angstrom": curve.resolution_angstrom(),
            }
            for name, curve in result.fsc.items()
        },
        "pose_change": {
            "edges_deg": pose.edges,
            "counts": pose.counts,
            "median_deg": pose.median,
            "p90_deg": pose.p90,
            "limit_deg": rotation_limit_deg,
            "prior_deg": _prior_deg(result),
        },
        "shift_change": {
            "edges_px": shift.edges,
            "counts": shift.counts,
            "median_px": shift.median,
            "p90_px": shift.p90,
            "limit_px": shift_limit_px,
            "median_angstrom": shift.median * pixel_size_angstrom,
            "p90_angstrom": shift.p90 * pixel_size_angstrom,
        },
        "at_bound_fraction": float(at_bound.mean()) if at_bound.size else None,
        "heatmap": {
            "azimuth_edges_rad": heatmap.azimuth_edges_rad,
            "elevation_edges_rad": heatmap.elevation_edges_rad,
            "count": heatmap.count,
            **heatmap.mean,
        },
    }
    return jsonable(payload)


def _prior_deg(result: IterationResult) -> float | None:
    """Width of the prior on the rotation that most searches of an iteration were told, if any."""
    precision = float(np.median(result.info.get(ROTATION_PRIOR, 0.0)))
    return math.degrees(precision**-0.5) if precision > 0 else None


def jsonable(value: Any) -> Any:
    """Plain Python for strict JSON: arrays become lists, numbers that are not finite None."""
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        # Six significant figures: an event line stays small, and no plot shows more.
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value


def _bin_index(fraction: Float[np.ndarray, " n"], n_bins: int) -> Int[np.ndarray, " n"]:
    """Bin of each position in [0, 1]; the upper end belongs to the last bin."""
    return np.clip(np.floor(fraction * n_bins).astype(np.int64), 0, n_bins - 1)
