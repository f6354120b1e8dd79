"""A mask and its recipe side by side: ``mask.mrc`` and ``mask.recipe.yaml``."""

import hashlib
import os
from pathlib import Path

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.mask_file import write_mask
from locref_widgets.io.mrc import Map
from locref_widgets.masks.recipe import MaskRecipe

_MADE = "# makes the file with sha256 "


def recipe_path(mask: str | os.PathLike[str]) -> Path:
    """Name the file that holds the recipe of a mask's file."""
    path = Path(mask)
    return path.with_name(path.name.removesuffix(path.suffix) + ".recipe.yaml")


def save_mask(path: str | os.PathLike[str], mask: Map, volume: Map, recipe: MaskRecipe) -> Path:
    """Write a mask for a map, and its recipe beside it; return the recipe's path.

    Raises
    ------
    InputError
        If the mask is not on the map's grid.
    OutputError
        If a file cannot be written.
    """
    write_mask(path, mask, volume)
    beside = recipe_path(path)
    with atomic_writer(beside) as handle:
        handle.write(f"{_MADE}{_sha256(Path(path))}\n{recipe.to_yaml()}".encode())
    return beside


def find_recipe(mask: str | os.PathLike[str]) -> MaskRecipe | None:
    """Read the recipe beside a mask; None where there is none that made this very file."""
    beside = recipe_path(mask)
    try:
        first = beside.read_text(encoding="utf-8").split("\n", 1)[0]
        if first != f"{_MADE}{_sha256(Path(mask))}":
            return None
        return MaskRecipe.load(beside)
    except (OSError, UnicodeDecodeError, InputError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
