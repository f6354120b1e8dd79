"""What the width of a pose's posterior does to the map: marginalised back-projection.

The expected contribution of an image to the map is its back-projection averaged over the posterior
of its pose. About the optimum the posterior is Gaussian, with the inverse of the Fisher information
as its covariance. A point of the region then is seen at a place that scatters with a covariance
``S`` in the image plane, and the average multiplies the image's coefficients by

    A(k) = exp(-2 pi^2 k' S k / m^2).

``S`` is the covariance of where the region's centre is seen, exact to first order, plus what
rotations about that centre do to a point of the region, averaged over the region. The posterior's
mass in other, distant modes lands elsewhere in the map; ``A`` is multiplied by this mode's share.

Seen the other way, an image shows the region at its optimum with the transfer function ``A C``: the
scatter of its pose has damped it. So the map is solved from ``sum A C* X`` over ``sum A^2 |C|^2``,
the least squares of that model: a particle counts at each frequency by how well its pose is known,
and what the scatter has damped on average is restored. (Dividing by ``sum |C|^2`` instead, as the
plain expectation does, damps a second time: the references then underrate high frequencies.)

Where places scatter by more than a third of a period nothing is left to restore, and to divide by
``A^2`` multiplies noise: by 10^4 at Nyquist for a scatter of 1 px, by 10^17 for 2 px.
Interpolation, gridding and the map's edge spread a thousandth or more of a shell's power over the
others, so that such noise hides coarse shells that are known well. `scatter_transfer` is therefore
0.1 at least: a particle counts a hundredth where it says nothing, and noise is at most a hundred
times as strong as with exact poses.

The posterior ends at the extents of the search. A template that says little about the pose gives a
Gaussian far wider than they are; taken at its word it would leave nothing of the images but their
mean, a map of no shape that is the same in both half-sets. `within_extents` therefore bounds it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

_LEAST_TRANSFER = 0.1
"""Measured with 0.1 and 0.2 on two sets: the same poses (docs/decisions.md)."""


def within_extents(
    mode: Float[Array, " 5"],
    covariance: Float[Array, "5 5"],
    rotation_extent_rad: float,
    shift_radius_px: float,
) -> tuple[Float[Array, " 5"], Float[Array, "5 5"]]:
    """Mean and covariance of a Gaussian posterior cut off at the extents of the search.

    ``mode`` is the rotation (rad) and shift (px) from the middle of the extents.

    In units of the covariance of a uniform posterior (``a^2 / 5`` along each axis of a ball of
    radius ``a``, ``b^2 / 4`` along those of a disc of radius ``b``) each principal variance ``v``
    becomes ``v / sqrt(1 + v^2)``: the same where it is small, 1 where nothing is known, and at
    ``v = 1`` the variance of a normal distribution cut off at the ends of a uniform one of the same
    width (0.66) to 7 %. The mean is the mode drawn to the middle by the same factor: where nothing
    is known the mode is where the noise happens to look like the template. A covariance that is
    not finite is that of a uniform posterior.
    """
    edge = [rotation_extent_rad / 5**0.5] * 3 + [shift_radius_px / 2] * 2
    unit = jnp.asarray(edge, covariance.dtype)
    known = jnp.all(jnp.isfinite(covariance))
    scaled = jnp.where(known, covariance, 0.0) / (unit[:, None] * unit)
    variance, axes = jnp.linalg.eigh(scaled)
    variance = jnp.where(known, jnp.maximum(variance, 0.0), jnp.inf)
    bounded = 1.0 / jnp.sqrt(1.0 + 1.0 / variance**2)
    drawn = 1.0 / jnp.sqrt(1.0 + variance**2)
    mean = unit * (axes @ (drawn * (axes.T @ (mode / unit))))
    return mean, (axes * bounded) @ axes.T * (unit[:, None] * unit)


def image_scatter_px2(
    covariance: Float[Array, "5 5"],
    lever_px: Float[Array, " 3"],
    region_spread_px2: Float[Array, ""],
) -> Float[Array, "2 2"]:
    """Covariance of where a point of the region is seen, averaged over the region.

    Parameters
    ----------
    covariance
        Of a small rotation about the fulcrum (rad, image frame) and the shift (px).
    lever_px
        From the fulcrum to the region's centre in the image frame at the pose.
    region_spread_px2
        Mean square of one coordinate of the region's points about its centre.
    """
    x, y, z = lever_px[0], lever_px[1], lever_px[2]
    zero, one = jnp.zeros_like(x), jnp.ones_like(x)
    # A small rotation w moves the centre by w x lever, a change of origin t by -t.
    slope = jnp.stack([jnp.stack([zero, z, -y, -one, zero]), jnp.stack([-z, zero, x, zero, -one])])
    centre = slope @ covariance @ slope.T
    r = covariance[:3, :3]
    about_centre = jnp.stack(
        [jnp.stack([r[1, 1] + r[2, 2], -r[0, 1]]), jnp.stack([-r[0, 1], r[0, 0] + r[2, 2]])]
    )
    return centre + region_spread_px2 * about_centre


def expected_phase(
    scatter_px2: Float[Array, "2 2"], coordinates: Float[Array, "p 2"], box_px: int
) -> Float[Array, " p"]:
    """Mean of ``exp(-2 pi i k d / m)`` over displacements ``d`` of a covariance."""
    squared = jnp.sum((coordinates @ scatter_px2) * coordinates, axis=-1)
    return jnp.exp(-2.0 * (jnp.pi / box_px) ** 2 * squared)


def scatter_transfer(
    scatter_px2: Float[Array, "2 2"], coordinates: Float[Array, "p 2"], box_px: int
) -> Float[Array, " p"]:
    """`expected_phase` as a transfer function to divide by: never so small that noise blows up."""
    return jnp.maximum(expected_phase(scatter_px2, coordinates, box_px), _LEAST_TRANSFER)
