"""One particle's search as a refinement makes it, told level by level."""

from dataclasses import dataclass, replace
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from locref_widgets.engine.grids import disc_to_image
from locref_widgets.engine.region_images import RegionImages, noise_in_region_box
from locref_widgets.engine.search_plan import with_lists
from locref_widgets.engine.search_trace import SearchTrace, trace_search
from locref_widgets.engine.search_views import (
    ComparedImages,
    compared_images,
    grid_moves,
    scores_about,
)
from locref_widgets.errors import InputError
from locref_widgets.refinement.batches import read_batch
from locref_widgets.refinement.chunks import Place
from locref_widgets.refinement.fold_references import HalfReference
from locref_widgets.refinement.passes import Bench
from locref_widgets.refinement.references import make_region
from locref_widgets.refinement.region_sums import cut_regions
from locref_widgets.refinement.search_pass import PosedSearch, folds_of
from locref_widgets.refinement.starts import Start
from locref_widgets.refinement.step import Poses, Region, region_images


@dataclass(frozen=True)
class Surface:
    """Log-likelihood over two coordinates of the pose about the optimum, less that there.

    Attributes
    ----------
    axes
        Which two of rotation about x, y, z (rad) and shift along x, y (px); first along columns.
    reach
        Half the width along each.
    values
        ``[second, first]``.
    """

    axes: tuple[int, int]
    reach: tuple[float, float]
    values: Float[np.ndarray, "n n"]


class ParticleSearches:
    """Particles of a posed search, each searched when it is asked for.

    What the particles have in common is made once; nothing is read but the images asked for.
    """

    def __init__(self, posed: PosedSearch) -> None:
        self.posed = posed
        self._bench = Bench(posed.problem, posed.outside)
        self._regions: dict[tuple[int, int], Region] = {}
        self._folds = folds_of(posed.problem, posed.references.folds)

    def __len__(self) -> int:
        return int(self.posed.problem.rows.size)

    def position_of_row(self, row: int) -> int:
        """Position of a row of the table (from 0). Raises `InputError` where it takes no part."""
        rows = self.posed.problem.rows
        found = int(np.searchsorted(rows, row))
        if found == rows.size or rows[found] != row:
            raise InputError(
                f"row {row + 1} takes no part in this search (it has {rows.size:,} particles, rows"
                f" {rows.min() + 1} to {rows.max() + 1}). Give another particle; their numbers"
                f" count from 0: {row} is row {row + 1}."
            )
        return found

    def search(self, position: int) -> "ParticleSearch":
        """Search the particle at a position of the problem's arrays.

        Raises `InputError` where its image cannot be used.
        """
        posed = self.posed
        problem = posed.problem
        # As many together as in the run, though all the same one: sums come out to the last bit.
        batch = read_batch(problem, np.array([position]), posed.batch_size)
        if not batch.valid[0]:
            raise InputError(
                f"row {problem.rows[position] + 1}: the image is constant or holds NaN, so it was"
                " not searched. Choose another particle."
            )
        at = batch.positions
        start = Start(posed.start.turns_rad[at], posed.start.shifts_px[at])
        region = self._region(position)
        half = int(problem.half_sets[position])
        outside = self._bench.outside(half)
        images = cut_regions(problem, outside, region, start, batch, posed.plan, kept=None)
        images = jax.tree.map(lambda a: a[:1], images)
        reference = self._reference(position)
        sigma2 = noise_in_region_box(reference.sigma2, problem.box_px, problem.region_disc)
        noise = jnp.asarray(sigma2, jnp.float32)
        return ParticleSearch(posed, position, region, images, noise, reference.radius_px)

    def made_up(
        self, like: "ParticleSearch", pose: Float[np.ndarray, " 5"], noise: float, seed: int = 0
    ) -> "ParticleSearch":
        """Search an image made of the reference itself, so that the right answer is known.

        Parameters
        ----------
        like
            The particle whose view, optics and noise spectrum it has.
        pose
            Rotation vector (rad) and shift (px) at which it shows the reference.
        noise
            Standard deviation of its noise over that of the data.
        seed
            Of the noise.
        """
        disc, plan = self.posed.problem.region_disc, self.posed.plan
        image = jax.tree.map(lambda a: a[0], like.images)
        shown = compared_images(
            like.region.projector,
            image,
            plan,
            jnp.asarray(pose, jnp.float32),
            jnp.asarray(disc.radius_px, jnp.float32),
        ).projection
        rng = np.random.default_rng(seed)
        sigma2 = np.asarray(like.sigma2) * noise**2
        # What is compared is C* X, whose noise has the power |C|^2 sigma^2, half in each part.
        width = np.sqrt(np.asarray(image.power) * sigma2[disc.shells] / 2)
        random = rng.normal(size=(2, width.size)) * width
        box = np.asarray(shown) + np.asarray(
            disc_to_image(jnp.asarray(random[0] + 1j * random[1], jnp.complex64), disc)
        )
        poses = Poses(like.images.rotation, like.images.offset_px)
        images = region_images(
            jnp.asarray(box)[None],
            like.images.ctf,
            poses,
            like.region,
            plan,
            jnp.asarray(self.posed.problem.pixel_size_angstrom, jnp.float32),
        )
        return replace(like, images=images, sigma2=jnp.asarray(sigma2, jnp.float32))

    def _place(self, position: int) -> Place:
        return int(self.posed.problem.half_sets[position]), int(self._folds[position])

    def _reference(self, position: int) -> HalfReference:
        half, fold = self._place(position)
        return self.posed.references.of(fold)[half]

    def _region(self, position: int) -> Region:
        place = self._place(position)
        if place not in self._regions:
            cube = self._reference(position).cube
            self._regions[place] = make_region(cube, self.posed.problem)
        return self._regions[place]


@dataclass(frozen=True)
class ParticleSearch:
    """One particle's search: how it went, and what it looked at.

    Attributes
    ----------
    posed
        What the search was told.
    position
        Of the particle in the problem's arrays.
    region, images, sigma2
        As the engine takes them; ``images`` is a batch of one.
    radius_px
        Shell that the reference reaches.
    """

    posed: PosedSearch
    position: int
    region: Region
    images: RegionImages
    sigma2: Float[Array, " shells"]
    radius_px: int

    @property
    def row(self) -> int:
        """Row of the particle in the table, from 0."""
        return int(self.posed.problem.rows[self.position])

    @property
    def half_set(self) -> int:
        """1 or 2."""
        return int(self.posed.problem.half_sets[self.position])

    def with_lists(self, tilts: int, turns: int, shifts: int) -> "ParticleSearch":
        """The same search with longer or shorter lists: what the run would have done with them."""
        plan = with_lists(self.posed.plan, tilts, turns, shifts)
        return replace(self, posed=replace(self.posed, plan=plan))

    @cached_property
    def trace(self) -> SearchTrace:
        """The search, level by level."""
        return trace_search(
            self.region.projector,
            self.images,
            self.sigma2,
            jnp.asarray(self.radius_px, jnp.float32),
            self.posed.prior.of(self.position),
            self.posed.plan,
            jnp.asarray(self.posed.problem.pixel_size_angstrom, jnp.float32),
        )

    def images_at(self, pose: Float[np.ndarray, " 5"], shell_px: int) -> ComparedImages:
        """The particle beside its projection at a pose, both up to a shell; host arrays."""
        found = compared_images(
            self.region.projector,
            self._image,
            self.posed.plan,
            jnp.asarray(pose, jnp.float32),
            jnp.asarray(shell_px, jnp.float32),
        )
        return jax.tree.map(np.asarray, found)

    def surface(self, axes: tuple[int, int], steps: int = 25, sigmas: float = 4.0) -> Surface:
        """The log-likelihood about the optimum over two coordinates, with all shells.

        It reaches ``sigmas`` of the standard errors that hold with the others fixed, but at most
        the extents.
        """
        plan, outcome = self.posed.plan, self.trace.outcome
        limits = [plan.rotation_extent_rad] * 3 + [plan.shift_radius_px] * 2
        # With the other coordinates fixed the covariance is the inverse of a block of information.
        errors = 1.0 / np.sqrt(np.diag(np.linalg.inv(outcome.covariance)))
        first, second = (min(sigmas * float(errors[a]), limits[a]) for a in axes)
        values = scores_about(
            self.region.projector,
            self._image,
            self.sigma2,
            jnp.asarray(self.radius_px, jnp.float32),
            self.posed.prior.of(self.position),
            plan,
            jnp.asarray(self.trace.pose, jnp.float32),
            jnp.asarray(grid_moves(axes, (first, second), steps)),
        )
        values = np.asarray(values).reshape(steps, steps) - float(outcome.log_likelihood)
        return Surface(axes, (first, second), values)

    @property
    def _image(self) -> RegionImages:
        return jax.tree.map(lambda a: a[0], self.images)
