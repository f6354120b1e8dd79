"""Particles of a STAR file as a table of cryoSPARC."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.aberrations import (
    EVEN_TERMS,
    ODD_TERMS,
    CsOptics,
    ZernikeTerms,
    cs_from_zernike,
)
from locref_widgets.io.cs import CsTable
from locref_widgets.io.cs_to_star import PLAIN_FIELDS, NotCarried
from locref_widgets.io.images import ImageNames
from locref_widgets.io.optics import Optics, check_positive, find_optics, pixel_sizes_angstrom
from locref_widgets.io.star_alignments import ANGLES, alignments, alignments_2d
from locref_widgets.io.star_table import StarTable
from locref_widgets.io.uids import UID_LABEL, make_uids, name_of_64_bits

_NEEDED_FOR_CTF = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnDefocusU")
_CTF = (*_NEEDED_FOR_CTF, "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift", "rlnCtfScalefactor")
_ABERRATIONS = ("rlnBeamTiltX", "rlnBeamTiltY", "rlnOddZernike", "rlnEvenZernike")
_MAGNIFICATION = ("rlnMagMat00", "rlnMagMat01", "rlnMagMat10", "rlnMagMat11")
_PIXEL_SIZE = ("rlnImagePixelSize", "rlnDetectorPixelSize", "rlnMagnification", "rlnPixelSize")
_STRUCTURE = ("rlnOpticsGroup", "rlnOpticsGroupName", "rlnImageDimensionality")
_PREPARED = ("rlnCtfDataAreCtfPremultiplied", "rlnCtfDataArePhaseFlipped")
_EXPOSURE_GROUP = re.compile(r"exposureGroup(\d{1,9})(_\d+)?")


@dataclass(frozen=True)
class ImageFacts:
    """What the stacks' headers say where the table is silent; None and zeros: nothing."""

    box_px: int | None = None
    pixel_sizes_angstrom: Float[np.ndarray, " n"] | None = None
    micrograph_shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """(y, x) of the micrographs that were found, by their name in the table."""


def star_to_cs(
    blocks: Mapping[str, StarTable], table_name: str, path: Path, facts: ImageFacts | None = None
) -> tuple[CsTable, list[NotCarried]]:
    """Convert every column that cryoSPARC has a field for; list the others with the reason.

    Numbers become float32, as cryoSPARC keeps them. What an alignment of cryoSPARC holds beyond
    pose, shift, half-set and class is filled with zeros, ``alpha`` and posteriors with ones.

    Raises
    ------
    InputError
        If a column that is converted holds something else than it should.
    """
    table, facts = blocks[table_name], facts or ImageFacts()
    optics = find_optics(table, blocks.get("optics"))
    used: set[str] = set(_STRUCTURE)
    left: list[NotCarried] = []
    group = _exposure_groups(optics)
    columns: dict[str, np.ndarray] = {"uid": make_uids(table, path)}
    used.add(UID_LABEL)
    pixel = _pixel_sizes(optics, facts)
    used |= set(_PIXEL_SIZE)
    if "rlnImageName" in table:
        columns |= _blob(table, optics, pixel, facts, path, left)
        used |= {"rlnImageName", "rlnImageSize"}
    columns |= _ctf(optics, group, used, left)
    for name, label in PLAIN_FIELDS.items():
        if label in optics:
            columns[name] = _float32(optics, label, optics.floats(label))
            used.add(label)
    columns |= _location(optics, group, facts, used, left)
    if all(name in table for name in ANGLES):
        columns |= alignments(table, pixel, used, left)
    elif "rlnAnglePsi" in table:
        columns |= alignments_2d(table, pixel, used, left)
    for name in _PREPARED:
        if name in optics:
            used.add(name)
            if np.any(optics.floats(name)):
                left.append(NotCarried(name, "cryoSPARC takes images as not prepared by a CTF"))
    told = {entry.name for entry in left}
    reason = "cryoSPARC has no field for it"
    for block in (table, blocks.get("optics", StarTable({}))):
        for name in block.columns:
            if name not in used and name not in told:
                left.append(NotCarried(name, reason))
                told.add(name)
    return CsTable(columns, path), left


def _blob(
    table: StarTable,
    optics: Optics,
    pixel: Float[np.ndarray, " n"] | None,
    facts: ImageFacts,
    path: Path,
    left: list[NotCarried],
) -> dict[str, np.ndarray]:
    n = len(table)
    names = ImageNames.parse(table.strings("rlnImageName"), path)
    if names.number.max() >= 2**32:
        row = int(names.number.argmax())
        raise InputError(
            f"{path}: row {row + 1} names image {names.number[row] + 1} of its stack, more than "
            "cryoSPARC's numbers hold. Mend rlnImageName."
        )
    columns = {
        "blob/path": np.array([name.encode() for name in names.names])[names.which],
        "blob/idx": names.number.astype(np.uint32),
    }
    if "rlnImageSize" in optics:
        box = np.minimum(optics.floats("rlnImageSize"), 2.0**31)
        check_positive(optics, box, "rlnImageSize")
        columns["blob/shape"] = np.repeat(box[:, None], 2, axis=1).astype(np.uint32)
    elif facts.box_px is not None:
        columns["blob/shape"] = np.full((n, 2), facts.box_px, np.uint32)
    else:
        left.append(NotCarried("blob/shape", "unknown: no rlnImageSize, and the stack is absent"))
    if pixel is not None:
        columns["blob/psize_A"] = pixel.astype(np.float32)
    else:
        left.append(NotCarried("blob/psize_A", "unknown: no pixel size in table or stack"))
    scale = optics.floats("rlnCtfScalefactor", default=1.0)
    columns["blob/sign"] = np.where(scale < 0, -1, 1).astype(np.float32)
    return columns


def _ctf(
    optics: Optics, group: Int[np.ndarray, " n"], used: set[str], left: list[NotCarried]
) -> dict[str, np.ndarray]:
    n = len(optics.particles)
    absent = [name for name in _NEEDED_FOR_CTF if name not in optics]
    if absent:
        reason = f"a CTF needs {', '.join(absent)} too"
        names = (*_CTF, *_ABERRATIONS, *_MAGNIFICATION)
        left.extend(NotCarried(name, reason) for name in names if name in optics)
        return {}
    used |= {*_CTF, *_ABERRATIONS, *_MAGNIFICATION}

    def stored(name: str, default: float | None = None) -> Float[np.ndarray, " n"]:
        # What goes through float32 is rounded first, so that lengths belong to the value stored.
        return optics.floats(name, default).astype(np.float32).astype(np.float64)

    check_positive(optics, optics.floats("rlnVoltage"), "rlnVoltage")
    df1 = optics.floats("rlnDefocusU")
    df2 = optics.floats("rlnDefocusV") if "rlnDefocusV" in optics else df1
    angle = optics.floats("rlnDefocusAngle", default=0.0 if np.array_equal(df1, df2) else None)
    none = np.zeros((n, 2))
    before = CsOptics(
        accel_kv=stored("rlnVoltage"),
        cs_mm=stored("rlnSphericalAberration"),
        df1_angstrom=df1,
        df2_angstrom=df2,
        df_angle_rad=np.deg2rad(angle),
        phase_shift_rad=np.deg2rad(optics.floats("rlnPhaseShift", default=0.0)),
        shift_angstrom=none,
        tilt_angstrom=none,
        trefoil_angstrom=none,
        tetra_angstrom=np.zeros((n, 4)),
    )
    tilt = [optics.floats(name, default=0.0) for name in ("rlnBeamTiltX", "rlnBeamTiltY")]
    lists = [
        _terms(optics, "rlnOddZernike", ODD_TERMS, left),
        _terms(optics, "rlnEvenZernike", EVEN_TERMS, left),
    ]
    ctf = cs_from_zernike(before, ZernikeTerms(np.stack(tilt, axis=-1), *lists))
    magnification = np.tile([1.0, 0.0, 0.0, 1.0], (n, 1))
    if any(name in optics for name in _MAGNIFICATION):
        magnification = np.stack([optics.floats(name) for name in _MAGNIFICATION], axis=-1)
    fields = {
        "accel_kv": ctf.accel_kv,
        "cs_mm": ctf.cs_mm,
        "amp_contrast": optics.floats("rlnAmplitudeContrast"),
        "df1_A": ctf.df1_angstrom,
        "df2_A": ctf.df2_angstrom,
        "df_angle_rad": ctf.df_angle_rad,
        "phase_shift_rad": ctf.phase_shift_rad,
        "scale": np.abs(optics.floats("rlnCtfScalefactor", default=1.0)),
        "scale_const": np.zeros(n),
        "shift_A": ctf.shift_angstrom,
        "tilt_A": ctf.tilt_angstrom,
        "trefoil_A": ctf.trefoil_angstrom,
        "tetra_A": ctf.tetra_angstrom,
        "anisomag": magnification - [1.0, 0.0, 0.0, 1.0],
        "bfactor": np.zeros(n),
    }
    head = {
        "ctf/type": np.full(n, b"imported"),
        "ctf/exp_group_id": group.astype(np.uint32),
    }
    return head | {f"ctf/{n}": _float32(optics, f"ctf/{n}", v) for n, v in fields.items()}


def _float32(optics: Optics, name: str, values: np.ndarray) -> np.ndarray:
    bad = np.flatnonzero(
        np.any(np.abs(values.reshape(len(values), -1)) > np.finfo(np.float32).max, axis=1)
    )
    if bad.size:
        raise InputError(
            f"{optics.particles.path}: row {bad[0] + 1} gives {name} = {values[bad[0]]}, more than "
            "cryoSPARC's numbers hold. Mend the row."
        )
    return values.astype(np.float32)


def _terms(
    optics: Optics, name: str, count: int, left: list[NotCarried]
) -> Float[np.ndarray, "n count"]:
    values = optics.lists(name)
    if np.any(values[:, count:]):
        left.append(NotCarried(name, f"terms beyond the first {count}: of too high an order"))
    terms = np.zeros((len(values), count))
    terms[:, : values.shape[1]] = values[:, :count]
    return terms


def _location(
    optics: Optics,
    group: Int[np.ndarray, " n"],
    facts: ImageFacts,
    used: set[str],
    left: list[NotCarried],
) -> dict[str, np.ndarray]:
    table = optics.particles
    if "rlnMicrographName" not in table:
        return {}
    used |= {"rlnMicrographName", "rlnMicrographPixelSize"}
    names = table.strings("rlnMicrographName")
    columns = {"location/micrograph_path": np.array([name.encode() for name in names])}
    if "rlnMicrographPixelSize" in optics:
        sizes = optics.floats("rlnMicrographPixelSize").astype(np.float32)
        columns["location/micrograph_psize_A"] = sizes
    coordinates = ("rlnCoordinateX", "rlnCoordinateY")
    if any(name not in table for name in coordinates):
        return columns
    absent = [name for name in dict.fromkeys(names) if name not in facts.micrograph_shapes]
    if absent:
        reason = f"cryoSPARC needs the micrograph's size, and {absent[0]} was not found"
        left.extend(NotCarried(name, reason) for name in coordinates)
        return columns
    used |= set(coordinates)
    shape = np.array([facts.micrograph_shapes[name] for name in names])
    x, y = (table.floats(name) for name in coordinates)
    return columns | {
        "location/micrograph_uid": np.array(
            [name_of_64_bits(name, 0) for name in names], np.uint64
        ),
        "location/exp_group_id": group.astype(np.uint32),
        "location/micrograph_shape": shape.astype(np.uint32),
        "location/center_x_frac": (x / shape[:, 1]).astype(np.float32),
        "location/center_y_frac": (1 - y / shape[:, 0]).astype(np.float32),
    }


def _pixel_sizes(optics: Optics, facts: ImageFacts) -> Float[np.ndarray, " n"] | None:
    header = facts.pixel_sizes_angstrom
    try:
        return pixel_sizes_angstrom(
            optics, np.zeros(len(optics.particles)) if header is None else header
        )
    except InputError:
        if any(name in optics for name in _PIXEL_SIZE):
            raise
        return None


def _exposure_groups(optics: Optics) -> Int[np.ndarray, " n"]:
    """The numbers in the names that `cs_to_star` gives to optics groups, else RELION's numbers."""
    if optics.groups is None or "rlnOpticsGroupName" not in optics.groups:
        return optics.group
    matches = [
        _EXPOSURE_GROUP.fullmatch(name) for name in optics.groups.strings("rlnOpticsGroupName")
    ]
    if not all(matches):
        return optics.group
    return np.array([int(match[1]) for match in matches if match])[optics.row_of_group]
