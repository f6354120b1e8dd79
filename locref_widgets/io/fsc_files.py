"""FSC curves as files that we write: JSON, RELION's STAR, EMDB's XML, cryoSPARC's text.

Curves go by the names of `locref_widgets.engine.fsc.fsc_curves`; all share one frequency axis.
Curves of other programs are read by `locref_widgets.io.fsc_readers`.
"""

import json
import math
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import numpy as np

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.guinier import GuinierPlot
from locref_widgets.engine.phase_randomisation import uncut_corrected_fsc
from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer

# RELION's columns, in the order of its postprocess.star, and our ending after the mask's name.
_RELION_COLUMNS = {
    "rlnFourierShellCorrelationCorrected": "{mask} corrected",
    "rlnFourierShellCorrelationUnmaskedMaps": "no mask",
    "rlnFourierShellCorrelationMaskedMaps": "{mask}",
    "rlnCorrectedFourierShellCorrelationPhaseRandomizedMaskedMaps": "{mask} randomised",
}
_MASKS_IN_RELION_COLUMNS = ("dynamic mask", "user mask", "tight")
# What RELION writes for the resolution in Å of shell 0.
_RELION_INFINITE_ANGSTROM = 999.0
# cryoSPARC's columns (up to version 4.7) and our curves; the tight mask is the user's where given.
_CRYOSPARC_COLUMNS = {
    "fsc_nomask": "no mask",
    "fsc_sphericalmask": "spherical",
    "fsc_loosemask": "loose",
    "fsc_tightmask": "{mask}",
    "fsc_noisesub_raw": "{mask} randomised",
    "fsc_noisesub_true": "{mask} uncut",
    "fsc_noisesub": "{mask} corrected",
}


def write_fsc_json(path: str | Path, curves: dict[str, FSCCurve]) -> None:
    """Write every curve in full precision, with its 0.143 resolution in Å (or null)."""
    content = {
        name: {
            "frequency_per_angstrom": _listed(curve.frequency_per_angstrom),
            "values": _listed(curve.values),
            "resolution_angstrom": _number(curve.resolution_angstrom()),
            "notch": list(curve.notch),
        }
        for name, curve in curves.items()
    }
    _write_text(Path(path), json.dumps(content, allow_nan=False, indent=1) + "\n")


def read_fsc_json(path: str | Path) -> dict[str, FSCCurve]:
    """Read curves written by `write_fsc_json`, with NaN where a value is null.

    Raises
    ------
    InputError
        If the file is missing, cannot be opened, is no JSON, lacks a curve's frequencies or values,
        or has more of the one than of the other.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {name: _curve(name, curve) for name, curve in content.items()}
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected FSC curves (fsc.json).") from None
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror or error}). Expected a file of FSC curves "
            "(fsc.json): check the path and its permissions."
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a file of FSC curves ({error}). Expected one object per curve with "
            "frequency_per_angstrom and values; restore it from the run that wrote it."
        ) from error


def write_fsc_star(
    path: str | Path,
    curves: dict[str, FSCCurve],
    *,
    guinier: GuinierPlot | None = None,
    bfactor_angstrom2: float | None = None,
) -> None:
    """Write the curves in the layout of RELION's ``postprocess.star``.

    Blocks ``general``, ``fsc``, and ``guinier`` where there is a plot. RELION's columns hold one
    mask: the dynamic one, else the user's, else the tight one. Other curves are left to fsc.json.

    Raises ValueError when none of the curves has a column in RELION.
    """
    mask = quoted_mask(curves)
    known = {
        label: curves[name]
        for label, pattern in _RELION_COLUMNS.items()
        if (name := pattern.format(mask=mask)) in curves
    }
    if not known:
        raise ValueError(f"none of {sorted(curves)} is among RELION's curves")
    first = next(iter(known.values()))
    general = [f"_rlnFinalResolution {first.resolution_angstrom():.6f}"]
    if bfactor_angstrom2 is not None:
        general.append(f"_rlnBfactorUsedForSharpening {bfactor_angstrom2:.6f}")
    randomised = curves.get(f"{mask} randomised")
    if randomised is not None and 0 < randomised.notch[0] < len(randomised.values):
        start = 1.0 / randomised.frequency_per_angstrom[randomised.notch[0]]
        general.append(f"_rlnRandomiseFrom {start:.6f}")
    if guinier is not None:
        general.append(f"_rlnFittedSlopeGuinierPlot {guinier.slope_angstrom2:.6f}")
        general.append(f"_rlnFittedInterceptGuinierPlot {guinier.intercept:.6f}")
        general.append(f"_rlnCorrelationFitGuinierPlot {guinier.correlation:.6f}")
    labels = ["rlnSpectralIndex", "rlnResolution", "rlnAngstromResolution", *known]
    rows = []
    for shell, frequency in enumerate(first.frequency_per_angstrom):
        angstrom = 1 / frequency if frequency > 0 else _RELION_INFINITE_ANGSTROM
        values = " ".join(f"{float(curve.values[shell]):12.6f}" for curve in known.values())
        rows.append(f"{shell:6d} {frequency:12.6f} {angstrom:12.6f} {values}")
    lines = ["", "data_general", "", *general, "", *_loop("fsc", labels, rows)]
    if guinier is not None:
        lines += _loop("guinier", _GUINIER_LABELS, _guinier_rows(guinier))
    _write_text(Path(path), "\n".join([*lines, ""]))


def quoted_mask(curves: dict[str, FSCCurve]) -> str:
    """Name of the mask whose corrected curve is quoted: the dynamic one, the user's, the tight."""
    return next((name for name in _MASKS_IN_RELION_COLUMNS if name in curves), "")


_GUINIER_LABELS = ["rlnResolutionSquared", "rlnLogAmplitudesOriginal", "rlnLogAmplitudesWeighted"]
# What RELION writes for the logarithm of nothing.
_RELION_LOG_ZERO = -99.0


def _guinier_rows(guinier: GuinierPlot) -> list[str]:
    columns = (guinier.inverse_squared_angstrom, guinier.log_amplitude, guinier.log_weighted)
    return [
        f"{x:12.8f} {_finite(original):12.6f} {_finite(weighted):12.6f}"
        for x, original, weighted in zip(*columns, strict=True)
    ]


def _finite(value: float) -> float:
    return float(value) if math.isfinite(value) else _RELION_LOG_ZERO


def _loop(block: str, labels: list[str], rows: list[str]) -> list[str]:
    heads = [f"_{label} #{number}" for number, label in enumerate(labels, start=1)]
    return ["", f"data_{block}", "", "loop_", *heads, *rows, ""]


def write_fsc_text(path: str | Path, curves: dict[str, FSCCurve]) -> None:
    """Write the curves as the tab-separated text of cryoSPARC (up to version 4.7).

    Column ``wave_number`` is the shell, a resolution of box x voxel size / shell. The tight mask
    is the user's where there is one. ``fsc_noisesub_raw`` is the randomised curve,
    ``fsc_noisesub_true`` the correction in every shell, ``fsc_noisesub`` the corrected curve.

    Raises ValueError when none of the curves has a column in cryoSPARC.
    """
    mask = quoted_mask(curves)
    told = dict(curves)
    if f"{mask} randomised" in curves:
        masked, randomised = curves[mask], curves[f"{mask} randomised"]
        uncut = uncut_corrected_fsc(masked.values, randomised.values)
        told[f"{mask} uncut"] = FSCCurve(masked.frequency_per_angstrom, uncut)
    columns = {
        label: told[name]
        for label, pattern in _CRYOSPARC_COLUMNS.items()
        if (name := pattern.format(mask=mask)) in told
    }
    if not columns:
        raise ValueError(f"none of {sorted(curves)} is among cryoSPARC's curves")
    lines = ["\t".join(["wave_number", *columns])]
    for shell in range(len(next(iter(columns.values())).values)):
        values = [f"{float(curve.values[shell]):.6f}" for curve in columns.values()]
        lines.append("\t".join([f"{shell:d}", *values]))
    _write_text(Path(path), "\n".join([*lines, ""]))


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


def _curve(name: str, stored: dict[str, Any]) -> FSCCurve:
    """Make a curve of what is stored. Raises ValueError and others when something is wrong."""
    frequency = np.array(stored["frequency_per_angstrom"], dtype=np.float64)
    values = np.array(stored["values"], dtype=np.float64)
    if frequency.ndim != 1 or frequency.shape != values.shape:
        raise ValueError(f"{name!r}: {frequency.size} frequencies, {values.size} values")
    return FSCCurve(frequency, values, _notch(stored.get("notch", (0, 0))))


def _notch(shells: list[int] | tuple[int, int]) -> tuple[int, int]:
    first, end = shells
    return int(first), int(end)


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _listed(values: np.ndarray) -> list[float | None]:
    return [_number(value) for value in values]


def _write_text(path: Path, text: str) -> None:
    with atomic_writer(path) as handle:
        handle.write(text.encode("utf-8"))
