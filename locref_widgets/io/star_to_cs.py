"""Particles of a STAR file as a table of cryoSPARC."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable
from locref_widgets.io.cs_to_star import PLAIN_FIELDS
from locref_widgets.io.images import AS_STACK, ImageNames, find_file
from locref_widgets.io.mrc_header import read_header
from locref_widgets.io.not_carried import NotCarried, read_or_leave
from locref_widgets.io.optics import Optics, check_positive, find_optics, pixel_sizes_angstrom
from locref_widgets.io.star_alignments import ANGLES, alignments, alignments_2d
from locref_widgets.io.star_ctf import ctf_fields, read_float32, to_float32
from locref_widgets.io.star_table import StarTable
from locref_widgets.io.uids import UID_LABEL, make_uids, name_of_64_bits

_PIXEL_SIZE = ("rlnImagePixelSize", "rlnDetectorPixelSize", "rlnMagnification", "rlnPixelSize")
_STRUCTURE = ("rlnOpticsGroup", "rlnOpticsGroupName", "rlnImageDimensionality")
_PREPARED = ("rlnCtfDataAreCtfPremultiplied", "rlnCtfDataArePhaseFlipped")
PICKS = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")
"""Columns of a place on a micrograph."""
_EXPOSURE_GROUP = re.compile(r"exposureGroup(\d{1,9})(_\d+)?")


@dataclass(frozen=True)
class ImageFacts:
    """What the stacks' headers say where the table is silent; None and zeros: nothing."""

    box_px: int | None = None
    pixel_sizes_angstrom: Float[np.ndarray, " n"] | None = None
    micrograph_shapes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """(y, x) of the micrographs that were found, by their name in the table."""


def micrograph_shapes(table: StarTable, folders: Sequence[Path]) -> dict[str, tuple[int, int]]:
    """Read the (y, x) of the micrographs on which the table has places, as `ImageFacts` wants them.

    Their names may start from any of the folders. One that is not there or cannot be read is left
    out.
    """
    shapes: dict[str, tuple[int, int]] = {}
    if all(label in table for label in PICKS):
        for name in dict.fromkeys(table.strings("rlnMicrographName")):
            with suppress(InputError):
                path = find_file(name, folders)
                if path is not None:
                    nx, ny, _ = read_header(path).size
                    shapes[name] = (ny, nx)
    return shapes


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
    columns: dict[str, np.ndarray] = {"uid": make_uids(table, left)}
    used.add(UID_LABEL)
    pixel = _pixel_sizes(optics, facts)
    used |= set(_PIXEL_SIZE)
    if "rlnImageName" in table:
        columns |= _blob(table, optics, pixel, facts, path, left)
        used |= {"rlnImageName", "rlnImageSize"}
    columns |= ctf_fields(optics, group, used, left)
    for name, label in PLAIN_FIELDS.items():
        if label in optics:
            used.add(label)
            values = read_or_leave(left, [label], partial(read_float32, optics, label))
            if values is not None:
                columns[name] = values
    columns |= _location(optics, group, facts, used, left)
    if all(name in table for name in ANGLES):
        columns |= alignments(table, pixel, used, left)
    elif "rlnAnglePsi" in table:
        columns |= alignments_2d(table, pixel, used, left)
    _list_the_rest(blocks, optics, used, left)
    return CsTable(columns, path), left


def _list_the_rest(
    blocks: Mapping[str, StarTable], optics: Optics, used: set[str], left: list[NotCarried]
) -> None:
    for name in _PREPARED:
        if name in optics:
            used.add(name)
            if np.any(optics.floats(name)):
                left.append(NotCarried(name, "cryoSPARC takes images as not prepared by a CTF"))
    told = {entry.name for entry in left}
    names = [*optics.particles.columns, *blocks.get("optics", StarTable({})).columns]
    left.extend(
        NotCarried(name, "cryoSPARC has no field for it")
        for name in dict.fromkeys(names)
        if name not in used and name not in told
    )


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
        "blob/path": np.array([n.removesuffix(AS_STACK).encode() for n in names.names])[
            names.which
        ],
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
        columns["blob/psize_A"] = to_float32(optics, "blob/psize_A", pixel)
    else:
        left.append(NotCarried("blob/psize_A", "unknown: no pixel size in table or stack"))
    scale = optics.floats("rlnCtfScalefactor", default=1.0)
    columns["blob/sign"] = np.where(scale < 0, -1, 1).astype(np.float32)
    return columns


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
    label = "rlnMicrographPixelSize"
    if label in optics:
        sizes = read_or_leave(left, [label], partial(read_float32, optics, label))
        if sizes is not None:
            columns["location/micrograph_psize_A"] = sizes
    coordinates = PICKS[1:]
    if any(name not in table for name in coordinates):
        return columns
    absent = [name for name in dict.fromkeys(names) if name not in facts.micrograph_shapes]
    if absent:
        reason = f"cryoSPARC needs the micrograph's size, and {absent[0]} was not found"
        reason += " or is no MRC file"
        left.extend(NotCarried(name, reason) for name in coordinates)
        return columns
    used |= set(coordinates)
    shape = np.array([facts.micrograph_shapes[name] for name in names])
    read = read_or_leave(left, coordinates, lambda: [table.floats(name) for name in coordinates])
    if read is None:
        return columns
    x, y = read
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
