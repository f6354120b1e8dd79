"""The part of a particle that is more blurred than the rest, found in a field of local blur."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from locref_widgets.engine.local_blur import LocalBlur, LocalPower, local_blur
from locref_widgets.masks.islands import label_islands

_ROUNDS = 8
"""Rounds of dividing the points and fitting how blur grows with the distance from the centre."""

_MOST_KEPT = 2.0
"""Shares of power above this say nothing more: the window holds what is sharp in any particle."""

_FEWEST_POINTS = 30
"""A class of fewer points is none."""

_CLIP = (-0.03, 0.06)
"""Blur counts up to these from the rest's, in squares of the resolution: beyond, a point is told
apart already, and outliers would have all the say in a fit."""

_MOST_WEIGHT = 3.0
"""A point whose expected blur is so many errors has its full say."""

_SD_OF_MAD = 1.4826


@dataclass(frozen=True)
class FlexiblePart:
    """The points of the part, and how it stands out.

    Attributes
    ----------
    inside
        The part, the largest island of blurred points, on the grid of the points.
    blur
        At all points, against the rest.
    excess_angstrom2
        Its median blur over that of the rest, along an axis.
    kept
        Share of the signal's power at the resolution that the part has kept, next to the rest, once
        blur that grows with the distance from the particle's centre is taken out: 1 if it is as
        sharp. Errors of the angles blur the rim of a rigid particle in that way.
    apart_scatter
        Its excess in standard deviations of the rest's own scatter.
    apart_error
        Its excess in standard errors of one window.
    one_sided
        Distance between the centres of part and rest in radii of gyration: near 0 for a rim or a
        belt all around.
    share
        Of the region's points.
    of_blurred
        Points of the part among all that are as blurred.
    """

    inside: Bool[np.ndarray, "z y x"]
    blur: LocalBlur
    excess_angstrom2: float
    kept: float
    apart_scatter: float
    apart_error: float
    one_sided: float
    share: float
    of_blurred: float


def find_flexible_part(
    power: LocalPower,
    region: Bool[np.ndarray, "z y x"],
    resolution_angstrom: float,
    *,
    step_angstrom: float,
    smooth_angstrom: float,
) -> FlexiblePart | None:
    """Divide the points of a region into blurred and sharp; None if one class holds next to all.

    They are divided where Otsu's method divides the share of the signal's power that is left at the
    resolution, neighbours within ``smooth_angstrom`` vote, and blur is told anew against the sharp.
    Points are ``step_angstrom`` apart.
    """

    def side(over: LocalBlur) -> Float[np.ndarray, " points"]:
        kept = kept_power(over.variance_angstrom2, resolution_angstrom)
        return np.where(kept < otsu_threshold(kept), 1.0, -1.0)

    return _divided(power, region, resolution_angstrom, side, step_angstrom, smooth_angstrom)


def find_moving_part(
    power: LocalPower,
    region: Bool[np.ndarray, "z y x"],
    resolution_angstrom: float,
    expected_angstrom2: Float[np.ndarray, " points"],
    *,
    step_angstrom: float,
    smooth_angstrom: float,
) -> FlexiblePart | None:
    """Divide the points of a region into those as blurred as a known motion makes them and others.

    ``expected_angstrom2`` is the blur that a point would have if it moved along. A point votes for
    the motion if it has lost more than half of the power that it then would have lost, with the
    more weight the larger the expected blur is beside its error: near the fulcrum nothing can be
    told. (A window half of which moves has lost half; and motions that are no Gaussian's blur less
    at high frequencies than their variance says.)
    """

    def side(over: LocalBlur) -> Float[np.ndarray, " points"]:
        expected = np.minimum(expected_angstrom2, over.widest_angstrom2)
        error = np.hypot(over.error_angstrom2, 0.01 * resolution_angstrom**2)
        weight = np.minimum(expected / error, _MOST_WEIGHT)
        kept = kept_power(over.variance_angstrom2, resolution_angstrom)
        half_way = 0.5 * (1.0 + kept_power(expected, resolution_angstrom))
        return np.where(kept < half_way, weight, -weight)

    return _divided(power, region, resolution_angstrom, side, step_angstrom, smooth_angstrom)


def _divided(
    power: LocalPower,
    region: Bool[np.ndarray, "z y x"],
    resolution_angstrom: float,
    side: Callable[[LocalBlur], Float[np.ndarray, " points"]],
    step_angstrom: float,
    smooth_angstrom: float,
) -> FlexiblePart | None:
    """Divide by what ``side`` says of the blur over that of the rest, until that is settled."""
    squared = _squared_radius(region, step_angstrom)
    blur = local_blur(power, region)
    rim = np.full(len(squared), np.percentile(blur.variance_angstrom2, 25))
    low = np.zeros(len(squared), bool)
    for round_ in range(_ROUNDS):
        over = replace(blur, variance_angstrom2=blur.variance_angstrom2 - rim)
        before, low = low, _by_vote(side(over), region, smooth_angstrom / step_angstrom)
        if min(low.sum(), (~low).sum()) < _FEWEST_POINTS:
            return None
        if round_ and np.array_equal(before, low):
            break
        blur = local_blur(power, region, ~low)
        rim = _rim(blur, squared, ~low, resolution_angstrom)
    return _described(blur, region, low, rim, resolution_angstrom, step_angstrom)


def _squared_radius(
    region: Bool[np.ndarray, "z y x"], step_angstrom: float
) -> Float[np.ndarray, " points"]:
    """Squared distance of a region's points from their centre, in Å²."""
    points = np.argwhere(region) * step_angstrom
    return np.sum((points - points.mean(axis=0)) ** 2, axis=1)


def _described(
    blur: LocalBlur,
    region: Bool[np.ndarray, "z y x"],
    low: Bool[np.ndarray, " points"],
    rim: Float[np.ndarray, " points"],
    resolution_angstrom: float,
    step_angstrom: float,
) -> FlexiblePart | None:
    """Take the largest island of the blurred points, and say how it stands out."""
    blurred = np.zeros(region.shape, bool)
    blurred[region] = low
    labels, _ = label_islands(blurred)
    inside = labels == 1
    part, rest = inside[region], ~low
    if part.sum() < _FEWEST_POINTS:
        return None
    points = np.argwhere(region) * step_angstrom
    squared = _squared_radius(region, step_angstrom)
    u2 = blur.variance_angstrom2
    over = u2 - rim
    excess = float(np.median(over[part]) - np.median(over[rest]))
    scatter = _SD_OF_MAD * float(np.median(np.abs(over[rest] - np.median(over[rest]))))
    apart = np.linalg.norm(points[part].mean(axis=0) - points[rest].mean(axis=0))
    return FlexiblePart(
        inside,
        blur,
        excess,
        _kept_beside_rim(u2, squared, part, rest, resolution_angstrom),
        excess / max(scatter, 1e-9),
        excess / max(float(np.median(blur.error_angstrom2[rest])), 1e-9),
        float(apart / np.sqrt(squared.mean())),
        float(part.mean()),
        float(part.sum() / low.sum()),
    )


def kept_power(
    blur_angstrom2: Float[np.ndarray, " points"], resolution_angstrom: float
) -> Float[np.ndarray, " points"]:
    """Share of the signal's power that a blur leaves at the resolution, up to 2."""
    kept = np.exp(-4.0 * np.pi**2 * blur_angstrom2 / resolution_angstrom**2)
    return np.minimum(kept, _MOST_KEPT)


def otsu_threshold(values: Float[np.ndarray, " points"]) -> float:
    """The value that parts others so that the variance between both sides is greatest (Otsu)."""
    ordered = np.sort(values)
    below = np.arange(1, len(ordered))
    above = len(ordered) - below
    sums = np.cumsum(ordered)
    apart = sums[:-1] / below - (sums[-1] - sums[:-1]) / above
    at = int(np.argmax(below * above * apart**2))
    return float(0.5 * (ordered[at] + ordered[at + 1]))


def _by_vote(
    sides: Float[np.ndarray, " points"], region: Bool[np.ndarray, "z y x"], smooth_px: float
) -> Bool[np.ndarray, " points"]:
    """Give each point the side (above or below zero) that the points near it speak for."""
    field = np.zeros(region.shape, np.float32)
    field[region] = sides
    return ndimage.gaussian_filter(field, smooth_px, mode="constant")[region] > 0


def _rim(
    blur: LocalBlur,
    squared: Float[np.ndarray, " points"],
    rest: Bool[np.ndarray, " points"],
    resolution_angstrom: float,
) -> Float[np.ndarray, " points"]:
    """Blur expected of every point from its distance to the centre, as the rest has it."""
    u2 = blur.variance_angstrom2
    weight = 1.0 / (blur.error_angstrom2[rest] ** 2 + (0.01 * resolution_angstrom**2) ** 2)
    clipped = np.clip(u2[rest], *np.percentile(u2[rest], [2, 98]))
    root = np.sqrt(weight)
    design = np.stack([root, root * squared[rest]], axis=1)
    level, growth = np.linalg.lstsq(design, root * clipped, rcond=None)[0]
    if growth < 0:
        return np.full(len(u2), np.average(clipped, weights=weight))
    return level + growth * squared


def _kept_beside_rim(
    u2: Float[np.ndarray, " points"],
    squared: Float[np.ndarray, " points"],
    part: Bool[np.ndarray, " points"],
    rest: Bool[np.ndarray, " points"],
    resolution_angstrom: float,
) -> float:
    """Power kept by the part where all points, its own too, tell how blur grows outwards."""
    middle = np.median(u2[rest])
    low, high = (middle + bound * resolution_angstrom**2 for bound in _CLIP)
    clipped = np.clip(u2, low, high)
    design = np.stack([np.ones(len(u2)), squared, part.astype(np.float64)], axis=1)
    excess = np.linalg.lstsq(design, clipped, rcond=None)[0][2]
    return float(np.exp(-4.0 * np.pi**2 * excess / resolution_angstrom**2))
