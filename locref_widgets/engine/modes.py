"""From candidate poses to the optimum: every mode climbed, but only as far as it pays.

The candidates are climbed with the shells of the search's last level first. Those near the best
are climbed on with all shells, which may reverse a small difference and say how the posterior is
divided among the modes.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from locref_widgets.engine.grids import Disc
from locref_widgets.engine.likelihood import Prior
from locref_widgets.engine.polish import (
    BlockedImage,
    LocalModel,
    Summit,
    block_count,
    blocks_within,
    not_begun,
    polish,
    pose_units,
)
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector

_FINALISTS, _REVERSIBLE = 8, 6.0
"""Modes refined with all shells, if no more than so much behind the best of them without."""
_COARSENESS = 6.0
"""The first climbs, which the others go on with, need not end within hundredths of the summit."""
_SAME_MODE = 3.0
"""Two refined candidates nearer than so many standard errors are one mode."""


def best_mode(
    projector: Projector,
    image: BlockedImage,
    prior: Prior,
    disc: Disc,
    plan: SearchPlan,
    radius_px: Float[Array, ""],
    starts: Float[Array, "m 5"],
    scores: Float[Array, " m"],
) -> tuple[Float[Array, " 5"], LocalModel, Float[Array, ""]]:
    """Refine candidates and choose the best.

    Parameters
    ----------
    starts, scores
        Poses in falling order of their scores, so that few climbs are made to the end; minus
        infinity where there is none.

    Returns
    -------
    The pose, the model there with all shells up to ``radius_px``, and the posterior weight of its
    mode among those refined with all shells.
    """

    def climb_all(
        poses: Float[Array, "n 5"],
        count: Int[Array, ""],
        blocks: Int[Array, ""],
        coarseness: Float[Array, ""],
    ) -> Summit:
        """Climb from the first so many; none is begun from the others."""

        def climb(number: Int[Array, ""], done: tuple) -> tuple[Array, Summit]:
            best, ends = done
            given = projector, image, disc, plan, prior, poses[number], blocks, best, coarseness
            end = polish(*given)
            ends = jax.tree.map(lambda kept, new: kept.at[number].set(new), ends, end)
            return jnp.maximum(best, end.model.score), ends

        begun = jnp.asarray(-jnp.inf), jax.vmap(not_begun)(poses)
        return jax.lax.fori_loop(0, count, climb, begun)[1]

    def stage(state: tuple, told: tuple) -> tuple[tuple, None]:
        poses, count, *_ = state
        ends = climb_all(poses, count, *told)
        # Those that climbed to the same summit go on once.
        behind, order = jax.lax.top_k(_behind(ends, plan), poses.shape[0])
        reversible = jnp.minimum(jnp.sum(behind >= -_REVERSIBLE), _FINALISTS)
        return (ends.pose[order], reversible, ends, behind), None

    # Both stages are one program's loop: climbs take the longest to compile.
    blocks = jnp.stack(
        [jnp.asarray(block_count(plan.levels[-1].pixels)), blocks_within(disc, radius_px)]
    )
    count = jnp.sum(jnp.isfinite(scores))
    begin = starts, count, jax.vmap(not_begun)(starts), jnp.zeros_like(scores)
    told = blocks, jnp.asarray([_COARSENESS, 1.0])
    (_, _, ends, behind), _ = jax.lax.scan(stage, begin, told)
    best = jnp.argmax(ends.model.score)
    pose, model = jax.tree.map(lambda values: values[best], (ends.pose, ends.model))
    return pose, model, 1.0 / jnp.sum(jnp.exp(behind))


def _behind(ends: Summit, plan: SearchPlan) -> Float[Array, " n"]:
    """How far each mode lies behind the best; minus infinity for all but the best end in a mode.

    Climbs that were given up count by what they still promised, but not against another's end: of
    two that are one mode, the one that is higher now is gone on with.
    """
    scores = ends.model.score
    apart = (ends.pose[:, None] - ends.pose) / pose_units(plan)
    squared = jnp.einsum("ijk,ikl,ijl->ij", apart, ends.model.information, apart)
    order = jnp.arange(scores.shape[0])
    ahead = (scores[:, None] > scores) | ((scores[:, None] == scores) & (order[:, None] < order))
    repeated = jnp.any(ahead & (squared <= _SAME_MODE**2), axis=0)
    hoped = scores + ends.promise
    return jnp.where(repeated, -jnp.inf, hoped - jnp.max(hoped))
