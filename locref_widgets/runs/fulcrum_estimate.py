"""The fulcrum that a run's changes of pose speak for: computed at its end, told in words.

It is fitted to the particles of both half-sets together, and is therefore only offered: nothing in
a refinement takes it up by itself, so that the half-sets do not learn of each other through it. Who
refines again about it shares between the halves three numbers that hold for all particles, as with
a point picked by hand. Each half-set's own fit is told beside it: two independent measurements.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float

from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.refinement.diagnostics import jsonable
from locref_widgets.refinement.fulcrum_point import angstrom_to_voxels
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import ROTATION_PRIOR, IterationResult

if TYPE_CHECKING:
    from locref_widgets.engine.fulcrum_fit import FulcrumFit
    from locref_widgets.refinement.problem import RefinementInput

_MOST_HELD = 0.05
"""Shifts are loose while fewer of them end at their bound, and while a prior has less of the say.
A wrong fulcrum shows in shifts that grow with the turn: where these are cut off or drawn back, the
rest speak for the fulcrum that was used."""
_MISREAD = 0.15
"""Share of the shifts no turn explains that the search takes for rotation, since it finds the
region too near to the pose given, and more so at one end. Measured on three refinements of
simulated hinges with such shifts: 0.12, 0.13 and 0.23."""
_SAME_POINT = 11.34
"""Chi-square of three numbers that one in a hundred exceeds by chance."""


def estimate_fulcrum(
    result: IterationResult, inputs: "RefinementInput", settings: RefinementSettings
) -> dict[str, Any] | None:
    """Fit the fulcrum to the changes between the given and the refined poses.

    Particles at a bound are left out. Returns values ready for JSON, None before any search:

    - ``is_offered``, and in ``reason`` why or why not;
    - when there was something to fit, ``point_angstrom`` (from the centre), ``point_voxels`` (from
      the corner), ``standard_error_angstrom``, ``worst_error_angstrom`` along ``worst_axis``,
      ``n_used`` of ``n_particles``, ``residual_angstrom`` (the shifts left, along an image axis),
      ``explained_fraction``, ``drift_angstrom``, ``turn_median_deg`` and ``reliability``, all as
      `engine.fulcrum_fit.FulcrumFit` has them;
    - ``systematic_error_angstrom`` along the line to the region's centre, from the shifts left;
    - ``half_points_angstrom``, the points fitted to each half-set alone, and ``halves_agree``:
      they differ by no more than their errors (both None when not both are determined);
    - ``used_angstrom``, ``used_voxels`` (the run's own fulcrum), ``distance_angstrom`` between the
      two, and ``agrees``: it is within all these errors or one voxel.
    """
    if result.iteration == 0:
        return None
    held = _what_holds(result, settings, inputs.particles.pixel_size_angstrom)
    if held is not None:
        return {"is_offered": False, "reason": held}
    voxel, box = inputs.mask.voxel_size_angstrom, inputs.mask.box_px
    mask_centre = centre_of_mass_angstrom(inputs.mask.data, voxel)
    used = settings.resolve_fulcrum_angstrom(box, voxel, mask_centre)
    # The search turns its templates about the same whole voxel.
    centre = np.rint(mask_centre / voxel) * voxel
    loose = ~np.asarray(result.info["at_bound"], dtype=bool)
    result = _without_rotation_prior(result, inputs)
    fit = _fit(result, inputs, centre, used, loose)
    halves = _fits_of_halves(result, inputs, centre, used, loose)
    systematic = _systematic_error(fit, fit.point_angstrom - centre)
    point_voxels = angstrom_to_voxels(fit.point_angstrom, box, voxel)
    is_inside = bool(np.all((point_voxels >= -0.5) & (point_voxels <= box - 0.5)))
    outside = "it would lie outside the box"
    return jsonable(
        {
            "is_offered": fit.is_determined and is_inside,
            "reason": fit.message if is_inside or not fit.is_determined else outside,
            "point_angstrom": fit.point_angstrom,
            "point_voxels": point_voxels,
            "standard_error_angstrom": fit.standard_error_angstrom,
            "worst_error_angstrom": fit.worst_error_angstrom,
            "worst_axis": fit.worst_axis,
            "n_used": fit.n_used,
            "n_particles": len(result.indices),
            "residual_angstrom": fit.residual_angstrom,
            "explained_fraction": fit.explained_fraction,
            "drift_angstrom": fit.drift_angstrom,
            "turn_median_deg": float(np.rad2deg(fit.turn_median_rad)),
            "reliability": fit.reliability,
            "systematic_error_angstrom": float(np.linalg.norm(systematic)),
            "half_points_angstrom": halves and [half.point_angstrom for half in halves],
            "halves_agree": halves and _same_point(*halves),
            "used_angstrom": used,
            "used_voxels": angstrom_to_voxels(used, box, voxel),
            "distance_angstrom": float(np.linalg.norm(fit.point_angstrom - used)),
            "agrees": _agrees(fit, systematic, used, voxel),
        }
    )


def describe_estimate(estimate: dict[str, Any]) -> tuple[str, str]:
    """Tell an estimate in two sentences: what was found, and what to make of it."""
    if not estimate["is_offered"]:
        return (
            "No fulcrum is offered from the pose changes.",
            f"{estimate['reason'][0].upper()}{estimate['reason'][1:]}.",
        )
    found = (
        f"Fulcrum fitted from the pose changes: {_in_both_units(estimate, 'point')},"
        f" ± {_triple(estimate['standard_error_angstrom'])} Å."
    )
    if estimate.get("halves_agree") is False:
        first, second = estimate["half_points_angstrom"]
        found += (
            f" The half-sets alone give {_triple(first)} and {_triple(second)} Å, farther apart"
            " than these errors allow."
        )
    used, away = _in_both_units(estimate, "used"), f"{estimate['distance_angstrom']:.1f} Å away"
    if estimate["agrees"]:
        return found, f"It agrees with the one that the run used, {used}, {away}."
    option = ",".join(f"{value:.1f}" for value in estimate["point_angstrom"])
    advice = f"The run used {used}, {away}.{_caution(estimate)} To refine about the fitted one, run"
    return found, f"{advice} again with --fulcrum-angstrom={option}"


def _caution(estimate: dict[str, Any]) -> str:
    systematic = estimate["systematic_error_angstrom"]
    if systematic <= estimate["worst_error_angstrom"]:
        return ""
    return (
        " The shifts that it does not explain may have displaced it by some"
        f" {systematic:.0f} Å along the line from the region's centre."
    )


def _what_holds(
    result: IterationResult, settings: RefinementSettings, pixel_size_angstrom: float
) -> str | None:
    """Say what kept the poses from telling of another fulcrum; None when they are loose."""
    at_rim = np.asarray(result.info["shift_change_px"]) >= 0.999 * settings.shift_extent / 2
    share = float(np.mean(at_rim & result.info["at_bound"])) if at_rim.size else 0.0
    if share >= _MOST_HELD:
        return (
            f"{100 * share:.0f} % of the particles ended at the bound of the shifts searched, which"
            " ties them to the fulcrum that was used; a wider shift extent would set them free"
        )
    # The prior's share in a pose is the variance of the pose over its own.
    priors = (
        ("shift", settings.prior_shift, "shift_error_px", pixel_size_angstrom, 2),
        ("rotation", settings.prior_rotation, "rotation_error_rad", math.degrees(1.0), 3),
    )
    for name, sigma, errors, unit, axes in priors:
        if sigma is None or errors not in result.info:
            continue
        axis_error = unit * float(np.median(result.info[errors])) / math.sqrt(axes)
        if (axis_error / sigma) ** 2 >= _MOST_HELD:
            return (
                f"the prior on the {name} draws the poses back to those given; without it, or with"
                " a wider one, they would be free"
            )
    return None


def _without_rotation_prior(result: IterationResult, inputs: "RefinementInput") -> IterationResult:
    """The poses as the images alone tell them: turns that are too small want too long a lever."""
    # They import JAX, which whoever only reads this module need not load.
    from locref_widgets.engine.fulcrum import move_about_fulcrum
    from locref_widgets.refinement.learned_prior import without_prior
    from locref_widgets.refinement.moved_fulcrum import FULCRUM

    info, particles, rows = result.info, inputs.particles, result.indices
    if not np.any(info.get(ROTATION_PRIOR, 0.0)) or np.any(info["start_turn_rad"]):
        return result
    precision = np.repeat(info[ROTATION_PRIOR][:, None], 5, axis=1) * [1, 1, 1, 0, 0]
    motions = np.concatenate([info["turn_rad"], info["shift_px"]], axis=1)
    covariance = np.asarray(info["pose_covariance"], np.float64)
    motions, covariance = without_prior(motions, covariance, precision)
    turns, pixel = motions[:, :3], particles.pixel_size_angstrom
    given = particles.rotations[rows], particles.origins_angstrom[rows]
    rotations, origins = move_about_fulcrum(
        *given, turns, motions[:, 3:] * pixel, info[FULCRUM], particles.magnifications[rows]
    )
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    errors = {
        "rotation_error_rad": np.sqrt(variance[:, :3].sum(axis=1)),
        "shift_error_px": np.sqrt(variance[:, 3:].sum(axis=1)),
    }
    return replace(result, rotations=rotations, origins_angstrom=origins, info=info | errors)


def _fit(
    result: IterationResult,
    inputs: "RefinementInput",
    centre_angstrom: Float[np.ndarray, "3"],
    used_angstrom: Float[np.ndarray, "3"],
    keep: Bool[np.ndarray, " n"],
) -> "FulcrumFit":
    # The engine imports JAX, which whoever only reads this module need not load.
    from locref_widgets.engine.fulcrum import unmagnified
    from locref_widgets.engine.fulcrum_equations import swing_variance
    from locref_widgets.engine.fulcrum_fit import fit_fulcrum

    particles, rows = inputs.particles, result.indices[keep]
    rotations = np.asarray(result.rotations, dtype=np.float64)[keep]
    rotation_errors = centre_errors = None
    if "rotation_error_rad" in result.info:
        rotation_errors = np.asarray(result.info["rotation_error_rad"], dtype=np.float64)[keep]
    if rotation_errors is not None and "shift_error_px" in result.info:
        shift_errors = np.asarray(result.info["shift_error_px"], dtype=np.float64)[keep]
        # The shifts are those of the fulcrum used: the swing of the lever from there, which is no
        # error of the centre's place, is in theirs.
        swing = swing_variance(rotations, centre_angstrom - used_angstrom, rotation_errors**2 / 3.0)
        variance = (shift_errors * particles.pixel_size_angstrom) ** 2 - swing
        centre_errors = np.sqrt(np.maximum(variance, 0.0))
    magnifications = particles.magnifications[rows]
    return fit_fulcrum(
        particles.rotations[rows],
        unmagnified(particles.origins_angstrom[rows], magnifications),
        rotations,
        unmagnified(result.origins_angstrom[keep], magnifications),
        centre_angstrom,
        rotation_errors,
        centre_errors,
    )


def _fits_of_halves(
    result: IterationResult,
    inputs: "RefinementInput",
    centre_angstrom: Float[np.ndarray, "3"],
    used_angstrom: Float[np.ndarray, "3"],
    keep: Bool[np.ndarray, " n"],
) -> tuple["FulcrumFit", "FulcrumFit"] | None:
    """Fit each half-set alone; None unless both determine a point."""
    if inputs.particles.half_sets is None:
        return None
    half_sets = inputs.particles.half_sets[result.indices]
    first, second = (
        _fit(result, inputs, centre_angstrom, used_angstrom, keep & (half_sets == half))
        for half in (1, 2)
    )
    return (first, second) if first.is_determined and second.is_determined else None


def _same_point(first: "FulcrumFit", second: "FulcrumFit") -> bool:
    apart = first.point_angstrom - second.point_angstrom
    covariance = first.covariance_angstrom2 + second.covariance_angstrom2
    return float(apart @ np.linalg.pinv(covariance) @ apart) <= _SAME_POINT


def _systematic_error(
    fit: "FulcrumFit", lever_angstrom: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """Displacement of the fulcrum when a share of the shifts left was taken for rotation.

    With the variances ``a`` of the shifts that the turns explain and ``b`` of those left, a share
    ``p`` of which moves the fulcrum's end of the lever by rotation, the lever is found longer by
    ``p b / a`` of its length.
    """
    explained = max(fit.explained_fraction, 0.01)
    return lever_angstrom * (_MISREAD * (1.0 - explained) / explained)


def _agrees(
    fit: "FulcrumFit",
    systematic_angstrom: Float[np.ndarray, "3"],
    used_angstrom: Float[np.ndarray, "3"],
    voxel: float,
) -> bool | None:
    if not fit.is_determined:
        return None
    away = fit.point_angstrom - used_angstrom
    covariance = fit.covariance_angstrom2 + np.outer(systematic_angstrom, systematic_angstrom)
    chi2 = float(away @ np.linalg.pinv(covariance) @ away)
    return chi2 <= _SAME_POINT or float(np.linalg.norm(away)) <= voxel


def _in_both_units(estimate: dict[str, Any], name: str) -> str:
    angstrom, voxels = estimate[f"{name}_angstrom"], estimate[f"{name}_voxels"]
    return f"{_triple(angstrom)} Å = {_triple(voxels)} voxels"


def _triple(values: list[float]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
