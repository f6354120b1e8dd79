"""Fits of points anywhere in a map: from many random starts, in a blurred map first.

In a map at full detail a random start reaches the right place only from near by: 1 in 100 for the
ring of GroEL in EMD-1997. Blurred to a fifth of the model's radius the map has far fewer maxima,
and 1 in 4 starts comes to one of the 14 right places. So every start climbs in a blurred map, with
few points; the best of the places found so climb on in the map itself.
"""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.fit_in_map import Fit, FitTarget, check_metric, fit_at, make_target
from locref_widgets.masks.fit_metrics import FlatMap, Metric, make_flat_map, make_point_set
from locref_widgets.masks.fit_optimiser import climb_many
from locref_widgets.masks.fit_points import FitPoints

SAME_ANGLE_DEG, SAME_SHIFT_ANGSTROM = 6.0, 3.0
"""Fits no farther apart are one (ChimeraX's defaults)."""

LEAST_INSIDE = 0.1
"""A fit has at least this share of its points in density (ChimeraX's default)."""

_BLURS_RADII = (1 / 4.5, 1 / 7.0)
"""Standard deviations of the blurs in radii of gyration; starts take turns."""
_FEW_POINTS = 768
_COARSE_STEPS, _STEPS = 80, 300
_STARTS_AT_ONCE = 32
_POINTS_AT_ONCE = 1 << 17
_SHARED_VOXELS = 1 << 26


@dataclass(frozen=True)
class _Poses:
    """Where starts came to, the best first."""

    rotations: Float[np.ndarray, "n 3 3"]
    centres_px: Float[np.ndarray, "n 3"]
    values: Float[np.ndarray, " n"]
    hits: Int[np.ndarray, " n"]
    steps: Int[np.ndarray, " n"]


def search_fits(
    points: FitPoints,
    volume: Map | FitTarget,
    *,
    metric: Metric = "average",
    n: int = 100,
    seed: int = 0,
    level: float | None = None,
    least_inside: float = LEAST_INSIDE,
    most: int = 20,
) -> list[Fit]:
    """Fit points from random starts all over a map; the best fit first.

    The centre of the points starts in a voxel of density, all alike, turned at random (uniform over
    rotations). Fits within 6 degrees and 3 Å of a better one are its ``hits``. In a symmetric map
    each of the equivalent places is a fit of its own.

    Parameters
    ----------
    points, volume, metric, level
        As for `fit_in_map`. Density, where starts are, is over ``level``.
    n
        Number of starts. More find more: a place that one start in twenty reaches is missed by 100
        starts once in 170 times.
    seed
        Of the random starts; the same seed gives the same fits.
    least_inside
        Fits with a smaller share of points in density are left out.
    most
        How many fits are returned at most.

    Returns
    -------
    list of Fit
        One at least.

    Raises
    ------
    InputError
        If there are no starts, no voxel has density, no fit has enough points in density, or the
        metric does not suit the points.
    """
    if n < 1 or most < 1:
        raise InputError(f"a search of {n} starts for {most} fits: both must be 1 or more.")
    target = volume if isinstance(volume, FitTarget) else make_target(volume, level)
    check_metric(metric, points)
    voxel = target.volume.voxel_size_angstrom
    starts = _random_starts(target, n, np.random.default_rng(seed))
    offsets = (points.positions_angstrom - points.centre_angstrom) / voxel
    radius_px = float(np.sqrt((offsets**2).sum(axis=1).mean()))
    few = _drawn(offsets, points.weights, _FEW_POINTS, seed)
    reached = []
    for turn, share in enumerate(_BLURS_RADII):
        mine = _take(starts, np.arange(turn, n, len(_BLURS_RADII)))
        if len(mine.values):
            data, bin_px = _blurred(target.volume, share * radius_px)
            # As large as the map itself, one compiled program does for both.
            flat = make_flat_map(data, min(target.flat.values.size, _SHARED_VOXELS))
            coarse = _climb(metric, flat, few, mine, _COARSE_STEPS, bin_px)
            # Which places are good only the map itself tells: where a part is sought, a blurred
            # map is highest in the middle of the whole.
            reached.append(_climb(metric, target.flat, few, _distinct(coarse, voxel), _STEPS))
    best = _distinct(_joined(reached), voxel, most)
    if len(points) > _FEW_POINTS:
        best = _climb(metric, target.flat, (offsets, points.weights), best, _STEPS)
        best = _distinct(best, voxel, most)
    fits = [
        replace(fit_at(points, target, metric, rotation, centre, int(steps)), hits=int(hits))
        for rotation, centre, hits, steps in zip(
            best.rotations, best.centres_px, best.hits, best.steps, strict=True
        )
    ]
    most_inside = max(fit.fraction_inside for fit in fits)
    fits = [fit for fit in fits if fit.fraction_inside >= least_inside]
    if not fits:
        raise InputError(
            f"{points.source}: no fit in {target.name} has {100 * least_inside:.0f} % of its "
            f"points in density over {target.level:g} (the best one has {100 * most_inside:.1f} "
            "%). Take a lower level, or more starts. Is the density positive, and the voxel size "
            "right?"
        )
    return sorted(fits, key=lambda fit: -fit.value)


_Points = tuple[Float[np.ndarray, "points 3"], Float[np.ndarray, " points"]]
"""Offsets from their centre, in voxels, and weights."""


def _random_starts(target: FitTarget, count: int, rng: np.random.Generator) -> _Poses:
    z, y, x = np.nonzero(target.volume.data >= target.level)
    if not len(z):
        raise InputError(
            f"{target.name}: no voxel reaches the level {target.level:g}, so there is nowhere to "
            f"start; the highest value is {target.volume.data.max():g}. Take a lower level."
        )
    drawn = rng.integers(len(z), size=count)
    voxels = np.stack([x[drawn], y[drawn], z[drawn]], axis=1)
    return _Poses(
        Rotation.random(count, rng).as_matrix().reshape(-1, 3, 3),
        voxels + rng.uniform(-0.5, 0.5, (count, 3)),
        np.zeros(count),
        np.ones(count, np.int64),
        np.zeros(count, np.int64),
    )


def _drawn(
    offsets: Float[np.ndarray, "n 3"], weights: Float[np.ndarray, " n"], most: int, seed: int
) -> _Points:
    """No more than ``most`` points, drawn evenly."""
    if len(weights) <= most:
        return offsets, weights
    drawn = np.sort(np.random.default_rng(seed).choice(len(weights), most, replace=False))
    return offsets[drawn], weights[drawn]


def _blurred(volume: Map, sigma_px: float) -> tuple[Float[np.ndarray, "z y x"], int]:
    """A map blurred by ``sigma_px`` and binned as far as that allows; also the voxels in a bin."""
    bin_px = max(1, int(sigma_px))
    # Averaging over b voxels is a blur of variance (b^2 - 1) / 12 by itself.
    rest = np.sqrt(max(sigma_px**2 - (bin_px**2 - 1) / 12, 0.0)) / bin_px
    binned = _binned(volume.data, bin_px)
    return ndimage.gaussian_filter(binned, rest, mode="constant"), bin_px


def _binned(data: Float[np.ndarray, "z y x"], bin_px: int) -> Float[np.ndarray, "z2 y2 x2"]:
    """Averages over cubes of voxels; the map goes on with zeros. Two or more along each axis."""
    blocks = [max(-(-size // bin_px), 2) for size in data.shape]
    pad = [(0, n * bin_px - size) for n, size in zip(blocks, data.shape, strict=True)]
    cubes = np.pad(data, pad).reshape([part for n in blocks for part in (n, bin_px)])
    return cubes.mean(axis=(1, 3, 5))


def _climb(
    metric: Metric,
    flat: FlatMap,
    points: _Points,
    starts: _Poses,
    max_steps: int,
    bin_px: int = 1,
) -> _Poses:
    """Climb from poses in a map of bins of voxels.

    So many at a time that compiled programs are few and memory is small.
    """
    offsets, weights = points
    padded = make_point_set(offsets / bin_px, weights)
    at_once = int(np.clip(_POINTS_AT_ONCE // len(padded.real), 1, _STARTS_AT_ONCE))
    total = len(starts.values)
    # A voxel of bins is centred on the middle of its bin.
    middle = (bin_px - 1) / 2
    parts = []
    for first in range(0, total, at_once):
        # The last portion is filled up with its last start.
        chosen = np.minimum(np.arange(first, first + at_once), total - 1)
        pose = climb_many(
            metric,
            flat,
            padded,
            jnp.asarray(starts.rotations[chosen], jnp.float32),
            jnp.asarray((starts.centres_px[chosen] - middle) / bin_px, jnp.float32),
            jnp.int32(max_steps),
        )
        real = min(at_once, total - first)
        parts.append([np.asarray(part)[:real] for part in pose])
    rotations, centres, values, steps = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Poses(
        rotations.astype(np.float64),
        centres.astype(np.float64) * bin_px + middle,
        values.astype(np.float64),
        starts.hits,
        starts.steps + steps,
    )


def _distinct(poses: _Poses, voxel_size_angstrom: float, most: int | None = None) -> _Poses:
    """The best of poses that lie together, with the hits of all; the best ``most`` of these."""
    order = np.argsort(-poses.values, kind="stable")
    near_trace = 1.0 + 2.0 * np.cos(np.deg2rad(SAME_ANGLE_DEG))
    kept: list[int] = []
    hits: list[int] = []
    for index in order:
        traces = np.einsum("nij,ij->n", poses.rotations[kept], poses.rotations[index])
        apart = poses.centres_px[kept] - poses.centres_px[index]
        shifts = np.linalg.norm(apart, axis=1) * voxel_size_angstrom
        same = np.flatnonzero((traces >= near_trace) & (shifts <= SAME_SHIFT_ANGSTROM))
        if len(same):
            hits[same[0]] += int(poses.hits[index])
        else:
            kept.append(int(index))
            hits.append(int(poses.hits[index]))
    best = _take(poses, np.array(kept[:most]))
    return replace(best, hits=np.array(hits[:most], np.int64))


def _take(poses: _Poses, chosen: Int[np.ndarray, " n"]) -> _Poses:
    return _Poses(
        poses.rotations[chosen],
        poses.centres_px[chosen],
        poses.values[chosen],
        poses.hits[chosen],
        poses.steps[chosen],
    )


def _joined(parts: list[_Poses]) -> _Poses:
    return _Poses(
        np.concatenate([part.rotations for part in parts]),
        np.concatenate([part.centres_px for part in parts]),
        np.concatenate([part.values for part in parts]),
        np.concatenate([part.hits for part in parts]),
        np.concatenate([part.steps for part in parts]),
    )
