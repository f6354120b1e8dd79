"""Which cells may hold the true pose: the bound of the branch and bound.

Derivation and assumptions: docs/branch_and_bound.md. In short, over the shells a level uses:

- *Likelihood ratio.* If the template explains the image up to noise, the score of the true pose
  less that of another is Gaussian with mean ``d^2 / 2`` and variance ``phi d^2``, with ``d^2`` the
  noise-weighted squared distance of their templates and ``phi >= 1`` the over-dispersion. It falls
  below ``-phi kappa^2 / 2`` only with the probability of a ``kappa`` sigma event, whatever ``d``.
- *Within the cell.* The score at the true pose exceeds that at its cell's centre by at most
  ``1/2 rho' I rho + kappa sqrt(phi rho' I rho)``, with ``rho`` the vector from one to the other and
  ``I`` the Fisher information of those shells; the largest value is at a corner of the cell.

A cell is dropped when its score lies below the best by more than the sum of the two.
"""

import itertools

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

_CORNERS = np.array([(1.0, *s) for s in itertools.product((-1.0, 1.0), repeat=4)], np.float32)
"""Corners of a cell up to inversion: signs of (rotation 3, shift 2)."""


def within_cell_allowance(
    information: Float[Array, "5 5"],
    half_widths: Float[Array, " 5"],
    dispersion: Float[Array, ""],
    kappa: float,
) -> Float[Array, ""]:
    """How much the score may rise between a cell's centre and its farthest corner.

    ``information`` and ``half_widths`` are in the same units.
    """
    corners = jnp.asarray(_CORNERS) * half_widths
    squared = jnp.max(jnp.sum((corners @ information) * corners, axis=-1))
    squared = jnp.maximum(squared, 0.0)
    return 0.5 * squared + kappa * jnp.sqrt(dispersion * squared)


def over_dispersion(
    template: Float[Array, "2 p"],
    values: Float[Array, "2 p"],
    power_weights: Float[Array, " p"],
    weights: Float[Array, " p"],
) -> Float[Array, ""]:
    """Residual power at the best candidate over that of the noise, at least 1.

    With ``Z = C* X`` the residual ``Z - |C|^2 T`` has the variance ``|C|^2 sigma^2``. What an
    imperfect reference leaves unexplained adds to it, so the ratio tells how much wider than by
    noise alone the score differences scatter.

    Parameters
    ----------
    template, values
        Real and imaginary part of ``T`` and ``w Z`` in the same frame.
    power_weights, weights
        ``w |C|^2`` and ``w = 2 / sigma^2``.
    """
    used = weights > 0
    safe = jnp.where(used, weights, 1.0)
    ctf2 = jnp.where(used, power_weights / safe, 0.0)
    residual = values / jnp.sqrt(safe) - template * ctf2 * jnp.sqrt(safe)
    power = jnp.sum(residual**2 * used)
    return jnp.maximum(1.0, power / jnp.maximum(2.0 * jnp.sum(ctf2), 1e-30))
