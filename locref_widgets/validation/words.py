"""Results of half-maps as values and as a table to read."""

from typing import Any

import numpy as np

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD, FSCCurve
from locref_widgets.validation.measure import HalfMapResults

_THRESHOLDS = (FSC_THRESHOLD, 0.5)


def summary_values(results: HalfMapResults) -> dict[str, Any]:
    """Gather what ``summary.json`` holds and ``--json`` prints: numbers, no curves."""
    values: dict[str, Any] = {
        "resolution_angstrom": results.resolution_angstrom,
        "quoted_curve": results.quoted,
        "nyquist_angstrom": 2.0 * results.voxel_size_angstrom,
        "curves": {
            name: _crossings(curve)
            for name, curve in results.curves.items()
            if not name.endswith("randomised")
        },
        "warnings": results.warnings,
    }
    if results.against:
        values["against"] = {name: _crossings(curve) for name, curve in results.against.items()}
    if results.compared:
        values["compared"] = {name: _crossings(curve) for name, curve in results.compared.items()}
    if (cones := results.directional) is not None:
        resolutions = cones.resolutions_angstrom
        values["directional"] = {
            "cfar": cones.area_ratio,
            "best_angstrom": float(resolutions.min()),
            "median_angstrom": float(np.median(resolutions)),
            "worst_angstrom": float(resolutions.max()),
            "worst_direction_xyz": [float(c) for c in cones.worst_direction],
        }
    if results.sharpened is not None:
        values["bfactor_angstrom2"] = results.sharpened.bfactor_angstrom2
    if (local := results.local_resolution_angstrom) is not None:
        inside = local[results.quoted_mask >= 0.5]
        best, median, worst = np.percentile(inside, [5, 50, 95])
        values["local_resolution"] = {
            "best_5_percent_angstrom": float(best),
            "median_angstrom": float(median),
            "worst_5_percent_angstrom": float(worst),
        }
    return values


def describe(results: HalfMapResults) -> str:
    """Put the resolutions into a small table, and the rest into lines below it."""
    values = summary_values(results)
    lines = [f"{'curve':<22}{'FSC 0.143':>12}{'FSC 0.5':>12}"]
    for name, curve in results.curves.items():
        if not name.endswith("randomised"):
            marked = f"{name} *" if name == results.quoted else name
            lines.append(f"{marked:<22}" + "".join(f"{_cell(curve, t):>12}" for t in _THRESHOLDS))
    lines.append(f"* resolution {results.resolution_angstrom:.2f} Å")
    for name, curve in results.compared.items():
        told = ", ".join(f"{_cell(curve, t)} at FSC {t:g}" for t in _THRESHOLDS)
        lines.append(f"compared, {name}: {told}")
    for name, curve in results.against.items():
        lines.append(f"against the map given, {name}: {_cell(curve, 0.5)} at FSC 0.5")
    if "directional" in values:
        told = values["directional"]
        lines.append(
            f"by direction: {told['best_angstrom']:.2f} to {told['worst_angstrom']:.2f} Å, "
            f"cFAR {told['cfar']:.2f}"
        )
    if "bfactor_angstrom2" in values:
        lines.append(f"B-factor {values['bfactor_angstrom2']:.0f} Å²")
    if "local_resolution" in values:
        told = values["local_resolution"]
        lines.append(
            f"local resolution in the mask: median {told['median_angstrom']:.2f} Å, 90 % between "
            f"{told['best_5_percent_angstrom']:.2f} and {told['worst_5_percent_angstrom']:.2f} Å"
        )
    lines += [f"warning: {text}" for text in results.warnings]
    return "\n".join(lines)


def _crossings(curve: FSCCurve) -> dict[str, Any]:
    return {
        "fsc_0.143_angstrom": curve.resolution_angstrom(FSC_THRESHOLD),
        "fsc_0.5_angstrom": curve.resolution_angstrom(0.5),
        "reaches_nyquist": not curve.falls_below(FSC_THRESHOLD),
    }


def _cell(curve: FSCCurve, threshold: float) -> str:
    limit = "" if curve.falls_below(threshold) else "≤ "
    return f"{limit}{curve.resolution_angstrom(threshold):.2f} Å"
