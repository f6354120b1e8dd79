"""Rows of a table that show the same particle: symmetry-expanded copies and duplicates.

The two half-sets are independent only when no image is in both. Symmetry expansion and joined
tables bring one image in more than once; the noise that copies share would otherwise be taken for
signal by the FSC, and by the search.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from locref_widgets.engine.symmetry import Operators, point_group_operators
from locref_widgets.errors import InputError
from locref_widgets.io.particles import Particles

_MOST_NAMED = 10
_SAMPLE = 300
"""Particles from whose copies the point group is told."""
_RELATED_DEG = 3.0
_SHARE_RELATED = 0.9
_GROUPS = (
    *(f"C{n}" for n in range(2, 25)),
    *(f"D{n}" for n in range(2, 13)),
    *("T", "O", "I1", "I2", "I3", "I4"),
)


_SOURCE = "sym_expand/src_uid"


@dataclass(frozen=True)
class Copies:
    """The rows of a table by the particle that they show.

    Attributes
    ----------
    particle
        Number of each row's particle, in the order of their first rows.
    is_copy
        Whether an earlier row shows the same particle.
    is_repeated
        Whether an earlier row has the same image at the same pose, to the last digit.
    group
        The point group that relates the poses of the copies; None when no group does, or there
        are none but repeated rows.
    """

    particle: Int[np.ndarray, " n"]
    is_copy: Bool[np.ndarray, " n"]
    is_repeated: Bool[np.ndarray, " n"]
    group: str | None

    def describe(self) -> list[str]:
        """Say in sentences what there is; nothing when each row is a particle of its own."""
        sentences = []
        expanded = int(np.sum(self.is_copy & ~self.is_repeated))
        if expanded:
            counts = np.bincount(self.particle)
            text = (
                f"{len(self.particle)} rows show {counts.size} particles:"
                f" {int(np.sum(counts > 1))} of them occur more than once, up to {counts.max()}"
                " times, at different poses. "
            )
            text += (
                f"Their poses are related by the point group {self.group}: the particles are"
                " symmetry-expanded."
                if self.group
                else "No point group about the centre of the map relates their poses."
            )
            text += " All copies of a particle stay in one half-set."
            sentences.append(text)
        if self.is_repeated.any():
            sentences.append(
                f"{int(self.is_repeated.sum())} rows repeat the image and the pose of an earlier"
                f" row ({_named(self.is_repeated)}), so that these images count more than once."
                " Take the repeated rows out."
            )
        return sentences


def particle_of_row(particles: Particles) -> Int[np.ndarray, " n"]:
    """Number of the particle that each row shows, in the order of their first rows.

    Rows show the same particle when they name the same image of the same stack, or have the same
    ``rlnImageOriginalName`` (cryoSPARC: ``sym_expand/src_uid``): subtraction and re-extraction
    write an image for each copy, and keep there what it was made from.
    """
    source = particles.image_source
    paths: dict[str, int] = {}
    stacks = [paths.setdefault(str(s.path.resolve()), len(paths)) for s in source.stacks]
    numbers = np.asarray(source.number, np.int64)
    keys = np.asarray(stacks, np.int64)[source.which] * (numbers.max() + 1) + numbers
    image = np.unique(keys, return_inverse=True)[1]
    cs = particles.cs
    if cs is not None:
        if _SOURCE in cs:
            image = _joined(image, np.unique(cs.numbers(_SOURCE), return_inverse=True)[1])
    elif "rlnImageOriginalName" in particles.table:
        image = _joined(image, _numbered(particles.table.strings("rlnImageOriginalName")))
    _, first, inverse = np.unique(image, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse]


def find_copies(particles: Particles) -> Copies:
    """Sort the rows of a table by the particle that they show."""
    particle = particle_of_row(particles)
    is_copy = _is_later(particle)
    rows = np.flatnonzero(np.bincount(particle)[particle] > 1)
    is_repeated = np.zeros(particle.size, bool)
    source = particles.image_source
    columns = [source.which[rows], source.number[rows], particles.origins_angstrom[rows].T]
    poses = np.vstack([*columns, particles.rotations[rows].reshape(rows.size, 9).T]).T
    if rows.size:
        is_repeated[rows] = _is_later(np.unique(poses, axis=0, return_inverse=True)[1].ravel())
    group = _relating_group(particles, particle, rows[~is_repeated[rows]])
    return Copies(particle, is_copy, is_repeated, group)


def half_sets_with_copies_together(
    particles: Particles, particle: Int[np.ndarray, " n"] | None = None
) -> tuple[Int[np.ndarray, " n"], list[str]]:
    """Half-sets in which all copies of a particle are in that of the first; say what was changed.

    ``particle`` is the `particle_of_row`, where it is known.

    Raises
    ------
    InputError
        If the particles have no half-sets, or one of them would be left empty.
    """
    half_sets = _half_sets(particles)
    particle = particle_of_row(particles) if particle is None else particle
    _, first = np.unique(particle, return_index=True)
    together = half_sets[first][particle]
    moved = together != half_sets
    if not moved.any():
        return half_sets, []
    if np.ptp(together) == 0:
        raise InputError(
            _both_halves(particles, moved) + " Moved together, none would be left in"
            " the other half: draw the half-sets anew by particle, and refine from there."
        )
    return together, [
        _both_halves(particles, moved)
        + " These rows were moved to the half-set of the particle's first row."
    ]


def with_copies_together(particles: Particles) -> Particles:
    """Particles whose half-sets, and rlnRandomSubset, are `half_sets_with_copies_together`."""
    if particles.half_sets is None:
        return particles
    half_sets, changed = half_sets_with_copies_together(particles)
    return particles.with_half_sets(half_sets) if changed else particles


def copies_warnings(particles: Particles, symmetry: str = "C1") -> list[str]:
    """Say what copies there are and what is changed in the half-sets for them.

    ``symmetry`` is the point group that the reconstructions are to be given.
    """
    copies = find_copies(particles)
    said = [f"{particles.path}: {text}" for text in copies.describe()]
    if copies.group and symmetry != "C1":
        said.append(
            f"{particles.path}: the particles are expanded by {copies.group}, and the map is to be"
            f" given the symmetry {symmetry} as well: every image counts that many times more."
            " Refine expanded particles with symmetry C1."
        )
    if particles.half_sets is None:
        return said
    return said + half_sets_with_copies_together(particles, copies.particle)[1]


def _half_sets(particles: Particles) -> Int[np.ndarray, " n"]:
    if particles.half_sets is None:
        absent = "column rlnRandomSubset" if particles.cs is None else "field alignments3D/split"
        raise InputError(
            f"{particles.path}: the particles have no half-sets: the {absent} is absent. Give the "
            "particles of a refinement that split them in halves."
        )
    return particles.half_sets


def _both_halves(particles: Particles, moved: Bool[np.ndarray, " n"]) -> str:
    return (
        f"{particles.path}: {int(moved.sum())} rows are copies of particles whose first row is in"
        f" the other half-set ({_named(moved)}), so that the same noise is in both halves and"
        " raises their FSC."
    )


def _named(rows: Bool[np.ndarray, " n"]) -> str:
    numbers = np.flatnonzero(rows) + 1
    more = f" and {numbers.size - _MOST_NAMED} more" if numbers.size > _MOST_NAMED else ""
    plural = "s" if numbers.size > 1 else ""
    return f"row{plural} " + ", ".join(map(str, numbers[:_MOST_NAMED].tolist())) + more


def _is_later(values: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether an earlier element has the same value."""
    later = np.ones(values.size, bool)
    later[np.unique(values, return_index=True)[1]] = False
    return later


def _numbered(names: list[str]) -> Int[np.ndarray, " n"]:
    """Number equal names alike; names that are of no single image are left apart from all."""
    known: dict[tuple[str, str], int] = {}
    numbers = np.empty(len(names), np.int64)
    for row, name in enumerate(names):
        number, at, path = name.partition("@")
        # Without a number in the stack it may be the name of a whole micrograph.
        key = (number.lstrip("0"), path) if at and path else ("", str(row))
        numbers[row] = known.setdefault(key, len(known))
    return numbers


def _joined(first: Int[np.ndarray, " n"], second: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Number rows alike that share either of two numbers, directly or through other rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    offset = int(first.max()) + 1
    size = offset + int(second.max()) + 1
    links = coo_array((np.ones(first.size, bool), (first, offset + second)), shape=(size, size))
    return connected_components(links, directed=False)[1][first]


def _relating_group(
    particles: Particles, particle: Int[np.ndarray, " n"], rows: Int[np.ndarray, " m"]
) -> str | None:
    """Smallest point group whose operators are the turns between copies of a particle.

    The rows come without repeated ones. With ``R_i = R_1 S`` the turn ``R_1^T R_i`` is an operator.
    Copies that were refined since are a few degrees off; most have to be near one.
    """
    order = rows[np.argsort(particle[rows], kind="stable")]
    _, start, count = np.unique(particle[order], return_index=True, return_counts=True)
    several = np.flatnonzero(count > 1)
    chosen = several[:: max(1, several.size // _SAMPLE)]
    turns = [
        particles.rotations[order[start[i]]].T
        @ particles.rotations[order[start[i] + 1 :][: count[i] - 1]]
        for i in chosen
    ]
    if not turns:
        return None
    needed, between = int(count.max()), np.concatenate(turns)
    fitting = []
    for name in _GROUPS:
        operators = point_group_operators(name)
        if len(operators) >= needed and _share_related(between, operators) >= _SHARE_RELATED:
            fitting.append((len(operators), name))
    return min(fitting)[1] if fitting else None


def _share_related(turns: Float[np.ndarray, "t 3 3"], operators: Operators) -> float:
    """Share of the turns that are an operator other than the identity."""
    trace = np.einsum("nij,mij->nm", turns, operators[1:]).max(axis=1)
    return float(np.mean(trace >= 1 + 2 * np.cos(np.deg2rad(_RELATED_DEG))))
