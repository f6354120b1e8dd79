"""The maps that are kept: both half-sets reconstructed once more at their final poses.

The iterations work in the region's box with what is enough to search by. The last maps are made
from the whole images, in the map's own box and with iterative gridding weights.
"""

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from locref_widgets.engine.slicing import Projector
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.consensus import new_accumulator, solve_halves
from locref_widgets.refinement.halves import HALVES, for_each_batch
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.region_sums import load_images
from locref_widgets.refinement.step import Poses, accumulate, inverse_variance

GRIDDING_ITERATIONS = 10


def final_maps(
    problem: Problem,
    outside: dict[int, Projector | None],
    sigma2: dict[int, Float[np.ndarray, " shells"]],
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    batch_size: int,
    report: Callable[[int, int], None],
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Unfiltered half-maps and the map of both at the poses given (see `solve_halves`)."""
    sums = {half: new_accumulator(problem) for half in HALVES}
    weights = {half: jnp.asarray(inverse_variance(sigma2[half], problem.disc)) for half in HALVES}
    origins_px = origins_angstrom / problem.pixel_size_angstrom

    def work(half: int, _: int, batch: Batch) -> None:
        images = load_images(problem, outside[half], batch)
        at = batch.positions
        poses = Poses(
            jnp.asarray(rotations[at], jnp.float32), jnp.asarray(origins_px[at], jnp.float32)
        )
        valid = jnp.asarray(batch.valid)
        sums[half] = accumulate(sums[half], images, poses, valid, weights[half], problem.disc)
        sums[half].sums.block_until_ready()

    for_each_batch(problem, batch_size, work, report)
    return solve_halves(sums, problem.box_px, problem.operators, GRIDDING_ITERATIONS)
