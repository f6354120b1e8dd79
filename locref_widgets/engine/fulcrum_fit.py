"""The fulcrum told from the changes of pose: robust least squares in closed form.

The equations, with their correction for the errors of the rotations, are those of
`fulcrum_equations`. They are weighted by the variance of each residual and by Tukey's bisquare of
its length. The covariance of the offset is ``J^-1 M J^-1``, with the equations' slope
``J = sum Z^ G Z - K(G)`` and the sum ``M`` of their squared terms (sandwich): it holds whatever the
distribution of the further shifts ``t``.

It takes the errors of the rotations at their word: where the true ones are half as large again, 5/9
of the attenuation remain, and the point lies that much too near to the region's centre. Errors of
the poses *given* are turns about the point at which that refinement held the particle, and are
weighed in with the turns about the hinge, which must be well above them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fulcrum_equations import (
    FulcrumEquations,
    FulcrumSolution,
    set_up_equations,
    solve_equations,
    solve_robustly,
)
from locref_widgets.engine.robust import robust_variance

_FEWEST_PARTICLES = 20


@dataclass(frozen=True)
class FulcrumFit:
    """A fulcrum fitted to changes of pose.

    Attributes
    ----------
    point_angstrom
        ``(x, y, z)`` relative to the centre of the box. Along an axis on which the turns say
        nothing it is level with the region's centre.
    covariance_angstrom2, standard_error_angstrom
        Covariance of the point and the roots of its diagonal; infinite on every axis that such an
        unknown direction touches.
    worst_axis, worst_error_angstrom
        Unit vector along which the point is known least, and the standard error along it.
    drift_angstrom
        By how much the refined map shows the body displaced.
    n_particles, n_used, inlier_fraction
        Particles with finite poses and errors, those of them with a weight, and their share.
    residual_angstrom
        Robust standard deviation, along an image axis, of the shifts that the fulcrum leaves.
    explained_fraction
        Share of the robust variance of the shifts of the region's centre that is not left.
    turn_median_rad, rotation_error_median_rad
        Medians of the turns and of the errors given (NaN: none).
    reliability
        Share of the true turns in the variance of the estimated ones, along the worst axis.
    is_determined
        Whether the point is fit for use.
    message
        Why, or why not, in a clause.
    """

    point_angstrom: Float[np.ndarray, "3"]
    covariance_angstrom2: Float[np.ndarray, "3 3"]
    standard_error_angstrom: Float[np.ndarray, "3"]
    worst_axis: Float[np.ndarray, "3"]
    worst_error_angstrom: float
    drift_angstrom: Float[np.ndarray, "3"]
    n_particles: int
    n_used: int
    inlier_fraction: float
    residual_angstrom: float
    explained_fraction: float
    turn_median_rad: float
    rotation_error_median_rad: float
    reliability: float
    is_determined: bool
    message: str


def fit_fulcrum(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    moved_rotations: Float[np.ndarray, "n 3 3"],
    moved_origins_angstrom: Float[np.ndarray, "n 2"],
    region_centre_angstrom: Float[np.ndarray, "3"],
    rotation_errors_rad: Float[np.ndarray, " n"] | None = None,
    centre_errors_angstrom: Float[np.ndarray, " n"] | None = None,
    *,
    largest_error_angstrom: float = 10.0,
) -> FulcrumFit:
    """Fit the point about which a body turned between two sets of poses.

    The formulas are derived in `fulcrum_equations` and in this module's docstring.

    Parameters
    ----------
    rotations, origins_angstrom
        Poses before.
    moved_rotations, moved_origins_angstrom
        Poses after, as estimated, whatever fulcrum they were searched about.
    region_centre_angstrom
        ``(x, y, z)`` of the middle of the region, relative to the centre of the box.
    rotation_errors_rad
        Standard error of each rotation after: root of the summed variances about the three axes.
    centre_errors_angstrom
        Standard error of the place where each image shows the region's centre: root of the summed
        variances along the two axes.
    largest_error_angstrom
        Standard error along the worst axis up to which the point counts as determined. 10 Å is
        the size of the loop or helix that makes a hinge.
    """
    nothing = np.zeros(len(rotations))
    columns = (
        rotations,
        origins_angstrom,
        moved_rotations,
        moved_origins_angstrom,
        nothing if rotation_errors_rad is None else rotation_errors_rad,
        nothing if centre_errors_angstrom is None else centre_errors_angstrom,
    )
    finite = [np.isfinite(c).all(axis=tuple(range(1, c.ndim))) for c in columns]
    usable = np.logical_and.reduce(finite)
    before, origins, after, moved_origins, rotation_errors, centre_errors = (
        np.asarray(column, np.float64)[usable] for column in columns
    )
    centre = np.asarray(region_centre_angstrom, np.float64)
    if len(before) < _FEWEST_PARTICLES:
        return _too_few(centre, len(before))
    equations = set_up_equations(
        before,
        origins,
        after,
        moved_origins,
        centre,
        rotation_errors**2 / 3.0,
        centre_errors**2 / 2.0,
    )
    error_median = np.nan if rotation_errors_rad is None else float(np.median(rotation_errors))
    return _fit(equations, centre, error_median, largest_error_angstrom)


def _fit(
    equations: FulcrumEquations,
    centre_angstrom: Float[np.ndarray, "3"],
    rotation_error_median_rad: float,
    largest_error_angstrom: float,
) -> FulcrumFit:
    solution, weights, slopes = solve_robustly(equations)
    unknowns, point = solution.unknowns, centre_angstrom + solution.unknowns[:3]
    sloped = solve_equations(equations, slopes, slopes)
    unknown_axes = _unknown_axes(solution, sloped)
    n = len(weights)
    spread = sloped.gain @ equations.terms(unknowns, weights, slopes).T
    covariance = _with_infinities(spread @ spread.T * (n / (n - 6)), unknown_axes)
    worst_axis, worst_error = _worst(covariance, unknown_axes)
    is_used = np.einsum("nii->n", weights) > 0
    moved, left = (
        robust_variance(np.sum(shifts**2, axis=1))
        for shifts in (equations.shifts_angstrom, equations.residuals(unknowns))
    )
    turn_median = float(np.median(np.linalg.norm(equations.turns_rad, axis=1)))
    return FulcrumFit(
        point_angstrom=point,
        covariance_angstrom2=covariance,
        standard_error_angstrom=np.sqrt(np.diag(covariance)),
        worst_axis=worst_axis,
        worst_error_angstrom=worst_error,
        drift_angstrom=unknowns[3:],
        n_particles=n,
        n_used=int(np.count_nonzero(is_used)),
        inlier_fraction=float(np.mean(is_used)),
        residual_angstrom=float(np.sqrt(left)),
        explained_fraction=max(1.0 - left / moved, 0.0) if moved > 0 else 0.0,
        turn_median_rad=turn_median,
        rotation_error_median_rad=rotation_error_median_rad,
        reliability=float(min(solution.reliability.min(), sloped.reliability.min())),
        is_determined=worst_error <= largest_error_angstrom,
        message=_about_unknown(unknown_axes, point, turn_median, rotation_error_median_rad)
        or _about_error(worst_axis, worst_error, largest_error_angstrom),
    )


def _unknown_axes(*solutions: FulcrumSolution) -> Float[np.ndarray, "3 m"]:
    """Axes, one a column, on which one of the solutions says nothing; most of them are alike."""
    return max(
        (solution.axes[:, ~solution.is_known] for solution in solutions),
        key=lambda axes: axes.shape[1],
    )


def _with_infinities(
    covariance: Float[np.ndarray, "3 3"], unknown_axes: Float[np.ndarray, "3 m"]
) -> Float[np.ndarray, "3 3"]:
    """Put infinity wherever an axis that is not known has a component."""
    outer = unknown_axes @ unknown_axes.T
    return np.where(np.abs(outer) > 1e-6, np.copysign(np.inf, outer), covariance)


def _worst(
    covariance: Float[np.ndarray, "3 3"], unknown_axes: Float[np.ndarray, "3 m"]
) -> tuple[Float[np.ndarray, "3"], float]:
    """The axis that is known least, its largest component positive, and the error along it."""
    if unknown_axes.size:
        axis, error = unknown_axes[:, -1], np.inf
    else:
        variances, axes = np.linalg.eigh(covariance)
        axis, error = axes[:, -1], float(np.sqrt(max(variances[-1], 0.0)))
    return axis * np.sign(axis[np.argmax(np.abs(axis))]), error


def _about_unknown(
    unknown_axes: Float[np.ndarray, "3 m"],
    point_angstrom: Float[np.ndarray, "3"],
    turn_median_rad: float,
    rotation_error_median_rad: float,
) -> str:
    if not unknown_axes.size:
        return ""
    if unknown_axes.shape[1] == 1:
        direction = _triple(unknown_axes[:, 0], ".2f")
        return (
            f"nearly all turns are about one axis along {direction} through"
            f" {_triple(point_angstrom, '.1f')} Å, and it may be anywhere on that"
        )
    turned = f"median turn {np.rad2deg(turn_median_rad):.1f}°"
    if not np.isnan(rotation_error_median_rad):
        turned += f", error of the rotations {np.rad2deg(rotation_error_median_rad):.1f}°"
    return f"the particles hardly turned against one another ({turned})"


def _about_error(
    worst_axis: Float[np.ndarray, "3"], worst_error_angstrom: float, largest_error_angstrom: float
) -> str:
    if worst_error_angstrom <= largest_error_angstrom:
        return f"it is known to {worst_error_angstrom:.1f} Å or better along every axis"
    along = _triple(worst_axis, ".2f")
    return f"along {along} it is known to no better than {worst_error_angstrom:.0f} Å"


def _triple(values: Float[np.ndarray, "3"], form: str) -> str:
    return "(" + ", ".join(format(value, form) for value in values) + ")"


def _too_few(centre_angstrom: Float[np.ndarray, "3"], n: int) -> FulcrumFit:
    return FulcrumFit(
        point_angstrom=centre_angstrom,
        covariance_angstrom2=np.diag(np.full(3, np.inf)),
        standard_error_angstrom=np.full(3, np.inf),
        worst_axis=np.array([0.0, 0.0, 1.0]),
        worst_error_angstrom=np.inf,
        drift_angstrom=np.zeros(3),
        n_particles=n,
        n_used=0,
        inlier_fraction=0.0,
        residual_angstrom=np.nan,
        explained_fraction=0.0,
        turn_median_rad=np.nan,
        rotation_error_median_rad=np.nan,
        reliability=0.0,
        is_determined=False,
        message=f"only {n} particles can be used; it takes at least {_FEWEST_PARTICLES}",
    )
