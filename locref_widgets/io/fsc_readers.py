"""FSC curves that other programs wrote: EMDB's XML, RELION's STAR and .dat, cryoSPARC's tables.

Curves are named by what the file calls them, in our words where we know the column.
"""

import csv
import math
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.errors import InputError
from locref_widgets.io.fsc_files import read_fsc_json

_RELION_NAMES = {
    "rlnFourierShellCorrelationCorrected": "corrected",
    "rlnFourierShellCorrelationUnmaskedMaps": "no mask",
    "rlnFourierShellCorrelationMaskedMaps": "mask",
    "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps": "mask randomised",
    "rlnFourierShellCorrelation": "FSC",
    "rlnGoldStandardFsc": "FSC",
}
_CRYOSPARC_NAMES = {
    "fsc_nomask": "no mask",
    "fsc_sphericalmask": "spherical",
    "fsc_loosemask": "loose",
    "fsc_tightmask": "tight",
    "fsc_noisesub_raw": "tight randomised",
    "fsc_noisesub_true": "tight corrected, notch and all",
    "fsc_noisesub": "tight corrected",
    "fsc": "FSC",
}
# RELION writes the frequency of shell 0 as 1/999 Å.
_RELION_ORIGIN = 1.0 / 998.0
_LARGEST_TEXT_BYTES = 10 * 2**20


def read_fsc(
    path: str | os.PathLike[str], *, box_angstrom: float | None = None
) -> dict[str, FSCCurve]:
    """Read the FSC curves of a file, by its ending.

    ``.json`` (ours), ``.xml`` (EMDB's form), ``.star`` (RELION's postprocess or model file),
    ``.dat`` (RELION's two columns), ``.csv`` and ``.txt`` (cryoSPARC's tables).

    Parameters
    ----------
    box_angstrom
        Box x voxel size, which cryoSPARC's ``.txt`` needs: it holds only shell numbers.

    Raises
    ------
    InputError
        If the file is missing, of another kind, or holds no curve.
    """
    path = Path(path)
    readers: dict[str, Callable[[Path, str], dict[str, FSCCurve]]] = {
        ".xml": _from_xml,
        ".star": _from_star,
        ".dat": _from_dat,
        ".csv": lambda p, text: _from_table(p, text, ",", box_angstrom),
        ".txt": lambda p, text: _from_table(p, text, None, box_angstrom),
    }
    if path.suffix not in (".json", *readers):
        raise InputError(
            f"{path}: files of FSC curves end in .json, {', '.join(readers)}. Rename it, or export "
            "the curve again."
        )
    if path.suffix == ".json":
        curves = read_fsc_json(path)
    else:
        curves = readers[path.suffix](path, _read_text(path))
    if not curves:
        raise InputError(
            f"{path}: no FSC curve is in it. Give the file that the program wrote the curve to "
            "(RELION: postprocess.star or the model's), or export the curve again."
        )
    return curves


def read_curves_to_compare(
    paths: Sequence[str | os.PathLike[str]], *, box_angstrom: float | None = None
) -> dict[str, FSCCurve]:
    """Read the curves of several files, each named by its file and what it is called there.

    Randomised curves are left out: they have no resolution to compare. Raises as `read_fsc`.
    """
    files = [Path(path) for path in paths]
    # RELION calls each of them postprocess.star.
    names = [file.name for file in files]
    return {
        f"{file.name if names.count(file.name) == 1 else file}: {name}": curve
        for file, path in zip(files, paths, strict=True)
        for name, curve in read_fsc(path, box_angstrom=box_angstrom).items()
        if not name.endswith("randomised")
    }


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST_TEXT_BYTES:
            raise InputError(
                f"{path}: is over 10 MiB, too large for a file of FSC curves. Give the "
                "file of the curves alone."
            )
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}). Check the path.") from None
    except UnicodeDecodeError:
        raise InputError(
            f"{path}: is no text. Expected a file of FSC curves: check which one was given, or "
            "export the curve again."
        ) from None


def _from_xml(path: Path, text: str) -> dict[str, FSCCurve]:
    # Entities could expand without end; a curve has no use for a document type.
    if re.search(r"<!DOCTYPE|<!ENTITY", text, re.IGNORECASE):
        raise InputError(f"{path}: has a document type, which an FSC file never needs. Remove it.")
    try:
        root = ET.fromstring(text)  # noqa: S314 entities are refused above
    except ET.ParseError as error:
        raise InputError(f"{path}: is no XML ({error}). Export the curve again.") from None
    points = [
        (node.findtext("x"), node.findtext("y"))
        for node in root.iter()
        if node.tag.rsplit("}", 1)[-1] == "coordinate"
    ]
    rows = [[x or "", y or ""] for x, y in points]
    frequency, values = _numbers(path, rows, 2)
    return {root.get("title") or "FSC": _curve(path, frequency, values)} if rows else {}


def _from_dat(path: Path, text: str) -> dict[str, FSCCurve]:
    rows = [line.split() for line in text.splitlines() if line.strip()]
    frequency, values = _numbers(path, rows, 2)
    return {"FSC": _curve(path, frequency, values)} if rows else {}


def _from_star(path: Path, text: str) -> dict[str, FSCCurve]:
    try:
        document = gemmi.cif.read_string(text)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"{path}: is no STAR file ({error}). Write it again.") from None
    for block in document:
        columns = {
            label: [value or "" for value in block.find_values(f"_{label}")]
            for label in ("rlnResolution", *_RELION_NAMES)
        }
        told = {label: values for label, values in columns.items() if values}
        resolution = told.pop("rlnResolution", None)
        if resolution is None or not told:
            continue
        for label, values in told.items():
            if len(values) != len(resolution):
                raise InputError(
                    f"{path}: the block data_{block.name} has {len(resolution)} values of "
                    f"rlnResolution, but {len(values)} of {label}. Write the file again."
                )
        rows = list(map(list, zip(resolution, *told.values(), strict=True)))
        frequency, *values = _numbers(path, rows, len(told) + 1)
        return {
            _RELION_NAMES[label]: _curve(path, frequency, column)
            for label, column in zip(told, values, strict=True)
        }
    return {}


def _from_table(
    path: Path, text: str, delimiter: str | None, box_angstrom: float | None
) -> dict[str, FSCCurve]:
    lines = [line for line in text.splitlines() if line.strip()]
    if delimiter is None and lines and "\t" in lines[0]:
        delimiter = "\t"
    if delimiter:
        rows = list(csv.reader(lines, delimiter=delimiter))
    else:
        rows = [line.split() for line in lines]
    if len(rows) < 2:
        return {}
    head, *body = rows
    head = [name.strip() for name in head]
    columns = dict(zip(head, _numbers(path, body, len(head)), strict=True))
    frequency = _table_frequency(path, columns, box_angstrom)
    names = {
        name: _CRYOSPARC_NAMES.get(name, name)
        for name in columns
        if name not in {"wave_number", "freq_cyc_per_vox", "res_A"}
    }
    return {ours: _curve(path, frequency, columns[name]) for name, ours in names.items()}


def _table_frequency(
    path: Path, columns: dict[str, Float[np.ndarray, " shells"]], box_angstrom: float | None
) -> Float[np.ndarray, " shells"]:
    if "res_A" in columns:
        with np.errstate(divide="ignore"):
            return np.where(np.isinf(columns["res_A"]), 0.0, 1.0 / columns["res_A"])
    if "wave_number" in columns:
        if box_angstrom is None:
            raise InputError(
                f"{path}: holds shell numbers, no frequencies; the box and the voxel size are "
                "needed. Give maps beside it, or the EMDB XML of the same job."
            )
        return columns["wave_number"] / box_angstrom
    raise InputError(
        f"{path}: has neither a column wave_number nor res_A, but {', '.join(columns)}. Expected a "
        "table of FSC curves as cryoSPARC writes it."
    )


def _numbers(path: Path, rows: list[list[str]], width: int) -> list[Float[np.ndarray, " shells"]]:
    table = np.empty((len(rows), width))
    for number, row in enumerate(rows, start=1):
        try:
            if len(row) != width:
                raise ValueError(f"{len(row)} values instead of {width}")
            table[number - 1] = [float(value) for value in row]
        except ValueError as error:
            raise InputError(
                f"{path}: row {number} is damaged ({error}). Export the curve again."
            ) from None
    return list(table.T)


def _curve(
    path: Path, frequency: Float[np.ndarray, " shells"], values: Float[np.ndarray, " shells"]
) -> FSCCurve:
    """Make a curve whose first shell is the map's mean, as everywhere here."""
    frequency = np.array(frequency)
    if len(frequency) < 3:
        raise InputError(
            f"{path}: holds {len(frequency)} points; a curve needs at least 3. Export the whole "
            "curve."
        )
    spacing = frequency[2] - frequency[1]
    if frequency[0] <= _RELION_ORIGIN and not math.isclose(frequency[0], spacing, rel_tol=0.1):
        frequency[0] = 0.0
    elif frequency[0] > 0:
        frequency, values = np.append(0.0, frequency), np.append(1.0, values)
    if not np.all(np.diff(frequency) > 0) or not np.isfinite(frequency).all():
        raise InputError(
            f"{path}: its frequencies do not rise from row to row. Put the rows in order, or "
            "export the curve again."
        )
    return FSCCurve(frequency, np.array(values))
