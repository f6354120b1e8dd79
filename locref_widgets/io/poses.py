"""Poses and half-sets in the columns of a particle table."""

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.conventions import euler_from_rotation, rotation_from_euler
from locref_widgets.errors import InputError
from locref_widgets.io.star_table import StarTable

_ANGLES = ("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi")
_ORIGINS_ANGSTROM = ("rlnOriginXAngst", "rlnOriginYAngst")
HALF_SETS = "rlnRandomSubset"
_ORIGINS_PX = ("rlnOriginX", "rlnOriginY")

_MOST_UNEQUAL = 1.5
"""Ratio of the half-sets' sizes beyond which a warning is due; chance alone gives close to 1."""


def read_poses(
    particles: StarTable, pixel_size_angstrom: float
) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]]:
    """Rotation matrices (map -> image) and origins in Å of every particle.

    Origins are read from ``rlnOriginX/YAngst``, else from ``rlnOriginX/Y`` in pixels; they are zero
    when the table has neither, as RELION takes it.

    Raises
    ------
    InputError
        If an angle or one of the two origins is absent or not a number.
    """
    absent = [name for name in _ANGLES if name not in particles]
    if absent:
        raise InputError(
            f"{particles.path}: the particles have no poses: {', '.join(absent)} absent. Local "
            "refinement starts from a consensus refinement: give its particle table (RELION: "
            "run_data.star of Refine3D)."
        )
    rotations = rotation_from_euler(*(particles.floats(name) for name in _ANGLES))
    for names, unit_angstrom in ((_ORIGINS_ANGSTROM, 1.0), (_ORIGINS_PX, pixel_size_angstrom)):
        present = [name for name in names if name in particles]
        if len(present) == 1:
            raise InputError(
                f"{particles.path}: has {present[0]} but not its companion; expected both of "
                f"{' and '.join(names)}. Add the other column."
            )
        if present:
            origins = np.stack([particles.floats(name) for name in names], axis=-1)
            return rotations, origins * unit_angstrom
    return rotations, np.zeros((len(particles), 2))


def read_half_sets(particles: StarTable) -> Int[np.ndarray, " n"]:
    """Half-set of every particle, 1 or 2, from ``rlnRandomSubset``.

    Raises
    ------
    InputError
        If the column is absent, holds anything else, or only one half-set occurs.
    """
    if "rlnRandomSubset" not in particles:
        raise InputError(
            f"{particles.path}: the particles have no half-sets: rlnRandomSubset absent. Give the "
            "table of a refinement that split the particles in halves; drawing new halves would "
            "mix them."
        )
    half_sets = particles.ints("rlnRandomSubset")
    bad = np.flatnonzero((half_sets != 1) & (half_sets != 2))
    if bad.size:
        raise InputError(
            f"{particles.path}: row {bad[0] + 1} has rlnRandomSubset = {half_sets[bad[0]]}, "
            f"expected 1 or 2 ({bad.size} rows likewise). Mend the rows or take them out."
        )
    if np.ptp(half_sets) == 0:
        raise InputError(
            f"{particles.path}: all {len(half_sets)} particles are in half-set {half_sets[0]} "
            "(rlnRandomSubset), expected both 1 and 2. Give the table with both halves."
        )
    return half_sets


def check_half_set_balance(half_sets: Int[np.ndarray, " n"]) -> list[str]:
    """Warn, in sentences, of half-sets so unequal that the resolution is only the smaller one's."""
    first, second = (int(np.sum(half_sets == half)) for half in (1, 2))
    if max(first, second) <= _MOST_UNEQUAL * min(first, second):
        return []
    warning = (
        f"the half-sets are unequal: {first} particles in half 1, {second} in half 2 "
        "(rlnRandomSubset). The smaller half limits the resolution; was the table filtered?"
    )
    return [warning]


def with_pose_columns(
    particles: StarTable,
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
    pixel_size_angstrom: float,
    *,
    in_pixels: bool,
) -> StarTable:
    """Put poses into a table; every other column stays as it is.

    ``in_pixels`` says in which columns the origins go where the table has none yet. Columns that
    are there are all kept up to date.
    """
    for name, values in zip(_ANGLES, euler_from_rotation(rotations), strict=True):
        particles = particles.with_column(name, values)
    return with_origin_columns(
        particles, origins_angstrom, pixel_size_angstrom, in_pixels=in_pixels
    )


def with_origin_columns(
    particles: StarTable,
    origins_angstrom: Float[np.ndarray, "n 2"],
    pixel_size_angstrom: float,
    *,
    in_pixels: bool,
) -> StarTable:
    """Put origins into a table (see `with_pose_columns`); the angles stay as they are."""
    new = _ORIGINS_PX if in_pixels else _ORIGINS_ANGSTROM
    for names, unit_angstrom in ((_ORIGINS_ANGSTROM, 1.0), (_ORIGINS_PX, pixel_size_angstrom)):
        if names[0] in particles or (names == new and not _has_origins(particles)):
            for axis, name in enumerate(names):
                particles = particles.with_column(name, origins_angstrom[:, axis] / unit_angstrom)
    return particles


def _has_origins(particles: StarTable) -> bool:
    return _ORIGINS_ANGSTROM[0] in particles or _ORIGINS_PX[0] in particles
