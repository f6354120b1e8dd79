"""A particle table of RELION 1.x-3.0 as one of 3.1, with optics groups and origins in Å."""

from dataclasses import replace

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.cs_to_star import digits
from locref_widgets.io.not_carried import NotCarried
from locref_widgets.io.optics import find_optics, pixel_sizes_angstrom
from locref_widgets.io.star_table import TOKEN_DTYPE, StarTable
from locref_widgets.io.star_to_cs import ImageFacts

_MOVED = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnBeamTiltX")
_MOVED += ("rlnBeamTiltY", "rlnOddZernike", "rlnEvenZernike", "rlnMagMat00", "rlnMagMat01")
_MOVED += ("rlnMagMat10", "rlnMagMat11")
_SIZE = ("rlnDetectorPixelSize", "rlnMagnification", "rlnPixelSize", "rlnImagePixelSize")
_ORIGINS = {"rlnOriginX": "rlnOriginXAngst", "rlnOriginY": "rlnOriginYAngst"}
_VERSION = "# version 30001"


def to_relion_3_1(
    blocks: dict[str, StarTable], table_name: str, facts: ImageFacts
) -> tuple[dict[str, StarTable], str, list[NotCarried]]:
    """Move what is common to a microscope's settings into optics groups; all else stays.

    Where the pixel size is not known, so do what it would be made of and origins in pixels.

    A file that has optics groups is returned as it is. Also returns the name of the particles'
    block, and what RELION needs and is not known.

    Raises
    ------
    InputError
        If the table names images, has origins in pixels or a magnification, and the pixel size is
        not known.
    """
    if "optics" in blocks:
        return blocks, table_name, []
    table = blocks[table_name]
    missing: list[NotCarried] = []
    optics: dict[str, np.ndarray] = {n: table.columns[n] for n in _MOVED if n in table}
    header = facts.pixel_sizes_angstrom
    try:
        sizes = pixel_sizes_angstrom(
            find_optics(table, None), np.zeros(len(table)) if header is None else header
        )
        optics["rlnImagePixelSize"] = digits(sizes)
    except InputError:
        if "rlnImageName" in table and any(name in table for name in (*_SIZE, *_ORIGINS)):
            raise
        sizes = None
        missing.append(NotCarried("rlnImagePixelSize", "unknown: no pixel size in table or stack"))
    if facts.box_px is not None:
        optics["rlnImageSize"] = np.full(len(table), str(facts.box_px), dtype=TOKEN_DTYPE)
    elif "rlnImageName" in table:
        missing.append(NotCarried("rlnImageSize", "unknown: the stack is absent"))
    keys = list(zip(*(column.tolist() for column in optics.values()), strict=True))
    row_of_key = {key: row for row, key in reversed(list(enumerate(keys)))}
    rows = sorted(row_of_key.values()) or [0]
    number = {keys[row]: i for i, row in enumerate(rows, start=1)} if keys else {}
    first = np.array(rows)
    groups = {
        "rlnOpticsGroup": np.arange(1, len(first) + 1).astype(TOKEN_DTYPE),
        "rlnOpticsGroupName": np.array(
            [f"opticsGroup{i + 1}" for i in range(len(first))], dtype=TOKEN_DTYPE
        ),
        **{name: column[first] for name, column in optics.items()},
        "rlnImageDimensionality": np.full(len(first), "2", dtype=TOKEN_DTYPE),
    }
    columns: dict[str, np.ndarray] = {}
    for name, column in table.columns.items():
        if name in _ORIGINS and sizes is not None and _ORIGINS[name] not in table:
            columns[_ORIGINS[name]] = digits(table.floats(name) * sizes)
        elif name not in _MOVED and (sizes is None or name not in (*_SIZE, *_ORIGINS)):
            columns[name] = column
    group = [number[key] for key in keys] if keys else [1] * len(table)
    columns["rlnOpticsGroup"] = np.array(group).astype(TOKEN_DTYPE)
    others = {name: block for name, block in blocks.items() if name != table_name}
    return (
        {
            "optics": StarTable(groups, table.path, "optics", comments=[_VERSION]),
            "particles": replace(table, columns=columns, name="particles", comments=[_VERSION]),
            **others,
        },
        "particles",
        missing,
    )
