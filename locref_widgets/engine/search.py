"""Local search of each particle's turn about the fulcrum and shift by branch and bound.

The ball of turns and the disc of shifts are divided into cells. Each level scores the centres of
its cells with all pixels up to the level's shell, drops the cells that cannot hold the true pose,
and halves those that remain for the next, finer level. The survivor is then refined continuously.

Bound. With a template that explains the image up to noise, the score of the true pose, over any
set of pixels, falls short of that of any other pose by more than ``kappa^2 / 2`` only in the case
of a Gaussian deviation beyond ``kappa`` standard deviations. Within a cell of half-width ``rho``
the score at the true pose exceeds that at the centre by at most
``1/2 rho' I rho + kappa sqrt(rho' I rho)``, with ``I`` the Fisher information of the pixels used.
A cell is dropped when its score lies below the best by more than the sum of the two.

The lists have a fixed capacity, so shapes are static. Where more cells survive than a list holds,
the best are kept and the particle is reported as not certified.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from locref_widgets.engine.grids import Disc
from locref_widgets.engine.likelihood import WeightedImage, score_candidates, templates
from locref_widgets.engine.polish import PolishedPose, polish, shorten
from locref_widgets.engine.rotations import child_offsets
from locref_widgets.engine.search_plan import SearchLevel, SearchPlan
from locref_widgets.engine.slicing import Projector


class SearchOutcome(eqx.Module):
    """What the search found for one particle.

    Attributes
    ----------
    turn_rad, shift_px
        The optimum: rotation vector about the fulcrum in the image frame, and change of origin.
    log_likelihood
        Score at the optimum less the score at the given pose.
    turn_error_rad, shift_error_px
        Standard errors from the Fisher information (root of the summed variances).
    cells_evaluated
        Pairs of a turn and a shift that were scored.
    certified
        Whether no list overflowed.
    margin
        Smallest distance, over the levels, by which the cells lost to a list's capacity lay below
        the bound; negative where the particle is not certified.
    """

    turn_rad: Float[Array, "*b 3"]
    shift_px: Float[Array, "*b 2"]
    log_likelihood: Float[Array, "*b"]
    turn_error_rad: Float[Array, "*b"]
    shift_error_px: Float[Array, "*b"]
    cells_evaluated: Int[Array, "*b"]
    certified: Bool[Array, "*b"]
    margin: Float[Array, "*b"]


def within_cell_allowance(
    projector: Projector, image: WeightedImage, disc: Disc, level: SearchLevel, kappa: float
) -> Float[Array, ""]:
    """How much the score may rise between a cell's centre and its corner (see the module)."""
    half_turn, half_shift = level.turn_spacing_rad / 2, level.shift_spacing_px / 2
    turns = jnp.concatenate([jnp.zeros((1, 3)), half_turn * jnp.eye(3)])
    pixels = level.pixels
    predicted = templates(projector, image, turns, pixels, disc.box_px)
    weights = jnp.tile(image.power_weights[:pixels], 2)
    change = jnp.sum((predicted[1:] - predicted[0]) ** 2 @ weights)
    phase = (2 * jnp.pi * half_shift / disc.box_px) * jnp.asarray(disc.coordinates[:pixels])
    moved = predicted[0] ** 2 * jnp.tile(jnp.sum(phase**2, axis=-1), 2)
    information = change + moved @ weights
    return 0.5 * information + kappa * jnp.sqrt(information)


def _score_level(
    projector: Projector,
    image: WeightedImage,
    disc: Disc,
    plan: SearchPlan,
    level: SearchLevel,
    turns: Float[Array, "r 3"],
    turn_valid: Bool[Array, " r"],
    shifts: Float[Array, "s 2"],
    shift_valid: Bool[Array, " s"],
) -> Float[Array, "r s"]:
    """Scores of a level's cells, minus infinity for cells outside the ball or the disc."""
    scores = score_candidates(projector, image, turns, shifts, disc, level.pixels)
    # The centre of a cell that meets the ball lies at most half a diagonal outside it.
    turn_reach = plan.rotation_extent_rad + level.turn_spacing_rad * 3**0.5 / 2
    shift_reach = plan.shift_radius_px + level.shift_spacing_px * 2**0.5 / 2
    turn_ok = turn_valid & (jnp.linalg.norm(turns, axis=-1) <= turn_reach)
    shift_ok = shift_valid & (jnp.linalg.norm(shifts, axis=-1) <= shift_reach)
    return jnp.where(turn_ok[:, None] & shift_ok[None, :], scores, -jnp.inf)


def _survivors(
    best: Float[Array, " n"], threshold: Float[Array, ""], capacity: int
) -> tuple[Int[Array, " k"], Bool[Array, " k"], Float[Array, ""]]:
    """The best candidates above a threshold: indices, validity, and the best score left out."""
    capacity = min(capacity, best.shape[0])
    values, indices = jax.lax.top_k(best, min(capacity + 1, best.shape[0]))
    left_out = values[capacity] if best.shape[0] > capacity else jnp.asarray(-jnp.inf)
    return indices[:capacity], values[:capacity] >= threshold, left_out


def _children(
    centres: Float[Array, "n d"], valid: Bool[Array, " n"], spacing: float
) -> tuple[Float[Array, "m d"], Bool[Array, " m"]]:
    """Halves of cells."""
    offsets = jnp.asarray(child_offsets(spacing, centres.shape[-1]))
    children = (centres[:, None] + offsets).reshape(-1, centres.shape[-1])
    return children, jnp.repeat(valid, offsets.shape[0])


def search_particle(
    projector: Projector, image: WeightedImage, disc: Disc, plan: SearchPlan
) -> SearchOutcome:
    """Find one particle's turn and shift. See the module for the method."""
    turns = jnp.asarray(plan.root_turns_rad())
    shifts = jnp.asarray(plan.root_shifts_px())
    turn_valid = jnp.ones(turns.shape[0], bool)
    shift_valid = jnp.ones(shifts.shape[0], bool)
    margin = jnp.asarray(jnp.inf)
    evaluated = jnp.asarray(0, jnp.int32)
    scores = jnp.zeros((turns.shape[0], shifts.shape[0]))
    last = len(plan.levels) - 1
    for number, level in enumerate(plan.levels):
        if number == last:
            # Cells at the rim may have their centres outside the extents, where nothing is allowed
            # to end: of these the nearest pose inside is scored.
            turns = shorten(turns, plan.rotation_extent_rad)
            shifts = shorten(shifts, plan.shift_radius_px)
        scores = _score_level(
            projector, image, disc, plan, level, turns, turn_valid, shifts, shift_valid
        )
        evaluated += jnp.sum(turn_valid) * jnp.sum(shift_valid)
        if number == last:
            break
        allowance = within_cell_allowance(projector, image, disc, level, plan.kappa)
        threshold = jnp.max(scores) - plan.kappa**2 / 2 - allowance
        kept, turn_valid, lost = _survivors(jnp.max(scores, 1), threshold, level.keep_turns)
        turns, turn_valid = _children(turns[kept], turn_valid, level.turn_spacing_rad)
        margin = jnp.minimum(margin, threshold - lost)
        kept, shift_valid, lost = _survivors(jnp.max(scores, 0), threshold, level.keep_shifts)
        shifts, shift_valid = _children(shifts[kept], shift_valid, level.shift_spacing_px)
        margin = jnp.minimum(margin, threshold - lost)
    best = jnp.argmax(scores)
    turn = turns[best // scores.shape[1]]
    shift = shifts[best % scores.shape[1]]
    polished = polish(projector, image, disc, plan, turn, shift)
    return _outcome(projector, image, disc, polished, evaluated, margin)


def _outcome(
    projector: Projector,
    image: WeightedImage,
    disc: Disc,
    pose: PolishedPose,
    evaluated: Int[Array, ""],
    margin: Float[Array, ""],
) -> SearchOutcome:
    start = score_candidates(
        projector, image, jnp.zeros((1, 3)), jnp.zeros((1, 2)), disc, disc.shells.shape[0]
    )[0, 0]
    return SearchOutcome(
        turn_rad=pose.turn_rad,
        shift_px=pose.shift_px,
        log_likelihood=pose.score - start,
        turn_error_rad=pose.turn_error_rad,
        shift_error_px=pose.shift_error_px,
        cells_evaluated=evaluated,
        certified=margin >= 0,
        margin=margin,
    )


@eqx.filter_jit
def search_particles(
    projector: Projector,
    images: WeightedImage,
    disc: Disc,
    plan: SearchPlan,
    at_once: int,
) -> SearchOutcome:
    """Search a batch of particles; ``images`` has a leading batch axis in every field.

    ``at_once`` particles are worked on together: 1 on a CPU, where a particle's candidates fill the
    caches, and many on a GPU.
    """
    return jax.lax.map(
        lambda image: search_particle(projector, image, disc, plan), images, batch_size=at_once
    )
