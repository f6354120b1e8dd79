"""What stays the same through a refinement: the particles taking part, the region, the fulcrum."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.grids import Disc, make_disc
from locref_widgets.engine.symmetry import point_group_operators
from locref_widgets.errors import InputError
from locref_widgets.io.duplicates import half_sets_with_copies_together, particle_of_row
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.io.particles import Particles, check_particles_match_map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom
from locref_widgets.refinement.region_place import place_region
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.symmetric_region import check_region_on_axes

_WHOLE_PARTICLE = 0.98
"""Share of the map's power inside the mask from which nothing is left to subtract."""


@dataclass(frozen=True)
class RefinementInput:
    """The files of a refinement, read."""

    particles: Particles
    volume: Map
    mask: Map
    half_maps: tuple[Map, Map] | None = None


@dataclass(frozen=True)
class Problem:
    """A refinement's fixed quantities. Angles, shifts and origins refer to the poses given.

    Attributes
    ----------
    particles
        All particles of the input table.
    rows
        Rows of the table that take part, ascending; per-particle arrays follow this order.
    particle
        Number of the particle that each of them shows (see `locref_widgets.io.duplicates`).
    half_sets
        1 or 2 for each of them; the same for all copies of a particle.
    disc
        All Fourier pixels of an image below Nyquist.
    fulcrum_angstrom
        Relative to the centre of the box.
    region_centre_voxels
        Whole voxel ``(x, y, z)``, relative to the centre of the box, on which the region's
        templates are centred (see `region_place`).
    region_box_px
        Edge of the box about that voxel that holds the region whichever way it is turned; images
        are cut to it.
    region_spread_px2
        Mean square of one coordinate of the mask's points about that voxel.
    subtract
        Whether the signal outside the mask is subtracted from the images.
    operators
        Rotations of the point group that reconstructions are given; they leave the region's centre
        where it is.
    """

    particles: Particles
    rows: Int[np.ndarray, " n"]
    particle: Int[np.ndarray, " n"]
    half_sets: Int[np.ndarray, " n"]
    disc: Disc
    fulcrum_angstrom: Float[np.ndarray, " 3"]
    region_centre_voxels: Int[np.ndarray, " 3"]
    region_box_px: int
    region_spread_px2: float
    subtract: bool
    operators: Float[np.ndarray, "m 3 3"]

    @property
    def region_disc(self) -> Disc:
        """Fourier pixels of an image cut to the region's box."""
        return make_disc(self.region_box_px)

    @property
    def region_radius_px(self) -> float:
        """Radius of the ball whose points lie as far from its centre, on average of the squares.

        What a rotation changes in an image grows with that square: a few voxels far out hardly
        count.
        """
        return math.sqrt(5.0 * self.region_spread_px2)

    @property
    def box_px(self) -> int:
        """Edge of the images and of the map."""
        return self.disc.box_px

    @property
    def pixel_size_angstrom(self) -> float:
        """Pixel size of the images."""
        return self.particles.pixel_size_angstrom

    def region_shell(self, resolution_angstrom: float) -> int:
        """Shell of a resolution in the region's box, at least 2 and below Nyquist."""
        shell = int(self.region_box_px * self.pixel_size_angstrom / resolution_angstrom)
        return int(np.clip(shell, 2, self.region_disc.radius_px))

    def lever_px(self) -> Float[np.ndarray, " 3"]:
        """Vector from the fulcrum to the region's centre in the map frame."""
        return self.region_centre_voxels - self.fulcrum_angstrom / self.pixel_size_angstrom


def pose_problem(inputs: RefinementInput, settings: RefinementSettings) -> Problem:
    """Check that the inputs fit together and derive the fixed quantities.

    Raises
    ------
    InputError
        If maps and images differ in box or pixel size, the half-sets are absent, or the fulcrum
        lies outside the box.
    """
    particles, volume, mask = inputs.particles, inputs.volume, inputs.mask
    check_particles_match_map(particles, volume)
    check_same_grid(volume, mask, "mask")
    for half_map in inputs.half_maps or ():
        check_same_grid(volume, half_map, "half-map")
    particle = particle_of_row(particles)
    rows = choose_rows(particles, particle, settings)
    place = place_region(mask)
    check_region_on_axes(settings.symmetry, mask)
    return Problem(
        particles=particles,
        rows=rows,
        particle=particle[rows],
        half_sets=half_sets_with_copies_together(particles, particle)[0][rows],
        disc=make_disc(particles.box_px),
        fulcrum_angstrom=fulcrum_of(settings, mask),
        region_centre_voxels=place.centre_voxels,
        region_box_px=place.box_px,
        region_spread_px2=place.spread_px2(),
        subtract=_should_subtract(settings, volume, mask),
        operators=point_group_operators(settings.symmetry),
    )


def fulcrum_of(settings: RefinementSettings, mask: Map) -> Float[np.ndarray, " 3"]:
    """The fulcrum in Å from the centre of the box. Raises `InputError` when it is outside."""
    voxel = mask.voxel_size_angstrom
    centre = centre_of_mass_angstrom(mask.data, voxel)
    return settings.resolve_fulcrum_angstrom(mask.box_px, voxel, centre)


def choose_rows(
    particles: Particles, particle: Int[np.ndarray, " n"], settings: RefinementSettings
) -> Int[np.ndarray, " m"]:
    """Rows that take part: all, or a subset drawn by the seed with both half-sets in proportion.

    A ``particle`` (its number, for each row) takes part with all of its copies, so that a subset
    of a table that holds copies has about as many rows as wanted.
    """
    if particles.half_sets is None:
        raise InputError(
            f"{particles.path}: there is no column rlnRandomSubset. Local refinement keeps the two"
            " half-sets of the consensus refinement: take the STAR file that the refinement wrote"
            " (run_data.star)."
        )
    n = len(particles)
    wanted = n if settings.subset is None else min(settings.subset, n)
    if wanted == n:
        return np.arange(n)
    half_sets = half_sets_with_copies_together(particles, particle)[0]
    _, first = np.unique(particle, return_index=True)
    order = np.random.default_rng(settings.seed).permutation(first.size)
    share = wanted / n
    chosen = np.zeros(first.size, bool)
    for half in (1, 2):
        of_half = order[half_sets[first][order] == half]
        chosen[of_half[: max(1, round(share * of_half.size))]] = True
    return np.flatnonzero(chosen[particle])


def _should_subtract(settings: RefinementSettings, volume: Map, mask: Map) -> bool:
    if settings.subtract is not None:
        return settings.subtract
    power = float(np.sum(volume.data.astype(np.float64) ** 2))
    inside = float(np.sum((volume.data.astype(np.float64) * mask.data) ** 2))
    return inside < _WHOLE_PARTICLE * power
