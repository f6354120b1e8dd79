"""The folder that ``locref fsc`` leaves."""

import json
import os
from pathlib import Path

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD, FSCCurve
from locref_widgets.figures.fsc import plot_fsc
from locref_widgets.figures.fsc_directional import plot_directional_fsc
from locref_widgets.figures.guinier import plot_guinier
from locref_widgets.figures.local_resolution import plot_local_resolution
from locref_widgets.figures.png import write_png
from locref_widgets.figures.run_data import Curve
from locref_widgets.figures.slices import lowpass
from locref_widgets.io.fsc_files import (
    write_fsc_json,
    write_fsc_star,
    write_fsc_text,
    write_fsc_xml,
)
from locref_widgets.io.mrc import write_map
from locref_widgets.io.new_folder import new_folder
from locref_widgets.validation.measure import USER_MASK, HalfMapResults
from locref_widgets.validation.words import summary_values

_MASK_FILES = {"loose": "mask_loose.mrc", "tight": "mask_tight.mrc", USER_MASK: "mask_user.mrc"}


def write_results(out: str | os.PathLike[str], results: HalfMapResults) -> None:
    """Write curves, masks, maps and figures into a new or empty folder, all or nothing.

    fsc.json holds every curve, fsc.star RELION's columns, fsc.xml the quoted curve for EMDB,
    fsc.txt cryoSPARC's columns, summary.json the numbers; figures are PNG.

    Raises
    ------
    InputError
        If the folder holds something.
    OutputError
        If it cannot be written; then nothing is left behind.
    """
    with new_folder(out) as folder:
        sharpened = results.sharpened
        guinier = None if sharpened is None else sharpened.guinier
        write_fsc_json(folder / "fsc.json", results.curves)
        write_fsc_star(
            folder / "fsc.star",
            results.curves,
            guinier=guinier,
            bfactor_angstrom2=None if sharpened is None else sharpened.bfactor_angstrom2,
        )
        write_fsc_xml(folder / "fsc.xml", results.curves[results.quoted], results.quoted)
        write_fsc_text(folder / "fsc.txt", results.curves)
        summary = json.dumps(summary_values(results), indent=2, allow_nan=False)
        (folder / "summary.json").write_text(summary + "\n", encoding="utf-8")
        _write_maps(folder, results)
        _write_figures(folder, results)


def _write_maps(folder: Path, results: HalfMapResults) -> None:
    volumes = {_MASK_FILES[name]: mask for name, mask in results.masks.items()}
    if results.sharpened is not None:
        volumes["map_sharpened.mrc"] = results.sharpened.volume
    if results.local_resolution_angstrom is not None:
        volumes["local_resolution.mrc"] = results.local_resolution_angstrom
    for name, volume in volumes.items():
        write_map(folder / name, volume, results.voxel_size_angstrom, results.position)


def _write_figures(folder: Path, results: HalfMapResults) -> None:
    quoted = results.curves[results.quoted]
    figures = {
        "fsc.png": plot_fsc(
            _drawn(results.curves),
            randomised_from_per_angstrom=_randomised_from(quoted),
        )
    }
    if results.against:
        write_fsc_json(folder / "fsc_against.json", results.against)
        figures["fsc_against.png"] = plot_fsc(_drawn(results.against, threshold=0.5))
    if results.compared:
        shown = {results.quoted: quoted, **results.compared}
        figures["fsc_compared.png"] = plot_fsc(_drawn(shown))
    if results.directional is not None:
        figures["fsc_directional.png"] = plot_directional_fsc(results.directional)
    if results.sharpened is not None and results.sharpened.guinier is not None:
        figures["guinier.png"] = plot_guinier(results.sharpened.guinier)
    if results.local_resolution_angstrom is not None:
        figures["local_resolution.png"] = plot_local_resolution(
            results.local_resolution_angstrom,
            lowpass(results.average, results.voxel_size_angstrom, quoted.resolution_angstrom(0.5)),
            results.quoted_mask,
            results.voxel_size_angstrom,
        )
    for name, figure in figures.items():
        write_png(folder / name, figure)


def _randomised_from(curve: FSCCurve) -> float | None:
    first = curve.notch[0]
    return float(curve.frequency_per_angstrom[first]) if 0 < first < len(curve.values) else None


def _drawn(curves: dict[str, FSCCurve], threshold: float = FSC_THRESHOLD) -> dict[str, Curve]:
    return {
        name: Curve(
            curve.frequency_per_angstrom, curve.values, curve.resolution_angstrom(threshold)
        )
        for name, curve in curves.items()
    }
