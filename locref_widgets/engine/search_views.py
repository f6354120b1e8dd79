"""What a search looked at: the log-likelihood about a pose, and an image beside its projection."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.grids import disc_to_image, make_disc
from locref_widgets.engine.likelihood import Prior, pixel_weights
from locref_widgets.engine.polish import (
    block_image,
    blocks_within,
    into_blocks,
    local_model,
    pose_units,
    template_and_jacobian,
)
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.rotations import exp_rotation, log_rotation
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector


@eqx.filter_jit
def scores_about(
    projector: Projector,
    image: RegionImages,
    sigma2: Float[Array, " shells"],
    radius_px: Float[Array, ""],
    prior: Prior,
    plan: SearchPlan,
    pose: Float[Array, " 5"],
    moves: Float[Array, "n 5"],
) -> Float[Array, " n"]:
    """Log-likelihood with priors, all shells up to ``radius_px``, at small moves from a pose.

    Parameters
    ----------
    image
        One particle, without a batch axis.
    pose
        Rotation vector (rad) and shift (px).
    moves
        Rotations (rad) after the pose's own about the image's axes, and shifts (px).
    """
    disc = make_disc(plan.box_px, plan.radius_px)
    blocked = block_image(image, pixel_weights(sigma2, radius_px, disc))
    plain, units = into_blocks(jnp.asarray(disc.coordinates)), pose_units(plan)
    blocks = blocks_within(disc, radius_px)

    def score(move: Float[Array, " 5"]) -> Float[Array, ""]:
        rotation = log_rotation(exp_rotation(move[:3]) @ exp_rotation(pose[:3]))
        there = jnp.concatenate([rotation, pose[3:] + move[3:]])
        return local_model(
            projector, blocked, plain, blocks, prior, units, there, plan.box_px
        ).score

    return jax.lax.map(score, moves)


class ComparedImages(eqx.Module):
    """What the score compares, up to a shell: ``C* X``, ``|C|^2 T`` at a pose, and the rest."""

    image: Float[Array, "m m"]
    projection: Float[Array, "m m"]
    difference: Float[Array, "m m"]


@eqx.filter_jit
def compared_images(
    projector: Projector,
    image: RegionImages,
    plan: SearchPlan,
    pose: Float[Array, " 5"],
    shell_px: Float[Array, ""],
) -> ComparedImages:
    """One particle in the box about the region beside the template at a pose, to a shell."""
    disc = make_disc(plan.box_px, plan.radius_px)
    blocked = block_image(image, jnp.ones(len(disc.shells)))
    plain = jnp.asarray(disc.coordinates)
    template, _ = template_and_jacobian(
        projector, blocked, image.coordinates, plain, pose, plan.box_px
    )
    real, imaginary = jnp.split(template, 2)
    used = (jnp.asarray(disc.shells) <= shell_px) & (jnp.asarray(disc.shells) >= 1)
    projected = jnp.where(used, image.power * jax.lax.complex(real, imaginary), 0.0)
    seen = jnp.where(used, image.values, 0.0)
    pictures = disc_to_image(jnp.stack([seen, projected, seen - projected]), disc)
    return ComparedImages(pictures[0], pictures[1], pictures[2])


def grid_moves(
    axes: tuple[int, int], reach: tuple[float, float], steps: int
) -> Float[np.ndarray, "n 5"]:
    """Moves over two of (rotation about x, y, z; shift x, y), the first axis running fastest."""
    first, second = (np.linspace(-r, r, steps) for r in reach)
    moves = np.zeros((steps, steps, 5), np.float32)
    moves[..., axes[0]] = first[None, :]
    moves[..., axes[1]] = second[:, None]
    return moves.reshape(-1, 5)
