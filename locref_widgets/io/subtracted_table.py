"""The particle table of a subtracted set, and the way back to the originals.

Beside the names of the new stacks the table holds, as RELION's does, the original images in
``rlnImageOriginalName``; and what it takes to give the originals the poses that the particles have
by then, on any subset of rows (programs that do not know these columns keep them):

- ``locrefCenterX/Y/ZAngst``: the point of the original map on which the boxes are centred;
- ``locrefWindowX/YAngst``: by how much the window was moved;
- ``locrefDefocusChange``: what was added to ``rlnDefocusU`` and ``rlnDefocusV``;
- ``locrefSubtractedScale``: the factor of the projection that was subtracted.

A set subtracted from a subtracted one leads back to the first originals: centres, windows and
changes of defocus add up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.new_frame import origins_before
from locref_widgets.errors import InputError
from locref_widgets.io.images import (
    ImageNames,
    find_file,
    name_from,
    open_images,
    renamed_tokens,
    search_folders,
)
from locref_widgets.io.optics import find_optics, pixel_sizes_angstrom, read_ctf
from locref_widgets.io.particle_tables import find_particle_block
from locref_widgets.io.particles import CS_SUFFIXES, Particles
from locref_widgets.io.poses import read_poses, with_origin_columns
from locref_widgets.io.star import read_star
from locref_widgets.io.star_table import StarTable

ORIGINAL = "rlnImageOriginalName"
_CENTRE = tuple(f"locrefCenter{axis}Angst" for axis in "XYZ")
_WINDOW = tuple(f"locrefWindow{axis}Angst" for axis in "XY")
_DEFOCUS = "locrefDefocusChange"
_SCALE = "locrefSubtractedScale"
_OWN = (*_CENTRE, *_WINDOW, _DEFOCUS, _SCALE)
_PRIORS = (
    (("rlnOriginXPriorAngst", "rlnOriginYPriorAngst"), False),
    (("rlnOriginXPrior", "rlnOriginYPrior"), True),
)


@dataclass(frozen=True)
class Subtracted:
    """What was done to each particle of a table; lengths in Å.

    ``windows_angstrom`` is None where the images kept their frame.
    """

    names: list[str]
    scales: Float[np.ndarray, " n"]
    box_px: int
    centre_angstrom: Float[np.ndarray, " 3"]
    windows_angstrom: Float[np.ndarray, "n 2"] | None
    origins_angstrom: Float[np.ndarray, "n 2"]
    defocus_change_angstrom: Float[np.ndarray, " n"]


def subtracted_blocks(particles: Particles, done: Subtracted, folder: Path) -> dict[str, StarTable]:
    """Blocks of the STAR file of the subtracted set; every other column stays byte for byte.

    ``particles`` are the rows that were subtracted; ``folder`` is where the file will be.
    """
    table, blocks = particles.table, dict(particles.blocks)
    n = len(table)
    composed = is_subtracted(table)
    table = table.with_column(ORIGINAL, _original_names(particles, folder))
    table = table.with_column("rlnImageName", done.names)
    windows, centre = np.zeros((n, 2)), np.zeros(3)
    if done.windows_angstrom is not None:
        windows, centre = done.windows_angstrom, done.centre_angstrom
        table = _moved(
            table,
            done.origins_angstrom,
            done.origins_angstrom - particles.origins_angstrom,
            particles.pixel_size_angstrom,
            in_pixels="optics" not in blocks,
        )
    table = _change_defocus(table, done.defocus_change_angstrom)
    new = (*np.broadcast_to(centre, (n, 3)).T, *windows.T, done.defocus_change_angstrom)
    for name, values in zip((*_CENTRE, *_WINDOW, _DEFOCUS), new, strict=True):
        before = table.floats(name) if composed and name in table else 0.0
        table = table.with_column(name, values + before)
    table = table.with_column(_SCALE, done.scales)
    blocks[particles.table_name] = table
    return _with_box(blocks, done.box_px)


def is_subtracted(table: StarTable) -> bool:
    """Whether a table came from `subtracted_blocks`."""
    return ORIGINAL in table and any(name in table for name in _OWN)


def _original_names(particles: Particles, folder: Path) -> list[str]:
    if not is_subtracted(particles.table):
        source = particles.image_source
        paths = [stack.path for stack in source.stacks]
        tokens = particles.table.strings("rlnImageName")
        return _seen_from(folder, tokens, list(source.names), source.which, paths)
    tokens = particles.table.strings(ORIGINAL)
    names = ImageNames.parse(tokens, particles.path)
    folders = _folders(particles.table, particles.path)
    paths = [find_file(name, folders) for name in names.names]
    return _seen_from(folder, tokens, names.names, names.which, paths)


def _seen_from(
    folder: Path,
    tokens: list[str],
    names: list[str],
    which: Int[np.ndarray, " n"],
    paths: Sequence[Path | None],
) -> list[str]:
    """Image names as a file in ``folder`` should hold them; those of no known path as they are."""
    new = [
        name if path is None else name_from(folder, name, path)
        for name, path in zip(names, paths, strict=True)
    ]
    return renamed_tokens(tokens, which, names, new)


def _folders(table: StarTable, path: Path) -> list[Path]:
    """Where the names of originals may start from: as for images, or from the subtracted ones.

    A table written far from the subtracted set (a run's, say) has its image names adapted, but not
    those of the originals.
    """
    folders = search_folders(path)
    first = ImageNames.parse(table.strings("rlnImageName")[:1], path).names[0]
    stack = find_file(first, folders)
    return folders if stack is None else [*folders, *search_folders(stack)]


def _moved(
    table: StarTable,
    origins_angstrom: Float[np.ndarray, "n 2"],
    change_angstrom: Float[np.ndarray, "n 2"],
    pixel_size_angstrom: float,
    *,
    in_pixels: bool,
) -> StarTable:
    """Origins, and priors of origins where there are any, in another frame."""
    table = with_origin_columns(table, origins_angstrom, pixel_size_angstrom, in_pixels=in_pixels)
    for names, per_pixel in _PRIORS:
        unit = pixel_size_angstrom if per_pixel else 1.0
        for axis, name in enumerate(names):
            if name in table:
                moved = table.floats(name) + change_angstrom[:, axis] / unit
                table = table.with_column(name, moved)
    return table


def _change_defocus(table: StarTable, change_angstrom: Float[np.ndarray, " n"]) -> StarTable:
    if np.any(change_angstrom):
        for name in ("rlnDefocusU", "rlnDefocusV"):
            if name in table:
                table = table.with_column(name, table.floats(name) + change_angstrom)
    return table


def _with_box(blocks: dict[str, StarTable], box_px: int) -> dict[str, StarTable]:
    """Every ``rlnImageSize`` that the file holds set to a box."""
    name = "rlnImageSize"
    return {
        key: block.with_column(name, [box_px] * len(block))
        if name in block and len(block)
        else block
        for key, block in blocks.items()
    }


def revert_blocks(path: Path, folder: Path) -> tuple[dict[str, StarTable], list[str]]:
    """The original images of a subtracted table with the poses that it has now, and warnings.

    Origins are converted to the frame of the original images with the rotations of now, the change
    of defocus is taken back, and the names change places, so that ``rlnImageOriginalName`` tells
    which subtracted image a row came from. ``folder`` is where the file will be.

    Raises
    ------
    InputError
        If the table names no originals, or they are not there.
    """
    if path.suffix in CS_SUFFIXES:
        raise InputError(
            f"{path}: the way back stands in columns of a STAR file. Give the .star that was"
            " written beside this one (in a run: final/particles.star)."
        )
    blocks = read_star(path)
    name = find_particle_block(path, blocks)
    table, warnings = blocks[name], []
    if ORIGINAL not in table:
        raise InputError(
            f"{path}: has no column {ORIGINAL}, so the images were not subtracted, or the program"
            " that wrote the table lost it. Give a table that comes from locref subtract."
        )
    tokens = table.strings(ORIGINAL)
    names = ImageNames.parse(tokens, path)
    images = open_images(names, path, folders=_folders(table, path))
    if not is_subtracted(table):
        warnings.append(
            f"{path}: does not say how the boxes were placed (columns {_WINDOW[0]}, …), so the"
            " poses are taken as those of the original images"
        )
    optics = find_optics(table, blocks.get("optics"))
    pixel = float(pixel_sizes_angstrom(optics, images.header_pixel_sizes_angstrom)[0])
    centres, windows = _columns(table, _CENTRE), _columns(table, _WINDOW)
    if np.any(centres) or np.any(windows):
        rotations, origins = read_poses(table, pixel)
        magnification = np.asarray(read_ctf(optics).magnification, np.float64)
        before = origins_before(rotations, origins, magnification, windows, centres)
        table = _moved(table, before, before - origins, pixel, in_pixels="optics" not in blocks)
    table = _change_defocus(table, -_columns(table, (_DEFOCUS,))[:, 0])
    now = table.columns["rlnImageName"]
    paths = [stack.path for stack in images.stacks]
    originals = _seen_from(folder, tokens, names.names, names.which, paths)
    table = table.with_column("rlnImageName", originals)
    table = replace(table, columns=table.columns | {ORIGINAL: now})
    blocks[name] = _without(table, _OWN)
    return _with_box(blocks, images.box_px), warnings


def _columns(table: StarTable, names: Iterable[str]) -> Float[np.ndarray, "n k"]:
    zero = np.zeros(len(table))
    return np.stack([table.floats(name) if name in table else zero for name in names], axis=-1)


def _without(table: StarTable, names: Iterable[str]) -> StarTable:
    kept = {name: column for name, column in table.columns.items() if name not in set(names)}
    return replace(table, columns=kept)
