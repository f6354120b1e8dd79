"""A pass that finds what each image contributes to a number that depends on the region's sums."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.phases import rotate_phases
from locref_widgets.engine.region_images import RegionImages
from locref_widgets.engine.rotations import exp_rotation
from locref_widgets.engine.search_plan import SearchPlan
from locref_widgets.engine.slicing import interpolate_sums, slice_points
from locref_widgets.refinement.batches import Batch
from locref_widgets.refinement.passes import Arrays, Bench
from locref_widgets.refinement.references import make_region
from locref_widgets.refinement.region_sums import cut_regions, weights_of
from locref_widgets.refinement.starts import Start


@dataclass(frozen=True)
class InfluencePass:
    """The inner product of each image's part in the sums with a gradient.

    Attributes
    ----------
    gradients
        Of the number, with respect to the sums of each half-set.
    padded_px, radius
        Of the sums' grid (see `locref_widgets.engine.slicing.Accumulator`).
    sigma2
        Noise spectra by which the images were weighted.
    plan
        Says in which box the images are cut.
    """

    gradients: dict[int, Float[np.ndarray, "z y x 3"]]
    padded_px: int
    radius: int
    sigma2: dict[int, Float[np.ndarray, " shells"]]
    plan: SearchPlan
    keep: bool = True

    def on(self, bench: Bench) -> "_Influence":
        """Set it up on a device."""
        return _Influence(self, bench)


class _Influence:
    def __init__(self, told: InfluencePass, bench: Bench) -> None:
        self._told, self._bench, problem = told, bench, bench.problem
        self._weights = weights_of(told.sigma2, problem)
        self._gradients = {half: jnp.asarray(values) for half, values in told.gradients.items()}
        self._blank = make_region(np.zeros((problem.region_box_px,) * 3, np.float32), problem)

    def no_sums(self) -> dict[str, int]:
        return {"particles": 0}

    def add(
        self, sums: dict[str, int], half: int, _group: int, batch: Batch, given: Arrays
    ) -> tuple[dict[str, int], Arrays]:
        told, bench = self._told, self._bench
        n = len(given["turn_rad"])
        images = cut_regions(
            bench.problem,
            bench.outside(half),
            self._blank,
            Start(np.zeros((n, 3)), np.zeros((n, 2))),
            batch,
            told.plan,
            bench.kept if told.keep else None,
        )
        influence = influences(
            self._gradients[half],
            images,
            jnp.asarray(given["turn_rad"], jnp.float32),
            jnp.asarray(given["shift_px"], jnp.float32),
            self._weights[half],
            jnp.asarray(bench.problem.region_disc.coordinates),
            (told.padded_px, told.radius, bench.problem.region_box_px),
        )
        return {"particles": sums["particles"] + batch.count}, {"influence": influence}


@partial(jax.jit, static_argnames=("sizes",))
def influences(
    gradient: Float[Array, "z y x 3"],
    images: RegionImages,
    turns_rad: Float[Array, "b 3"],
    shifts_px: Float[Array, "b 2"],
    inverse_sigma2: Float[Array, " p"],
    plain: Float[Array, "p 2"],
    sizes: tuple[int, int, int],
) -> Float[Array, " b"]:
    """The inner product of a gradient with what each image adds to the sums at its motion.

    ``sizes`` are the padded box and the radius of the sums, and the region's box. What an image
    adds is that of `locref_widgets.refinement.step.add_to_region` at poses taken as exact.
    """
    padded_px, radius, box_px = sizes
    turns = exp_rotation(turns_rad)
    rotations = turns @ images.rotation
    levers = jnp.einsum("bij,bj->bi", turns, images.lever_px)

    def one(inputs: tuple) -> Float[Array, ""]:
        image, rotation, lever, shift = inputs
        swing, moved = (lever - image.lever_px)[:2], shift + image.offset_px
        cycles = (image.coordinates @ swing - plain @ moved) / box_px
        real, imaginary = rotate_phases(jnp.real(image.values), jnp.imag(image.values), cycles)
        points = slice_points(rotation, image.coordinates, padded_px, box_px)
        slope = interpolate_sums(gradient, points, radius)
        added = jnp.stack([real, imaginary, image.power], axis=-1)
        return jnp.sum(inverse_sigma2 * jnp.sum(slope * added, axis=-1))

    return jax.lax.map(one, (images, rotations, levers, shifts_px))
