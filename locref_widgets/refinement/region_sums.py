"""Images cut to the region, and the sums that a pass over them makes."""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from locref_widgets.engine.grids import Disc
from locref_widgets.engine.region_images import RegionImages, noise_in_region_box
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import Accumulator, Projector, empty_accumulator
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.consensus import given_poses
from locref_widgets.refinement.halves import HALVES, for_each_batch
from locref_widgets.refinement.prepared import PreparedImages
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import make_region
from locref_widgets.refinement.starts import Start
from locref_widgets.refinement.step import (
    FoundPoses,
    Region,
    RegionSums,
    add_to_region,
    inverse_variance,
    moved_poses,
    region_boxes,
    region_images,
)
from locref_widgets.refinement.subtraction import DiscImages, subtract_map, to_disc_images


def no_sums(region: Region, disc: Disc) -> RegionSums:
    """Sums of nothing yet, on the grid of a region's templates."""
    projector, shells = region.projector, disc.radius_px + 1
    empty = empty_accumulator(projector.padded_px, projector.radius)
    return RegionSums(empty, jnp.zeros(shells), jnp.zeros(shells))


def load_images(problem: Problem, outside: Projector | None, batch: Batch) -> DiscImages:
    """A batch as coefficients, the signal outside the region subtracted if there is a map of it."""
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)
    images = to_disc_images(jnp.asarray(batch.images), batch.ctf, problem.disc, pixel)
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

    ``kept`` holds boxes at the poses given.
    """
    at = batch.positions
    poses = moved_poses(
        given_poses(batch),
        jnp.asarray(start.turns_rad[at], jnp.float32),
        jnp.asarray(start.shifts_px[at], jnp.float32),
        jnp.asarray(problem.fulcrum_angstrom / problem.pixel_size_angstrom, jnp.float32),
    )
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)
    if batch.images is None and kept is not None:
        boxes = jnp.asarray(kept.get(at))
    else:
        images = load_images(problem, outside, batch)
        boxes = region_boxes(images, poses, region, problem.disc, plan.box_px)
        if kept is not None:
            kept.put(at, np.asarray(boxes))
    return region_images(boxes, batch.ctf, poses, region, plan, pixel)


def sums_again(
    problem: Problem,
    outside: dict[int, Projector | None],
    info: dict[str, np.ndarray],
    plan: SearchPlan,
    groups: Int[np.ndarray, " n"],
    folds: int,
    kept: PreparedImages | None,
    batch_size: int,
    report: Callable[[int, int], None],
) -> dict[tuple[int, int], Accumulator]:
    """The map's sums of an earlier pass from what it noted: equal to the last bit.

    ``info`` is that of its `IterationResult`, ``groups`` the group of each
    particle; with one fold only all groups are added to the same sums.
    """
    disc = problem.region_disc
    blank = make_region(np.zeros((problem.region_box_px,) * 3, np.float32), problem)
    places = [(half, fold) for half in HALVES for fold in range(folds)]
    sums = {place: no_sums(blank, disc) for place in places}
    weights = {}
    for half in HALVES:
        noise = noise_in_region_box(info[f"weight_sigma2_half{half}"], problem.box_px, disc)
        weights[half] = jnp.asarray(inverse_variance(noise, disc))
    start = Start(info["start_turn_rad"], info["start_shift_px"])

    def work(half: int, fold: int, batch: Batch) -> None:
        at = batch.positions
        found = FoundPoses(
            *(
                jnp.asarray(info[name][at], jnp.float32)
                for name in ("mean_turn_rad", "mean_shift_px", "pose_covariance", "probability")
            )
        )
        images = cut_regions(problem, outside[half], blank, start, batch, plan, kept)
        valid = jnp.asarray(batch.valid)
        place = half, fold if folds > 1 else 0
        sums[place] = add_to_region(sums[place], images, blank, found, weights[half], valid, plan)

    for_each_batch(problem, batch_size, work, report, folds=groups, kept=kept)
    return {place: total.map for place, total in sums.items()}
