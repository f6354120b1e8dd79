"""Particles from one format of file to another: STAR and .cs."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable, read_cs, write_cs
from locref_widgets.io.cs_particles import image_names
from locref_widgets.io.cs_to_star import NotCarried, cs_to_star
from locref_widgets.io.images import ImageNames, find_file, name_from, search_folders
from locref_widgets.io.mrc import ImageStack
from locref_widgets.io.mrc_header import read_header
from locref_widgets.io.particle_tables import find_particle_block
from locref_widgets.io.star import read_star, write_star
from locref_widgets.io.star_table import StarTable
from locref_widgets.io.star_to_cs import ImageFacts, star_to_cs
from locref_widgets.io.star_upgrade import to_relion_3_1

_PICKS = ("rlnMicrographName", "rlnCoordinateX", "rlnCoordinateY")


def convert_particles(
    source: str | os.PathLike[str], target: str | os.PathLike[str]
) -> list[NotCarried]:
    """Convert particles to the format that the target's name ends with.

    ``.star`` (any version) or ``.cs``, ``.csg`` (plain or compressed, with the passthrough files
    beside it) to ``.star`` (RELION 3.1, with optics groups) or ``.cs`` (plain). The stacks need
    not be there; where they are, their names lead to them from the target's folder too.

    Returns
    -------
    The columns that the target's format has no place for, each with the reason.

    Raises
    ------
    InputError
        If the source cannot be read or holds no particles, or the target's name has another end.
    OutputError
        If the folder cannot be written or the disc is full.
    """
    source, target = Path(source), Path(target)
    if target.suffix not in (".star", ".cs"):
        raise InputError(f"{target}: what is written is a .star or a .cs file; name it so.")
    if source.suffix not in (".star", ".cs", ".csg"):
        raise InputError(f"{source}: expected a .star, .cs or .csg file of particles.")
    if target.exists() and source.exists() and target.samefile(source):
        raise InputError(f"{target}: is the file to be read. Give the result another name.")
    if source.suffix == ".star":
        return _convert_star(source, target)
    table = read_cs(source)
    if target.suffix == ".cs":
        write_cs(target, _cs_named_from(target, table))
        return []
    blocks, left = cs_to_star(table)
    write_star(target, _star_named_from(target, blocks, "particles", source))
    return left


def _convert_star(source: Path, target: Path) -> list[NotCarried]:
    blocks = read_star(source)
    name = _find_block(source, blocks)
    facts = _image_facts(source, blocks[name])
    if target.suffix == ".cs":
        table, left = star_to_cs(blocks, name, source, facts)
        write_cs(target, _cs_named_from(target, table))
        return left
    blocks, name, left = to_relion_3_1(blocks, name, facts)
    write_star(target, _star_named_from(target, blocks, name, source))
    return left


def _find_block(source: Path, blocks: dict[str, StarTable]) -> str:
    """Name of the block with particles, or else with places on micrographs."""
    if not any("rlnImageName" in table for table in blocks.values()):
        for name, table in blocks.items():
            if all(label in table for label in _PICKS) and "rlnCoordinateZ" not in table:
                # An empty list of picks is refused in the same words as an empty particle table.
                stand_in = replace(
                    table, columns=table.columns | {"rlnImageName": table.columns[_PICKS[0]]}
                )
                return find_particle_block(source, {**blocks, name: stand_in})
    return find_particle_block(source, blocks)


def _image_facts(source: Path, table: StarTable) -> ImageFacts:
    """Look into the headers of the first stack and of the micrographs, as far as they are there."""
    folders = search_folders(source)
    box, sizes = None, None
    if "rlnImageName" in table:
        names = ImageNames.parse(table.strings("rlnImageName"), source)
        stack = _found(names.names[int(names.which[0])], folders)
        if stack is not None:
            opened = ImageStack(stack)
            box = opened.box[0]
            sizes = np.full(len(table), opened.pixel_size_angstrom or 0.0)
    shapes: dict[str, tuple[int, int]] = {}
    if all(label in table for label in _PICKS):
        for name in dict.fromkeys(table.strings("rlnMicrographName")):
            micrograph = _found(name, folders)
            if micrograph is not None:
                size = read_header(micrograph).size
                shapes[name] = (size[1], size[0])
    return ImageFacts(box, sizes, shapes)


def _found(name: str, folders: list[Path]) -> Path | None:
    try:
        return find_file(name, folders)
    except InputError:
        # A place that cannot be looked at: the file counts as absent.
        return None


def _names_from(target: Path, names: list[str], source: Path) -> list[str]:
    folders = search_folders(source)
    found = [_found(name, folders) for name in names]
    folder = target.resolve().parent
    return [
        name if stack is None else name_from(folder, name, stack)
        for name, stack in zip(names, found, strict=True)
    ]


def _cs_named_from(target: Path, table: CsTable) -> CsTable:
    if "blob/path" not in table:
        return table
    names = image_names(table)
    new = _names_from(target, names.names, table.path)
    if new == names.names:
        return table
    return table.with_column("blob/path", np.array([name.encode() for name in new])[names.which])


def _star_named_from(
    target: Path, blocks: dict[str, StarTable], name: str, source: Path
) -> dict[str, StarTable]:
    table = blocks[name]
    if "rlnImageName" not in table:
        return blocks
    names = ImageNames.parse(table.strings("rlnImageName"), source)
    new = _names_from(target, names.names, source)
    if new == names.names:
        return blocks
    tokens = [f"{i + 1:06d}@{new[w]}" for i, w in zip(names.number, names.which, strict=True)]
    return {**blocks, name: table.with_column("rlnImageName", tokens)}
