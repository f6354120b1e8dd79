"""The equations that changes of pose set up for the fulcrum, and their solution.

A body turned about ``f`` goes from the pose ``(R, o)`` to ``R'``, ``o' = o + ((R' - R) f)_xy + t``
(see `fulcrum`). An image tells well where it shows the *centre c of the region*, and how the region
is oriented; the errors of the two are nearly independent, while that of ``o'`` swings with that of
``R'``. So what is explained is the shift of ``c``. With the offset ``u = f - c``,

    y = o' - o - ((R' - R) c)_xy = ((R' - R) u)_xy + (R' s)_xy + t,

two equations in six unknowns for each particle. ``s`` is a drift of the body in the refined map:
the reference may settle elsewhere as a whole. It is no fulcrum, yet left out it would displace it
(by ``s/2`` where turns go all ways, since before and after then look alike). As views are many, it
is known ten times better than ``f`` at turns of some 5 degrees. Where all turns are the same, ``s``
and ``f`` cannot be told apart, and the solution says so. ``t`` is noise.

**Errors of the rotations.** Instead of ``R'`` one has ``exp([e]x) R'``, ``e`` isotropic and normal
with variance ``v`` about each axis. Its mean is ``(1 + 2 (1 - v) exp(-v/2)) R' / 3``; divided by
that factor, the first two rows err by some ``E`` of mean zero with (``^`` transposes)

    <E^ G E> = v R'^ ((d, -b, 0), (-b, a, 0), (0, 0, a + d)) R'   for   G = ((a, b), (b, d))

to first order in ``v``. With the design ``Z = (R' - R, R')_xy`` the normal matrix of least squares,
``sum Z^ Z``, therefore exceeds the true one by ``K = ((1, 1), (1, 1)) x <E^ E>``, which draws the
fulcrum towards the region's centre (attenuation; Fuller, *Measurement Error Models*, 1987). It is
subtracted. Robust weights ``w`` depend on the residual ``r``, and this on ``E``; with the slope
``G`` of ``w r``, the derivative by ``r``, Stein's lemma for the normal ``E`` gives
``<E^ w r> = -<E^ G E> (u + s)``, and so the normal equations are

    (sum Z^ w Z - K(G)) b = sum Z^ w y,   b = (u, s).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.engine.robust import bisquare_weights, huber_weights, robust_variance

_MOST_STEPS, _LARGEST_LAST_STEP = 50, 1e-10
_SMALLEST_VARIANCE_ANGSTROM2 = 1e-18
_LEAST_TURN2 = 1e-9
"""Mean square of the turns (rad^2) under which they are rounding."""
_LEAST_RELIABILITY = 0.5
"""Along an axis the turns must vary by more than their errors do."""


@dataclass(frozen=True)
class FulcrumEquations:
    """Shifts of the region's centre, the design that explains them, and the errors of both.

    Attributes
    ----------
    turns_rad
        Rotation vectors from the poses before to those after, in the image frame.
    shifts_angstrom
        Changes of origin ``y``, measured about the region's centre.
    design
        ``Z`` for the unknowns ``(u, s)`` in Å.
    moved_rotations
        Rotations after, as estimated.
    axis_variance_rad2
        Variance ``v`` of each of them about each axis.
    shift_variance_angstrom2
        Variance of the shifts along each image axis, as far as it is known.
    """

    turns_rad: Float[np.ndarray, "n 3"]
    shifts_angstrom: Float[np.ndarray, "n 2"]
    design: Float[np.ndarray, "n 2 6"]
    moved_rotations: Float[np.ndarray, "n 3 3"]
    axis_variance_rad2: Float[np.ndarray, " n"]
    shift_variance_angstrom2: Float[np.ndarray, " n"]

    def residuals(self, unknowns: Float[np.ndarray, "6"]) -> Float[np.ndarray, "n 2"]:
        """Shifts that the unknowns do not explain, Å."""
        return self.shifts_angstrom - self.design @ unknowns

    def residual_variances(self, unknowns: Float[np.ndarray, "6"]) -> Float[np.ndarray, " n"]:
        """Variance of each residual along an image axis: errors known, and one common to all."""
        lever = unknowns[:3] + unknowns[3:]
        swing = swing_variance(self.moved_rotations, lever, self.axis_variance_rad2)
        known = self.shift_variance_angstrom2 + swing / 2.0
        length2 = np.sum(self.residuals(unknowns) ** 2, axis=1)
        common = max(robust_variance(length2) - float(np.median(known)), 0.0)
        variances = np.maximum(known + common, _SMALLEST_VARIANCE_ANGSTROM2)
        scale = robust_variance(length2 / variances)
        return np.maximum(variances * scale, _SMALLEST_VARIANCE_ANGSTROM2)

    def design_noise(self, slopes: Float[np.ndarray, "n 2 2"]) -> Float[np.ndarray, "n 3 3"]:
        """Mean ``<E^ G E>`` of each particle."""
        a, b, d = slopes[:, 0, 0], slopes[:, 0, 1], slopes[:, 1, 1]
        inner = np.zeros((len(slopes), 3, 3))
        inner[:, 0, 0], inner[:, 1, 1], inner[:, 2, 2] = d, a, a + d
        inner[:, 0, 1] = inner[:, 1, 0] = -b
        inner *= self.axis_variance_rad2[:, None, None]
        return np.swapaxes(self.moved_rotations, 1, 2) @ inner @ self.moved_rotations

    def terms(
        self,
        unknowns: Float[np.ndarray, "6"],
        weights: Float[np.ndarray, "n 2 2"],
        slopes: Float[np.ndarray, "n 2 2"],
    ) -> Float[np.ndarray, "n 6"]:
        """Terms ``Z^ w r + K(G) b``, whose sum is zero at the solution."""
        weighted = np.einsum("nij,nj->ni", weights, self.residuals(unknowns))
        excess = self.design_noise(slopes) @ (unknowns[:3] + unknowns[3:])
        return np.einsum("nij,ni->nj", self.design, weighted) + np.tile(excess, 2)


@dataclass(frozen=True)
class FulcrumSolution:
    """Unknowns that solve the weighted equations, and what these say about the offset ``u``.

    Attributes
    ----------
    unknowns
        ``(u, s)`` in Å; ``u`` is 0 along the axes that are not known.
    gain
        Maps a right-hand side of the normal equations to ``u``.
    axes
        Principal axes of the information on ``u``, one a column, the best known first.
    is_known
        Whether the turns say anything along each axis.
    reliability
        Share of the true turns in the variance of the estimated ones along each axis.
    """

    unknowns: Float[np.ndarray, "6"]
    gain: Float[np.ndarray, "3 6"]
    axes: Float[np.ndarray, "3 3"]
    is_known: Bool[np.ndarray, "3"]
    reliability: Float[np.ndarray, "3"]


def set_up_equations(
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    moved_rotations: Float[np.ndarray, "n 3 3"],
    moved_origins_angstrom: Float[np.ndarray, "n 2"],
    region_centre_angstrom: Float[np.ndarray, "3"],
    axis_variance_rad2: Float[np.ndarray, " n"],
    shift_variance_angstrom2: Float[np.ndarray, " n"],
) -> FulcrumEquations:
    """Set up the equations of the module's docstring, one pair for each particle."""
    turns, shifts = motion_about_fulcrum(
        rotations,
        origins_angstrom,
        moved_rotations,
        moved_origins_angstrom,
        region_centre_angstrom,
    )
    v = axis_variance_rad2
    shrunk = (1.0 + 2.0 * (1.0 - v) * np.exp(-v / 2.0)) / 3.0
    unbiased = moved_rotations / shrunk[:, None, None]
    design = np.concatenate([unbiased - rotations, unbiased], axis=2)[:, :2]
    return FulcrumEquations(turns, shifts, design, moved_rotations, v, shift_variance_angstrom2)


def solve_equations(
    equations: FulcrumEquations,
    weights: Float[np.ndarray, "n 2 2"],
    slopes: Float[np.ndarray, "n 2 2"],
) -> FulcrumSolution:
    """Solve the normal equations with weights ``w`` and slopes ``G`` (both symmetric).

    The drift is eliminated first (Schur complement); what is left is the information on the offset.
    """
    weighted = (weights @ equations.design).reshape(-1, 6).T
    excess = np.tile(equations.design_noise(slopes).sum(axis=0), (2, 2))
    normal = weighted @ equations.design.reshape(-1, 6) - excess
    right = weighted @ equations.shifts_angstrom.ravel()
    inverse = np.linalg.pinv(normal[3:, 3:], hermitian=True)
    eliminate = np.hstack([np.eye(3), -normal[:3, 3:] @ inverse])
    information, axes = np.linalg.eigh(eliminate @ normal @ eliminate.T)
    information, axes = information[::-1], axes[:, ::-1]
    noise = np.einsum("ik,ij,jk->k", axes, eliminate @ excess @ eliminate.T, axes)
    least = _LEAST_TURN2 * 0.5 * np.einsum("nii->", weights)
    reliability = np.where(information > least, information, 0.0)
    reliability = reliability / np.maximum(reliability + noise, least)
    is_known = reliability > _LEAST_RELIABILITY
    known = axes[:, is_known]
    gain = (known / information[is_known]) @ known.T @ eliminate
    offset = gain @ right
    drift = inverse @ (right[3:] - normal[3:, :3] @ offset)
    return FulcrumSolution(np.concatenate([offset, drift]), gain, axes, is_known, reliability)


def solve_robustly(
    equations: FulcrumEquations,
) -> tuple[FulcrumSolution, Float[np.ndarray, "n 2 2"], Float[np.ndarray, "n 2 2"]]:
    """Reweight until nothing changes: Huber's weights from least squares, then the bisquare's.

    Huber's lead to one solution from anywhere; from there the bisquare's shut outliers out.
    Returns the solution with the weights and slopes it was found by.
    """
    weights = slopes = np.tile(np.eye(2), (len(equations.shifts_angstrom), 1, 1))
    solution = solve_equations(equations, weights, slopes)
    for robust in (huber_weights, bisquare_weights):
        for _ in range(_MOST_STEPS):
            before = solution.unknowns
            weights, slopes = _weigh(equations, before, robust)
            solution = solve_equations(equations, weights, slopes)
            change = np.abs(solution.unknowns - before).max()
            if change <= _LARGEST_LAST_STEP * (1.0 + np.abs(before).max()):
                break
    return solution, weights, slopes


def _weigh(
    equations: FulcrumEquations, unknowns: Float[np.ndarray, "6"], robust: Callable
) -> tuple[Float[np.ndarray, "n 2 2"], Float[np.ndarray, "n 2 2"]]:
    """Weights of the equations and the slopes of weight times residual, over the variances."""
    variances = equations.residual_variances(unknowns)[:, None, None]
    residuals = equations.residuals(unknowns)
    lengths = np.linalg.norm(residuals, axis=1)
    directions = residuals / np.maximum(lengths, np.finfo(float).tiny)[:, None]
    weights, falls = robust(lengths / np.sqrt(variances[:, 0, 0]))
    isotropic = weights[:, None, None] * np.eye(2)
    along = falls[:, None, None] * directions[:, :, None] * directions[:, None, :]
    return isotropic / variances, (isotropic + along) / variances


def swing_variance(
    moved_rotations: Float[np.ndarray, "n 3 3"],
    lever_angstrom: Float[np.ndarray, "3"],
    axis_variance_rad2: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Variance (Å², summed over both image axes) by which errors of rotations move a lever's end.

    ``axis_variance_rad2`` is the variance of each rotation about each of the three axes.
    """
    x, y, z = (moved_rotations @ lever_angstrom).T
    return axis_variance_rad2 * (x**2 + y**2 + 2.0 * z**2)
