"""Images cut to the region, and the sums that a pass over them makes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Array, Float, Int

from locref_widgets.engine.fulcrum import move_about_fulcrum
from locref_widgets.engine.grids import Disc
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.region_images import RegionImages, noise_in_region_box
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Accumulator, Projector, empty_accumulator
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.chunks import Place, RunningSum, Sums
from locref_widgets.refinement.consensus import given_poses
from locref_widgets.refinement.executor import Executor, Report
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.passes import Arrays, Bench, OutsideMaps, make_task, to_device
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import make_region
from locref_widgets.refinement.starts import Start
from locref_widgets.refinement.state import MARGINALIZED
from locref_widgets.refinement.step import (
    FoundPoses,
    Poses,
    Region,
    RegionSums,
    add_to_region,
    inverse_variance,
    region_boxes,
    region_images,
)
from locref_widgets.refinement.subtraction import DiscImages, subtract_map, to_disc_images

_NOTED = ("mean_turn_rad", "mean_shift_px", "pose_covariance", "probability")
"""What a search notes of each particle, with which it can be added up again."""


def no_sums(region: Region, disc: Disc) -> RegionSums:
    """Sums of nothing yet, on the grid of a region's templates."""
    projector, shells = region.projector, disc.radius_px + 1
    empty = empty_accumulator(projector.padded_px, projector.radius)
    return RegionSums(empty, *(on_device(np.zeros(shells, np.float32)) for _ in range(2)))


def load_images(problem: Problem, outside: Projector | None, batch: Batch) -> DiscImages:
    """A batch as coefficients, the signal outside the region subtracted if there is a map of it."""
    pixel = on_device(problem.pixel_size_angstrom, np.float32)
    images = to_disc_images(on_device(batch.images), batch.ctf, problem.disc, pixel)
    if outside is None:
        return images
    poses = given_poses(batch)
    return subtract_map(outside, images, poses.rotations, poses.origins_px, problem.disc)


def cut_regions(
    problem: Problem,
    outside: Projector | None,
    region: Region,
    start: Start,
    batch: Batch,
    plan: SearchPlan,
    kept: PreparedImages | None,
) -> RegionImages:
    """A batch cut to boxes about the region, at the poses about which it is searched.

    ``start`` is that of its particles; ``kept`` holds boxes at the poses given.
    """
    at = batch.positions
    angstrom = problem.pixel_size_angstrom
    rotations, origins_angstrom = move_about_fulcrum(
        batch.rotations.astype(np.float64),
        batch.origins_px.astype(np.float64) * angstrom,
        start.turns_rad,
        start.shifts_px * angstrom,
        problem.fulcrum_angstrom,
        np.asarray(batch.ctf.magnification, np.float64),
    )
    poses = Poses(
        on_device(rotations, np.float32), on_device(origins_angstrom / angstrom, np.float32)
    )
    pixel = on_device(angstrom, np.float32)
    if batch.images is None and kept is not None:
        boxes = on_device(kept.get(at))
    else:
        images = load_images(problem, outside, batch)
        boxes = region_boxes(images, poses, region, problem.disc, plan.box_px)
        if kept is not None:
            kept.put(at, np.asarray(boxes))
    return region_images(boxes, batch.ctf, poses, region, plan, pixel)


def weights_of(
    sigma2: dict[int, Float[np.ndarray, " shells"]], problem: Problem
) -> dict[int, Float[Array, " p"]]:
    """``1 / sigma^2`` of each pixel of the region's disc, from each half-set's noise spectrum."""
    disc = problem.region_disc
    noise = {half: noise_in_region_box(s, problem.box_px, disc) for half, s in sigma2.items()}
    return {half: on_device(inverse_variance(noise[half], disc)) for half in sigma2}


def merge_groups(sums: dict[Place, Sums], folds: int) -> dict[Place, Sums]:
    """Sums of each half-set and fold from those of its groups: the same, or one fold only.

    Those given are taken out of ``sums``, so that their memory is free.
    """
    if folds > 1:
        return {place: to_device(sums.pop(place)) for place in list(sums)}
    merged = {half: RunningSum() for half in HALVES}
    for place in sorted(sums):
        merged[place[0]].add(sums.pop(place))
    return {(half, 0): to_device(merged[half].total) for half in HALVES}


@dataclass(frozen=True)
class SumsPass:
    """The sums of an earlier search, with the motions that it noted."""

    plan: SearchPlan
    sigma2: dict[int, Float[np.ndarray, " shells"]]
    keep: bool

    def on(self, bench: Bench) -> "_Sums":
        """Set it up on a device."""
        return _Sums(self, bench)


class _Sums:
    def __init__(self, told: SumsPass, bench: Bench) -> None:
        self._told, self._bench, problem = told, bench, bench.problem
        self._weights = weights_of(told.sigma2, problem)
        self._blank = make_region(np.zeros((problem.region_box_px,) * 3, np.float32), problem)

    def no_sums(self) -> RegionSums:
        return no_sums(self._blank, self._bench.problem.region_disc)

    def add(
        self, sums: RegionSums, half: int, _group: int, batch: Batch, given: Arrays
    ) -> tuple[RegionSums, Arrays]:
        bench, told, blank = self._bench, self._told, self._blank
        start = Start(given["start_turn_rad"], given["start_shift_px"])
        found = FoundPoses(*(on_device(given[name], np.float32) for name in _NOTED))
        kept = bench.kept if told.keep else None
        outside = bench.outside(half)
        images = cut_regions(bench.problem, outside, blank, start, batch, told.plan, kept)
        valid = on_device(batch.valid)
        sums = add_to_region(sums, images, blank, found, self._weights[half], valid, told.plan)
        return sums, {}


def sums_again(
    executor: Executor,
    problem: Problem,
    outside: OutsideMaps | None,
    info: dict[str, np.ndarray],
    plan: SearchPlan,
    groups: Int[np.ndarray, " n"],
    folds: int,
    batch_size: int,
    report: Report,
) -> dict[Place, Accumulator]:
    """The map's sums of an earlier pass from what it noted: equal to the last bit.

    ``info`` is that of its `IterationResult`, ``groups`` the group of each
    particle; with one fold only all groups are added to the same sums.
    """
    if not info.get(MARGINALIZED, True):
        info = info | {"pose_covariance": np.zeros_like(info["pose_covariance"])}
    work = SumsPass(
        plan,
        {half: info[f"weight_sigma2_half{half}"] for half in HALVES},
        keep=not Start(info["start_turn_rad"], info["start_shift_px"]).recentred,
    )
    inputs = {name: info[name] for name in (*_NOTED, "start_turn_rad", "start_shift_px")}
    box_px = problem.region_box_px
    task = make_task(
        problem, work, batch_size, box_px, outside=outside, inputs=inputs, groups=groups
    )
    sums = merge_groups(executor.run(task, report).sums, folds)
    return {place: total.map for place, total in sums.items()}
