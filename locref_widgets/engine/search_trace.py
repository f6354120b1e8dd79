"""One particle's search, told level by level: the search's own tree, not one like it.

The levels come out of the very function that searches all particles
(`locref_widgets.engine.search.search_particle`); here they are put into words and counts. What
became of each cell is read off what the search itself handed on, never decided anew.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from locref_widgets.engine.likelihood import Prior
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.rotations import child_offsets
from locref_widgets.engine.search import SearchOutcome, searched_levels
from locref_widgets.engine.search_level import SearchedLevel
from locref_widgets.engine.search_plan import SearchLevel, SearchPlan
from locref_widgets.engine.slicing import Projector
from locref_widgets.engine.tilts_turns import in_plane, rotation_vector

NOT_ASKED, OUTSIDE, DROPPED, CROWDED_OUT, KEPT = range(5)
"""What became of a cell. `NOT_ASKED`: its parent was dropped (the lists hold it all the same);
`OUTSIDE`: beyond the extents; `DROPPED`: below the bound; `CROWDED_OUT`: above the bound, but the
lists were full; `KEPT`: halved for the next level, or, at the last, in the posterior."""

LISTS = ("tilts", "in-plane turns", "shifts")


@dataclass(frozen=True)
class LevelTrace:
    """One level of a search.

    Attributes
    ----------
    plan
        Shell radius, pixels, spacings and capacities.
    tilts_rad, turns_rad, shifts_px
        The lists of cells' centres; a cell is one of each. Shifts are those of the turned image.
    parents
        For each list, the place of each entry's parent in the list of the level before; empty at
        the first level.
    scores
        Log-likelihood (with priors) at the cells' centres; minus infinity where none was scored.
    fates
        What became of each cell.
    best
        Place of the best cell in the three lists.
    pose
        Its centre: rotation vector (rad) and shift (px), as in `SearchOutcome`.
    dispersion
        Residual power over that of the noise there, at least 1.
    noise_allowance, cell_allowance
        The two parts of the bound: what noise may do to a true pose's score, and how much the
        score may rise within a cell. NaN at the last level, where nothing is dropped.
    threshold
        The best score less the two; minus infinity at the last level.
    lost
        Best score that each list left out for want of room; minus infinity for none.
    """

    plan: SearchLevel
    tilts_rad: Float[np.ndarray, "t 2"]
    turns_rad: Float[np.ndarray, " n"]
    shifts_px: Float[np.ndarray, "s 2"]
    parents: tuple[Int[np.ndarray, " ..."], ...]
    scores: Float[np.ndarray, "t n s"]
    fates: Int[np.ndarray, "t n s"]
    best: tuple[int, int, int]
    pose: Float[np.ndarray, " 5"]
    dispersion: float
    noise_allowance: float
    cell_allowance: float
    threshold: float
    lost: Float[np.ndarray, " 3"]

    @property
    def best_score(self) -> float:
        """The highest score."""
        return float(self.scores[self.best])

    @property
    def scored(self) -> int:
        """Cells that were scored."""
        return int(np.sum(self.fates >= DROPPED))

    def count(self, fate: int) -> int:
        """Cells of a fate."""
        return int(np.sum(self.fates == fate))

    @property
    def overflowed(self) -> list[int]:
        """Lists that left out a cell above the bound, the one that lost the best first."""
        worse = np.argsort(-self.lost, kind="stable")
        return [int(i) for i in worse if self.lost[i] > self.threshold]

    def rotations_rad(self) -> Float[np.ndarray, "t n 3"]:
        """Rotation vector of each tilt and turn."""
        shape = (len(self.tilts_rad), len(self.turns_rad))
        tilts = np.broadcast_to(self.tilts_rad[:, None], (*shape, 2))
        turns = np.broadcast_to(self.turns_rad, shape)
        return np.asarray(rotation_vector(jnp.asarray(tilts), jnp.asarray(turns)))

    def moved_px(self, turn: int) -> Float[np.ndarray, "s 2"]:
        """The shifts of the image as it stands, of cells with an in-plane turn."""
        return self.shifts_px @ np.asarray(in_plane(self.turns_rad[turn])).T


@dataclass(frozen=True)
class SearchTrace:
    """One particle's search.

    Attributes
    ----------
    plan
        The search's.
    levels
        Coarse to fine.
    starts
        Poses of the last level's cells from which the continuous refinement set out, best first.
    start_scores
        Their scores.
    outcome
        What the search found, as the refinement gets it; arrays of the host.
    """

    plan: SearchPlan
    levels: tuple[LevelTrace, ...]
    starts: Float[np.ndarray, "m 5"]
    start_scores: Float[np.ndarray, " m"]
    outcome: SearchOutcome

    @property
    def certified(self) -> bool:
        """Whether no list overflowed."""
        return bool(self.outcome.certified)

    @property
    def pose(self) -> Float[np.ndarray, " 5"]:
        """The optimum: rotation vector (rad) and shift (px)."""
        return np.concatenate([self.outcome.turn_rad, self.outcome.shift_px])

    def reason(self) -> str:
        """Say why the particle is certified, or why it is not."""
        if self.certified:
            return (
                "No list overflowed: every cell that was dropped lay below the bound, by at least"
                f" {float(self.outcome.margin):.1f} where room was short."
                if np.isfinite(float(self.outcome.margin))
                else "The lists held every cell: none was left out for want of room."
            )
        told = []
        for number, level in enumerate(self.levels, start=1):
            if not level.overflowed:
                continue
            first = level.overflowed[0]
            capacity = (level.plan.keep_tilts, level.plan.keep_turns, level.plan.keep_shifts)
            above = level.count(CROWDED_OUT)
            told.append(
                f"at level {number} (shell {level.plan.radius_px}) {above:,} of"
                f" {above + level.count(KEPT):,} cells above the bound found no room: the list of"
                f" {LISTS[first]} holds {capacity[first]}, and the best cell it left out lies"
                f" {level.lost[first] - level.threshold:.1f} above the bound"
            )
        return "Cells that might hold the true pose were left out: " + "; ".join(told) + "."


def trace_search(
    projector: Projector,
    image: RegionImages,
    sigma2: Float[Array, " shells"],
    radius_px: Float[Array, ""],
    prior: Prior,
    plan: SearchPlan,
    pixel_size_angstrom: Float[Array, ""],
) -> SearchTrace:
    """Search one particle, ``image`` (a batch of one), and tell how it went."""
    found = searched_levels(projector, image, sigma2, radius_px, prior, plan, pixel_size_angstrom)
    outcome, levels, starts = jax.tree.map(lambda a: np.asarray(a)[0], found)
    told: list[LevelTrace] = []
    for number, level in enumerate(levels):
        before = levels[number - 1] if number else None
        told.append(_told(level, plan, number, before))
    finite = np.isfinite(starts.scores)
    return SearchTrace(plan, tuple(told), starts.poses[finite], starts.scores[finite], outcome)


def _told(
    level: SearchedLevel, plan: SearchPlan, number: int, before: SearchedLevel | None
) -> LevelTrace:
    scores, cells = np.asarray(level.scores), level.cells
    best = tuple(int(i) for i in np.unravel_index(int(level.best), scores.shape))
    threshold, noise, within = -np.inf, np.nan, np.nan
    lost = np.full(3, -np.inf)
    if level.pruning is not None:
        threshold, within = float(level.pruning.threshold), float(level.pruning.allowance)
        noise = float(level.dispersion) * plan.kappa**2 / 2
        lost = np.asarray(level.pruning.handed.lost)
    return LevelTrace(
        plan=plan.levels[number],
        tilts_rad=np.asarray(cells.tilts),
        turns_rad=np.asarray(cells.turns),
        shifts_px=np.asarray(cells.shifts),
        parents=() if before is None else _parents(before),
        scores=scores,
        fates=_fates(level, scores),
        best=(best[0], best[1], best[2]),
        pose=np.asarray(level.pose),
        dispersion=float(level.dispersion),
        noise_allowance=noise,
        cell_allowance=within,
        threshold=threshold,
        lost=lost,
    )


def _fates(level: SearchedLevel, scores: Float[np.ndarray, "t n s"]) -> Int[np.ndarray, "t n s"]:
    asked, inside = np.asarray(level.cells.valid), np.asarray(level.inside)
    fates = np.where(asked, np.where(inside, KEPT, OUTSIDE), NOT_ASKED)
    if level.pruning is None:
        return fates
    handed = level.pruning.handed
    survives = scores >= np.asarray(level.pruning.threshold)
    room = np.zeros(scores.shape, bool)
    room[np.ix_(*map(np.asarray, (handed.tilts, handed.turns, handed.shifts)))] = True
    fates[inside & ~survives] = DROPPED
    fates[inside & survives & ~room] = CROWDED_OUT
    return fates


def _parents(before: SearchedLevel) -> tuple[Int[np.ndarray, " ..."], ...]:
    if before.pruning is None:
        return ()
    handed = before.pruning.handed
    lists = ((handed.tilts, 2), (handed.turns, 1), (handed.shifts, 2))
    return tuple(np.repeat(np.asarray(kept), len(child_offsets(1.0, d))) for kept, d in lists)
