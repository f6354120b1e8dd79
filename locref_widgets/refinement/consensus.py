"""The pass before any search: reconstruct both halves at the given poses and measure the noise.

The reconstructions are on the absolute scale of the images, so they tell how to scale the map the
user gives, and, filtered by their own FSC, they are what is subtracted outside the region: each
half-set's own, so that the two stay independent.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from locref_widgets.engine.fsc import compute_fsc_curve
from locref_widgets.engine.grids import shell_means
from locref_widgets.engine.reconstruction import add_accumulators, solve
from locref_widgets.engine.slicing import Accumulator, empty_accumulator, slice_radius
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.halves import HALVES, for_each_batch
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import (
    filter_half,
    make_whole_projector,
    shell_of_resolution,
)
from locref_widgets.refinement.step import Poses, accumulate
from locref_widgets.refinement.subtraction import subtract_map, to_disc_images

_SWAPPED = 0.1
_NOISE_SAMPLE = 256
"""Particles of each half-set from which the first noise spectrum is measured."""

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Consensus:
    """Reconstructions at the given poses.

    Attributes
    ----------
    half_maps
        Unfiltered, of the whole particle, with the symmetry asked for.
    both
        Unfiltered, from all particles, with the symmetry asked for.
    both_as_seen
        Likewise without symmetry, which the particle as a whole need not have: what tells the scale
        of the images.
    filtered
        The half-maps filtered by their FSC, without symmetry.
    usable
        Per particle: whether the image is finite and not constant.
    """

    half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]
    both: Float[np.ndarray, "z y x"]
    both_as_seen: Float[np.ndarray, "z y x"]
    filtered: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]
    usable: Bool[np.ndarray, " n"]


def new_accumulator(problem: Problem) -> Accumulator:
    """An empty accumulator for images of the problem's box."""
    padded = 2 * problem.box_px
    radius = slice_radius(problem.disc.radius_px, problem.box_px, padded)
    return empty_accumulator(padded, min(radius, padded // 2 - 1))


def given_poses(batch: Batch) -> Poses:
    """Poses of a batch as given."""
    return Poses(jnp.asarray(batch.rotations), jnp.asarray(batch.origins_px))


def solve_halves(
    sums: dict[int, Accumulator],
    box_px: int,
    operators: Float[np.ndarray, "m 3 3"] | None = None,
    gridding_iterations: int = 0,
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Unfiltered half-maps and the map of both (see `engine.reconstruction.solve`)."""
    first, second, both = (
        np.asarray(solve(total, box_px, None, gridding_iterations, operators))
        for total in (sums[1], sums[2], add_accumulators(sums[1], sums[2]))
    )
    return (first, second), both


def add_up_halves(
    problem: Problem, batch_size: int, report: Report
) -> tuple[dict[int, Accumulator], Bool[np.ndarray, " n"]]:
    """Sums of both half-sets at the given poses, from the images as they are.

    Also returns, per particle, whether its image is finite and not constant.
    """
    sums = {half: new_accumulator(problem) for half in HALVES}
    usable = np.zeros(problem.rows.size, bool)
    flat = jnp.ones(problem.disc.shells.shape[0], jnp.float32)
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)

    def work(half: int, _: int, batch: Batch) -> None:
        images = to_disc_images(jnp.asarray(batch.images), batch.ctf, problem.disc, pixel)
        sums[half] = accumulate(
            sums[half], images, given_poses(batch), jnp.asarray(batch.valid), flat, problem.disc
        )
        sums[half].sums.block_until_ready()
        usable[batch.positions[batch.valid]] = True

    for_each_batch(problem, batch_size, work, report)
    return sums, usable


def reconstruct_consensus(problem: Problem, batch_size: int, report: Report) -> Consensus:
    """Reconstruct both half-sets at the given poses from the images as they are."""
    sums, usable = add_up_halves(problem, batch_size, report)
    as_seen, both_as_seen = solve_halves(sums, problem.box_px)
    half_maps, both = as_seen, both_as_seen
    if len(problem.operators) > 1:
        half_maps, both = solve_halves(sums, problem.box_px, problem.operators)
    # The rest of the particle, which is subtracted, need not have the symmetry of the region.
    curve = compute_fsc_curve(*as_seen, problem.pixel_size_angstrom)
    last = shell_of_resolution(
        curve.resolution_angstrom(), problem.box_px, problem.pixel_size_angstrom
    )
    first, second = (filter_half(half_map, curve, last) for half_map in as_seen)
    return Consensus(half_maps, both, both_as_seen, (first, second), usable)


def measure_noise(
    problem: Problem, maps: dict[int, np.ndarray], batch_size: int, report: Report
) -> dict[int, Float[np.ndarray, " shells"]]:
    """Noise spectrum of each half-set: the power left when its own map is subtracted."""
    projectors = {half: make_whole_projector(maps[half], problem) for half in HALVES}
    power = {half: np.zeros(problem.disc.radius_px + 1) for half in HALVES}
    count: dict[int, int] = dict.fromkeys(HALVES, 0)
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)

    def work(half: int, _: int, batch: Batch) -> None:
        images = to_disc_images(jnp.asarray(batch.images), batch.ctf, problem.disc, pixel)
        poses = given_poses(batch)
        rest = subtract_map(
            projectors[half], images, poses.rotations, poses.origins_px, problem.disc
        )
        spectra = np.asarray(shell_means(jnp.abs(rest.coefficients) ** 2, problem.disc))
        power[half] += spectra[batch.valid].sum(axis=0)
        count[half] += int(batch.valid.sum())

    for_each_batch(problem, batch_size, work, report, limit=_NOISE_SAMPLE)
    return {half: power[half] / max(count[half], 1) for half in HALVES}


def check_half_map_order(
    given: tuple[Map, Map], consensus: Consensus, voxel_size_angstrom: float
) -> None:
    """Refuse half-maps that are given in the other order than the half-sets.

    Each half-set's noise is in its own half-map, so where the two half-maps differ, the one that
    belongs to a half-set correlates better with that half-set's reconstruction.

    Raises
    ------
    InputError
        If the difference of the given maps is that of the reconstructions the other way round.
    """
    difference = given[0].data - given[1].data
    ours = consensus.half_maps[0] - consensus.half_maps[1]
    curve = compute_fsc_curve(difference, ours, voxel_size_angstrom)
    # The mean over shells of independent noise is within a few hundredths of 0.
    if float(np.mean(curve.values[1:])) < -_SWAPPED:
        raise InputError(
            f"{given[0].path} and {given[1].path} are given in the wrong order: the first must be"
            " of the particles with rlnRandomSubset 1. Give them the other way round."
        )
