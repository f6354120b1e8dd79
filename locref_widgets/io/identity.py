"""Which rows of two particle tables are the same particle, whatever their order."""

import os
from pathlib import Path

import numpy as np
from jaxtyping import Int

from locref_widgets.errors import InputError
from locref_widgets.io.images import find_file, search_folders
from locref_widgets.io.particle_tables import find_particle_block
from locref_widgets.io.star import read_star
from locref_widgets.io.star_table import StarTable
from locref_widgets.io.uids import UID_LABEL

Identity = tuple[object, ...]


def read_identities(path: Path) -> tuple[list[Identity], list[Identity]]:
    """Names of a STAR file's particles: by cryoSPARC's uid, and by image.

    An image is named by its number and the whole path of its stack, found where images are read
    from (`search_folders`); a stack that is gone is named as if it lay in the file's folder.
    The same name at a later row (a copy of a symmetry expansion) is another one: names come with
    how often they came before. The first list is empty where the table has no uids. Raises
    `InputError` when the file cannot be read.
    """
    blocks = read_star(path)
    table = blocks[find_particle_block(path, blocks)]
    return _numbered(_uids(table)), _numbered(_images(table, path))


def match_identities(
    first: list[Identity], second: list[Identity]
) -> tuple[Int[np.ndarray, " m"], Int[np.ndarray, " m"]]:
    """Places in each list of the names in both, in the order of the first."""
    where = {name: place for place, name in enumerate(second)}
    pairs = [(place, where[name]) for place, name in enumerate(first) if name in where]
    found = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _uids(table: StarTable) -> list[str]:
    return table.strings(UID_LABEL) if UID_LABEL in table else []


def _images(table: StarTable, star: Path) -> list[tuple[str, int]]:
    stacks: dict[str, str] = {}
    folders = search_folders(star)
    named = []
    for name in table.strings("rlnImageName"):
        number, _, stack = name.rpartition("@")
        if stack not in stacks:
            stacks[stack] = os.path.realpath(_found(stack, folders) or star.parent / stack)
        named.append((stacks[stack], int(number) if number.isdecimal() else 1))
    return named


def _found(stack: str, folders: list[Path]) -> Path | None:
    try:
        return find_file(stack, folders)
    except InputError:
        return None  # Out of reach: nothing is read here, and the name does.


def _numbered(names: list) -> list[Identity]:
    seen: dict[object, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append((name, seen[name]))
    return numbered
