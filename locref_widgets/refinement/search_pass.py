"""One iteration's pass over the images: search every particle, rebuild both half-maps.

In the first iterations the folds of the half-sets are searched one after the other (see
`locref_widgets.refinement.fold_references`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.likelihood import Prior
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.region_images import noise_in_region_box, noise_in_whole_box
from locref_widgets.engine.search_plan import SearchPlan, plan_search
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.chunks import Place
from locref_widgets.refinement.executor import Executor, Report
from locref_widgets.refinement.fold_references import HalfReference, References
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.learned_prior import SearchPrior, learned_precisions
from locref_widgets.refinement.memory import FewerAtOnce, particles_at_once
from locref_widgets.refinement.passes import Arrays, Bench, OutsideMaps, Task, make_task, to_device
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import make_region
from locref_widgets.refinement.region_sums import cut_regions, merge_groups, no_sums, weights_of
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import Start, compose
from locref_widgets.refinement.state import MARGINALIZED, ROTATION_PRIOR
from locref_widgets.refinement.step import RegionSums, add_to_region, found_poses, search_poses

_PILOT, _PILOT_SHARE = 64, 8
"""Particles that are searched before all others, to learn a first prior, and of how many they may
be one: in smaller sets the first fold is searched without a prior."""
CROSS_FITTED = 3
"""Iterations, from the first on, whose searches are cross-fitted."""
_PER_PARTICLE = (
    "log_likelihood",
    "turn_error_rad",
    "shift_error_px",
    "cells_evaluated",
    "certified",
    "margin",
    "overflowed",
    "dispersion",
    "effective_cells",
    "work",
)


@dataclass(frozen=True)
class PosedSearch:
    """All that a pass is told of the search itself.

    Attributes
    ----------
    problem, outside
        The particles, and what is subtracted of each half-set's images.
    references
        Of each half-set and fold.
    plan
        Levels and extents.
    prior
        On each particle's motion.
    start
        From where it searches.
    batch_size
        Particles worked on together.
    """

    problem: Problem
    outside: OutsideMaps | None
    references: References
    plan: SearchPlan
    prior: SearchPrior
    start: Start
    batch_size: int


@dataclass
class SearchPass:
    """Results of a pass.

    Attributes
    ----------
    start
        From where it searched.
    turns_rad, shifts_px
        Local motions found, in the image frame, relative to the start.
    mean_turns_rad, mean_shifts_px, probability
        The motions and weights with which the particles entered the maps.
    covariance
        Of what is not known of the motions.
    marginalized
        Whether the particles entered the maps with that covariance, or as if they were exact.
    found
        Further per-particle numbers by the names of `SearchOutcome`.
    sums
        Of each half-set and fold.
    """

    start: Start
    turns_rad: Float[np.ndarray, "n 3"]
    shifts_px: Float[np.ndarray, "n 2"]
    mean_turns_rad: Float[np.ndarray, "n 3"]
    mean_shifts_px: Float[np.ndarray, "n 2"]
    covariance: Float[np.ndarray, "n 5 5"]
    marginalized: bool
    probability: Float[np.ndarray, " n"]
    found: dict[str, np.ndarray]
    sums: dict[Place, RegionSums]


def folds_at(iteration: int, settings: RefinementSettings) -> int:
    """Into how many folds the pass of an iteration adds up, for the references of the next."""
    return settings.folds if 1 <= iteration < CROSS_FITTED else 1


def groups_at(iteration: int, settings: RefinementSettings) -> int:
    """Into how many groups the pass of an iteration divides each half-set.

    They are the folds of its references or of its sums, whichever are more.
    """
    return max(folds_at(iteration - 1, settings), folds_at(iteration, settings))


def folds_of(problem: Problem, folds: int) -> Int[np.ndarray, " n"]:
    """Fold of each row: neighbours in a half-set go to different ones, copies to the same."""
    fold = np.zeros(problem.rows.size, int)
    for half in HALVES:
        members = np.flatnonzero(problem.half_sets == half)
        fold[members] = np.unique(problem.particle[members], return_inverse=True)[1] % folds
    return fold


def plan_for(problem: Problem, settings: RefinementSettings, radius_px: int) -> SearchPlan:
    """Lay out the search of an iteration whose references reach ``radius_px``."""
    shrink = 1.0
    if settings.shrink_extents:
        first = problem.region_shell(settings.initial_lowpass)
        # By halves only: every new extent is compiled anew.
        shrink = 0.5 ** max(0, int(np.floor(np.log2(radius_px / first))))
    return plan_search(
        problem.region_box_px,
        problem.region_disc.radius_px,
        problem.region_radius_px,
        settings.rotation_extent * shrink,
        settings.shift_extent * shrink,
        reach_px=radius_px,
    )


@dataclass(frozen=True)
class RegionPass:
    """Searches every particle and adds it, at the motion found, to the sums of its group.

    ``precisions`` are those of the priors on rotation (1/rad^2) and shift (1/px^2) in each
    half-set.
    """

    references: dict[int, HalfReference]
    plan: SearchPlan
    precisions: dict[int, tuple[float, float]]
    marginalize: bool
    batch_size: int
    keep: bool

    def on(self, bench: Bench) -> "_RegionWork":
        """Set it up on a device."""
        return _RegionWork(self, bench)


class _RegionWork:
    def __init__(self, told: RegionPass, bench: Bench) -> None:
        self._told, self._bench, problem = told, bench, bench.problem
        references, disc = told.references, problem.region_disc
        self._regions = {
            half: make_region(reference.cube, problem) for half, reference in references.items()
        }
        sigma2 = {half: reference.sigma2 for half, reference in references.items()}
        self._weights = weights_of(sigma2, problem)
        self._noise = {
            half: on_device(noise_in_region_box(s, problem.box_px, disc), np.float32)
            for half, s in sigma2.items()
        }
        self._priors = {
            half: Prior(*(on_device(value, np.float32) for value in values))
            for half, values in told.precisions.items()
        }
        self._pixel = bench.pixel_size()
        self._within_memory = FewerAtOnce(
            particles_at_once(told.plan, told.batch_size, bench.device)
        )

    def no_sums(self) -> RegionSums:
        return no_sums(self._regions[1], self._bench.problem.region_disc)

    def add(
        self, sums: RegionSums, half: int, _group: int, batch: Batch, given: Arrays
    ) -> tuple[RegionSums, Arrays]:
        bench, told, plan = self._bench, self._told, self._told.plan
        region, noise = self._regions[half], self._noise[half]
        radius_px, prior = told.references[half].radius_px, self._priors[half]
        start = Start(given["start_turn_rad"], given["start_shift_px"])
        kept = bench.kept if told.keep else None
        outside = bench.outside(half)
        images = cut_regions(bench.problem, outside, region, start, batch, plan, kept)
        outcome = self._within_memory(
            lambda at_once: search_poses(
                images, region, noise, radius_px, prior, plan, self._pixel, at_once
            )
        )
        found, covariance = found_poses(outcome, told.marginalize, plan)
        valid, weights = on_device(batch.valid), self._weights[half]
        sums = add_to_region(sums, images, region, found, weights, valid, plan)
        return sums, {
            "turns_rad": outcome.turn_rad,
            "shifts_px": outcome.shift_px,
            "mean_turns_rad": found.turns_rad,
            "mean_shifts_px": found.shifts_px,
            "covariance": covariance,
            "probability": found.probability,
        } | {name: getattr(outcome, name) for name in _PER_PARTICLE}


def search_and_reconstruct(
    executor: Executor,
    posed: PosedSearch,
    folds: int,
    marginalize: bool,
    report: Report,
) -> SearchPass:
    """Search all particles against their half-set's references and rebuild the half-maps."""
    problem, prior, references = posed.problem, posed.prior, posed.references
    groups = folds_of(problem, max(folds, references.folds))
    told = _told_at_first(executor, posed, marginalize, report)
    found: dict[str, np.ndarray] = {ROTATION_PRIOR: told}
    sums: dict[Place, RegionSums] = {}
    for fold in range(references.folds):
        further = groups >= fold
        if fold and prior.learned:
            motions = found["turns_rad"], found["covariance"]
            newly = learned_precisions(problem.half_sets, ~further, *motions, told)
            told[further] = newly[further]
        which = {"groups": groups, "only": fold if references.folds > 1 else None}
        precisions = _of_halves(problem.half_sets[further], told[further])
        task = _search_task(posed, fold, precisions, marginalize, **which)
        result = executor.run(task, _after(report, int(np.sum(groups < fold)), groups.size))
        made = {chunk.place for chunk in task.chunks}
        sums |= {place: to_device(result.sums.pop(place)) for place in made}
        if references.folds > 1:
            references.renew(fold, {place: sums[place].map for place in made})
        for chunk in task.chunks:
            for name, values in result.found.items():
                into = found.setdefault(name, np.zeros_like(values))
                into[chunk.positions] = values[chunk.positions]
    return SearchPass(
        start=posed.start,
        turns_rad=found["turns_rad"].astype(float),
        shifts_px=found["shifts_px"].astype(float),
        mean_turns_rad=found["mean_turns_rad"].astype(float),
        mean_shifts_px=found["mean_shifts_px"].astype(float),
        covariance=found["covariance"],
        marginalized=marginalize,
        probability=found["probability"],
        found={name: found[name].astype(float) for name in (*_PER_PARTICLE, ROTATION_PRIOR)},
        sums=merge_groups(sums, folds),
    )


def _search_task(
    posed: PosedSearch, fold: int, precisions: dict[int, float], marginalize: bool, **which: Any
) -> Task:
    """The search of a fold; ``which`` says of what particles.

    ``precisions`` are those of the prior on the rotation in each half-set.
    """
    problem, start, batch_size = posed.problem, posed.start, posed.batch_size
    work = RegionPass(
        posed.references.of(fold),
        posed.plan,
        {half: (rotation, posed.prior.shift_precision) for half, rotation in precisions.items()},
        marginalize,
        batch_size,
        keep=not start.recentred,
    )
    inputs = {"start_turn_rad": start.turns_rad, "start_shift_px": start.shifts_px}
    box_px, outside = problem.region_box_px, posed.outside
    return make_task(problem, work, batch_size, box_px, outside=outside, inputs=inputs, **which)


def _told_at_first(
    executor: Executor, posed: PosedSearch, marginalize: bool, report: Report
) -> Float[np.ndarray, " n"]:
    """Precision of the prior on each particle's rotation, as far as known before the first fold.

    Where nothing has been found yet to learn it from, some particles are searched twice: once
    without a prior, to learn one for all. They are reported when they are searched for good.
    """
    prior, told = posed.prior, posed.prior.rotation_precision.copy()
    if not prior.learned or np.any(told) or told.size < _PILOT_SHARE * _PILOT:
        return told
    half_sets = posed.problem.half_sets
    precisions = _of_halves(half_sets, told)
    task = _search_task(posed, 0, precisions, marginalize, limit=_PILOT // len(HALVES))
    found = executor.run(task, lambda _done, _total: report(0, told.size)).found
    seen = np.zeros(told.size, bool)
    seen[np.concatenate([chunk.positions for chunk in task.chunks])] = True
    return learned_precisions(half_sets, seen, found["turns_rad"], found["covariance"], told)


def _of_halves(half_sets: Int[np.ndarray, " k"], told: Float[np.ndarray, " k"]) -> dict[int, float]:
    """What the particles of each half-set are told, which is the same for all."""
    return {half: float(told[half_sets == half].max(initial=0.0)) for half in HALVES}


def _after(report: Report, before: int, total: int) -> Report:
    """Report of a part of a pass as that of the whole."""
    return lambda done, _part: report(before + done, total)


def noise_of_half(problem: Problem, found: SearchPass, half: int) -> Float[np.ndarray, " shells"]:
    """Noise spectrum of a half-set's whole images from what its templates left unexplained."""
    sums = [total for (h, _), total in found.sums.items() if h == half]
    residual = np.sum([np.asarray(s.residual_power, np.float64) for s in sums], axis=0)
    power = np.sum([np.asarray(s.ctf_power, np.float64) for s in sums], axis=0)
    spectrum = residual / np.maximum(power, 1e-30)
    return noise_in_whole_box(spectrum, problem.region_box_px, problem.disc)


def particle_info(problem: Problem, found: SearchPass, plan: SearchPlan) -> dict[str, np.ndarray]:
    """The per-particle arrays and the noise spectra of an `IterationResult`."""
    turns, shifts = compose(found.start, found.turns_rad, found.shifts_px)
    searched_turn = np.linalg.norm(found.turns_rad, axis=1)
    searched_shift = np.linalg.norm(found.shifts_px, axis=1)
    start = found.start
    return {
        "pose_change_rad": np.linalg.norm(turns, axis=1),
        "shift_change_px": np.linalg.norm(shifts, axis=1),
        "turn_rad": turns,
        "shift_px": shifts,
        "log_likelihood": found.found["log_likelihood"],
        "log_likelihood_margin": found.found["margin"],
        "rotation_error_rad": found.found["turn_error_rad"],
        "shift_error_px": found.found["shift_error_px"],
        "cells_evaluated": found.found["cells_evaluated"].astype(np.int64),
        "effective_cells": found.found["effective_cells"],
        "work": found.found["work"],
        "certified": found.found["certified"].astype(bool),
        "overflowed": found.found["overflowed"].astype(np.int8),
        "dispersion": found.found["dispersion"],
        ROTATION_PRIOR: found.found[ROTATION_PRIOR],
        # Within a thousandth of the extent: the polish stops on the boundary itself.
        "at_bound": (searched_turn >= 0.999 * plan.rotation_extent_rad)
        | (searched_shift >= 0.999 * plan.shift_radius_px),
        "sigma2_half1": noise_of_half(problem, found, 1),
        "sigma2_half2": noise_of_half(problem, found, 2),
        # What the sums of this pass can be made from again.
        "start_turn_rad": start.turns_rad,
        "start_shift_px": start.shifts_px,
        "mean_turn_rad": found.mean_turns_rad,
        "mean_shift_px": found.mean_shifts_px,
        "pose_covariance": found.covariance,
        MARGINALIZED: np.asarray(found.marginalized),
        "probability": found.probability,
    }
