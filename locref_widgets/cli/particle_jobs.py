"""``locref subtract`` and ``locref reconstruct``: files read, progress shown, results told."""

import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import typer


class PassProgress:
    """A bar for each pass over the particles; a plain line where there is no terminal."""

    def __init__(self) -> None:
        self._bar: Any = None

    def __call__(self, name: str) -> Callable[[int, int], None]:
        """Begin a pass."""
        self.close()
        on_terminal = sys.stderr.isatty()
        if not on_terminal:
            typer.echo(f"{name} …", err=True)

        def report(done: int, total: int) -> None:
            if not on_terminal:
                return
            if self._bar is None:
                from tqdm import tqdm

                self._bar = tqdm(
                    total=total, desc=name, file=sys.stderr, leave=False, dynamic_ncols=True
                )
            self._bar.n = done
            self._bar.refresh()

        return report

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def warn(self, message: str) -> None:
        """Say a warning on a line of its own."""
        self.close()
        typer.echo(f"warning: {message}", err=True)


def subtract_files(
    particles: Path,
    mask: Path,
    map_: Path | None,
    half_maps: tuple[Path, Path] | None,
    out: Path,
    options: dict[str, Any],
) -> str:
    """Subtract and say what came out."""
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.fulcrum_point import parse_point
    from locref_widgets.refinement.subtract_job import subtract
    from locref_widgets.refinement.subtract_options import SubtractOptions

    if options["centre_voxels"] is not None:
        options["centre_voxels"] = parse_point(options["centre_voxels"], "--center")
    chosen = SubtractOptions(**options)
    halves = None if half_maps is None else (read_map(half_maps[0]), read_map(half_maps[1]))
    with closing(PassProgress()) as progress:
        result = subtract(
            read_particles(particles, need_half_sets=False),
            read_map(mask, cubic=map_ is None and half_maps is None),
            out,
            volume=None if map_ is None else read_map(map_),
            half_maps=halves,
            options=chosen,
            progress=progress,
            warn=progress.warn,
        )
    lines = [f"{result.star}: {result.n_particles} particles, box {result.box_px} px"]
    lines.append(f"  subtracted: {result.source}")
    if chosen.scale == "particle":
        lines.append(f"  scales: 1 ± {result.scale_spread:.3f}")
    if chosen.moves_boxes:
        centre = ", ".join(map(str, result.centre_voxels))
        lines.append(f"  centred on voxel ({centre})")
    folder = result.star.parent
    lines.append(f"  go on with: locref refine {result.star} --map {folder / 'map.mrc'}")
    lines.append(f"    --mask {folder / 'mask.mrc'} --no-subtract --out DIR")
    return "\n".join(lines)


def revert_file(particles: Path, out: Path) -> str:
    """Write the table of the originals and say where."""
    from locref_widgets.refinement.subtract_job import revert

    return str(revert(particles, out, PassProgress().warn))


def reconstruct_file(particles: Path, mask: Path | None, out: Path, symmetry: str) -> str:
    """Reconstruct and say the resolution."""
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.reconstruct_job import reconstruct

    with closing(PassProgress()) as progress:
        result = reconstruct(
            read_particles(particles),
            out,
            mask=None if mask is None else read_map(mask),
            symmetry=symmetry,
            progress=progress,
            warn=progress.warn,
        )
    lines = [f"{result.folder}: {result.n_particles} particles"]
    lines += [
        f"  resolution ({name}, FSC 0.143): {result.curves[name].resolution_angstrom():.2f} Å"
        for name in dict.fromkeys((result.curve, "no mask"))
    ]
    return "\n".join(lines)
