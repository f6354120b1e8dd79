"""One iteration's pass over the images: search every particle, rebuild both half-maps."""

from collections.abc import Callable
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from locref_widgets.engine.grids import quantise_radius
from locref_widgets.engine.search import SearchOutcome
from locref_widgets.engine.search_plan import SearchPlan, plan_search
from locref_widgets.engine.slicing import Accumulator, Projector
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.consensus import given_poses, new_accumulator
from locref_widgets.refinement.halves import HALVES, for_each_batch
from locref_widgets.refinement.memory import FewerAtOnce, particles_at_once
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.step import (
    Region,
    accumulate,
    inverse_variance,
    moved_poses,
    residual_power,
    search_poses,
)
from locref_widgets.refinement.subtraction import DiscImages, subtract_map, to_disc_images

_PER_PARTICLE = (
    "log_likelihood",
    "turn_error_rad",
    "shift_error_px",
    "cells_evaluated",
    "certified",
    "margin",
)


@dataclass(frozen=True)
class HalfReference:
    """What the search of one half-set is told: its own region, outside and noise."""

    region: Region
    outside: Projector | None
    sigma2: Float[np.ndarray, " shells"]


@dataclass
class SearchPass:
    """Results of a pass, filled batch by batch.

    Attributes
    ----------
    turns_rad, shifts_px
        Local motions found, in the image frame, relative to the poses given.
    found
        Further per-particle numbers by the names of `SearchOutcome`.
    sums
        Accumulators of the half-sets.
    power, count
        Residual power summed over particles, and their number, for the next noise spectra.
    """

    turns_rad: Float[np.ndarray, "n 3"]
    shifts_px: Float[np.ndarray, "n 2"]
    found: dict[str, np.ndarray]
    sums: dict[int, Accumulator]
    power: dict[int, np.ndarray] = field(default_factory=dict)
    count: dict[int, int] = field(default_factory=dict)


def plan_for(problem: Problem, settings: RefinementSettings, radius_px: int) -> SearchPlan:
    """Lay out the search of an iteration whose references reach ``radius_px``."""
    return plan_search(
        problem.box_px,
        quantise_radius(radius_px, problem.box_px),
        problem.region_radius_px,
        settings.rotation_extent,
        settings.shift_extent,
    )


def search_and_reconstruct(
    problem: Problem,
    references: dict[int, HalfReference],
    plan: SearchPlan,
    radius_px: int,
    batch_size: int,
    report: Callable[[int, int], None],
) -> SearchPass:
    """Search all particles against their half-set's reference and rebuild the half-maps."""
    n = problem.rows.size
    result = SearchPass(
        turns_rad=np.zeros((n, 3)),
        shifts_px=np.zeros((n, 2)),
        found={name: np.zeros(n) for name in _PER_PARTICLE},
        sums={half: new_accumulator(problem) for half in HALVES},
        power={half: np.zeros(problem.disc.radius_px + 1) for half in HALVES},
        count=dict.fromkeys(HALVES, 0),
    )
    within_memory = FewerAtOnce(particles_at_once(plan, batch_size))
    inverse = {
        half: jnp.asarray(inverse_variance(references[half].sigma2, problem.disc))
        for half in HALVES
    }

    def work(half: int, batch: Batch) -> None:
        reference = references[half]
        images = load_images(problem, reference.outside, batch)
        poses, sigma2 = given_poses(batch), jnp.asarray(reference.sigma2, jnp.float32)
        outcome = within_memory(
            lambda at_once: search_poses(
                images, poses, reference.region, sigma2, radius_px, plan, at_once
            )
        )
        add_batch(problem, result, half, batch, images, outcome, reference, inverse[half])

    for_each_batch(problem, batch_size, work, report)
    return result


def load_images(problem: Problem, outside: Projector | None, batch: Batch) -> DiscImages:
    """A batch as coefficients, the signal outside the region subtracted if there is a map of it."""
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)
    images = to_disc_images(jnp.asarray(batch.images), batch.ctf, problem.disc, pixel)
    if outside is None:
        return images
    poses = given_poses(batch)
    return subtract_map(outside, images, poses.rotations, poses.origins_px, problem.disc)


def add_batch(
    problem: Problem,
    result: SearchPass,
    half: int,
    batch: Batch,
    images: DiscImages,
    outcome: SearchOutcome,
    reference: HalfReference,
    inverse_sigma2: Float[jax.Array, " p"],
) -> None:
    """Add the images at their new poses to the half-map and note what was found."""
    poses = given_poses(batch)
    fulcrum = jnp.asarray(problem.fulcrum_angstrom / problem.pixel_size_angstrom, jnp.float32)
    valid = jnp.asarray(batch.valid)
    moved = moved_poses(poses, outcome.turn_rad, outcome.shift_px, fulcrum)
    result.sums[half] = accumulate(
        result.sums[half], images, moved, valid, inverse_sigma2, problem.disc
    )
    power = residual_power(
        images, poses, reference.region, outcome.turn_rad, outcome.shift_px, valid, problem.disc
    )
    result.power[half] += np.asarray(power, np.float64)
    result.count[half] += int(batch.valid.sum())
    at = batch.positions[batch.valid]
    result.turns_rad[at] = np.asarray(outcome.turn_rad)[batch.valid]
    result.shifts_px[at] = np.asarray(outcome.shift_px)[batch.valid]
    for name in _PER_PARTICLE:
        result.found[name][at] = np.asarray(getattr(outcome, name))[batch.valid]


def particle_info(found: SearchPass, settings: RefinementSettings) -> dict[str, np.ndarray]:
    """The per-particle arrays and the noise spectra of an `IterationResult`."""
    pose_change = np.linalg.norm(found.turns_rad, axis=1)
    shift_change = np.linalg.norm(found.shifts_px, axis=1)
    extent, reach = settings.rotation_extent, settings.shift_extent / 2
    return {
        "pose_change_rad": pose_change,
        "shift_change_px": shift_change,
        "turn_rad": found.turns_rad,
        "shift_px": found.shifts_px,
        "log_likelihood": found.found["log_likelihood"],
        "log_likelihood_margin": found.found["margin"],
        "rotation_error_rad": found.found["turn_error_rad"],
        "shift_error_px": found.found["shift_error_px"],
        "cells_evaluated": found.found["cells_evaluated"].astype(np.int64),
        "certified": found.found["certified"].astype(bool),
        # Within a thousandth of the extent: the polish stops on the boundary itself.
        "at_bound": (pose_change >= 0.999 * extent) | (shift_change >= 0.999 * reach),
        "sigma2_half1": found.power[1] / max(found.count[1], 1),
        "sigma2_half2": found.power[2] / max(found.count[2], 1),
    }
