"""A particle table with its poses, optics and images; the images stay on the disc."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.errors import InputError
from locref_widgets.io.images import (
    ImageNames,
    ParticleImages,
    find_bad_images,
    name_from,
    open_images,
)
from locref_widgets.io.mrc import Map, same_size
from locref_widgets.io.optics import (
    Optics,
    check_one_size,
    find_optics,
    pixel_sizes_angstrom,
    read_ctf,
)
from locref_widgets.io.poses import read_half_sets, read_poses, with_pose_columns
from locref_widgets.io.star import read_star, write_star
from locref_widgets.io.star_table import StarTable

_PIXEL_SIZE_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles of one box and pixel size. Rows are numbered from 0 in code, from 1 in messages."""

    path: Path
    blocks: dict[str, StarTable]
    """The STAR file as it was read; the particles are in ``blocks[table_name]``."""
    table_name: str
    box_px: int
    pixel_size_angstrom: float
    rotations: Float[np.ndarray, "n 3 3"]
    origins_angstrom: Float[np.ndarray, "n 2"]
    half_sets: Int[np.ndarray, " n"] | None
    """1 or 2 for every particle; None only when read without asking for them."""
    ctf: CTFParameters
    optics_group: Int[np.ndarray, " n"]
    image_source: ParticleImages

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.rotations)

    @property
    def table(self) -> StarTable:
        """The particles' block of the STAR file."""
        return self.blocks[self.table_name]

    def images(self, indices: Int[np.ndarray, " m"]) -> Float[np.ndarray, "m box box"]:
        """Read the images of these rows, ``[y, x]`` each, float32.

        Raises
        ------
        InputError
            If a stack was changed or went away since it was opened.
        """
        return self.image_source.read(np.asarray(indices, dtype=np.int64))

    def find_bad_images(self) -> list[tuple[int, str]]:
        """List the rows whose image cannot be used (NaN, infinite, constant) and why.

        Reads every image once, a few at a time.
        """
        return find_bad_images(self.images, np.arange(len(self)))

    def take(self, indices: Int[np.ndarray, " m"]) -> "Particles":
        """Select rows, in the order given; images stay on the disc."""
        rows = np.asarray(indices, dtype=np.int64)
        return replace(
            self,
            blocks={**self.blocks, self.table_name: self.table.take(rows)},
            rotations=self.rotations[rows],
            origins_angstrom=self.origins_angstrom[rows],
            half_sets=None if self.half_sets is None else self.half_sets[rows],
            ctf=self.ctf[rows],
            optics_group=self.optics_group[rows],
            image_source=self.image_source.take(rows),
        )

    def with_poses(
        self,
        rotations: Float[np.ndarray, "n 3 3"],
        origins_angstrom: Float[np.ndarray, "n 2"],
        extra_columns: Mapping[str, np.ndarray] | None = None,
    ) -> "Particles":
        """Give the particles these poses, in the columns the file has for them.

        Every other column stays byte for byte. ``extra_columns`` (name without underscore ->
        values) are added or replaced.
        """
        table = with_pose_columns(
            self.table,
            rotations,
            origins_angstrom,
            self.pixel_size_angstrom,
            in_pixels="optics" not in self.blocks,
        )
        for name, values in (extra_columns or {}).items():
            table = table.with_column(name, values)
        return replace(
            self,
            blocks={**self.blocks, self.table_name: table},
            rotations=np.asarray(rotations, np.float64),
            origins_angstrom=np.asarray(origins_angstrom, np.float64),
        )

    def write_star(self, path: str | os.PathLike[str]) -> None:
        """Write the table; a stack's name changes only if the new folder asks for it.

        Names that lead to the same stack from the new folder, or one above it, stay as they are.

        Raises
        ------
        OutputError
            If the folder cannot be written or the disc is full.
        """
        folder = Path(path).resolve().parent
        source = self.image_source
        names = [
            name_from(folder, name, stack.path)
            for name, stack in zip(source.names, source.stacks, strict=True)
        ]
        table = self.table
        if names != list(source.names):
            old = table.strings("rlnImageName")
            number = [token.partition("@")[0] if "@" in token else "1" for token in old]
            new = [f"{n}@{names[i]}" for n, i in zip(number, source.which.tolist(), strict=True)]
            table = table.with_column("rlnImageName", new)
        write_star(path, {**self.blocks, self.table_name: table})


def read_particles(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    need_half_sets: bool = True,
) -> Particles:
    """Read a RELION STAR file (3.0, or 3.1 and later) and open the stacks it names.

    Parameters
    ----------
    root: the folder that relative image names start from. Without it they are looked for from the
    file's
        folder, then from each folder above it, then from the current one.
    need_half_sets: whether absent half-sets are an error.

    Raises
    ------
    InputError
        If anything that a refinement needs is absent or wrong; the message says what and where.
    """
    path = Path(path)
    blocks = read_star_of_particles(path)
    table_name = find_particle_block(path, blocks)
    table = blocks[table_name]
    optics = find_optics(table, blocks.get("optics"))
    images = open_images(
        ImageNames.parse(table.strings("rlnImageName"), path),
        path,
        None if root is None else Path(root),
    )
    pixel_size = read_pixel_size(optics, images.header_pixel_sizes_angstrom)
    check_box(optics, images)
    rotations, origins = read_poses(table, pixel_size)
    half_sets = read_half_sets(table) if need_half_sets or "rlnRandomSubset" in table else None
    return Particles(
        path=path,
        blocks=blocks,
        table_name=table_name,
        box_px=images.box_px,
        pixel_size_angstrom=pixel_size,
        rotations=rotations,
        origins_angstrom=origins,
        half_sets=half_sets,
        ctf=read_ctf(optics),
        optics_group=optics.group,
        image_source=images,
    )


def read_star_of_particles(path: Path) -> dict[str, StarTable]:
    """Read a STAR file, refusing in words what is no STAR file but holds particles."""
    if path.suffix == ".cs":
        raise InputError(
            f"{path}: reading cryoSPARC's .cs comes later. Convert it to STAR with pyem: "
            f"csparc2star.py {path.name} particles.star"
        )
    return read_star(path)


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
    check_one_size(optics, sizes, "pixel size (Å)", _PIXEL_SIZE_TOLERANCE)
    if "rlnImageSize" in optics:
        check_one_size(optics, optics.floats("rlnImageSize"), "box (px)", 0.0)
    return float(sizes[0])


def check_box(optics: Optics, images: ParticleImages) -> None:
    """Raise InputError unless the images have the box that the table gives, if it gives one."""
    if "rlnImageSize" in optics and (box := optics.floats("rlnImageSize")[0]) != images.box_px:
        raise InputError(
            f"{optics.particles.path}: rlnImageSize says {box:g} px, but the images in "
            f"{images.stacks[0].path} have {images.box_px} px. Give the stack that belongs to "
            "the table, or mend rlnImageSize."
        )


def check_particles_match_map(particles: Particles, volume: Map) -> None:
    """Raise InputError unless box and pixel size of the images are those of the map."""
    where = f"{particles.path} and {volume.path or 'the map given'}"
    if particles.box_px != volume.box_px:
        raise InputError(
            f"{where}: the images have a box of {particles.box_px} px, but the map has "
            f"{volume.box_px} voxels. Give the map of the refinement that these particles come "
            f"from, or bring it to their box (relion_image_handler --new_box {particles.box_px})."
        )
    if not same_size(particles.pixel_size_angstrom, volume.voxel_size_angstrom):
        raise InputError(
            f"{where}: the images have pixels of {particles.pixel_size_angstrom:.4f} Å, but the "
            f"map has voxels of {volume.voxel_size_angstrom:.4f} Å. Mend the one that is wrong "
            "(rlnImagePixelSize in the STAR file, or the map's header), or resample the map."
        )
