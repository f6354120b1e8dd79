"""Particles picked twice: different images of nearly the same place of a micrograph.

Picks move onto the same particle when they are centred on what the refinement found in them. Their
images overlap, and with them the noise.
"""

import numpy as np
from jaxtyping import Int

from locref_widgets.io.duplicates import half_sets_with_copies_together, particle_of_row
from locref_widgets.io.optics import find_optics
from locref_widgets.io.particles import Particles

CLOSER_THAN_ANGSTROM = 20.0
"""Centres of two different proteins are not so close to each other."""
_NEGLIGIBLE = 0.005
"""Pairs per particle up to which nothing is said. A share p of pairs puts 2 p of each half-map's
noise into the other, if the images overlap whole, and raises an FSC of noise by as much: 0.01 here,
the scatter of a shell of 10,000 coefficients."""


def double_picks(
    particles: Particles,
    closer_than_angstrom: float = CLOSER_THAN_ANGSTROM,
    particle: Int[np.ndarray, " n"] | None = None,
) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of rows that show different images of nearly the same place of a micrograph.

    The place is ``rlnCoordinateX/Y`` less the origin of the pose. Coordinates count pixels of the
    micrograph; where the table does not say their size, that of the images is taken. Empty when the
    table has no coordinates. ``particle`` is the `particle_of_row`, where it is known.
    """
    from scipy.spatial import KDTree

    table = particles.table
    if any(n not in table for n in ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")):
        return np.zeros((0, 2), np.int64)
    optics = find_optics(table, particles.blocks.get("optics"))
    known = [n for n in ("rlnMicrographPixelSize", "rlnMicrographOriginalPixelSize") if n in optics]
    pixel = (
        optics.floats(known[0]) if known else np.full(len(particles), particles.pixel_size_angstrom)
    )
    place = np.stack([table.floats(f"rlnCoordinate{axis}") * pixel for axis in "XY"], axis=-1)
    place = place - particles.origins_angstrom
    # One tree for all micrographs, stacked with more than the distance between them.
    names = table.strings("rlnMicrographName")
    depth = np.unique(names, return_inverse=True)[1] * (3.0 * closer_than_angstrom)
    # Of the copies of a particle the first stands for all: their pairs would fill the memory.
    particle = particle_of_row(particles) if particle is None else particle
    rows = np.unique(particle, return_index=True)[1]
    tree = KDTree(np.column_stack([place, depth])[rows])
    return rows[tree.query_pairs(closer_than_angstrom, output_type="ndarray")]


def double_picks_warnings(particles: Particles) -> list[str]:
    """Warn of double picks whose rows are in different half-sets, unless they are very few."""
    if particles.half_sets is None:
        return []
    particle = particle_of_row(particles)
    half_sets, _ = half_sets_with_copies_together(particles, particle)
    pairs = double_picks(particles, particle=particle)
    apart = pairs[half_sets[pairs[:, 0]] != half_sets[pairs[:, 1]]]
    if len(apart) <= _NEGLIGIBLE * len(particles):
        return []
    first = ", ".join(f"{a + 1} and {b + 1}" for a, b in np.sort(apart)[:3].tolist())
    more = ", …" if len(apart) > 3 else ""
    warning = (
        f"{particles.path}: pairs of picks lie within {CLOSER_THAN_ANGSTROM:g} Å: {len(apart)} on"
        f" the same micrograph but in different half-sets (rows {first}{more}). If"
        " they show the same particle, its noise is in both halves and raises the FSC: remove"
        " duplicates (relion_star_handler --remove_duplicates)."
    )
    return [warning]
