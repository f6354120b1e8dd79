"""Particles from one format of file to another: STAR and .cs."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable, read_cs, write_cs
from locref_widgets.io.cs_group import read_group_files, write_group
from locref_widgets.io.cs_particles import image_names, image_signs
from locref_widgets.io.cs_stack_names import with_stack_names
from locref_widgets.io.cs_to_star import cs_to_star
from locref_widgets.io.image_stack import ImageStack
from locref_widgets.io.images import (
    AS_STACK,
    ImageNames,
    find_file,
    name_from,
    renamed_tokens,
    search_folders,
)
from locref_widgets.io.not_carried import NotCarried
from locref_widgets.io.particle_tables import find_particle_block
from locref_widgets.io.star import read_star, write_star
from locref_widgets.io.star_table import StarTable
from locref_widgets.io.star_to_cs import PICKS, ImageFacts, micrograph_shapes, star_to_cs
from locref_widgets.io.star_upgrade import to_relion_3_1

_NO_STACK_NAME = (
    "RELION opens a stack only under a name that ends with .mrcs, and these end with .mrc. Convert "
    "with --relion-names, which writes them as stack.mrc:mrcs, or make links that end with .mrcs."
)
_DARK = (
    "the particles are dark in their images (blob/sign = -1), which is written as a negative "
    "rlnCtfScalefactor. RELION's maps come out light; do not invert the images as well."
)


@dataclass(frozen=True)
class Conversion:
    """What came of converting a file."""

    not_carried: list[NotCarried]
    """Columns that the target's format has no place for, each with the reason."""
    notes: list[str] = field(default_factory=list)
    """Sentences on what the user should know before going on with the file."""


def convert_particles(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    *,
    relion_names: bool = False,
) -> Conversion:
    """Convert particles to the format that the target's name ends with.

    ``.star`` (any version) or ``.cs``, ``.csg`` (plain or compressed, with the passthrough files
    beside it) to ``.star`` (RELION 3.1, with optics groups), ``.cs`` (plain), or ``.csg`` (a .cs
    file of the same name, and the group that cryoSPARC imports it by). The stacks need not be
    there; where they are, their names lead to them from the target's folder too.

    Parameters
    ----------
    relion_names: whether a STAR file names stacks that end with .mrc as RELION opens them.

    Raises
    ------
    InputError
        If the source cannot be read or holds no particles, the target's name has another end or is
        that of a file to be read, or the .cs file of a .csg would replace one that does not belong
        to it.
    OutputError
        If the folder cannot be written or the disc is full.
    """
    source, target = Path(source), Path(target)
    if target.suffix not in (".star", ".cs", ".csg"):
        raise InputError(f"{target}: what is written is a .star, .cs or .csg file; name it so.")
    if source.suffix not in (".star", ".cs", ".csg"):
        raise InputError(f"{source}: expected a .star, .cs or .csg file of particles.")
    _check_folder(target)
    if _is_one_of(target, (source,)):
        raise InputError(f"{target}: is the file to be read. Give the result another name.")
    if target.suffix == ".star":
        return _to_star(source, target, relion_names)
    left: list[NotCarried] = []
    if source.suffix == ".star":
        blocks = read_star(source)
        name = _find_block(source, blocks)
        table, left = star_to_cs(blocks, name, source, _image_facts(source, blocks[name]))
    else:
        table = read_cs(source)
    _check_not_read(target, table.companions)
    if target.suffix == ".csg":
        _check_beside(target, (source, *table.companions))
    table = _cs_named_from(target, table)
    write_cs(target.with_suffix(".cs"), table)
    if target.suffix == ".csg":
        write_group(target, table.columns, len(table))
    return Conversion(left)


def _check_folder(target: Path) -> None:
    try:
        if target.parent.is_dir() and not target.is_dir():
            return
        what = "is a folder" if target.is_dir() else f"there is no folder {target.parent}"
    except OSError as error:
        what = f"cannot be looked at ({error.strerror})"
    raise InputError(f"{target}: {what}. Name a file in a folder that is there.")


def _check_not_read(target: Path, companions: tuple[Path, ...]) -> None:
    """Refuse to replace a file whose fields were joined to the source's."""
    if _is_one_of(target, companions):
        raise InputError(
            f"{target}: is one of the files to be read (its fields are joined to those of the file "
            "given). Give the result another name."
        )


def _is_one_of(file: Path, read: tuple[Path, ...]) -> bool:
    return file.exists() and any(path.exists() and file.samefile(path) for path in read)


def _check_beside(group: Path, read: tuple[Path, ...]) -> None:
    """Refuse a .csg whose .cs file would replace one that was read, or one of something else."""
    beside = group.with_suffix(".cs")
    if not beside.exists():
        return
    if _is_one_of(beside, read):
        why = "is one of the files to be read"
    elif not _names_file(group, beside):
        why = "is there already, and not as the file of that group"
    else:
        return
    raise InputError(
        f"{beside}: {why}, but {group.name} would be written with its particles in a file of this "
        "name. Give the result another name or folder."
    )


def _names_file(group: Path, file: Path) -> bool:
    try:
        named = [group.parent / name for name in read_group_files(group).values()]
    except InputError:
        # No group that can be read names the file.
        return False
    return any(path.exists() and path.samefile(file) for path in named)


def _to_star(source: Path, target: Path, relion_names: bool) -> Conversion:
    notes = []
    if source.suffix == ".star":
        blocks = read_star(source)
        name = _find_block(source, blocks)
        blocks, name, left = to_relion_3_1(blocks, name, _image_facts(source, blocks[name]))
    else:
        table, name = read_cs(source), "particles"
        _check_not_read(target, table.companions)
        blocks, left = cs_to_star(table)
        if np.any(image_signs(table) < 0):
            notes.append(_DARK)
    if "rlnImageName" in blocks[name]:
        tokens = blocks[name].strings("rlnImageName")
        names = ImageNames.parse(tokens, source)
        new = _names_from(target, names.names, source)
        if relion_names:
            new = [n + AS_STACK if n.endswith(".mrc") else n for n in new]
        elif any(n.endswith(".mrc") for n in new):
            notes.append(_NO_STACK_NAME)
        if new != names.names:
            tokens = renamed_tokens(tokens, names.which, names.names, new)
            blocks = {**blocks, name: blocks[name].with_column("rlnImageName", tokens)}
    write_star(target, blocks)
    return Conversion(left, notes)


def _find_block(source: Path, blocks: dict[str, StarTable]) -> str:
    """Name of the block with particles, or else with places on micrographs."""
    if not any("rlnImageName" in table for table in blocks.values()):
        for name, table in blocks.items():
            if all(label in table for label in PICKS) and "rlnCoordinateZ" not in table:
                # An empty list of picks is refused in the same words as an empty particle table.
                stand_in = replace(
                    table, columns=table.columns | {"rlnImageName": table.columns[PICKS[0]]}
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
    return ImageFacts(box, sizes, micrograph_shapes(table, folders))


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
    names, folders = image_names(table), search_folders(table.path)
    stacks = [_found(name, folders) for name in names.names]
    return with_stack_names(table, target, names, stacks)
