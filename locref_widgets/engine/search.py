"""Local search of each particle's rotation about the fulcrum and shift by branch and bound.

The ball of rotations and the disc of shifts are divided into cells (see
`locref_widgets.engine.tilts_turns`). Each level scores the centres of its cells with all pixels up
to the level's shell, drops the cells that cannot hold the true pose
(`locref_widgets.engine.bounds`), and halves those that remain for the next, finer level. The best
of the last level's cells are then refined continuously, at last with all the reference's shells.

Which cells survive is known for each joint cell of tilt, turn and shift; they are stored as lists
of tilts, turns and shifts, whose products hold them. The lists have a fixed capacity, so shapes are
static. Where more cells survive than the lists hold, the best are kept and the particle is
reported as not certified.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from locref_widgets.engine.cells import effective_number, root_cells, summits
from locref_widgets.engine.compiling import jit_in_one_thread
from locref_widgets.engine.grids import Disc, make_disc
from locref_widgets.engine.likelihood import Prior, pixel_weights
from locref_widgets.engine.modes import best_mode
from locref_widgets.engine.polish import block_image, covariance, pose_units
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.search_level import SearchedLevel, SeenParticle, search_level
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector

MODES = 24
"""Most of the last level's summits that are refined continuously, and most cells in doubt."""


class SearchOutcome(eqx.Module):
    """What the search found for one particle.

    Attributes
    ----------
    turn_rad, shift_px
        The optimum: rotation vector about the fulcrum in the image frame, and change of origin.
    log_likelihood
        Score at the optimum, priors included, less that of an empty template.
    covariance
        Of the pose (rotation in rad, shift in px), from the Fisher information.
    turn_error_rad, shift_error_px
        Standard errors: roots of the summed variances.
    probability
        Posterior weight of the optimum's mode among the candidates refined.
    effective_cells
        Effective number of the last level's cells in the posterior, ``1 / sum p^2``.
    cells_evaluated
        Cells that were scored.
    work
        Cells times pixels that were scored.
    dispersion
        Residual power over that of the noise at the best cell of the last level, at least 1.
    certified
        Whether no list overflowed.
    overflowed
        Which list lost the best cell that the bound would have kept: 0 none, 1 the tilts, 2 the
        in-plane turns, 3 the shifts.
    margin
        Smallest distance, over the levels, by which the cells lost to a list's capacity lay below
        the bound; negative where the particle is not certified.
    """

    turn_rad: Float[Array, "*b 3"]
    shift_px: Float[Array, "*b 2"]
    log_likelihood: Float[Array, "*b"]
    covariance: Float[Array, "*b 5 5"]
    turn_error_rad: Float[Array, "*b"]
    shift_error_px: Float[Array, "*b"]
    probability: Float[Array, "*b"]
    effective_cells: Float[Array, "*b"]
    cells_evaluated: Int[Array, "*b"]
    work: Float[Array, "*b"]
    dispersion: Float[Array, "*b"]
    certified: Bool[Array, "*b"]
    overflowed: Int[Array, "*b"]
    margin: Float[Array, "*b"]


class Candidates(eqx.Module):
    """Cells of the last level from which the continuous refinement starts, the best first.

    ``scores`` are minus infinity where there is none.
    """

    poses: Float[Array, "*b m 5"]
    scores: Float[Array, "*b m"]


def search_particle(
    projector: Projector,
    image: RegionImages,
    weights: Float[Array, " p"],
    prior: Prior,
    disc: Disc,
    plan: SearchPlan,
    radius_px: Float[Array, ""],
    pixel_size_angstrom: Float[Array, ""],
) -> tuple[SearchOutcome, tuple[SearchedLevel, ...], Candidates]:
    """Find one particle's rotation and shift. See the module for the method.

    Also returns each level as it was searched, and the candidates.
    """
    blocked, units = block_image(image, weights), pose_units(plan)
    seen = SeenParticle(projector, image, blocked, weights, prior, disc, pixel_size_angstrom)
    margin = jnp.asarray(jnp.inf)
    overflowed = jnp.asarray(0, jnp.int32)
    evaluated, work = jnp.asarray(0, jnp.int32), jnp.asarray(0.0)
    cells, levels = root_cells(plan), []
    for number, level in enumerate(plan.levels):
        searched, cells = search_level(seen, plan, number, cells)
        levels.append(searched)
        evaluated += jnp.sum(searched.inside)
        work += jnp.sum(searched.inside) * level.pixels
        if searched.pruning is None:
            break
        lost = searched.pruning.handed.lost
        spare = searched.pruning.threshold - jnp.max(lost)
        worst = jnp.where(spare < 0, 1 + jnp.argmax(lost).astype(jnp.int32), 0)
        overflowed = jnp.where(spare < margin, worst, overflowed)
        margin = jnp.minimum(margin, spare)
    last = levels[-1]
    starts = Candidates(*summits(plan, last.cells, last.scores, MODES))
    pose, model, probability = best_mode(
        projector, blocked, prior, disc, plan, radius_px, starts.poses, starts.scores
    )
    spread = covariance(model, units)
    variance = jnp.abs(jnp.diag(spread))
    outcome = SearchOutcome(
        turn_rad=pose[:3],
        shift_px=pose[3:],
        log_likelihood=model.score,
        covariance=spread,
        turn_error_rad=jnp.sqrt(jnp.sum(variance[:3])),
        shift_error_px=jnp.sqrt(jnp.sum(variance[3:])),
        probability=probability,
        effective_cells=effective_number(last.scores, last.best),
        cells_evaluated=evaluated,
        work=work,
        dispersion=last.dispersion,
        certified=margin >= 0,
        overflowed=overflowed,
        margin=margin,
    )
    return outcome, tuple(levels), starts


Searched = tuple[SearchOutcome, tuple[SearchedLevel, ...], Candidates]
"""What `search_particle` returns."""


@jit_in_one_thread
def search_particles(
    projector: Projector,
    images: RegionImages,
    sigma2: Float[Array, " shells"],
    radius_px: Float[Array, ""],
    prior: Prior,
    plan: SearchPlan,
    pixel_size_angstrom: Float[Array, ""],
    at_once: int,
) -> SearchOutcome:
    """Search a batch of particles; ``images`` has a leading batch axis in every field.

    ``at_once`` particles are worked on together: one on a CPU, so that each takes only the steps
    that it needs, and many on a GPU, where all of them take as many steps as the slowest.
    """
    given = projector, images, sigma2, radius_px, prior, plan, pixel_size_angstrom
    # The levels are not asked for here: nothing is computed or kept for them.
    return _search_each(*given, at_once, lambda found: found[0])


@jit_in_one_thread
def searched_levels(
    projector: Projector,
    images: RegionImages,
    sigma2: Float[Array, " shells"],
    radius_px: Float[Array, ""],
    prior: Prior,
    plan: SearchPlan,
    pixel_size_angstrom: Float[Array, ""],
) -> Searched:
    """`search_particles`, one at a time, with all levels as they were searched."""
    given = projector, images, sigma2, radius_px, prior, plan, pixel_size_angstrom
    return _search_each(*given, 1, lambda found: found)


def _search_each(
    projector: Projector,
    images: RegionImages,
    sigma2: Float[Array, " shells"],
    radius_px: Float[Array, ""],
    prior: Prior,
    plan: SearchPlan,
    pixel_size_angstrom: Float[Array, ""],
    at_once: int,
    keep: Callable[[Searched], Any],
) -> Any:
    """What ``keep`` takes of each particle's search, stacked."""
    disc = make_disc(plan.box_px, plan.radius_px)
    weights = pixel_weights(sigma2, radius_px, disc)

    def one(image: RegionImages) -> Any:
        return keep(
            search_particle(
                projector, image, weights, prior, disc, plan, radius_px, pixel_size_angstrom
            )
        )

    return jax.lax.map(one, images, batch_size=at_once if at_once > 1 else None)
