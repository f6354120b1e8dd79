"""``locref fit``: a model or map moved to where it fits best."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locref_widgets.cli.mask_jobs import check_not_the_input
from locref_widgets.errors import InputError

if TYPE_CHECKING:
    from locref_widgets.masks.fit_in_map import Fit
    from locref_widgets.masks.fit_metrics import Metric
    from locref_widgets.masks.fit_points import FitPoints

METRICS: "dict[str, Metric]" = {
    "average": "average",
    "correlation": "correlation",
    "about-mean": "correlation about mean",
}
_MAPS = (".mrc", ".map", ".ccp4", ".rec")
_MOST_LISTED = 10


def fit_file(
    moved: Path,
    in_map: Path,
    out: Path,
    resolution_angstrom: float | None,
    search: int,
    metric: str,
    seed: int,
) -> dict[str, Any]:
    """Fit a file in a map and write what was moved; return the fits, the best first.

    Raises
    ------
    InputError
        for files that cannot be read, an unknown metric, or points that lie nowhere in the map.
    """
    from locref_widgets.io.mrc import read_map
    from locref_widgets.masks.fit_in_map import fit_in_map

    if metric not in METRICS:
        raise InputError(f"--metric {metric!r}: expected one of {', '.join(METRICS)}.")
    if search < 0:
        raise InputError(f"--search {search}: expected a number of starts, 0 or more.")
    check_not_the_input(out, moved, in_map)
    points = _points(moved, resolution_angstrom, out)
    volume = read_map(in_map, cubic=False)
    if search:
        from locref_widgets.masks.fit_search import search_fits

        fits = search_fits(points, volume, n=search, metric=METRICS[metric], seed=seed)
    else:
        fits = [fit_in_map(points, volume, metric=METRICS[metric])]
    _write_moved(out, moved, in_map, fits[0])
    return {
        "out": str(out),
        "points": len(points.positions_angstrom),
        "fits": [_values(fit) for fit in fits],
    }


def describe_fits(values: dict[str, Any]) -> str:
    """Put the fits into lines, the best first."""
    fits = values["fits"]
    best = fits[0]
    lines = [
        f"{values['out']}: moved by {best['shift_angstrom']:.2f} Å, {best['angle_deg']:.1f}°",
        f"  average density {best['average']:.4g}, correlation {best['correlation']:.4f}"
        + _about_mean(best["correlation_about_mean"]),
        f"  {100 * best['fraction_inside']:.0f} % of {values['points']} points lie in density",
    ]
    if len(fits) > 1:
        lines.append("  fits found, best first: metric, starts that led there, move, turn, inside")
        lines += [
            f"  {fit['value']:10.4g} {fit['hits']:5d} {fit['shift_angstrom']:8.1f} Å "
            f"{fit['angle_deg']:6.1f}° {100 * fit['fraction_inside']:4.0f} %"
            for fit in fits[:_MOST_LISTED]
        ]
        if len(fits) > _MOST_LISTED:
            lines.append(f"  and {len(fits) - _MOST_LISTED} more (all with --json)")
    return "\n".join(lines)


def _points(moved: Path, resolution_angstrom: float | None, out: Path) -> "FitPoints":
    from locref_widgets.io.mrc import read_map
    from locref_widgets.masks.fit_points import points_of_atoms, points_of_map, points_of_model

    if is_map_file(moved) != is_map_file(out):
        kind = "a map (.mrc)" if is_map_file(moved) else "a model (.cif, .pdb)"
        raise InputError(f"--out {out}: {moved.name} is {kind}, so the result is one too.")
    if resolution_angstrom is not None and not 0.0 < resolution_angstrom < math.inf:
        raise InputError(f"--resolution {resolution_angstrom}: expected a length above 0 Å.")
    if is_map_file(moved):
        if resolution_angstrom is not None:
            raise InputError(
                f"--resolution is for models; {moved.name} is a map, compared as it is. Leave it "
                "out, or low-pass the map first (locref volume-tools --lowpass)."
            )
        return points_of_map(read_map(moved, cubic=False))
    if resolution_angstrom is None:
        return points_of_atoms(moved)
    return points_of_model(moved, resolution_angstrom)


def is_map_file(path: Path) -> bool:
    """Whether a file's name says that it holds a map, compressed or not."""
    suffixes = [suffix for suffix in path.suffixes if suffix not in (".gz", ".bz2")]
    return bool(suffixes) and suffixes[-1].lower() in _MAPS


def _write_moved(out: Path, moved: Path, in_map: Path, fit: "Fit") -> None:
    from locref_widgets.io.models import read_structure, write_model
    from locref_widgets.io.mrc import read_map, write_map
    from locref_widgets.masks.resample import resample_on_grid

    if not is_map_file(moved):
        write_model(out, read_structure(moved), fit.rotation, fit.translation_angstrom)
        return
    reference = read_map(in_map, cubic=False)
    placed = resample_on_grid(
        read_map(moved, cubic=False),
        reference,
        rotation=fit.rotation,
        translation_angstrom=fit.translation_angstrom,
    )
    write_map(out, placed.data, placed.voxel_size_angstrom, placed.position)


def _values(fit: "Fit") -> dict[str, Any]:
    numbers = {
        name: float(getattr(fit, name))
        for name in (
            "value",
            "average",
            "correlation",
            "correlation_about_mean",
            "fraction_inside",
            "shift_angstrom",
            "angle_deg",
        )
    }
    about_mean = numbers["correlation_about_mean"]
    return {
        **numbers,
        "correlation_about_mean": about_mean if about_mean == about_mean else None,
        "hits": fit.hits,
        "steps": fit.steps,
        "rotation": fit.rotation.tolist(),
        "translation_angstrom": fit.translation_angstrom.tolist(),
    }


def _about_mean(value: float | None) -> str:
    return "" if value is None else f", about the mean {value:.4f}"
