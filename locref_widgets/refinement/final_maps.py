"""The maps that are kept: both half-sets reconstructed once more at their final poses.

The iterations work in the region's box with what is enough to search by. The last maps are made
from the whole images, in the map's own box.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.slicing import Accumulator
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.consensus import new_accumulator, solve_halves
from locref_widgets.refinement.executor import Executor, Report
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.passes import Arrays, Bench, OutsideMaps, make_task, to_device
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.region_sums import load_images
from locref_widgets.refinement.step import Poses, accumulate, inverse_variance


@dataclass(frozen=True)
class FinalPass:
    """Adds up the images, what is outside the region subtracted, at poses told with each."""

    sigma2: dict[int, Float[np.ndarray, " shells"]]
    keep: bool = False

    def on(self, bench: Bench) -> "_Final":
        """Set it up on a device."""
        return _Final(self, bench)


class _Final:
    def __init__(self, told: FinalPass, bench: Bench) -> None:
        self._bench, disc = bench, bench.problem.disc
        self._weights = {
            half: on_device(inverse_variance(sigma2, disc)) for half, sigma2 in told.sigma2.items()
        }

    def no_sums(self) -> Accumulator:
        return new_accumulator(self._bench.problem)

    def add(
        self, sums: Accumulator, half: int, _group: int, batch: Batch, given: Arrays
    ) -> tuple[Accumulator, Arrays]:
        problem = self._bench.problem
        images = load_images(problem, self._bench.outside(half), batch)
        poses = Poses(on_device(given["rotations"]), on_device(given["origins_px"]))
        valid = on_device(batch.valid)
        sums = accumulate(sums, images, poses, valid, self._weights[half], problem.disc)
        sums.sums.block_until_ready()
        return sums, {}


def final_maps(
    executor: Executor,
    problem: Problem,
    outside: OutsideMaps | None,
    sigma2: dict[int, Float[np.ndarray, " shells"]],
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    batch_size: int,
    report: Report,
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Unfiltered half-maps and the map of both at the poses given (see `solve_halves`)."""
    origins_px = origins_angstrom / problem.pixel_size_angstrom
    inputs = {
        "rotations": rotations.astype(np.float32),
        "origins_px": origins_px.astype(np.float32),
    }
    task = make_task(
        problem, FinalPass(sigma2), batch_size, problem.box_px, outside=outside, inputs=inputs
    )
    added = executor.run(task, report).sums
    sums = {half: to_device(added.pop((half, 0))) for half in HALVES}
    support_px = problem.region_box_px if outside else problem.box_px
    return solve_halves(sums, problem.box_px, problem.operators, support_px)
