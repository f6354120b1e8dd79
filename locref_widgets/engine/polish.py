"""Continuous refinement of a pose: Levenberg-Marquardt on the log-likelihood.

The unknowns are the turn about the fulcrum (3) and the shift (2). With the template's derivatives
``J`` and the weights ``Q``, the Fisher information is ``J' Q J`` and the gradient ``J' (Y - Q T)``.
The inverse of the Fisher information at the optimum is the covariance of the pose (Cramér-Rao).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.grids import Disc
from locref_widgets.engine.likelihood import WeightedImage, rotate_phases
from locref_widgets.engine.rotations import exp_rotation, log_rotation
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector, interpolate_with_gradient, slice_points

_LEVI_CIVITA = np.zeros((3, 3, 3), np.float32)
for _a, _b, _c in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
    _LEVI_CIVITA[_a, _b, _c], _LEVI_CIVITA[_a, _c, _b] = 1.0, -1.0
_BLOCK = 512
"""Pixels whose template and derivatives are computed together."""
_STEPS = 5
_FIRST_DAMPING = 1e-2


class PolishedPose(eqx.Module):
    """A pose refined continuously, its score and its standard errors."""

    turn_rad: Float[Array, " 3"]
    shift_px: Float[Array, " 2"]
    score: Float[Array, ""]
    turn_error_rad: Float[Array, ""]
    shift_error_px: Float[Array, ""]


def template_and_jacobian(
    projector: Projector, image: WeightedImage, disc: Disc, pose: Float[Array, " 5"]
) -> tuple[Float[Array, " q"], Float[Array, "5 q"]]:
    """Template at a pose (turn, shift) and its derivatives, real and imaginary parts stacked.

    The first three derivatives are for small turns *after* the pose's own, about the image's x, y
    and z axes through the fulcrum (radians); the last two are for shifts (pixels).
    """
    turn = exp_rotation(pose[:3])
    rotation = turn @ image.rotation
    lever = turn @ image.lever_px
    plain, box_px = jnp.asarray(disc.coordinates), disc.box_px
    generators = -jnp.asarray(_LEVI_CIVITA)
    swings = jnp.einsum("aij,j->ai", generators, lever)[:, :2]

    def block(inputs: tuple) -> tuple[Array, Array]:
        coordinates, own = inputs
        points = slice_points(rotation, coordinates, projector.padded_px, box_px)
        value, gradient = interpolate_with_gradient(projector, points)
        along = jax.vmap(
            lambda g: slice_points(g @ rotation, coordinates, projector.padded_px, box_px)
        )(generators)
        slopes = jnp.einsum("pci,api->apc", gradient, along)
        # The phase of the swing and of the shift, and its derivatives.
        swing = (lever - image.lever_px)[:2]
        cycles = (-1.0 / box_px) * (coordinates @ swing) + (1.0 / box_px) * (own @ pose[3:])
        rates = jnp.concatenate([-(swings @ coordinates.T), own.T]) * (2.0 * jnp.pi / box_px)
        slopes = jnp.concatenate([slopes, jnp.zeros((2, *value.shape))])
        quarter = jnp.stack([-value[:, 1], value[:, 0]], axis=-1)
        slopes = slopes + rates[:, :, None] * quarter
        values = rotate_phases(value[:, 0], value[:, 1], cycles)
        return values, rotate_phases(slopes[..., 0], slopes[..., 1], cycles[None])

    # In blocks, for the reason given at `slicing.slice_many`.
    pixels = plain.shape[0]
    blocks = -(-pixels // _BLOCK)
    missing = blocks * _BLOCK - pixels
    pairs = jax.tree.map(
        lambda a: jnp.pad(a, ((0, missing), (0, 0))).reshape(blocks, _BLOCK, 2),
        (image.coordinates, plain),
    )
    values, slopes = jax.lax.map(block, pairs)
    values = values.reshape(blocks, 2, _BLOCK).swapaxes(0, 1).reshape(2, -1)[:, :pixels]
    slopes = slopes.reshape(blocks, 5, 2, _BLOCK).transpose(1, 2, 0, 3)
    return values.reshape(-1), slopes.reshape(5, 2, -1)[:, :, :pixels].reshape(5, -1)


def shorten(vectors: Float[Array, "*b d"], radius: float) -> Float[Array, "*b d"]:
    """The nearest vectors within a ball about the origin."""
    length2 = jnp.sum(vectors**2, axis=-1, keepdims=True)
    inside = length2 <= radius**2
    safe = jnp.sqrt(jnp.where(inside, 1.0, length2))
    return vectors * jnp.where(inside, 1.0, radius / safe)


def clamp_pose(pose: Float[Array, " 5"], plan: SearchPlan) -> Float[Array, " 5"]:
    """The nearest pose within the ball of turns and the disc of shifts."""
    turn = shorten(pose[:3], plan.rotation_extent_rad)
    return jnp.concatenate([turn, shorten(pose[3:], plan.shift_radius_px)])


def polish(
    projector: Projector,
    image: WeightedImage,
    disc: Disc,
    plan: SearchPlan,
    turn_rad: Float[Array, " 3"],
    shift_px: Float[Array, " 2"],
) -> PolishedPose:
    """Refine a pose within the extents; the score never falls."""
    data = jnp.concatenate([image.real, image.imaginary])
    weights = jnp.concatenate([image.power_weights, image.power_weights])
    # Turns count by the arc at the region's edge, so that damping treats all five alike.
    units = jnp.asarray([1.0 / plan.region_radius_px] * 3 + [1.0, 1.0])

    def evaluate(pose: Float[Array, " 5"]) -> tuple:
        predicted, jacobian = template_and_jacobian(projector, image, disc, pose)
        jacobian = jacobian * units[:, None]
        score = predicted @ data - 0.5 * (predicted**2) @ weights
        gradient = jacobian @ (data - weights * predicted)
        information = (jacobian * weights) @ jacobian.T
        return score, gradient, information

    def moved(pose: Float[Array, " 5"], change: Float[Array, " 5"]) -> Float[Array, " 5"]:
        turn = log_rotation(exp_rotation(change[:3]) @ exp_rotation(pose[:3]))
        return clamp_pose(jnp.concatenate([turn, pose[3:] + change[3:]]), plan)

    def step(state: tuple, _: None) -> tuple[tuple, None]:
        pose, damping, (score, gradient, information) = state
        damped = information + jnp.diag(damping * jnp.diag(information) + 1e-12)
        move = jnp.linalg.solve(damped, gradient)
        proposal = moved(pose, units * move)
        tried = evaluate(proposal)
        better = tried[0] > score
        kept = jax.tree.map(lambda a, b: jnp.where(better, a, b), tried, state[2])
        pose = jnp.where(better, proposal, pose)
        damping = jnp.where(better, damping / 10.0, damping * 10.0)
        return (pose, damping, kept), None

    pose = clamp_pose(jnp.concatenate([turn_rad, shift_px]), plan)
    state = (pose, jnp.asarray(_FIRST_DAMPING), evaluate(pose))
    (pose, _, (score, _, information)), _ = jax.lax.scan(step, state, None, length=_STEPS)
    # A template without power (an empty mask's) carries no information: infinite errors.
    informed = jnp.trace(information) > 0
    safe = jnp.where(informed, information, jnp.eye(5))
    variance = jnp.diag(jnp.linalg.inv(safe)) * units**2
    error = jnp.where(informed, jnp.sqrt(jnp.abs(variance)), jnp.inf)
    return PolishedPose(
        turn_rad=pose[:3],
        shift_px=pose[3:],
        score=score,
        turn_error_rad=jnp.linalg.norm(error[:3]),
        shift_error_px=jnp.linalg.norm(error[3:]),
    )
