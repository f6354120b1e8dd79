"""Joint cells of tilts, turns and shifts: which are in question, their halves, their summits.

The lists of tilts, turns and shifts have static lengths; a mask says which of their combinations
are cells in question (see `locref_widgets.engine.search`).
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from locref_widgets.engine.rotations import child_offsets
from locref_widgets.engine.search_plan import SearchLevel, SearchPlan
from locref_widgets.engine.tilts_turns import in_plane, rotation_angle, rotation_vector

_NEIGHBOURS = 1.5
"""Cells whose centres differ by no more than so many spacings along every list are neighbours."""
_UNSURE = 0.3
"""Scores of cells come from a turned image, between whose pixels is interpolated: a neighbour that
is ahead by less than this need not be."""


class Cells(eqx.Module):
    """Cells of a level: the lists and which of their combinations are still in question."""

    tilts: Float[Array, "t 2"]
    turns: Float[Array, " n"]
    shifts: Float[Array, "s 2"]
    valid: Bool[Array, "t n s"]


class Handed(eqx.Module):
    """What the lists hold of a level: places in its lists, and the best score each left out."""

    tilts: Int[Array, " a"]
    turns: Int[Array, " b"]
    shifts: Int[Array, " c"]
    lost: Float[Array, " 3"]


def root_cells(plan: SearchPlan) -> Cells:
    """The cells of the first level."""
    tilts, turns = plan.root_tilts_rad(), plan.root_turns_rad()
    shifts = plan.root_shifts_px()
    valid = np.ones((len(tilts), len(turns), len(shifts)), bool)
    return Cells(*map(jnp.asarray, (tilts, turns, shifts, valid)))


def _within(
    plan: SearchPlan, cells: Cells, beyond_rad: float, beyond_px: float
) -> Bool[Array, "t n s"]:
    """Cells in question whose centres lie no further than so much beyond the extents."""
    angle = rotation_angle(cells.tilts[:, None, :], cells.turns[None, :])
    turn_ok = angle <= plan.rotation_extent_rad + beyond_rad
    shift_ok = jnp.linalg.norm(cells.shifts, axis=-1) <= plan.shift_radius_px + beyond_px
    # Computed once each, not for every combination.
    turn_ok, shift_ok = jax.lax.optimization_barrier((turn_ok, shift_ok))
    return cells.valid & turn_ok[:, :, None] & shift_ok


def meet_extents(plan: SearchPlan, level: SearchLevel, cells: Cells) -> Bool[Array, "t n s"]:
    """Cells in question that meet the extents: a centre may lie half a diagonal outside."""
    return _within(
        plan, cells, level.rotation_spacing_rad * 3**0.5 / 2, level.shift_spacing_px * 2**0.5 / 2
    )


def place_of_best(scores: Float[Array, "t n s"]) -> Int[Array, ""]:
    """Place of the first best cell in the flattened scores.

    In passes over the leading axis, which compilers for CPUs vectorise; that of `jnp.argmax` they
    do not (measured: a fifth of the time).
    """
    highest = jax.lax.optimization_barrier(jnp.max(scores, axis=0))
    places = jnp.arange(scores.size, dtype=jnp.int32).reshape(scores.shape)
    found = jnp.where(scores == jnp.max(highest), places, scores.size - 1)
    return jnp.min(jax.lax.optimization_barrier(jnp.min(found, axis=0)))


def effective_number(scores: Float[Array, "t n s"], best: Int[Array, ""]) -> Float[Array, ""]:
    """Over how many cells the posterior spreads, ``1 / sum p^2``; ``best`` is the best one's place.

    Added up over the leading axis first, as in `place_of_best`.
    """
    odds = jnp.exp(scores - scores.reshape(-1)[best])
    total, squares = jax.lax.optimization_barrier((jnp.sum(odds, axis=0), jnp.sum(odds**2, axis=0)))
    return jnp.sum(total) ** 2 / jnp.sum(squares)


def _best_along(scores: Float[Array, "t n s"]) -> tuple[Float[Array, " k"], ...]:
    """Best score of each tilt, each turn and each shift.

    Maxima over leading axes first, along which compilers for CPUs vectorise.
    """
    over_turns = jax.lax.optimization_barrier(jnp.max(scores, axis=1))
    over_tilts = jax.lax.optimization_barrier(jnp.max(scores, axis=0))
    return jnp.max(over_turns, axis=1), jnp.max(over_tilts, axis=1), jnp.max(over_turns, axis=0)


def _kept(best: Float[Array, " k"], capacity: int) -> tuple[Int[Array, " kept"], Float[Array, ""]]:
    """The best entries of a list, and the best score of a cell that they leave out."""
    capacity = min(capacity, best.shape[0])
    values, indices = jax.lax.top_k(best, min(capacity + 1, best.shape[0]))
    left_out = values[capacity] if best.shape[0] > capacity else jnp.asarray(-jnp.inf)
    return indices[:capacity], left_out


def _halves(centres: Float[Array, "n d"], spacing: float) -> Float[Array, "m d"]:
    offsets = jnp.asarray(child_offsets(spacing, centres.shape[-1]))
    return (centres[:, None] + offsets).reshape(-1, centres.shape[-1])


def subdivide(
    cells: Cells, scores: Float[Array, "t n s"], survives: Bool[Array, "t n s"], level: SearchLevel
) -> tuple[Cells, Handed]:
    """Halves of the surviving cells, as many as the lists hold; and what these hold."""
    of_tilts, of_turns, of_shifts = _best_along(scores)
    tilts, lost_tilt = _kept(of_tilts, level.keep_tilts)
    turns, lost_turn = _kept(of_turns, level.keep_turns)
    shifts, lost_shift = _kept(of_shifts, level.keep_shifts)
    valid = survives[tilts][:, turns][:, :, shifts]
    for axis, number in ((0, 4), (1, 2), (2, 4)):
        valid = jnp.repeat(valid, number, axis=axis)
    children = Cells(
        _halves(cells.tilts[tilts], level.rotation_spacing_rad),
        _halves(cells.turns[turns, None], level.rotation_spacing_rad)[:, 0],
        _halves(cells.shifts[shifts], level.shift_spacing_px),
        valid,
    )
    return children, Handed(tilts, turns, shifts, jnp.stack([lost_tilt, lost_turn, lost_shift]))


def pose_of(cells: Cells, index: Int[Array, ""]) -> tuple[Float[Array, " 5"], tuple]:
    """Pose of a cell's centre, and its place in the lists."""
    _, n, s = cells.valid.shape
    tilt, turn, shift = index // (n * s), index // s % n, index % s
    rotation = rotation_vector(cells.tilts[tilt], cells.turns[turn])
    moved = in_plane(cells.turns[turn]) @ cells.shifts[shift]
    return jnp.concatenate([rotation, moved]), (tilt, turn, shift)


def _highest_near(
    cells: Cells, scores: Float[Array, "t n s"], level: SearchLevel
) -> Float[Array, "t n s"]:
    """Each cell's best neighbour, itself included."""
    lists = (
        (cells.tilts, level.rotation_spacing_rad),
        (cells.turns[:, None], level.rotation_spacing_rad),
        (cells.shifts, level.shift_spacing_px),
    )
    for axis, (centres, spacing) in enumerate(lists):
        apart = jnp.max(jnp.abs(centres[:, None] - centres), axis=-1)
        near = apart <= _NEIGHBOURS * spacing
        # Reduced over the leading axis, along which compilers for CPUs vectorise.
        leading = jnp.moveaxis(scores, axis, 0)
        wide = leading.reshape(leading.shape[0], 1, -1)
        best = jnp.max(jnp.where(near[:, :, None], wide, -jnp.inf), axis=0)
        # Held, or the compiler computes each of them anew for all that look at it.
        scores = jax.lax.optimization_barrier(jnp.moveaxis(best.reshape(leading.shape), 0, axis))
    return scores


def summits(
    plan: SearchPlan, cells: Cells, scores: Float[Array, "t n s"], count: int
) -> tuple[Float[Array, "m 5"], Float[Array, " m"]]:
    """The best of the last level's cells that no neighbour surpasses, and some it hardly surpasses.

    The shoulders of a peak are no candidates: they would climb to the summit that its best cell
    climbs to. But of two neighbours the wrong one may be a little ahead: cells about which that is
    in doubt have places of their own, so that the many of a flat peak leave room for others.
    A neighbour whose centre lies beyond the extents does not count for a cell inside them: no pose
    is there.

    Returns poses and scores in falling order, minus infinity for none; at most ``count`` of each
    kind.
    """
    level, inside = plan.levels[-1], _within(plan, cells, 0.0, 0.0)
    inner = jnp.where(inside, scores, -jnp.inf)
    among_inside = _highest_near(cells, inner, level)
    highest = jax.lax.cond(
        jnp.all(inner == scores),
        lambda: among_inside,
        lambda: jnp.where(inside, among_inside, _highest_near(cells, scores, level)),
    )
    flat, highest = scores.reshape(-1), highest.reshape(-1)
    is_summit = flat >= highest
    in_doubt = (flat >= highest - _UNSURE) & ~is_summit
    found, places = [], []
    for chosen in (is_summit, in_doubt):
        best, indices = jax.lax.top_k(jnp.where(chosen, flat, -jnp.inf), min(count, flat.shape[0]))
        found.append(best)
        places.append(indices)
    best, order = jax.lax.top_k(jnp.concatenate(found), sum(len(part) for part in found))
    indices = jnp.concatenate(places)[order]
    return jax.vmap(lambda index: pose_of(cells, index)[0])(indices), best
