"""The refinement: reconstruct at the given poses, then search and reconstruct until it settles.

Each iteration searches every particle's local motion about the pose it was *given*, within the
extents, against its own half-set's reference; rebuilds both half-maps; draws the dynamic mask
inside the user's; and measures the FSC, which filters the next references and limits the next
search.
"""

import time
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.filters import lowpass_cosine
from locref_widgets.engine.fsc import compute_fsc_curve, fsc_curves
from locref_widgets.engine.fulcrum import move_about_fulcrum
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.dynamic import dynamic_mask
from locref_widgets.refinement.consensus import (
    check_half_map_order,
    measure_noise,
    reconstruct_consensus,
    solve_halves,
)
from locref_widgets.refinement.convergence import has_settled, turns_between
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.problem import Problem, RefinementInput, pose_problem
from locref_widgets.refinement.references import (
    ScaledMap,
    filter_half,
    make_region,
    make_whole_projector,
    scale_to,
    shell_of_resolution,
)
from locref_widgets.refinement.search_pass import (
    HalfReference,
    SearchPass,
    particle_info,
    plan_for,
    search_and_reconstruct,
)
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult

_BATCH_SIZE = 32
_GRIDDING_ITERATIONS = 10
"""For the final maps."""
_SHELLS_BEYOND = 2
"""Shells past the 0.143 crossing that the next search may use, so that the resolution can grow."""


@runtime_checkable
class Observer(Protocol):
    """How a refinement is followed and steered from outside."""

    def event(self, kind: str, **values: Any) -> None:
        """Take note of something that happened; values can be written as JSON."""
        ...

    def checkpoint(self) -> None:
        """Called between batches: may block (pause), may raise `StopRequested`."""
        ...

    def iteration_finished(self, result: IterationResult) -> None:
        """Keep the result of an iteration."""
        ...


def refine_loop(
    inputs: RefinementInput,
    settings: RefinementSettings,
    observer: Observer,
    resume: IterationResult | None = None,
) -> IterationResult:
    """Refine until convergence or the largest number of iterations; return the last result.

    Parameters
    ----------
    inputs
        Particles, map and mask, read.
    settings
        What to do.
    observer
        Follows and steers.
    resume
        Result of the last finished iteration of an interrupted run, to go on from.

    Raises
    ------
    InputError
        If the inputs do not fit together.
    StopRequested
        From the observer.
    """
    problem = pose_problem(inputs, settings)
    loop = _Loop(inputs, settings, observer, problem)
    _announce(loop)
    loop.prepare()
    if resume is None:
        result = loop.start()
        observer.iteration_finished(result)
    else:
        result = resume
    while result.iteration < settings.iterations and not result.converged:
        result = loop.iterate(result)
        observer.iteration_finished(result)
    return result


def _announce(loop: "_Loop") -> None:
    problem, settings = loop.problem, loop.settings
    voxels = problem.fulcrum_angstrom / problem.pixel_size_angstrom + problem.box_px // 2
    loop.observer.event(
        "run_started",
        n_particles=int(problem.rows.size),
        box_px=problem.box_px,
        pixel_size_angstrom=float(problem.pixel_size_angstrom),
        fulcrum_angstrom=[float(x) for x in problem.fulcrum_angstrom],
        fulcrum_voxels=[float(x) for x in voxels],
        rotation_extent=settings.rotation_extent,
        shift_extent=settings.shift_extent,
        # As it is done, also where the settings leave it open.
        settings=settings.model_dump(mode="json") | {"subtract": problem.subtract},
    )


class _Loop:
    """The refinement's fixed parts and the steps that use them."""

    def __init__(
        self,
        inputs: RefinementInput,
        settings: RefinementSettings,
        observer: Observer,
        problem: Problem,
    ) -> None:
        self.inputs, self.settings, self.observer = inputs, settings, observer
        self.problem = problem
        self.batch_size = min(
            settings.batch_size or _BATCH_SIZE, max(1, int(np.bincount(problem.half_sets).max()))
        )
        self.user_mask = inputs.mask.data

    def prepare(self) -> None:
        """Reconstruct at the given poses and set up what is subtracted."""
        started = time.monotonic()
        self.consensus = reconstruct_consensus(
            self.problem, self.batch_size, self._report(0, "reconstruction")
        )
        self._set_bad_images_aside()
        maps = self._subtraction_maps()
        self.outside = {
            half: make_whole_projector(maps[half] * (1.0 - self.user_mask), self.problem)
            if self.problem.subtract
            else None
            for half in HALVES
        }
        self.first_sigma2 = measure_noise(
            self.problem, maps, self.batch_size, self._report(0, "noise")
        )
        self.preparation_seconds = time.monotonic() - started

    def start(self) -> IterationResult:
        """Iteration 0: the map at the given poses, before any search."""
        consensus = self.consensus
        nothing = np.zeros(self.problem.rows.size)
        info = {
            "pose_change_rad": nothing,
            "shift_change_px": nothing,
            "sigma2_half1": self.first_sigma2[1],
            "sigma2_half2": self.first_sigma2[2],
            "resolution_history_angstrom": np.zeros(0),
        }
        return self._result(0, consensus.half_maps, consensus.both, info, self.preparation_seconds)

    def iterate(self, last: IterationResult) -> IterationResult:
        """Search all particles against the references of the last result."""
        started = time.monotonic()
        iteration = last.iteration + 1
        radius, references = self._references(last)
        plan = plan_for(self.problem, self.settings, radius)
        found = search_and_reconstruct(
            self.problem,
            references,
            plan,
            radius,
            self.batch_size,
            self._report(iteration, "search"),
        )
        history = np.append(last.info["resolution_history_angstrom"], last.resolution_angstrom)
        info = particle_info(found, self.settings) | {"resolution_history_angstrom": history}
        info["turn_since_last_rad"] = turns_between(last.info.get("turn_rad"), found.turns_rad)
        self.observer.event("phase", iteration=iteration, name="fsc")

        def result(gridding_iterations: int) -> IterationResult:
            half_maps, both = solve_halves(found.sums, self.problem.box_px, gridding_iterations)
            seconds = time.monotonic() - started
            return self._result(iteration, half_maps, both, info, seconds, found)

        draft = result(0)
        if iteration < self.settings.iterations and not draft.converged:
            return draft
        # The maps that are kept get the best weights; the iterations do without their cost.
        return replace(result(_GRIDDING_ITERATIONS), converged=draft.converged)

    def _report(self, iteration: int, phase: str) -> Any:
        self.observer.event("phase", iteration=iteration, name=phase)

        def report(done: int, total: int) -> None:
            self.observer.event(
                "progress", iteration=iteration, phase=phase, done=done, total=total
            )
            self.observer.checkpoint()

        return report

    def _set_bad_images_aside(self) -> None:
        keep = self.consensus.usable
        bad = self.problem.rows[~keep] + 1
        if not bad.size:
            return
        half_sets = self.problem.half_sets[keep]
        path = self.problem.particles.path
        if min((half_sets == half).sum() for half in HALVES) == 0:
            raise InputError(
                f"{path}: no usable image is left in one of the half-sets: {bad.size} images hold"
                " NaN or a constant. Extract the particles again (locref info names the faults)."
            )
        self.problem = replace(self.problem, rows=self.problem.rows[keep], half_sets=half_sets)
        shown = ", ".join(map(str, bad[:10])) + (f" and {bad.size - 10} more" * (bad.size > 10))
        self.observer.event(
            "warning",
            message=f"{bad.size} images hold NaN or a constant and are set aside: rows {shown} of"
            f" {path}",
            rows=[int(row) for row in bad],
        )

    def _subtraction_maps(self) -> dict[int, np.ndarray]:
        """What is subtracted of each half-set: the half-maps given, or its own reconstruction."""
        if self.inputs.half_maps is None:
            return dict(zip(HALVES, self.consensus.filtered, strict=True))
        voxel = self.problem.pixel_size_angstrom
        given = self.inputs.half_maps
        check_half_map_order(given, self.consensus, voxel)
        curve = compute_fsc_curve(given[0].data, given[1].data, voxel)
        last = shell_of_resolution(curve.resolution_angstrom(), self.problem.box_px, voxel)
        return {
            half: filter_half(self._on_image_scale(half_map).data, curve, last)
            for half, half_map in zip(HALVES, given, strict=True)
        }

    def _on_image_scale(self, given: Map) -> ScaledMap:
        """A given map scaled to the images, once it is clear that it shows the same object."""
        lowpass = self.settings.initial_lowpass
        scaled = scale_to(
            given.data, self.consensus.both, self.problem.pixel_size_angstrom, lowpass
        )
        if scaled.is_inverted:
            raise InputError(
                f"{given.path}: the map's contrast is inverted against the particles (correlation"
                f" {scaled.correlation:.2f} to {lowpass:g} Å). Multiply it by -1"
                " (relion_image_handler --multiply_constant -1)."
            )
        if not scaled.agrees:
            self.observer.event(
                "warning",
                message=f"{given.path} and a reconstruction of the particles at their poses"
                f" correlate only {scaled.correlation:.2f} to {lowpass:g} Å. Is this the map of"
                " the refinement these poses come from, with the same hand?",
            )
        return scaled

    def _references(self, last: IterationResult) -> tuple[int, dict[int, HalfReference]]:
        """Radius of the search in shells, and each half-set's reference."""
        problem = self.problem
        if last.iteration == 0:
            radius = shell_of_resolution(
                self.settings.initial_lowpass, problem.box_px, problem.pixel_size_angstrom
            )
            maps = self._starting_maps()
            mask = self.user_mask
        else:
            crossing = shell_of_resolution(
                last.resolution_angstrom, problem.box_px, problem.pixel_size_angstrom
            )
            radius = min(crossing + _SHELLS_BEYOND, problem.disc.radius_px)
            curve = last.fsc[CORRECTED_CURVE]
            maps = {half: filter_half(last.half_maps[half - 1], curve, radius) for half in HALVES}
            mask = last.mask
        return radius, {
            half: HalfReference(
                region=make_region(maps[half], mask, problem, radius),
                outside=self.outside[half],
                sigma2=last.info[f"sigma2_half{half}"],
            )
            for half in HALVES
        }

    def _starting_maps(self) -> dict[int, np.ndarray]:
        """The maps given, scaled to the images and low-passed."""
        voxel, lowpass = self.problem.pixel_size_angstrom, self.settings.initial_lowpass
        given = self.inputs.half_maps or (self.inputs.volume,)
        scaled = [lowpass_cosine(self._on_image_scale(m).data, voxel, lowpass) for m in given]
        return {1: np.asarray(scaled[0]), 2: np.asarray(scaled[-1])}

    def _result(
        self,
        iteration: int,
        half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]],
        both: Float[np.ndarray, "z y x"],
        info: dict[str, np.ndarray],
        seconds: float,
        found: SearchPass | None = None,
    ) -> IterationResult:
        started = time.monotonic()
        problem = self.problem
        mask = self._dynamic_mask(both)
        curves = fsc_curves(
            half_maps[0],
            half_maps[1],
            problem.pixel_size_angstrom,
            {"dynamic mask": mask, "user mask": self.user_mask},
        )
        resolution = curves[CORRECTED_CURVE].resolution_angstrom()
        rotations = problem.particles.rotations[problem.rows]
        origins = problem.particles.origins_angstrom[problem.rows]
        if found is not None:
            rotations, origins = move_about_fulcrum(
                rotations,
                origins,
                found.turns_rad,
                found.shifts_px * problem.pixel_size_angstrom,
                problem.fulcrum_angstrom,
            )
        history = [*info["resolution_history_angstrom"], resolution]
        return IterationResult(
            iteration=iteration,
            half_maps=half_maps,
            map=both,
            mask=mask,
            fsc=curves,
            resolution_angstrom=resolution,
            converged=has_settled(history, info, problem.box_px * problem.pixel_size_angstrom),
            seconds=seconds + time.monotonic() - started,
            indices=problem.rows,
            rotations=rotations,
            origins_angstrom=origins,
            info=info,
        )

    def _dynamic_mask(self, both: Float[np.ndarray, "z y x"]) -> Float[np.ndarray, "z y x"]:
        """Mask from the map of both halves, but only below the initial low-pass resolution.

        Above it the halves must not share anything, a mask's outline included.
        """
        voxel = self.problem.pixel_size_angstrom
        smooth = np.asarray(lowpass_cosine(both, voxel, self.settings.initial_lowpass))
        return dynamic_mask(
            smooth,
            self.user_mask,
            voxel,
            threshold=self.settings.dynamic_mask_threshold,
            near_angstrom=self.settings.dynamic_mask_near,
            far_angstrom=self.settings.dynamic_mask_far,
        )
