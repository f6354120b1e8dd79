"""Rigid fit of a model, or of a map, in a map: from where it is to the nearest maximum.

What ``fitmap`` does in UCSF Chimera and ChimeraX, by a quasi-Newton method. Coordinates are those
of the files: the map's are given by start and origin in its header (`Map.corner_angstrom`).

At the rim: a map is interpolated trilinearly between the centres of its voxels, those of the
outermost included, and is zero beyond. Points beyond count as points of density zero, so a model
gains nothing by leaving the box. (ChimeraX leaves such points out of the average, and its slopes
are zero within a voxel of the rim.)
"""

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.fit_metrics import FlatMap, Metric, make_flat_map, make_point_set
from locref_widgets.masks.fit_optimiser import climb_one
from locref_widgets.masks.fit_points import FitPoints
from locref_widgets.masks.levels import suggest_level

MAX_STEPS = 500
_EQUAL_WEIGHTS = 1e-6
"""Weights that differ by less than this share of their mean are equal."""


@dataclass(frozen=True)
class Fit:
    """Where points were put: each point ``x`` is moved to ``rotation @ x + translation``.

    Numbers are of float64 interpolation at that pose.
    """

    rotation: Float[np.ndarray, "3 3"]
    translation_angstrom: Float[np.ndarray, "3"]
    centre_angstrom: Float[np.ndarray, "3"]
    """Centre of the points before the fit; it moves to ``rotation @ centre + translation``."""
    metric: Metric
    average: float
    """Weighted mean of the density at the points; those outside the box count as zero."""
    correlation: float
    correlation_about_mean: float
    """NaN where all points have one weight: then it has no meaning."""
    fraction_inside: float
    """Share of the points where the density is at least ``level``."""
    level: float
    steps: int
    """How often the metric was computed."""
    hits: int = 1
    """How many starts of a search came here."""

    @property
    def value(self) -> float:
        """The metric that was maximised."""
        return {
            "average": self.average,
            "correlation": self.correlation,
            "correlation about mean": self.correlation_about_mean,
        }[self.metric]

    @property
    def shift_angstrom(self) -> float:
        """How far the points' centre moved."""
        moved = self.rotation @ self.centre_angstrom + self.translation_angstrom
        return float(np.linalg.norm(moved - self.centre_angstrom))

    @property
    def angle_deg(self) -> float:
        """How far the points turned."""
        return float(np.rad2deg(Rotation.from_matrix(self.rotation).magnitude()))

    def moved(self, positions_angstrom: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
        """Where the fit brings positions."""
        return positions_angstrom @ self.rotation.T + self.translation_angstrom


@dataclass(frozen=True)
class FitTarget:
    """A map made ready for fits, so that several in one map do that once."""

    volume: Map
    flat: FlatMap
    level: float
    """What counts as density."""

    @property
    def name(self) -> str:
        """The map's name in messages."""
        return self.volume.name

    def places_px(self, positions_angstrom: Float[np.ndarray, "*n 3"]) -> Float[np.ndarray, "*n 3"]:
        """Positions in voxels from the first one, (x, y, z)."""
        offset = positions_angstrom - self.volume.corner_angstrom
        return offset / self.volume.voxel_size_angstrom


def make_target(volume: Map, level: float | None = None) -> FitTarget:
    """Make a map ready; without a level, density is over the one that `suggest_level` suggests.

    Raises
    ------
    InputError
        If the map holds values that are no numbers, is constant, or has fewer than two voxels
        along an axis.
    """
    name = volume.path or "the map given"
    if min(volume.data.shape) < 2:
        raise InputError(
            f"{name}: has {' x '.join(map(str, volume.size_xyz))} voxels (x, y, z): a map to fit "
            "in needs two or more along each axis."
        )
    lowest, highest = float(volume.data.min()), float(volume.data.max())
    if not (np.isfinite(lowest) and np.isfinite(highest) and highest > lowest):
        raise InputError(
            f"{name}: its values are from {lowest:g} to {highest:g}; nothing can be fitted in it. "
            "Is it the right file?"
        )
    if level is None:
        level = suggest_level(volume.data, volume.voxel_size_angstrom).level
    return FitTarget(volume, make_flat_map(volume.data), level)


def fit_in_map(
    points: FitPoints,
    volume: Map | FitTarget,
    *,
    metric: Metric = "average",
    rotation: Float[np.ndarray, "3 3"] | None = None,
    translation_angstrom: Float[np.ndarray, "3"] | None = None,
    level: float | None = None,
    max_steps: int = MAX_STEPS,
) -> Fit:
    """Move points rigidly to the nearest maximum of a metric.

    From 5 Å and 15 degrees away all of 50 starts of GroEL came back in EMD-1997, and 19 of 20 of
    actin in its simulated map at 3 Å. From farther away, use `search_fits`.

    Parameters
    ----------
    points
        See `fit_points`: atoms, a model at a resolution, or another map.
    volume
        The map, or what `make_target` made of it.
    metric
        ``average`` is right for atoms. Where weights tell the points apart, as with a resolution,
        ``correlation about mean`` tells right from wrong places better.
    rotation, translation_angstrom
        The move to start from; none, where the points are.
    level
        What counts as density for ``fraction_inside``; a target brings its own.

    Raises
    ------
    InputError
        If no point lies in the map's box at the start, the map is constant, the metric needs
        weights that differ and they do not, or the rotation is none.
    """
    target = volume if isinstance(volume, FitTarget) else make_target(volume, level)
    check_metric(metric, points)
    turn, move = _start(rotation, translation_angstrom)
    centre = points.centre_angstrom
    place = target.places_px(turn @ centre + move)
    _check_inside(points, target, turn, move)
    offsets = (points.positions_angstrom - centre) / target.volume.voxel_size_angstrom
    pose = climb_one(
        metric,
        target.flat,
        make_point_set(offsets, points.weights),
        jnp.asarray(turn, jnp.float32),
        jnp.asarray(place, jnp.float32),
        jnp.int32(max_steps),
    )
    if int(pose.steps) == 1:  # the start is a maximum, or flat: not rounded through float32
        return fit_at(points, target, metric, turn, place, 1)
    return fit_at(
        points,
        target,
        metric,
        np.asarray(pose.rotation, np.float64),
        np.asarray(pose.centre_px, np.float64),
        int(pose.steps),
    )


def fit_at(
    points: FitPoints,
    target: FitTarget,
    metric: Metric,
    rotation: Float[np.ndarray, "3 3"],
    centre_px: Float[np.ndarray, "3"],
    steps: int,
) -> Fit:
    """Fit of a pose: points turned about their centre, which is put at ``centre_px``."""
    left, _, right = np.linalg.svd(rotation)
    rotation = left @ right  # float32 products are rotations to 1e-6
    centre, volume = points.centre_angstrom, target.volume
    placed = centre_px * volume.voxel_size_angstrom + volume.corner_angstrom
    fit = Fit(
        rotation=rotation,
        translation_angstrom=placed - rotation @ centre,
        centre_angstrom=centre,
        metric=metric,
        average=0.0,
        correlation=0.0,
        correlation_about_mean=0.0,
        fraction_inside=0.0,
        level=target.level,
        steps=steps,
    )
    values = density_at(target, fit.moved(points.positions_angstrom))
    weights = points.weights
    about_mean = (
        _cosine(weights - weights.mean(), values - values.mean())
        if _differ(weights)
        else float("nan")
    )
    return replace(
        fit,
        average=float(weights @ values / weights.sum()),
        correlation=_cosine(weights, values),
        correlation_about_mean=about_mean,
        fraction_inside=float(np.mean(values >= target.level)),
    )


def density_at(
    target: FitTarget, positions_angstrom: Float[np.ndarray, "n 3"]
) -> Float[np.ndarray, " n"]:
    """Density at positions in float64, trilinear, zero outside the box."""
    places = target.places_px(positions_angstrom)[:, ::-1].T
    return ndimage.map_coordinates(
        target.volume.data, places, np.float64, order=1, mode="constant", cval=0.0
    )


def check_metric(metric: Metric, points: FitPoints) -> None:
    """Raise InputError if a metric has no meaning for points of these weights."""
    if metric == "correlation about mean" and not _differ(points.weights):
        raise InputError(
            f"{points.source}: the {len(points)} points have one weight, so their correlation "
            'about the mean is not defined. Use "average" or "correlation", or give a resolution.'
        )


def _start(
    rotation: Float[np.ndarray, "3 3"] | None, translation_angstrom: Float[np.ndarray, "3"] | None
) -> tuple[Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    turn = np.eye(3) if rotation is None else np.asarray(rotation, np.float64)
    move = np.zeros(3) if translation_angstrom is None else np.asarray(translation_angstrom, float)
    if not np.abs(turn @ turn.T - np.eye(3)).max() < 1e-4 or np.linalg.det(turn) < 0:
        raise InputError(
            f"the rotation to start from, {np.round(turn, 4).tolist()}, is none: its rows must be "
            "perpendicular and of length 1, and it must not mirror."
        )
    return turn, move


def _check_inside(
    points: FitPoints,
    target: FitTarget,
    turn: Float[np.ndarray, "3 3"],
    move: Float[np.ndarray, "3"],
) -> None:
    placed = points.positions_angstrom @ turn.T + move
    low, high = target.volume.corner_angstrom, target.volume.corner_angstrom
    high = high + (np.array(target.volume.size_xyz) - 1) * target.volume.voxel_size_angstrom
    if not np.any(np.all((placed >= low) & (placed <= high), axis=1)):
        where = ", ".join(f"{value:.0f}" for value in placed.mean(axis=0))
        box = ", ".join(f"{a:.0f} to {b:.0f}" for a, b in zip(low, high, strict=True))
        raise InputError(
            f"{points.source}: no point lies in the box of {target.name}: their centre is at "
            f"{where} Å (x, y, z), the box at {box}. Search the whole map (locref fit --search "
            "100), or mend start and origin in the map's header."
        )


def _differ(weights: Float[np.ndarray, " n"]) -> bool:
    return bool(np.ptp(weights) > _EQUAL_WEIGHTS * np.abs(weights).mean())


def _cosine(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > 0 else 0.0
