"""What a table of cryoSPARC says about particles: images, poses, half-sets, optics."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import CTFParameters, make_ctf_parameters
from locref_widgets.errors import InputError
from locref_widgets.io.aberrations import ZernikeTerms, zernike_from_cs
from locref_widgets.io.cs import CsTable
from locref_widgets.io.images import ImageNames

_POSE, _SHIFT, _SPLIT = "alignments3D/pose", "alignments3D/shift", "alignments3D/split"
_SHIFT_PIXEL = "alignments3D/psize_A"
LENGTHS = {"ctf/shift_A": 2, "ctf/tilt_A": 2, "ctf/trefoil_A": 2, "ctf/tetra_A": 4}
_PER_GROUP = {"ctf/accel_kv": 1, "ctf/cs_mm": 1, "ctf/amp_contrast": 1, "blob/psize_A": 1} | (
    {"blob/shape": 2, **LENGTHS, "ctf/anisomag": 4}
)
"""Fields that RELION keeps in an optics group, with their widths."""


def image_names(table: CsTable) -> ImageNames:
    """Read ``blob/path`` and ``blob/idx``.

    The sign > before a path says that it starts from the folder of the .csg or .cs file; other
    paths start from the project's folder. Both are among those searched, so that it is dropped.

    Raises
    ------
    InputError
        If one is absent, a path is empty or no UTF-8, or a number is negative.
    """
    paths, number = table.texts("blob/path"), table.integers("blob/idx")
    # Neighbours mostly share their stack: only the heads of runs are worth sorting.
    heads = np.flatnonzero(np.r_[True, paths[1:] != paths[:-1]])
    distinct, first, which = np.unique(paths[heads], return_index=True, return_inverse=True)
    # In the order in which they occur, so that a message names the first row with a fault.
    rank = np.argsort(np.argsort(first))
    distinct, which = distinct[np.argsort(first)], rank[which]
    which = np.repeat(which, np.diff(np.r_[heads, len(paths)]))
    try:
        names = [name.decode("utf-8").removeprefix(">") for name in distinct.tolist()]
    except UnicodeDecodeError:
        raise InputError(f"{table.path}: blob/path holds names that are not UTF-8.") from None
    bad = np.flatnonzero((number < 0) | np.isin(which, [i for i, n in enumerate(names) if not n]))
    if bad.size:
        raise InputError(
            f"{table.path}: row {bad[0] + 1} has blob/path = {names[which[bad[0]]]!r} and blob/idx "
            f"= {number[bad[0]]}, expected a stack and a number from 0 ({bad.size} rows likewise). "
            "Export the particles again."
        )
    if any("\0" in name for name in names):
        raise InputError(f"{table.path}: blob/path holds a name with a zero byte.")
    return ImageNames(names, which, number)


def read_cs_poses(table: CsTable) -> tuple[Float[np.ndarray, "n 3 3"], Float[np.ndarray, "n 2"]]:
    """Rotation matrices (map -> image) and origins in Å of every particle.

    ``alignments3D/pose`` is a rotation vector that takes the image frame to the map;
    ``alignments3D/shift`` is in pixels of ``alignments3D/psize_A``, which are those of the images
    unless these were resampled since.

    Raises
    ------
    InputError
        If there are no poses, or one is not a finite number.
    """
    if _POSE not in table:
        classes = sorted({n.partition("/")[0] for n in table.columns if n.endswith("/pose")})
        more = f" It has those of {', '.join(classes)}, which are no 3D refinement." * bool(classes)
        raise InputError(
            f"{table.path}: the particles have no poses: the field {_POSE} is absent.{more} Local "
            "refinement starts from a consensus refinement: give its particles "
            "(cryoSPARC: JNN_00N_particles.cs, or a .csg group with alignments3D)."
        )
    rotations = Rotation.from_rotvec(table.floats(_POSE, 3)).inv().as_matrix()
    return rotations, table.floats(_SHIFT, 2) * shift_pixel_angstrom(table)[:, None]


def shift_pixel_angstrom(table: CsTable) -> Float[np.ndarray, " n"]:
    """Size of the pixels in which ``alignments3D/shift`` is given."""
    name = _SHIFT_PIXEL if _SHIFT_PIXEL in table else "blob/psize_A"
    return _positive(table, name)


def with_cs_poses(
    table: CsTable,
    rotations: Float[np.ndarray, "n 3 3"],
    origins_angstrom: Float[np.ndarray, "n 2"],
) -> CsTable:
    """Put poses into a table; every other field stays as it is."""
    pose = Rotation.from_matrix(rotations).inv().as_rotvec()
    shift = origins_angstrom / shift_pixel_angstrom(table)[:, None]
    bad = np.flatnonzero(np.any(np.abs(shift) > np.finfo(np.float32).max, axis=1))
    if bad.size:
        raise InputError(
            f"{table.path}: row {bad[0] + 1} has a shift of {shift[bad[0]]} px, expected numbers "
            f"that {_SHIFT} holds in 32 bits ({bad.size} rows likewise). Mend the origin, or "
            f"{_SHIFT_PIXEL}."
        )
    table = table.with_column(_SHIFT, shift.astype(np.float32))
    return table.with_column(_POSE, pose.astype(np.float32))


def read_cs_half_sets(table: CsTable) -> Int[np.ndarray, " n"]:
    """Half-set of every particle, 1 or 2, from ``alignments3D/split`` (0 or 1).

    Raises
    ------
    InputError
        If the field is absent, holds anything else, or only one half-set occurs.
    """
    if _SPLIT not in table:
        raise InputError(
            f"{table.path}: the particles have no half-sets: the field {_SPLIT} is absent. Give "
            "the particles of a refinement that split them in halves; drawing new halves would "
            "mix them."
        )
    split = table.integers(_SPLIT)
    bad = np.flatnonzero((split != 0) & (split != 1))
    if bad.size:
        raise InputError(
            f"{table.path}: row {bad[0] + 1} has {_SPLIT} = {split[bad[0]]}, expected 0 or 1 "
            f"({bad.size} rows likewise). Mend the rows or take them out."
        )
    if split.min() == split.max():
        raise InputError(
            f"{table.path}: all {len(split)} particles are in half-set {split[0]} ({_SPLIT}), "
            "expected both 0 and 1. Give the particles of a refinement with both halves."
        )
    return split + 1


def has_half_sets(table: CsTable) -> bool:
    """Whether the table says anything of half-sets."""
    return _SPLIT in table


def cs_pixel_size_angstrom(table: CsTable) -> Float[np.ndarray, " n"]:
    """Pixel size of every image. Raises InputError if it is absent or not positive."""
    return _positive(table, "blob/psize_A")


def optics_groups(table: CsTable) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " g"]]:
    """Optics group of every particle, from 1, and the first row of each group.

    Particles of one exposure group are one optics group, unless their fields differ in what RELION
    keeps by optics group. Groups are in the order of their exposure groups' numbers.
    """
    exposure = table.floats("ctf/exp_group_id", default=0.0)
    fields = [table.floats(n, width) for n, width in _PER_GROUP.items() if n in table]
    columns = [column for values in fields for column in values.reshape(len(table), -1).T]
    _, first, group = np.unique(exposure, return_index=True, return_inverse=True)
    varying = [column for column in columns if np.any(column != column[first[group]])]
    if varying:
        parts = np.stack([exposure, *varying], axis=1)
        _, first, group = np.unique(parts, axis=0, return_index=True, return_inverse=True)
    return group.reshape(-1) + 1, first


def image_signs(table: CsTable) -> Float[np.ndarray, " n"]:
    """Sign by which an image is multiplied to show the particle light: -1 where it is dark.

    Raises
    ------
    InputError
        If ``blob/sign`` holds anything but 1 and -1.
    """
    signs = table.floats("blob/sign", default=1.0)
    bad = np.flatnonzero(np.abs(signs) != 1)
    if bad.size:
        raise InputError(
            f"{table.path}: row {bad[0] + 1} has blob/sign = {signs[bad[0]]:g}, expected 1 or -1 "
            f"({bad.size} rows likewise). Export the particles again."
        )
    return signs


def read_cs_ctf(table: CsTable) -> CTFParameters:
    """Read the CTF of every particle, numpy float32, in RELION's units and signs.

    Dark particles (``blob/sign`` = -1) have a negative scale.

    Raises
    ------
    InputError
        If defocus, voltage, spherical aberration or amplitude contrast are absent or out of range.
    """
    n = len(table)
    kv = _positive(table, "ctf/accel_kv")
    cs_mm, contrast = table.floats("ctf/cs_mm"), table.floats("ctf/amp_contrast")
    bad = np.flatnonzero((contrast < 0) | (contrast >= 1))
    if bad.size:
        raise InputError(
            f"{table.path}: row {bad[0] + 1} has ctf/amp_contrast = {contrast[bad[0]]:g}, expected "
            "a fraction, at least 0 and below 1: 10 % is 0.1, not 10. Mend the value."
        )
    terms = zernike_terms(table)
    identity = np.array([1.0, 0.0, 0.0, 1.0])
    magnification = table.floats("ctf/anisomag", 4, default=0.0) + identity
    df1 = table.floats("ctf/df1_A")
    values: dict[str, Any] = {
        "voltage_kv": kv,
        "spherical_aberration_mm": cs_mm,
        "amplitude_contrast": contrast,
        "defocus_u_angstrom": df1,
        "defocus_v_angstrom": table.floats("ctf/df2_A"),
        "defocus_angle_deg": np.rad2deg(table.floats("ctf/df_angle_rad")),
        "phase_shift_deg": np.rad2deg(table.floats("ctf/phase_shift_rad", default=0.0)),
        "bfactor_angstrom2": table.floats("ctf/bfactor", default=0.0),
        "scale": image_signs(table) * table.floats("ctf/scale", default=1.0),
        "beam_tilt_mrad": terms.beam_tilt_mrad,
        "odd_zernike": terms.odd if np.any(terms.odd) else (),
        "even_zernike": terms.even if np.any(terms.even) else (),
        "magnification": _matrices(table.path, magnification),
    }
    for name, value in values.items():
        rows = np.asarray(value, np.float64).reshape(n, -1) if np.size(value) else np.zeros((n, 1))
        bad = np.flatnonzero(np.any(np.abs(rows) > np.finfo(np.float32).max, axis=1))
        if bad.size:
            raise InputError(
                f"{table.path}: row {bad[0] + 1} gives a {name} of {rows[bad[0]].max():g}, which "
                "no microscope has. Mend its fields of ctf/, or estimate the CTF again."
            )
    return make_ctf_parameters(n, **values)


def zernike_terms(table: CsTable) -> ZernikeTerms:
    """Beam tilt and Zernike terms of every row; zeros where the table has none."""
    lengths = [table.floats(name, width, default=0.0) for name, width in LENGTHS.items()]
    return zernike_from_cs(_positive(table, "ctf/accel_kv"), table.floats("ctf/cs_mm"), *lengths)


def _matrices(path: Path, entries: Float[np.ndarray, "n 4"]) -> Float[np.ndarray, "n 2 2"]:
    matrices = entries.reshape(-1, 2, 2)
    bad = np.flatnonzero(np.linalg.det(matrices) <= 0)
    if bad.size:
        raise InputError(
            f"{path}: row {bad[0] + 1} has ctf/anisomag = {entries[bad[0]] - [1, 0, 0, 1]}, whose "
            "matrix (with the identity added) turns images over or to nothing. Mend the value."
        )
    return matrices


def _positive(table: CsTable, name: str) -> Float[np.ndarray, " n"]:
    values = table.floats(name)
    bad = np.flatnonzero(values <= 0)
    if bad.size:
        raise InputError(
            f"{table.path}: row {bad[0] + 1} has {name} = {values[bad[0]]:g}, expected a positive "
            "number. Mend the value."
        )
    return values
