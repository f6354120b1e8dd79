"""The steps of a refinement, and what they share.

Each iteration searches every particle's local motion about the pose it was *given*, within the
extents, against its own half-set's reference; rebuilds both half-maps; draws the mask inside the
user's, finds how fine the half-maps agree at each place; and measures the FSC. These make the next
references and limit the next search.
"""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc_warnings import fsc_warnings
from locref_widgets.engine.fulcrum import move_about_fulcrum
from locref_widgets.refinement.background import background_warnings
from locref_widgets.refinement.batches import BATCH_SIZE
from locref_widgets.refinement.consensus import Consensus, measure_noise, reconstruct_consensus
from locref_widgets.refinement.convergence import (
    AGREEMENT_HISTORY,
    agreement_history,
    agreement_warnings,
    has_settled,
    turns_between,
)
from locref_widgets.refinement.executor import Executor
from locref_widgets.refinement.final_maps import final_maps
from locref_widgets.refinement.fold_references import (
    FoldReferences,
    FoldSums,
    References,
    fold_count,
    half_map_references,
    starting_references,
)
from locref_widgets.refinement.given_maps import starting_maps, subtraction_maps
from locref_widgets.refinement.growing_references import GrowingReferences
from locref_widgets.refinement.half_maps import half_sums, region_half_maps
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.learned_prior import search_prior
from locref_widgets.refinement.measuring import measure_maps, shell_to_search, shells_filled
from locref_widgets.refinement.moved_fulcrum import FULCRUM, about_fulcrum
from locref_widgets.refinement.observing import (
    Change,
    Observer,
    Previewing,
    report_pass,
)
from locref_widgets.refinement.passes import OutsideMaps
from locref_widgets.refinement.problem import Problem, RefinementInput, fulcrum_of, pose_problem
from locref_widgets.refinement.region_place import place_region
from locref_widgets.refinement.region_sums import sums_again
from locref_widgets.refinement.search_pass import (
    PosedSearch,
    folds_at,
    folds_of,
    groups_at,
    particle_info,
    plan_for,
    search_and_reconstruct,
)
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import start_after
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult, MeasuredMaps
from locref_widgets.refinement.steering import ADDED_AGAIN, REDRAWN, differing, is_another_search
from locref_widgets.refinement.whole_particle import set_aside


class RefinementLoop:
    """The refinement's fixed parts and the steps that use them."""

    def __init__(
        self,
        inputs: RefinementInput,
        settings: RefinementSettings,
        observer: Observer,
        problem: Problem,
        executor: Executor,
    ) -> None:
        self.inputs, self.settings, self.observer = inputs, settings, observer
        self.problem, self.executor = problem, executor
        # Before any image is set aside, so that it is the same whenever this is made.
        self.largest_half = int(np.bincount(problem.half_sets).max())
        self.batch_size = self._choose_batch_size()
        self.user_mask = place_region(inputs.mask).mask
        self.sums: FoldSums | None = None

    def prepare(
        self, consensus: Consensus | None = None, added_up: Callable[[], None] = lambda: None
    ) -> dict[int, np.ndarray]:
        """Reconstruct at the given poses, unless that is done, and set up what is subtracted.

        Returns what is subtracted of each half-set, as it was before the region was cut out of it.
        ``added_up`` as `reconstruct_consensus` has it.
        """
        started, report = time.monotonic(), self._report(0, "reconstruction")
        self.consensus = consensus or reconstruct_consensus(
            self.problem, self.batch_size, report, self.executor, added_up
        )
        self._set_bad_images_aside(tell=consensus is None)
        if consensus is None:
            path = self.problem.particles.path
            self._warn(*background_warnings(path, self.consensus.background))
        maps = subtraction_maps(*self._given())
        self.outside: OutsideMaps | None = None
        if self.problem.subtract:
            self.outside = {half: maps[half] * (1.0 - self.user_mask) for half in HALVES}
        self.preparation_seconds = time.monotonic() - started
        return maps

    def start(self, maps: dict[int, np.ndarray]) -> IterationResult:
        """Iteration 0: the map at the given poses, before any search; ``maps`` tell the noise."""
        started, consensus = time.monotonic(), self.consensus
        sigma2 = measure_noise(
            self.problem, maps, self.batch_size, self._report(0, "noise"), self.executor
        )
        nothing = np.zeros(self.problem.rows.size)
        info = {
            "pose_change_rad": nothing,
            "shift_change_px": nothing,
            "sigma2_half1": sigma2[1],
            "sigma2_half2": sigma2[2],
            AGREEMENT_HISTORY: np.zeros(0),
            FULCRUM: self.problem.fulcrum_angstrom,
        }
        seconds = self.preparation_seconds + time.monotonic() - started
        return self._result(0, consensus.half_maps, consensus.both, info, seconds)

    def changed(
        self, change: Change, last: IterationResult
    ) -> tuple["RefinementLoop", IterationResult]:
        """The loop with other settings or another mask, and the last result as these have it.

        Its poses are what they were; it has not settled.
        """
        names = differing(self.settings, change.settings)
        loop, mask = self, change.mask
        if mask is not None:
            inputs = replace(self.inputs, mask=mask)
            problem = pose_problem(inputs, change.settings)
            loop = RefinementLoop(inputs, change.settings, self.observer, problem, self.executor)
            loop.prepare(self.consensus)
        else:
            loop.use(change.settings)
        if mask is not None or names & ADDED_AGAIN:
            loop.sums = None
        last = about_fulcrum(
            last,
            loop.problem.particles.rotations[loop.problem.rows],
            loop.problem.fulcrum_angstrom,
            loop.problem.pixel_size_angstrom,
            loop.problem.particles.magnifications[loop.problem.rows],
        )
        if mask is not None or names & REDRAWN:
            last = loop.seen_anew(last, new_region=mask is not None)
        if mask is not None or is_another_search(names):
            last = replace(last, info=last.info | {AGREEMENT_HISTORY: np.zeros(0)})
        return loop, replace(last, converged=False)

    def use(self, settings: RefinementSettings) -> None:
        """Go on with other settings about the same region."""
        self.settings = settings
        self.batch_size = self._choose_batch_size()
        fulcrum = fulcrum_of(settings, self.inputs.mask)
        # Only then: what is kept of a problem's images is kept of the very same one.
        if not np.array_equal(fulcrum, self.problem.fulcrum_angstrom):
            self.problem = replace(self.problem, fulcrum_angstrom=fulcrum)

    def seen_anew(self, last: IterationResult, *, new_region: bool) -> IterationResult:
        """The last result with its mask, cut-offs and curves as the settings now have them.

        In another region its half-maps are made again, too, from the means that it noted.
        """
        half_maps, both = last.half_maps, last.map
        if new_region and last.iteration:
            self.sums = self._sums_again(last, folds_at(last.iteration, self.settings))
            half_maps, both = region_half_maps(self.problem, self.sums)
        seen = self._result(last.iteration, half_maps, both, last.info, last.seconds)
        # To the last bit, whatever the description of the motions has done to them.
        return replace(
            seen, rotations=last.rotations, origins_angstrom=last.origins_angstrom, converged=False
        )

    def pose_search(
        self, last: IterationResult, found: IterationResult | None = None
    ) -> PosedSearch:
        """What the search that follows a result is told; ``found`` is its own, if there is one."""
        radius, references = self._references(last, found)
        self.sums = None
        problem, settings, start = self.problem, self.settings, start_after(last, self.settings)
        known = (problem.half_sets, problem.pixel_size_angstrom, last.info, found and found.info)
        prior = search_prior(settings, start, *known)
        told = (references, plan_for(problem, settings, radius), prior, start)
        return PosedSearch(problem, self.outside, *told, self.batch_size)

    def iterate(self, last: IterationResult) -> IterationResult:
        """Search all particles against the references of the last result."""
        started, iteration = time.monotonic(), last.iteration + 1
        posed, folds = self.pose_search(last), folds_at(iteration, self.settings)
        report, marginalize = self._report(iteration, "search"), self.settings.marginalize
        found = search_and_reconstruct(self.executor, posed, folds, marginalize, report)
        info = particle_info(self.problem, found, posed.plan)
        info[AGREEMENT_HISTORY] = agreement_history(last.info, last.fsc[CORRECTED_CURVE])
        info[FULCRUM] = self.problem.fulcrum_angstrom
        info["turn_since_last_rad"] = turns_between(last.info.get("turn_rad"), info["turn_rad"])
        info |= {f"weight_sigma2_half{half}": posed.references.sigma2[half] for half in HALVES}
        self.observer.event("phase", iteration=iteration, name="fsc")
        sums = half_sums(found)
        half_maps, both = region_half_maps(self.problem, sums)
        self.sums = sums if folds > 1 else None
        seconds = time.monotonic() - started
        draft = self._result(iteration, half_maps, both, info, seconds)
        ended = draft.converged or iteration >= self.settings.iterations
        agreement = agreement_history(info, draft.fsc[CORRECTED_CURVE])
        self._warn(*agreement_warnings(agreement, ended=ended))
        if not ended:
            return draft
        # Room for the sums on the whole map's grid.
        self.sums = None
        del posed, found, sums
        half_maps, both = final_maps(
            self.executor,
            self.problem,
            self.outside,
            {half: draft.info[f"sigma2_half{half}"] for half in HALVES},
            draft.rotations,
            draft.origins_angstrom,
            self.batch_size,
            self._report(iteration, "final maps"),
        )
        seconds = time.monotonic() - started
        final = self._result(iteration, half_maps, both, info, seconds, last=True)
        self._warn(*fsc_warnings(final.fsc))
        return replace(final, converged=draft.converged)

    def _choose_batch_size(self) -> int:
        return min(self.settings.batch_size or BATCH_SIZE, max(1, self.largest_half))

    def _sums_again(self, last: IterationResult, folds: int) -> FoldSums:
        """The sums of an iteration that another process made, from the means that it noted."""
        return sums_again(
            self.executor,
            self.problem,
            self.outside,
            last.info,
            plan_for(self.problem, self.settings, self.problem.region_disc.radius_px),
            folds_of(self.problem, groups_at(last.iteration, self.settings)),
            folds,
            self.batch_size,
            self._report(last.iteration, "reconstruction"),
        )

    def _report(self, iteration: int, phase: str) -> Callable[[int, int], None]:
        return report_pass(self.observer, iteration, phase)

    def _set_bad_images_aside(self, *, tell: bool) -> None:
        self.problem, bad, warnings = set_aside(self.problem, self.consensus.usable)
        for message in warnings if tell else ():
            self.observer.event("warning", message=message, rows=[int(row) + 1 for row in bad])

    def _given(self) -> tuple[RefinementInput, Consensus, float, Callable[[str], None]]:
        """What is known of the maps given, and where to remark on them."""
        return self.inputs, self.consensus, self.settings.initial_lowpass, self._warn

    def _warn(self, *messages: str) -> None:
        for message in messages:
            self.observer.event("warning", message=message)

    def _references(
        self, last: IterationResult, found: IterationResult | None
    ) -> tuple[int, References]:
        """Shell that the first references of a search reach, and those of each half-set and fold.

        ``found`` is the result of that search, if it has been made.
        """
        problem, folds = self.problem, folds_at(last.iteration, self.settings)
        if last.iteration == 0:
            radius, folds = problem.region_shell(self.settings.initial_lowpass), self.settings.folds
            given = starting_references(problem, starting_maps(*self._given()), last, radius)
            renewed = self._sums_again(found, folds) if found and folds > 1 else None
            return radius, GrowingReferences(problem, given, folds, self._maps_so_far, renewed)
        radius = shell_to_search(problem, last.measured)
        if folds == 1:
            return radius, half_map_references(problem, last.measured, last.sigma2, radius)
        sums = self.sums or self._sums_again(last, folds)
        renewed = self._sums_again(found, fold_count(sums)) if found else None
        return radius, FoldReferences(problem, sums, last.measured, last.sigma2, radius, renewed)

    def _maps_so_far(self, sums: FoldSums, folds: int) -> tuple[MeasuredMaps, int]:
        """The maps of the first search's first folds, and the shell the next may use them to."""
        problem, (half_maps, both) = self.problem, region_half_maps(self.problem, sums)
        told = (problem, self.settings, self.user_mask, half_maps, both)
        measured = measure_maps(*told, searched=True)
        done = problem.half_sets[folds_of(problem, self.settings.folds) < folds]
        if isinstance(self.observer, Previewing):
            self.observer.map_so_far(1, measured, done.size)
        views = min(int(np.sum(done == half)) for half in HALVES) * len(problem.operators)
        return measured, min(shell_to_search(problem, measured), shells_filled(views))

    def _result(
        self,
        iteration: int,
        half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]],
        both: Float[np.ndarray, "z y x"],
        info: dict[str, np.ndarray],
        seconds: float,
        *,
        last: bool = False,
    ) -> IterationResult:
        started = time.monotonic()
        problem = self.problem
        measured = measure_maps(
            problem,
            self.settings,
            self.user_mask,
            half_maps,
            both,
            searched=iteration > 0,
            complete=last,
        )
        rotations = problem.particles.rotations[problem.rows]
        origins = problem.particles.origins_angstrom[problem.rows]
        if iteration:
            rotations, origins = move_about_fulcrum(
                rotations,
                origins,
                info["turn_rad"],
                info["shift_px"] * problem.pixel_size_angstrom,
                problem.fulcrum_angstrom,
                problem.particles.magnifications[problem.rows],
            )
        return IterationResult(
            iteration=iteration,
            half_maps=half_maps,
            map=both,
            mask=measured.mask,
            cutoff_resolution_angstrom=measured.cutoff_resolution_angstrom,
            fsc=measured.fsc,
            resolution_angstrom=measured.resolution_angstrom,
            converged=has_settled(agreement_history(info, measured.fsc[CORRECTED_CURVE]), info),
            seconds=seconds + time.monotonic() - started,
            indices=problem.rows,
            rotations=rotations,
            origins_angstrom=origins,
            info=info,
        )
