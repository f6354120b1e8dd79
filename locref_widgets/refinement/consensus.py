"""The pass before any search: reconstruct both halves at the given poses and measure the noise.

The reconstructions are on the absolute scale of the images, so they tell how to scale the map the
user gives, and, filtered by their own FSC, they are what is subtracted outside the region: each
half-set's own, so that the two stay independent.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from locref_widgets.engine.fsc import compute_fsc_curve
from locref_widgets.engine.gridding import USUAL_ITERATIONS
from locref_widgets.engine.grids import shell_means
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.reconstruction import add_accumulators, solve
from locref_widgets.engine.slicing import Accumulator, empty_accumulator, slice_radius
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.background import background_of
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.executor import Executor, LocalExecutor, Report
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.passes import Arrays, Bench, make_task, to_device
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import (
    filter_half,
    make_whole_projector,
    shell_of_resolution,
)
from locref_widgets.refinement.state import IterationResult
from locref_widgets.refinement.step import Poses, accumulate
from locref_widgets.refinement.subtraction import subtract_map, to_disc_images

_SWAPPED = 0.1
_NOISE_SAMPLE = 256
"""Particles of each half-set from which the first noise spectrum is measured."""


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
    background
        Per particle, as `background_of` has it; empty where no image was read.
    """

    half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]
    both: Float[np.ndarray, "z y x"]
    both_as_seen: Float[np.ndarray, "z y x"]
    filtered: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]
    usable: Bool[np.ndarray, " n"]
    background: Float[np.ndarray, " k"]


def new_accumulator(problem: Problem) -> Accumulator:
    """An empty accumulator for images of the problem's box."""
    padded = 2 * problem.box_px
    radius = slice_radius(problem.disc.radius_px, problem.box_px, padded)
    return empty_accumulator(padded, min(radius, padded // 2 - 1))


def given_poses(batch: Batch) -> Poses:
    """Poses of a batch as given."""
    return Poses(on_device(batch.rotations), on_device(batch.origins_px))


def solve_halves(
    sums: dict[int, Accumulator],
    box_px: int,
    operators: Float[np.ndarray, "m 3 3"] | None = None,
    support_px: int | None = None,
    gridding_iterations: int = USUAL_ITERATIONS,
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Unfiltered half-maps and the map of both (see `engine.reconstruction.solve`)."""
    first, second, both = (
        np.asarray(solve(total, box_px, None, gridding_iterations, operators, support_px))
        for total in (sums[1], sums[2], add_accumulators(sums[1], sums[2]))
    )
    return (first, second), both


@dataclass(frozen=True)
class AddUpPass:
    """Adds up the images as they are, at the poses given; finds which of them can be used."""

    keep: bool = False

    def on(self, bench: Bench) -> "_AddUp":
        """Set it up on a device."""
        return _AddUp(bench)


class _AddUp:
    def __init__(self, bench: Bench) -> None:
        self._problem, self._pixel = bench.problem, bench.pixel_size()
        self._flat = on_device(np.ones(bench.problem.disc.shells.shape[0], np.float32))

    def no_sums(self) -> Accumulator:
        return new_accumulator(self._problem)

    def add(
        self, sums: Accumulator, _half: int, _group: int, batch: Batch, _given: Arrays
    ) -> tuple[Accumulator, Arrays]:
        disc, valid = self._problem.disc, on_device(batch.valid)
        images = to_disc_images(on_device(batch.images), batch.ctf, disc, self._pixel)
        sums = accumulate(sums, images, given_poses(batch), valid, self._flat, disc)
        sums.sums.block_until_ready()
        nothing = np.zeros(batch.valid.size, np.float32)
        background = nothing if batch.images is None else background_of(batch.images)
        return sums, {"usable": batch.valid, "background": background}


def add_up_halves(
    problem: Problem, batch_size: int, report: Report, executor: Executor | None = None
) -> tuple[dict[int, Accumulator], Bool[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Sums of both half-sets at the given poses, from the images as they are.

    Also returns, per particle, whether its image is finite and not constant, and its background
    (`background_of`). Computed on this
    machine unless an ``executor`` is given.

    Raises
    ------
    InputError
        If a half-set holds no particle.
    """
    empty = [half for half in HALVES if not np.any(problem.half_sets == half)]
    if empty:
        raise InputError(
            f"{problem.particles.path}: no particle is in half-set {empty[0]} (rlnRandomSubset)."
            " Take the table that the consensus refinement wrote, with both half-sets."
        )
    task = make_task(problem, AddUpPass(), batch_size, problem.box_px)
    result = (executor or LocalExecutor()).run(task, report)
    sums = {half: to_device(result.sums.pop((half, 0))) for half in HALVES}
    return sums, result.found["usable"], result.found["background"]


def reconstruct_consensus(
    problem: Problem,
    batch_size: int,
    report: Report,
    executor: Executor | None = None,
    added_up: Callable[[], None] = lambda: None,
) -> Consensus:
    """Reconstruct both half-sets at the given poses from the images as they are.

    ``added_up`` is called when all images are read, before the maps are made, which leaves the
    interpreter and some of the processors idle.
    """
    sums, usable, background = add_up_halves(problem, batch_size, report, executor)
    added_up()
    as_seen, both_as_seen = solve_halves(sums, problem.box_px)
    half_maps, both = as_seen, both_as_seen
    if len(problem.operators) > 1:
        half_maps, both = solve_halves(sums, problem.box_px, problem.operators)
    # The rest of the particle, which is subtracted, need not have the symmetry of the region.
    filtered = _filtered(as_seen, problem)
    return Consensus(half_maps, both, both_as_seen, filtered, usable, background)


def consensus_of(problem: Problem, first: IterationResult) -> Consensus | None:
    """The consensus that an iteration 0 was made of, to the last bit, without reading an image.

    ``problem`` is that before images were set aside. None under a symmetry: the maps without it,
    which are needed, too, are not in the result.
    """
    if len(problem.operators) > 1:
        return None
    usable = np.isin(problem.rows, first.indices)
    filtered = _filtered(first.half_maps, problem)
    return Consensus(first.half_maps, first.map, first.map, filtered, usable, np.zeros(0))


def _filtered(
    half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]], problem: Problem
) -> tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]:
    curve = compute_fsc_curve(*half_maps, problem.pixel_size_angstrom)
    last = shell_of_resolution(
        curve.resolution_angstrom(), problem.box_px, problem.pixel_size_angstrom
    )
    first, second = (filter_half(half_map, curve, last) for half_map in half_maps)
    return first, second


@dataclass(frozen=True)
class NoisePass:
    """Adds up the power left when each half-set's map is subtracted of its images."""

    maps: dict[int, np.ndarray]
    keep: bool = False

    def on(self, bench: Bench) -> "_Noise":
        """Set it up on a device."""
        return _Noise(self.maps, bench)


class _Noise:
    def __init__(self, maps: dict[int, np.ndarray], bench: Bench) -> None:
        self._problem, self._pixel = bench.problem, bench.pixel_size()
        self._projectors = {half: make_whole_projector(maps[half], bench.problem) for half in maps}

    def no_sums(self) -> dict[str, Any]:
        return {"power": np.zeros(self._problem.disc.radius_px + 1), "count": 0}

    def add(
        self, sums: dict[str, Any], half: int, _group: int, batch: Batch, _given: Arrays
    ) -> tuple[dict[str, Any], Arrays]:
        disc, poses = self._problem.disc, given_poses(batch)
        images = to_disc_images(on_device(batch.images), batch.ctf, disc, self._pixel)
        rest = subtract_map(self._projectors[half], images, poses.rotations, poses.origins_px, disc)
        # On the host: it is little, and less than to compile it.
        spectra = shell_means(np.abs(np.asarray(rest.coefficients)) ** 2, disc)
        return {
            "power": sums["power"] + spectra[batch.valid].sum(axis=0),
            "count": sums["count"] + int(batch.valid.sum()),
        }, {}


def measure_noise(
    problem: Problem,
    maps: dict[int, np.ndarray],
    batch_size: int,
    report: Report,
    executor: Executor | None = None,
) -> dict[int, Float[np.ndarray, " shells"]]:
    """Noise spectrum of each half-set: the power left when its own map is subtracted."""
    work, box_px = NoisePass(maps), problem.region_box_px
    task = make_task(problem, work, batch_size, box_px, limit=_NOISE_SAMPLE)
    sums = (executor or LocalExecutor()).run(task, report).sums
    return {half: sums[half, 0]["power"] / max(int(sums[half, 0]["count"]), 1) for half in HALVES}


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
