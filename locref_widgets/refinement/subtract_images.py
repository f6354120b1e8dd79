"""What is done to one batch of images: their scales fitted, the projections taken off."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from locref_widgets.engine.grids import Disc, disc_to_image, make_disc
from locref_widgets.engine.slicing import Projector
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.consensus import given_poses
from locref_widgets.refinement.halves import HALVES, for_each_batch
from locref_widgets.refinement.problem import Problem
from locref_widgets.refinement.references import make_whole_projector
from locref_widgets.refinement.step import Poses, inverse_variance
from locref_widgets.refinement.subtracted_signal import ScalePopulation, fit_scales
from locref_widgets.refinement.subtraction import DiscImages, project_images, to_disc_images

_SAMPLE = 256
"""Particles of each half-set from which the scales of all are learnt."""

Volume = Float[np.ndarray, "z y x"]


@dataclass(frozen=True)
class Subtraction:
    """Projectors of what is subtracted of each half-set.

    Where scales are fitted there are also projectors of what is kept, ``weights`` (one over the
    noise's variance), and the ``population`` of the scales.
    """

    outside: dict[int, Projector]
    kept: dict[int, Projector] | None = None
    population: ScalePopulation | None = None
    weights: dict[int, Float[np.ndarray, " p"]] | None = None

    def apply(
        self, problem: Problem, half: int, batch: Batch
    ) -> tuple[Float[np.ndarray, "b y x"], Float[np.ndarray, " b"]]:
        """Images of a batch without the signal outside, and the factors of their projections."""
        images, poses = _shown(problem, batch)
        outside = _project(self.outside[half], images, poses, problem.disc)
        factors = np.ones(len(batch.positions))
        if self.population is not None:
            factors = self.population.shrink(*self.fit(problem, half, images, poses, outside))
        off = _to_images(outside, jnp.asarray(factors, jnp.float32), problem.disc)
        return batch.images - np.asarray(off), factors

    def fit(
        self,
        problem: Problem,
        half: int,
        images: DiscImages,
        poses: Poses,
        outside: Complex[Array, "b p"],
    ) -> tuple[Float[np.ndarray, " b"], Float[np.ndarray, " b"]]:
        """Least-squares scales of images whose projections are ``outside``, and variances."""
        assert self.kept is not None and self.weights is not None  # noqa: S101, PT018
        kept = _project(self.kept[half], images, poses, problem.disc)
        weights = jnp.asarray(self.weights[half])
        scales, variances = fit_scales(images.coefficients, outside, kept, weights, problem.disc)
        return np.asarray(scales, np.float64), np.asarray(variances, np.float64)


def make_subtraction(problem: Problem, maps: dict[int, Volume], keep: Volume) -> Subtraction:
    """Prepare maps of the whole particle, of each half-set, for subtraction outside a mask."""
    return Subtraction(_projectors(problem, maps, 1.0 - keep))


def _projectors(problem: Problem, maps: dict[int, Volume], weight: Volume) -> dict[int, Projector]:
    first = make_whole_projector(maps[1] * weight, problem)
    # One map for both half-sets needs the memory of one.
    one = maps[2] is maps[1]
    return {1: first, 2: first if one else make_whole_projector(maps[2] * weight, problem)}


def sample_scales(
    problem: Problem,
    subtraction: Subtraction,
    maps: dict[int, Volume],
    keep: Volume,
    sigma2: dict[int, Float[np.ndarray, " shells"]],
    batch_size: int,
    report: Callable[[int, int], None],
) -> Subtraction:
    """Learn from a sample of the particles how much their scales differ; then each is fitted.

    Raises
    ------
    InputError
        If the images do not show the map.
    """
    weights = {half: inverse_variance(sigma2[half], problem.disc) for half in HALVES}
    fitting = replace(subtraction, kept=_projectors(problem, maps, keep), weights=weights)
    found: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {half: [] for half in HALVES}

    def work(half: int, _: int, batch: Batch) -> None:
        images, poses = _shown(problem, batch)
        outside = _project(fitting.outside[half], images, poses, problem.disc)
        scales, variances = fitting.fit(problem, half, images, poses, outside)
        found[half].append((scales[batch.valid], variances[batch.valid]))

    for_each_batch(problem, batch_size, work, report, limit=_SAMPLE)
    scales, variances = (
        np.concatenate([pair[i] for half in HALVES for pair in found[half]]) for i in (0, 1)
    )
    return replace(fitting, population=ScalePopulation.of(scales, variances))


def _shown(problem: Problem, batch: Batch) -> tuple[DiscImages, Poses]:
    pixel = jnp.asarray(problem.pixel_size_angstrom, jnp.float32)
    images = to_disc_images(jnp.asarray(batch.images), batch.ctf, problem.disc, pixel)
    return images, given_poses(batch)


def _project(
    projector: Projector, images: DiscImages, poses: Poses, disc: Disc
) -> Complex[Array, "b p"]:
    return project_images(projector, images, poses.rotations, poses.origins_px, disc)


@eqx.filter_jit
def _to_images(
    coefficients: Complex[Array, "b p"], factors: Float[Array, " b"], disc: Disc
) -> Float[Array, "b y x"]:
    # Anew, so that its tables are constants of the compiled program.
    disc = make_disc(disc.box_px, disc.radius_px)
    return disc_to_image(coefficients * factors[:, None], disc)
