"""The folders that files named by a table may lie in.

A table may come from anybody, and what it names leads anywhere: ``../../x``, ``/x``. Two fences
hold that back. ``root`` of `locref_widgets.io.particles.read_particles` is the folder that names
start from and may not leave; links within it are its owner's, as RELION and cryoSPARC make them,
and are followed. ``LOCREF_DATA_ROOTS`` is for whoever runs a service: folders (separated as in
``PATH``) that nothing named by a table may lie outside of, links followed; worker processes inherit
it. Without either a name leads where the user's own permissions let it.
"""

import os
from pathlib import Path

from locref_widgets.errors import InputError

ROOTS_VARIABLE = "LOCREF_DATA_ROOTS"


def allowed_roots() -> list[Path] | None:
    """The folders of `ROOTS_VARIABLE`, links followed; None where it is not set: anything goes."""
    named = os.environ.get(ROOTS_VARIABLE, "")
    return [Path(root).resolve() for root in named.split(os.pathsep) if root] or None


def is_allowed(path: Path, roots: list[Path] | None) -> bool:
    """Whether a file lies in one of the roots, links followed."""
    return roots is None or any(path.resolve().is_relative_to(root) for root in roots)


def check_allowed(path: Path, where: str) -> None:
    """Raise InputError, which begins with ``where``, unless a file may be opened."""
    if not is_allowed(path, allowed_roots()):
        raise InputError(f"{where}: {outside_words(path)}")


def outside_words(path: Path) -> str:
    """Say that a file lies outside, and how to allow it."""
    return (
        f"{path} lies outside the folders that data may be read from ({ROOTS_VARIABLE} ="
        f" {os.environ.get(ROOTS_VARIABLE)}). Put the file into one of them, or have its folder"
        " added."
    )


def leaves(name: str, root: Path) -> bool:
    """Whether a name that starts from ``root`` leads out of it."""
    place, base = Path(root).absolute() / name, Path(root).absolute()
    # Links in the folder are not the table's doing, but ".." behind one climbs from where it leads.
    if ".." not in Path(name).parts and place.is_relative_to(base):
        return False
    return not place.resolve().is_relative_to(base.resolve())
