"""One level of the branch and bound: score the cells, bound them, halve those that remain."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from locref_widgets.engine.bounds import over_dispersion, within_cell_allowance
from locref_widgets.engine.cells import (
    Cells,
    Handed,
    meet_extents,
    place_of_best,
    pose_of,
    subdivide,
)
from locref_widgets.engine.grids import Disc
from locref_widgets.engine.likelihood import LevelScores, Prior, score_level
from locref_widgets.engine.phases import rotate_phases
from locref_widgets.engine.polish import (
    BlockedImage,
    block_count,
    into_blocks,
    local_model,
    pose_units,
)
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Projector


class SeenParticle(eqx.Module):
    """What every level needs of one particle."""

    projector: Projector
    image: RegionImages
    blocked: BlockedImage
    weights: Float[Array, " p"]
    prior: Prior
    disc: Disc
    pixel_size_angstrom: Float[Array, ""]


class Pruning(eqx.Module):
    """What a level dropped and handed on.

    Attributes
    ----------
    allowance
        How much the score may rise within a cell.
    threshold
        Score below which a cell cannot hold the true pose, within the bound.
    handed
        What went on to the next level.
    """

    allowance: Float[Array, "*b"]
    threshold: Float[Array, "*b"]
    handed: Handed


class SearchedLevel(eqx.Module):
    """A level as it was searched.

    Attributes
    ----------
    cells
        Its cells.
    inside
        Cells that were scored: in question, and meeting the extents.
    scores
        Of the cells' centres; minus infinity for the others.
    best
        Place of the best cell in the flattened scores.
    pose
        Its centre: rotation vector (rad) and shift (px).
    dispersion
        Residual power over that of the noise there, at least 1.
    pruning
        What was dropped and handed on; None at the last level, where nothing is.
    """

    cells: Cells
    inside: Bool[Array, "*b t n s"]
    scores: Float[Array, "*b t n s"]
    best: Int[Array, "*b"]
    pose: Float[Array, "*b 5"]
    dispersion: Float[Array, "*b"]
    pruning: Pruning | None


def search_level(
    seen: SeenParticle, plan: SearchPlan, number: int, cells: Cells
) -> tuple[SearchedLevel, Cells]:
    """Search the cells of a level; return it with the cells of the next, the last with its own."""
    level, disc = plan.levels[number], seen.disc
    pixels = level.pixels
    coordinates, weights = disc.coordinates[:pixels], seen.weights[:pixels]
    found = score_level(
        seen.projector,
        seen.image,
        seen.prior,
        cells.tilts,
        cells.turns,
        cells.shifts,
        weights,
        coordinates,
        plan.box_px,
        seen.pixel_size_angstrom,
    )
    inside = meet_extents(plan, level, cells)
    scores = jax.lax.optimization_barrier(jnp.where(inside, found.scores, -jnp.inf))
    best = place_of_best(scores)
    pose, place = pose_of(cells, best)
    dispersion = _dispersion_at(found, cells, place, weights, coordinates, plan.box_px)
    if number == len(plan.levels) - 1:
        return SearchedLevel(cells, inside, scores, best, pose, dispersion, None), cells
    plain, units = into_blocks(jnp.asarray(disc.coordinates)), pose_units(plan)
    blocks = jnp.asarray(block_count(pixels))
    model = local_model(
        seen.projector, seen.blocked, plain, blocks, seen.prior, units, pose, plan.box_px
    )
    half = jnp.asarray([level.rotation_spacing_rad] * 3 + [level.shift_spacing_px] * 2) / 2
    allowance = within_cell_allowance(model.information, half / units, dispersion, plan.kappa)
    highest = scores.reshape(-1)[best]
    threshold = highest - dispersion * plan.kappa**2 / 2 - allowance
    children, handed = subdivide(cells, scores, scores >= threshold, level)
    pruning = Pruning(allowance, threshold, handed)
    searched = SearchedLevel(cells, inside, scores, best, pose, dispersion, pruning)
    return searched, children


def _dispersion_at(
    found: LevelScores,
    cells: Cells,
    place: tuple,
    weights: Float[Array, " p"],
    coordinates: Float[np.ndarray, "p 2"],
    box_px: int,
) -> Float[Array, ""]:
    tilt, turn, shift = place
    cycles = (-1.0 / box_px) * (jnp.asarray(coordinates) @ cells.shifts[shift])
    real, imaginary = found.images[:, turn]
    values = rotate_phases(real, imaginary, cycles)
    return over_dispersion(found.templates[:, tilt], values, found.power_weights[turn], weights)
