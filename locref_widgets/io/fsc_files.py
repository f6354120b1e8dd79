"""FSC curves as files: our JSON, the STAR of RELION's postprocess, the XML that EMDB takes.

Curves go by the names of `locref_widgets.engine.fsc.fsc_curves`; all share one frequency axis.
"""

import json
import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer

# RELION's column for each of our curves, in the order of its postprocess.star.
_RELION_COLUMNS = {
    "dynamic mask corrected": "rlnFourierShellCorrelationCorrected",
    "no mask": "rlnFourierShellCorrelationUnmaskedMaps",
    "dynamic mask": "rlnFourierShellCorrelationMaskedMaps",
    "dynamic mask randomised": "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps",
}
# What RELION writes for the resolution in Å of shell 0.
_RELION_INFINITE_ANGSTROM = 999.0


def write_fsc_json(path: str | Path, curves: dict[str, FSCCurve]) -> None:
    """Write every curve in full precision, with its 0.143 resolution in Å (or null)."""
    content = {
        name: {
            "frequency_per_angstrom": _listed(curve.frequency_per_angstrom),
            "values": _listed(curve.values),
            "resolution_angstrom": _number(curve.resolution_angstrom()),
        }
        for name, curve in curves.items()
    }
    _write_text(Path(path), json.dumps(content, allow_nan=False, indent=1) + "\n")


def read_fsc_json(path: str | Path) -> dict[str, FSCCurve]:
    """Read curves written by `write_fsc_json`, with NaN where a value is null.

    Raises
    ------
    InputError
        If the file is missing, is no JSON or lacks a curve's frequencies or values.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: FSCCurve(
                np.array(curve["frequency_per_angstrom"], dtype=np.float64),
                np.array(curve["values"], dtype=np.float64),
            )
            for name, curve in content.items()
        }
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected FSC curves (fsc.json).") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a file of FSC curves ({error}). Expected one object per curve with "
            "frequency_per_angstrom and values; restore it from the run that wrote it."
        ) from error


def write_fsc_star(path: str | Path, curves: dict[str, FSCCurve]) -> None:
    """Write the curves in the layout of RELION's ``postprocess.star`` (blocks general and fsc).

    Curves without a column in RELION (spherical, user mask) are left to fsc.json.

    Raises ValueError when none of the curves has a column in RELION.
    """
    known = {name: column for name, column in _RELION_COLUMNS.items() if name in curves}
    if not known:
        raise ValueError(f"none of {sorted(curves)} is among RELION's curves {[*_RELION_COLUMNS]}")
    first = curves[next(iter(known))]
    labels = ["rlnSpectralIndex", "rlnResolution", "rlnAngstromResolution", *known.values()]
    lines = ["", "data_general", "", f"_rlnFinalResolution {first.resolution_angstrom():.6f}", ""]
    lines += ["", "data_fsc", "", "loop_"]
    lines += [f"_{label} #{number}" for number, label in enumerate(labels, start=1)]
    for shell, frequency in enumerate(first.frequency_per_angstrom):
        angstrom = 1 / frequency if frequency > 0 else _RELION_INFINITE_ANGSTROM
        values = " ".join(f"{float(curves[name].values[shell]):12.6f}" for name in known)
        lines.append(f"{shell:6d} {frequency:12.6f} {angstrom:12.6f} {values}")
    _write_text(Path(path), "\n".join([*lines, "", ""]))


def write_fsc_xml(path: str | Path, curve: FSCCurve, title: str = "FSC") -> None:
    """Write one curve in the form that EMDB accepts for a deposition (x in 1/Å, y without unit)."""
    points = [
        f"  <coordinate>\n    <x>{float(x):.6f}</x>\n    <y>{float(y):.6f}</y>\n  </coordinate>"
        for x, y in zip(curve.frequency_per_angstrom, curve.values, strict=True)
        if math.isfinite(float(y))
    ]
    head = (
        f'<fsc title={quoteattr(title)} xaxis="Resolution (A-1)" yaxis="Correlation Coefficient">'
    )
    text = "\n".join(['<?xml version="1.0" encoding="UTF-8"?>', head, *points, "</fsc>"])
    _write_text(Path(path), text + "\n")


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _listed(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]


def _write_text(path: Path, text: str) -> None:
    with atomic_writer(path) as handle:
        handle.write(text.encode("utf-8"))
