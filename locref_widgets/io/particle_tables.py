"""Which table of a file holds the particles, and whether their sizes are one."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable
from locref_widgets.io.cs_particles import cs_pixel_size_angstrom
from locref_widgets.io.images import ParticleImages
from locref_widgets.io.optics import Optics, check_one_size, pixel_sizes_angstrom
from locref_widgets.io.star_table import StarTable

_PIXEL_SIZE_TOLERANCE = 1e-3


def read_cs_pixel_size(
    table: CsTable, group: Int[np.ndarray, " n"], images: ParticleImages | None
) -> float:
    """Read the pixel size (Å) of all particles of a .cs file and check their box.

    Raises
    ------
    InputError
        If there is none, sizes differ, or ``blob/shape`` is not the box of the images.
    """
    sizes = cs_pixel_size_angstrom(table)
    check_one_size(table.path, group, sizes, "pixel size (Å)", _PIXEL_SIZE_TOLERANCE)
    if "blob/shape" in table and images is not None:
        shape = table.integers("blob/shape", 2)
        bad = np.flatnonzero(np.any(shape != images.box_px, axis=1))
        if bad.size:
            raise InputError(
                f"{table.path}: row {bad[0] + 1} has blob/shape = {shape[bad[0]]}, but the images "
                f"in {images.stacks[0].path} have {images.box_px} px. Give the stack that belongs "
                "to the table."
            )
    return float(sizes[0])


def find_particle_block(path: Path, blocks: Mapping[str, StarTable]) -> str:
    """Name of the block with the particles.

    Raises
    ------
    InputError
        If there is none, it is empty, or its particles are sub-tomograms.
    """
    holding = [name for name, table in blocks.items() if "rlnImageName" in table]
    tomography = [
        label
        for table in blocks.values()
        for label in table.columns
        if label.startswith("rlnTomo") or label in ("rlnOriginZAngst", "rlnOriginZ")
    ]
    table = blocks[holding[0]] if holding else None
    groups = blocks.get("optics", StarTable({}))
    if "rlnImageDimensionality" in groups and 3 in groups.ints("rlnImageDimensionality"):
        tomography.append("rlnImageDimensionality = 3")
    if table is not None and "rlnCoordinateZ" in table and "rlnCtfImage" in table:
        tomography.append("rlnCoordinateZ and rlnCtfImage")
    if tomography:
        raise InputError(
            f"{path}: holds sub-tomograms ({tomography[0]}), which are not refined here. Give "
            "single-particle images (two-dimensional, one pose each)."
        )
    if table is None:
        raise InputError(
            f"{path}: no block has the column rlnImageName (blocks: "
            f"{', '.join(f'data_{name}' for name in blocks)}), so it holds no particles. Give the "
            "particle table (RELION: run_data.star of Refine3D)."
        )
    name = "particles" if "particles" in holding else holding[0]
    if len(blocks[name]) == 0:
        raise InputError(
            f"{path}: block data_{name} has no rows. Give a table that holds particles."
        )
    return name


def read_pixel_size(optics: Optics, header_angstrom: Float[np.ndarray, " n"]) -> float:
    """Read the pixel size (Å) of all particles; the headers' sizes count if the file has none.

    Raises
    ------
    InputError
        If there is none, or pixel sizes or boxes differ between optics groups.
    """
    sizes = pixel_sizes_angstrom(optics, header_angstrom)
    check_one_size(
        optics.particles.path, optics.group, sizes, "pixel size (Å)", _PIXEL_SIZE_TOLERANCE
    )
    if "rlnImageSize" in optics:
        boxes = optics.floats("rlnImageSize")
        check_one_size(optics.particles.path, optics.group, boxes, "box (px)", 0.0)
    return float(sizes[0])


def check_box(optics: Optics, images: ParticleImages) -> None:
    """Raise InputError unless the images have the box that the table gives, if it gives one."""
    if "rlnImageSize" in optics and (box := optics.floats("rlnImageSize")[0]) != images.box_px:
        raise InputError(
            f"{optics.particles.path}: rlnImageSize says {box:g} px, but the images in "
            f"{images.stacks[0].path} have {images.box_px} px. Give the stack that belongs to "
            "the table, or mend rlnImageSize."
        )
