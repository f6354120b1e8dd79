"""Names of stacks in a .cs file that is written into another folder."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from locref_widgets.io.cs import CsTable
from locref_widgets.io.cs_particles import image_names
from locref_widgets.io.images import ImageNames, name_from

_FROM_OWN_FOLDER = b">"


def with_stack_names(
    table: CsTable, target: Path, names: ImageNames, stacks: Sequence[Path | None]
) -> CsTable:
    """Put the stacks' names into ``blob/path`` as a file at ``target`` should hold them.

    A name without the sign > stays where it leads to the same stack, as in `name_from`. One with
    the sign starts from the folder of the file that was read: in another folder it becomes
    relative to that one, with the sign in a .csg and without it in a .cs file.

    Parameters
    ----------
    names: names of the rows' stacks, without the sign.
    stacks: where each of ``names.names`` lies; None where it was not found.
    """
    folder, old_folder = target.resolve().parent, table.path.resolve().parent
    found = [
        name if stack is None else name_from(folder, name, stack)
        for name, stack in zip(names.names, stacks, strict=True)
    ]
    stored, held = table.texts("blob/path"), image_names(table)
    new = _encoded(found)[names.which]
    # Rows with the name they had keep its sign.
    new = np.where(new == _encoded(held.names)[held.which], stored, new)
    signed = np.strings.startswith(stored, _FROM_OWN_FOLDER)
    if folder != old_folder and signed.any():
        sign = _FROM_OWN_FOLDER if target.suffix == ".csg" else b""
        moved = [
            os.path.relpath(old_folder / name if stack is None else stack.resolve(), folder)
            for name, stack in zip(names.names, stacks, strict=True)
        ]
        new = np.where(signed, _encoded(moved, sign)[names.which], new)
    return table if np.array_equal(new, stored) else table.with_column("blob/path", new)


def _encoded(names: Sequence[str], sign: bytes = b"") -> np.ndarray:
    return np.array([sign + name.encode() for name in names])
