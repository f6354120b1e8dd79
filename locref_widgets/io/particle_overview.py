"""A table of particles to look at: its rows a page at a time, and how its values spread."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable, read_cs
from locref_widgets.io.cs_particles import optics_groups, read_cs_ctf, read_cs_half_sets
from locref_widgets.io.cs_particles import read_cs_poses as read_cs_poses_angstrom
from locref_widgets.io.optics import find_optics, pixel_sizes_angstrom, read_ctf
from locref_widgets.io.particle_tables import find_particle_block
from locref_widgets.io.particles import CS_SUFFIXES
from locref_widgets.io.poses import read_half_sets, read_poses
from locref_widgets.io.star import read_star
from locref_widgets.io.star_table import StarTable

Result = TypeVar("Result")

_ANGSTROM_PER_MICROMETRE = 1e4


@dataclass(frozen=True)
class TableBlock:
    """One table of a file; rows are numbered from 0."""

    name: str
    columns: list[str]
    rows: int
    _table: StarTable | CsTable = field(repr=False)

    def page(self, start: int, count: int) -> list[list[str]]:
        """Read rows [start, start + count) as text, one list a row; fewer at the end."""
        part = slice(max(start, 0), max(start, 0) + count)
        if isinstance(self._table, StarTable):
            cells = [[str(token) for token in self._table.columns[c][part]] for c in self.columns]
        else:
            cells = [
                [_words(value) for value in self._table.columns[c][part]] for c in self.columns
            ]
        return [list(row) for row in zip(*cells, strict=True)]


@dataclass(frozen=True)
class ParticleOverview:
    """What a particle table holds. What could not be read is None; the reasons are `describe`'s."""

    path: Path
    blocks: list[TableBlock]
    particle_block: str | None
    """Name of the block that holds the particles; None in files of other things."""
    table: dict[str, StarTable] | CsTable = field(repr=False)
    """The file as `read_star` or `read_cs` gives it."""
    group: Int[np.ndarray, " n"] | None = None
    """Optics group of each particle."""
    half_sets: Int[np.ndarray, " n"] | None = None
    rotations: Float[np.ndarray, "n 3 3"] | None = None
    origins_angstrom: Float[np.ndarray, "n 2"] | None = None
    defocus_micrometre: Float[np.ndarray, " n"] | None = None
    """Mean of the two defoci, positive in underfocus."""
    astigmatism_angstrom: Float[np.ndarray, " n"] | None = None


def read_overview(path: str | os.PathLike[str]) -> ParticleOverview:
    """Read a STAR file, or a table of cryoSPARC, for looking at; no image is opened.

    Raises
    ------
    InputError
        If the file is absent, or cannot be read as a table at all.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file. Check the name and the folder.")
    return _of_cs(read_cs(path)) if path.suffix in CS_SUFFIXES else _of_star(path, read_star(path))


def _of_star(path: Path, tables: dict[str, StarTable]) -> ParticleOverview:
    blocks = [TableBlock(name, list(t.columns), len(t), t) for name, t in tables.items()]
    holds_particles = any("rlnImageName" in table for table in tables.values())
    name = _try(find_particle_block, path, tables) if holds_particles else None
    if name is None:
        return ParticleOverview(path, blocks, None, tables)
    table = tables[name]
    optics = _try(find_optics, table, tables.get("optics"))
    # Only tables that give origins in pixels need it; without images no header can tell it.
    sizes = _try(pixel_sizes_angstrom, optics, np.zeros(len(table))) if optics else None
    in_pixels = "rlnOriginX" in table and "rlnOriginXAngst" not in table
    unknown = sizes is None and in_pixels
    poses = _try(read_poses, table, 1.0 if sizes is None else float(sizes[0]))
    return ParticleOverview(
        path,
        blocks,
        name,
        tables,
        group=optics.group if optics else None,
        half_sets=_try(read_half_sets, table),
        rotations=poses[0] if poses else None,
        origins_angstrom=poses[1] if poses and not unknown else None,
        **_defocus(_try(read_ctf, optics) if optics else None),
    )


def _of_cs(table: CsTable) -> ParticleOverview:
    poses = _try(read_cs_poses_angstrom, table)
    grouped = _try(optics_groups, table)
    return ParticleOverview(
        table.path,
        [TableBlock("particles", list(table.columns), len(table), table)],
        "particles",
        table,
        group=grouped[0] if grouped else None,
        half_sets=_try(read_cs_half_sets, table),
        rotations=poses[0] if poses else None,
        origins_angstrom=poses[1] if poses else None,
        **_defocus(_try(read_cs_ctf, table)),
    )


def _defocus(ctf: CTFParameters | None) -> dict[str, Float[np.ndarray, " n"]]:
    if ctf is None:
        return {}
    u, v = (
        np.asarray(values, dtype=np.float64)
        for values in (ctf.defocus_u_angstrom, ctf.defocus_v_angstrom)
    )
    return {
        "defocus_micrometre": (u + v) / 2 / _ANGSTROM_PER_MICROMETRE,
        "astigmatism_angstrom": np.abs(u - v),
    }


def _try(read: Callable[..., Result], *arguments: object) -> Result | None:
    try:
        return read(*arguments)
    except InputError:
        return None


def _words(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    if isinstance(value, np.ndarray):
        return ", ".join(_words(item) for item in value.ravel())
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)
