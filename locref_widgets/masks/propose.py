"""Proposing a mask for local refinement: the part of a particle that is less well resolved.

From two half-maps, by their local blur; or with the pose changes of a previous run, which say how
far each point would have moved if it had moved with the region that was refined. One body's pose
changes alone cannot say what moved with it: they are one rotation a particle, and the same for
every point. Only the half-maps can, by showing which points are as blurred as those rotations would
make them.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.local_blur import local_blur
from locref_widgets.errors import InputError
from locref_widgets.io.half_maps import check_half_maps
from locref_widgets.io.mrc import Map
from locref_widgets.masks.blur_field import BlurField, blur_field
from locref_widgets.masks.flexible_part import (
    FlexiblePart,
    find_flexible_part,
    find_moving_part,
)
from locref_widgets.masks.proposal import (
    Proposal,
    blur_map,
    describe_proposal,
    how_sure,
    mask_of_part,
    verdict_of,
)

__all__ = [
    "Proposal",
    "describe_proposal",
    "propose_from_half_maps",
    "propose_from_pose_changes",
]

_SMOOTH_WINDOWS = 0.5
"""Points vote within this share of the window: they share most of what they see, anyway."""

_FEWEST_TURNS = 10

_STANDARD_ERRORS = 3.0
"""A spread is one beyond so many of its standard errors."""

_BELT = 0.5
"""Centres closer than this, in radii of gyration: the part lies around the rest."""

_ONE_OF_SEVERAL = 0.7
"""Below this share of all that is blurred, there are further parts like the one proposed."""


def propose_from_half_maps(half1: Map, half2: Map) -> Proposal:
    """Propose a mask around the part of a particle that is more blurred than the rest.

    Parameters
    ----------
    half1, half2
        Unfiltered, unmasked half-maps of all particles at the poses of a consensus refinement.

    Raises
    ------
    InputError
        If the maps are no half-maps, or hold no density.
    """
    check_half_maps(half1, half2)
    field = blur_field(half1, half2)
    part = find_flexible_part(
        field.power,
        field.region,
        field.resolution_angstrom,
        step_angstrom=field.step_angstrom,
        smooth_angstrom=_SMOOTH_WINDOWS * field.window_angstrom,
    )
    return _proposal(part, field, half1)


def propose_from_pose_changes(
    half1: Map,
    half2: Map,
    turns_rad: Float[np.ndarray, "n 3"],
    fulcrum_angstrom: Float[np.ndarray, "3"],
    *,
    turn_error_rad: Float[np.ndarray, " n"] | None = None,
    shift_variance_angstrom2: float = 0.0,
) -> Proposal:
    """Propose a mask around what moves as a previous run's pose changes say.

    Parameters
    ----------
    half1, half2
        Unfiltered half-maps at the poses that the run was *given*, of the whole particle.
    turns_rad
        Rotation vectors of the run's pose changes in the map's frame, (x, y, z).
    fulcrum_angstrom
        The point about which they turn, (x, y, z) relative to voxel N//2.
    turn_error_rad
        Standard error of each turn as a vector (root of the summed variances of its three
        components); their mean square is taken from the turns' spread.
    shift_variance_angstrom2
        Of the shifts that are left beside the turns, along an axis.

    Raises
    ------
    InputError
        If the maps are no half-maps, or fewer than ten turns are given.
    """
    check_half_maps(half1, half2)
    if len(turns_rad) < _FEWEST_TURNS:
        raise InputError(
            f"{len(turns_rad)} pose changes were given, expected at least {_FEWEST_TURNS}: fewer "
            "do not tell how far a part moves."
        )
    spread, spread_error = _spread_beyond_error(turns_rad, turn_error_rad)
    field = blur_field(half1, half2)
    told = f"The pose changes have a spread of {_degrees(turns_rad):.1f}°"
    if np.trace(spread) <= _STANDARD_ERRORS * spread_error:
        blur = local_blur(field.power, field.region)
        reason = f"{told}, no more than their errors: nothing moves against the rest."
        return Proposal(None, 0.0, "no", reason, blur_angstrom=blur_map(blur, field, half1))
    centre = np.array(half1.size_xyz) // 2 * half1.voxel_size_angstrom
    lever = field.points_angstrom() - centre - fulcrum_angstrom
    expected = blur_of_turns(lever, spread) + shift_variance_angstrom2
    part = find_moving_part(
        field.power,
        field.region,
        field.resolution_angstrom,
        expected,
        step_angstrom=field.step_angstrom,
        smooth_angstrom=_SMOOTH_WINDOWS * field.window_angstrom,
    )
    proposal = _proposal(part, field, half1)
    if part is None:
        return proposal
    agreement = _agreement(part, field, expected)
    reason = (
        f"{told}; the part proposed is {agreement:.2f} times as blurred as if it had moved by them "
        f"about the fulcrum (1 is as much). {proposal.reason}"
    )
    return replace(proposal, reason=reason)


def blur_of_turns(
    lever_angstrom: Float[np.ndarray, "points 3"], covariance_rad2: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, " points"]:
    """Variance along an axis, in Å², of points that turn by small random rotations.

    A rotation vector w displaces a point at r from the fulcrum by w x r; the mean of |w x r|^2 is
    ``r^T (tr(C) 1 - C) r`` for the covariance C of w. A third of it falls on an axis, on average.
    """
    total = np.trace(covariance_rad2) * np.eye(3) - covariance_rad2
    return np.einsum("ni,ij,nj->n", lever_angstrom, total, lever_angstrom) / 3.0


def _spread_beyond_error(
    turns_rad: Float[np.ndarray, "n 3"], turn_error_rad: Float[np.ndarray, " n"] | None
) -> tuple[Float[np.ndarray, "3 3"], float]:
    """Second moment of the turns without that of their errors, and the error of its trace."""
    squares = np.sum(turns_rad**2, axis=1)
    moment = turns_rad.T @ turns_rad / len(turns_rad)
    if turn_error_rad is not None:
        moment = moment - np.eye(3) * float(np.mean(turn_error_rad**2)) / 3.0
        squares = squares - turn_error_rad**2
    values, axes = np.linalg.eigh(moment)
    moment = (axes * np.maximum(values, 0.0)) @ axes.T
    return moment, float(np.std(squares) / np.sqrt(len(squares)))


def _agreement(
    part: FlexiblePart, field: BlurField, expected: Float[np.ndarray, " points"]
) -> float:
    """Blur of the part over the rest's, by that expected: least squares through the origin."""
    inside = part.inside[field.region]
    u2 = part.blur.variance_angstrom2
    told = inside & (expected < part.blur.widest_angstrom2)
    if not told.any():
        told = inside
    excess = u2[told] - np.median(u2[~inside])
    return float(np.sum(excess * expected[told]) / np.sum(expected[told] ** 2))


def _proposal(part: FlexiblePart | None, field: BlurField, like: Map) -> Proposal:
    blur = local_blur(field.power, field.region) if part is None else part.blur
    shown = blur_map(blur, field, like)
    if part is None:
        reason = "All of the particle is about equally blurred."
        return Proposal(None, 0.0, "no", reason, blur_angstrom=shown)
    sure = how_sure(part)
    mask = mask_of_part(part, field, like)
    return Proposal(mask, sure, verdict_of(sure), _reason(part, field), _caveats(part), part, shown)


def _reason(part: FlexiblePart, field: BlurField) -> str:
    resolution = field.resolution_angstrom
    blur = np.sqrt(max(part.excess_angstrom2, 0.0))
    return (
        f"At {resolution:.1f} Å one part, {100.0 * part.share:.0f} % of the particle, is blurred "
        f"by {blur:.1f} Å (rms along an axis) more than the rest and keeps "
        f"{100.0 * min(part.kept, 1.0):.0f} % of its signal's power there, as of the same distance "
        f"from the centre; that is {part.apart_scatter:.1f} standard deviations of the rest's own "
        f"scatter ({part.apart_error:.1f} standard errors)."
    )


def _caveats(part: FlexiblePart) -> tuple[str, ...]:
    told = []
    if part.one_sided < _BELT:
        told.append(
            "It lies around the rest rather than beside it, as a micelle, glycans or the rim of a "
            "particle with errors in its angles do; local refinement does not mend those."
        )
    if part.of_blurred < _ONE_OF_SEVERAL:
        told.append(
            f"It is {100.0 * part.of_blurred:.0f} % of all that is as blurred: there are further "
            "such parts, by symmetry perhaps."
        )
    return tuple(told)


def _degrees(turns_rad: Float[np.ndarray, "n 3"]) -> float:
    """Root mean square angle."""
    return float(np.rad2deg(np.sqrt(np.mean(np.sum(turns_rad**2, axis=1)))))
