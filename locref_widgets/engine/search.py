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

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from locref_widgets.engine.bounds import over_dispersion, within_cell_allowance
from locref_widgets.engine.grids import Disc, make_disc
from locref_widgets.engine.likelihood import (
    LevelScores,
    Prior,
    pixel_weights,
    score_level,
)
from locref_widgets.engine.phases import rotate_phases
from locref_widgets.engine.polish import (
    BlockedImage,
    LocalModel,
    Summit,
    block_count,
    block_image,
    blocks_within,
    covariance,
    into_blocks,
    local_model,
    polish,
    pose_units,
)
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.rotations import child_offsets
from locref_widgets.engine.search_plan import SearchLevel, SearchPlan
from locref_widgets.engine.slicing import Projector
from locref_widgets.engine.tilts_turns import in_plane, rotation_angle, rotation_vector

MODES = 24
"""Summits among the last level's cells that are refined continuously."""
_NEIGHBOURS = 1.5
"""Cells whose centres differ by no more than so many spacings along every list are neighbours."""
_FINALISTS, _REVERSIBLE = 8, 6.0
"""Modes refined with all shells, if no more than so much behind the best of them without."""
_SAME_MODE = 3.0
"""Two refined candidates nearer than so many standard errors are one mode."""


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


class _Cells(eqx.Module):
    """Cells of a level: the lists and which of their combinations are still in question."""

    tilts: Float[Array, "t 2"]
    turns: Float[Array, " n"]
    shifts: Float[Array, "s 2"]
    valid: Bool[Array, "t n s"]


def _root(plan: SearchPlan) -> _Cells:
    tilts, turns = plan.root_tilts_rad(), plan.root_turns_rad()
    shifts = plan.root_shifts_px()
    valid = np.ones((len(tilts), len(turns), len(shifts)), bool)
    return _Cells(*map(jnp.asarray, (tilts, turns, shifts, valid)))


def _within(
    plan: SearchPlan, cells: _Cells, beyond_rad: float, beyond_px: float
) -> Bool[Array, "t n s"]:
    """Cells in question whose centres lie no further than so much beyond the extents."""
    angle = rotation_angle(cells.tilts[:, None, :], cells.turns[None, :])
    turn_ok = angle <= plan.rotation_extent_rad + beyond_rad
    shift_ok = jnp.linalg.norm(cells.shifts, axis=-1) <= plan.shift_radius_px + beyond_px
    # Computed once each, not for every combination.
    turn_ok, shift_ok = jax.lax.optimization_barrier((turn_ok, shift_ok))
    return cells.valid & turn_ok[:, :, None] & shift_ok


def _meet_extents(plan: SearchPlan, level: SearchLevel, cells: _Cells) -> Bool[Array, "t n s"]:
    """Cells in question that meet the extents: a centre may lie half a diagonal outside."""
    return _within(
        plan, cells, level.rotation_spacing_rad * 3**0.5 / 2, level.shift_spacing_px * 2**0.5 / 2
    )


def _kept(
    scores: Float[Array, "t n s"], axis: int, capacity: int
) -> tuple[Int[Array, " k"], Float[Array, ""]]:
    """The best entries along an axis, and the best score of a cell they leave out."""
    best = jnp.max(scores, axis=tuple(a for a in range(3) if a != axis))
    capacity = min(capacity, best.shape[0])
    values, indices = jax.lax.top_k(best, min(capacity + 1, best.shape[0]))
    left_out = values[capacity] if best.shape[0] > capacity else jnp.asarray(-jnp.inf)
    return indices[:capacity], left_out


def _halves(centres: Float[Array, "n d"], spacing: float) -> Float[Array, "m d"]:
    offsets = jnp.asarray(child_offsets(spacing, centres.shape[-1]))
    return (centres[:, None] + offsets).reshape(-1, centres.shape[-1])


def _subdivide(
    cells: _Cells, scores: Float[Array, "t n s"], survives: Bool[Array, "t n s"], level: SearchLevel
) -> tuple[_Cells, Float[Array, " 3"]]:
    """Halves of the surviving cells, as many as the lists hold; and the best score each lost."""
    tilts, lost_tilt = _kept(scores, 0, level.keep_tilts)
    turns, lost_turn = _kept(scores, 1, level.keep_turns)
    shifts, lost_shift = _kept(scores, 2, level.keep_shifts)
    valid = survives[tilts][:, turns][:, :, shifts]
    for axis, number in ((0, 4), (1, 2), (2, 4)):
        valid = jnp.repeat(valid, number, axis=axis)
    children = _Cells(
        _halves(cells.tilts[tilts], level.rotation_spacing_rad),
        _halves(cells.turns[turns, None], level.rotation_spacing_rad)[:, 0],
        _halves(cells.shifts[shifts], level.shift_spacing_px),
        valid,
    )
    return children, jnp.stack([lost_tilt, lost_turn, lost_shift])


def _pose_of(cells: _Cells, index: Int[Array, ""]) -> tuple[Float[Array, " 5"], tuple]:
    """Pose of a cell's centre, and its place in the lists."""
    _, n, s = cells.valid.shape
    tilt, turn, shift = index // (n * s), index // s % n, index % s
    rotation = rotation_vector(cells.tilts[tilt], cells.turns[turn])
    moved = in_plane(cells.turns[turn]) @ cells.shifts[shift]
    return jnp.concatenate([rotation, moved]), (tilt, turn, shift)


def _dispersion_at(
    found: LevelScores,
    cells: _Cells,
    place: tuple,
    weights: Float[Array, " p"],
    coordinates: Float[np.ndarray, "p 2"],
    box_px: int,
) -> Float[Array, ""]:
    tilt, turn, shift = place
    pixels = weights.shape[0]
    values = found.images[turn]
    cycles = (-1.0 / box_px) * (jnp.asarray(coordinates) @ cells.shifts[shift])
    values = rotate_phases(values[:pixels], values[pixels:], cycles)
    return over_dispersion(found.templates[tilt], values, found.power_weights[turn], weights)


def _near(centres: Float[Array, "n d"], spacing: float) -> Bool[Array, "n n"]:
    apart = jnp.max(jnp.abs(centres[:, None] - centres), axis=-1)
    return apart <= _NEIGHBOURS * spacing


def _highest_near(
    scores: Float[Array, "t n s"], near: Bool[Array, "m m"], axis: int
) -> Float[Array, "t n s"]:
    """Each cell's best neighbour along one list, itself included."""
    leading = jnp.moveaxis(scores, axis, 0)
    # Reduced over the leading axis, along which compilers for CPUs vectorise.
    wide = leading.reshape(leading.shape[0], 1, -1)
    best = jnp.max(jnp.where(near[:, :, None], wide, -jnp.inf), axis=0)
    return jnp.moveaxis(best.reshape(leading.shape), 0, axis)


def _summits(
    plan: SearchPlan, cells: _Cells, scores: Float[Array, "t n s"], count: int
) -> tuple[Float[Array, "m 5"], Float[Array, " m"]]:
    """The best of the last level's cells that no neighbour surpasses.

    The shoulders of a peak are no candidates: they would climb to the summit that its best cell
    climbs to. A neighbour whose centre lies beyond the extents does not count: no pose is there.

    Returns poses and scores, minus infinity for none.
    """
    level = plan.levels[-1]
    lists = (
        (cells.tilts, level.rotation_spacing_rad),
        (cells.turns[:, None], level.rotation_spacing_rad),
        (cells.shifts, level.shift_spacing_px),
    )
    highest = jnp.where(_within(plan, cells, 0.0, 0.0), scores, -jnp.inf)
    for axis, (centres, spacing) in enumerate(lists):
        # Held, or the compiler computes each of them anew for all that look at it.
        highest = jax.lax.optimization_barrier(
            _highest_near(highest, _near(centres, spacing), axis)
        )
    own = jnp.where(scores >= highest, scores, -jnp.inf).reshape(-1)
    best, indices = jax.lax.top_k(own, min(count, own.shape[0]))
    return jax.vmap(lambda index: _pose_of(cells, index)[0])(indices), best


def search_particle(
    projector: Projector,
    image: RegionImages,
    weights: Float[Array, " p"],
    prior: Prior,
    disc: Disc,
    plan: SearchPlan,
    radius_px: Float[Array, ""],
    pixel_size_angstrom: Float[Array, ""],
) -> SearchOutcome:
    """Find one particle's rotation and shift. See the module for the method."""
    cells = _root(plan)
    blocked = block_image(image, weights)
    plain, units = into_blocks(jnp.asarray(disc.coordinates)), pose_units(plan)
    margin = jnp.asarray(jnp.inf)
    overflowed = jnp.asarray(0, jnp.int32)
    evaluated, work = jnp.asarray(0, jnp.int32), jnp.asarray(0.0)
    last = len(plan.levels) - 1
    for number, level in enumerate(plan.levels):
        pixels = level.pixels
        coordinates = disc.coordinates[:pixels]
        found = score_level(
            projector,
            image,
            prior,
            cells.tilts,
            cells.turns,
            cells.shifts,
            weights[:pixels],
            coordinates,
            plan.box_px,
            pixel_size_angstrom,
        )
        inside = _meet_extents(plan, level, cells)
        scores = jax.lax.optimization_barrier(jnp.where(inside, found.scores, -jnp.inf))
        evaluated += jnp.sum(inside)
        work += jnp.sum(inside) * pixels
        best = jnp.argmax(scores)
        pose, place = _pose_of(cells, best)
        dispersion = _dispersion_at(found, cells, place, weights[:pixels], coordinates, plan.box_px)
        if number == last:
            break
        blocks = jnp.asarray(block_count(pixels))
        model = local_model(projector, blocked, plain, blocks, prior, units, pose, plan.box_px)
        half = jnp.asarray([level.rotation_spacing_rad] * 3 + [level.shift_spacing_px] * 2) / 2
        allowance = within_cell_allowance(model.information, half / units, dispersion, plan.kappa)
        threshold = jnp.max(scores) - dispersion * plan.kappa**2 / 2 - allowance
        cells, lost = _subdivide(cells, scores, scores >= threshold, level)
        spare = threshold - jnp.max(lost)
        worst = jnp.where(spare < 0, 1 + jnp.argmax(lost).astype(jnp.int32), 0)
        overflowed = jnp.where(spare < margin, worst, overflowed)
        margin = jnp.minimum(margin, spare)
    starts = _summits(plan, cells, scores, MODES)
    posterior = jax.nn.softmax(scores.reshape(-1))
    pose, model, probability = _refined(projector, blocked, prior, disc, plan, radius_px, *starts)
    spread = covariance(model, units)
    variance = jnp.abs(jnp.diag(spread))
    return SearchOutcome(
        turn_rad=pose[:3],
        shift_px=pose[3:],
        log_likelihood=model.score,
        covariance=spread,
        turn_error_rad=jnp.sqrt(jnp.sum(variance[:3])),
        shift_error_px=jnp.sqrt(jnp.sum(variance[3:])),
        probability=probability,
        effective_cells=1.0 / jnp.sum(posterior**2),
        cells_evaluated=evaluated,
        work=work,
        dispersion=dispersion,
        certified=margin >= 0,
        overflowed=overflowed,
        margin=margin,
    )


def _refined(
    projector: Projector,
    image: BlockedImage,
    prior: Prior,
    disc: Disc,
    plan: SearchPlan,
    radius_px: Float[Array, ""],
    starts: Float[Array, "m 5"],
    start_scores: Float[Array, " m"],
) -> tuple[Float[Array, " 5"], LocalModel, Float[Array, ""]]:
    """Refine the starts with the last level's shells, and those near the best with all shells.

    ``starts`` are in falling order of their scores, so that few climbs are made to the end.
    Returns the pose, the model there and the posterior weight of its mode among the starts.
    """
    coarse = jnp.asarray(block_count(plan.levels[-1].pixels))
    fine = blocks_within(disc, radius_px)

    def climb(best: Float[Array, ""], start: tuple) -> tuple[Array, Summit]:
        pose, score = start
        floor = jnp.where(jnp.isfinite(score), best, jnp.inf)
        end = polish(projector, image, disc, plan, prior, pose, coarse, floor)
        return jnp.maximum(best, end.model.score), end

    _, ends = jax.lax.scan(climb, jnp.asarray(-jnp.inf), (starts, start_scores))
    scores = ends.model.score + ends.promise
    best = jnp.argmax(scores)
    apart = (ends.pose - ends.pose[best]) / pose_units(plan)
    squared = jnp.sum((apart @ ends.model.information[best]) * apart, axis=-1)
    # Starts that climbed to the same summit are one mode.
    other = squared > _SAME_MODE**2
    behind = jnp.where(other, scores - scores[best], -jnp.inf)
    weight = 1.0 / (1.0 + jnp.sum(jnp.exp(behind)))
    # All shells may reverse a small difference.
    _, order = jax.lax.top_k(behind.at[best].set(1.0), min(_FINALISTS, starts.shape[0]))

    def finish(before: Summit, which: Int[Array, ""]) -> tuple[Summit, None]:
        hopeless = behind[which] < -_REVERSIBLE
        floor = jnp.where(hopeless, jnp.inf, before.model.score)
        end = polish(projector, image, disc, plan, prior, ends.pose[which], fine, floor)
        better = end.model.score > before.model.score
        return jax.tree.map(lambda a, b: jnp.where(better, a, b), end, before), None

    first = polish(projector, image, disc, plan, prior, ends.pose[best], fine)
    end, _ = jax.lax.scan(finish, first, order[1:])
    return end.pose, end.model, weight


@eqx.filter_jit
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
    disc = make_disc(plan.box_px, plan.radius_px)
    weights = pixel_weights(sigma2, radius_px, disc)

    def one(image: RegionImages) -> SearchOutcome:
        return search_particle(
            projector, image, weights, prior, disc, plan, radius_px, pixel_size_angstrom
        )

    return jax.lax.map(one, images, batch_size=at_once if at_once > 1 else None)
