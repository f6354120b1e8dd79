"""How far particles turn, learned from where they were found: a prior for the searches that follow.

An image alone tells its pose as well as its noise allows; how far *all* particles turn tells which
of the poses that it allows are likely. A search finds a particle's most likely rotation ``x`` with
the covariance ``C`` of what is not known of it, under the prior precision ``P0`` that it was told.
Its likelihood is then about ``N(x, C) / N(0, 1 / P0)``. Under a Gaussian prior of precision ``P``,
with ``d = P - P0``, the eigenvalues ``c`` of ``C`` and the components ``y`` of ``x`` along its
axes, the evidence of a particle is

    ln p(P) = 3/2 ln P - 1/2 sum ln(1 + c d) - 1/2 sum y^2 d / (1 + c d) + constant,

and the prior taken is the one that makes its sum over particles largest (empirical Bayes; Efron &
Morris 1973, J. Am. Stat. Assoc. 68:117). The scatter of the poses found would be too wide: it is
that of the motions and of the errors together.

Poses that enter the map as if they were exact are no better known, so that ``C`` is the same
whether the search marginalises or not. (With ``C = 0`` the prior would take what it has itself
drawn in for how far particles turn, and so get narrower from iteration to iteration.)

Shifts are left alone. One image tells them well, while the first references hold them back all
together, so that what would be learned is too narrow (docs/decisions.md has the figures).
"""

import math
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import minimize_scalar

from locref_widgets.engine.likelihood import Prior, make_prior
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import Start
from locref_widgets.refinement.state import ROTATION_PRIOR

Info = dict[str, np.ndarray]
"""As `IterationResult` has it."""
_NARROWEST_RAD, _WIDEST_RAD = math.radians(1.0), math.pi
"""Limits of what is learned. A narrower prior would hold particles where a blurred map has them."""
_FEWEST = 25
"""Particles that a width is learned from at least: they tell it to 8 %."""
_LEAST_SHARE = 1e-3
"""What an image at least adds to the precision of a prior."""


@dataclass(frozen=True)
class SearchPrior:
    """What the search of each particle is told of its motion beforehand.

    Attributes
    ----------
    rotation_precision
        1/rad^2, in the order of the problem; where it is learned, that of the first fold.
    shift_precision
        1/px^2.
    learned
        Whether each further fold is told what those before it have shown.
    """

    rotation_precision: Float[np.ndarray, " n"]
    shift_precision: float
    learned: bool

    def of(self, position: int) -> Prior:
        """As the engine takes it, for one particle."""
        rotation, shift = self.rotation_precision[position], self.shift_precision
        return Prior(jnp.asarray(rotation, jnp.float32), jnp.asarray(shift, jnp.float32))


def search_prior(
    settings: RefinementSettings,
    start: Start,
    half_sets: Int[np.ndarray, " n"],
    pixel_size_angstrom: float,
    last: Info,
    found: Info | None,
) -> SearchPrior:
    """The prior of the search that follows a result.

    ``last`` is that result's ``info``, ``found`` that of the search itself, if there is one.
    """
    rotation, shift = settings.prior_rotation, settings.prior_shift
    given = make_prior(
        None if rotation is None else math.radians(rotation),
        None if shift is None else shift / pixel_size_angstrom,
    )
    told = np.full(half_sets.size, float(given.rotation_precision))
    # About poses found before it is not known how far the particles have still to go.
    learned = settings.learn_prior and rotation is None and not np.any(start.turns_rad)
    if learned and found is not None:
        told = found.get(ROTATION_PRIOR, told)
    elif learned and ROTATION_PRIOR in last:
        everyone, motions = np.ones(told.size, bool), (last["turn_rad"], last["pose_covariance"])
        told = learned_precisions(half_sets, everyone, *motions, last[ROTATION_PRIOR])
    return SearchPrior(told, float(given.shift_precision), learned)


def learned_precisions(
    half_sets: Int[np.ndarray, " n"],
    which: Bool[np.ndarray, " n"],
    turns_rad: Float[np.ndarray, "n 3"],
    covariance: Float[np.ndarray, "n 5 5"],
    told: Float[np.ndarray, " n"],
) -> Float[np.ndarray, " n"]:
    """Precision (1/rad^2) for each particle, from what was found of some of its own half-set's.

    Parameters
    ----------
    half_sets
        1 or 2. The two learn apart from each other.
    which
        Particles to learn from.
    turns_rad, covariance
        Their rotations and the covariances of rotation and shift.
    told
        Precision that each was told; it stays where there are too few to learn from.
    """
    learned = np.array(told, float)
    for half in HALVES:
        some = which & (half_sets == half)
        if np.sum(some) >= _FEWEST:
            precision = learn_rotation_precision(
                turns_rad[some], covariance[some, :3, :3], told[some]
            )
            learned[half_sets == half] = precision
    return learned


def learn_rotation_precision(
    turns_rad: Float[np.ndarray, "n 3"],
    covariance: Float[np.ndarray, "n 3 3"],
    told: Float[np.ndarray, " n"],
) -> float:
    """Precision (1/rad^2) of the prior under which the rotations found are most likely.

    Parameters
    ----------
    turns_rad
        Rotations found, about the poses given.
    covariance
        Of each, rad^2.
    told
        Precision of the prior of each search, 1/rad^2; 0 for none.
    """
    spread, axes = np.linalg.eigh(np.asarray(covariance, float))
    # An image that tells nothing leaves the prior's own width; rounded, even more.
    known = np.where(told > 0, (1.0 - _LEAST_SHARE) / np.maximum(told, 1e-30), np.inf)
    spread = np.minimum(spread, known[:, None])
    squared = np.einsum("ni,nij->nj", turns_rad, axes) ** 2

    def misfit(log_width: float) -> float:
        precision = math.exp(-2.0 * log_width)
        change = (precision - told)[:, None]
        inner = 1.0 + spread * change
        evidence = 1.5 * math.log(precision) - 0.5 * np.sum(
            np.log(inner) + squared * change / inner, axis=1
        )
        return -float(np.mean(evidence))

    limits = math.log(_NARROWEST_RAD), math.log(_WIDEST_RAD)
    best = minimize_scalar(misfit, bounds=limits, method="bounded", options={"xatol": 1e-3})
    return math.exp(-2.0 * best.x)


def without_prior(
    motions: Float[np.ndarray, "n 5"],
    covariance: Float[np.ndarray, "n 5 5"],
    precision: Float[np.ndarray, "n 5"],
) -> tuple[Float[np.ndarray, "n 5"], Float[np.ndarray, "n 5 5"]]:
    """Motions and covariances as the images alone tell them, of those found under a prior.

    A prior of precision ``P`` about no motion draws the optimum of a Gaussian likelihood to
    ``x = C C0^-1 x0`` with ``C^-1 = C0^-1 + P``; so ``x0 = (1 - C P)^-1 x`` and
    ``C0 = (1 - C P)^-1 C``.

    Parameters
    ----------
    motions, covariance
        Rotation vectors (rad) and shifts (px).
    precision
        Of the prior on each component.
    """
    left = np.eye(5) - covariance * precision[:, None, :]
    return np.linalg.solve(left, motions[..., None])[..., 0], np.linalg.solve(left, covariance)
