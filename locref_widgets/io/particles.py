"""A particle table with its poses, optics and images; the images stay on the disc."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.ctf import CTFParameters
from locref_widgets.errors import InputError
from locref_widgets.io.cs import CsTable, read_cs, write_cs
from locref_widgets.io.cs_particles import (
    has_half_sets,
    image_names,
    optics_groups,
    read_cs_ctf,
    read_cs_half_sets,
    read_cs_poses,
    with_cs_poses,
)
from locref_widgets.io.cs_stack_names import with_stack_names
from locref_widgets.io.cs_to_star import ConvertedBlocks
from locref_widgets.io.images import (
    AS_STACK,
    ImageNames,
    ParticleImages,
    find_bad_images,
    name_from,
    open_images,
    renamed_tokens,
    search_folders,
)
from locref_widgets.io.mrc import Map, same_size
from locref_widgets.io.not_carried import NotCarried
from locref_widgets.io.optics import find_optics, read_ctf
from locref_widgets.io.particle_tables import (
    check_box,
    find_particle_block,
    read_cs_pixel_size,
    read_pixel_size,
)
from locref_widgets.io.poses import HALF_SETS, read_half_sets, read_poses, with_pose_columns
from locref_widgets.io.star import read_star, write_star
from locref_widgets.io.star_table import StarTable
from locref_widgets.io.star_to_cs import ImageFacts, micrograph_shapes, star_to_cs

CS_SUFFIXES = (".cs", ".csg")


@dataclass(frozen=True, eq=False)
class Particles:
    """Particles of one box and pixel size. Rows are numbered from 0 in code, from 1 in messages."""

    path: Path
    blocks: Mapping[str, StarTable]
    """The STAR file as it was read, or what a .cs file becomes as one (made when first looked at).

    The particles are in ``blocks[table_name]``.
    """
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
    cs: CsTable | None = None
    """All fields of the .cs file and those joined to it; None if a STAR file was read."""

    def __len__(self) -> int:
        """Return the number of particles."""
        return len(self.rotations)

    @property
    def table(self) -> StarTable:
        """The particles' block of the STAR file."""
        return self.blocks[self.table_name]

    @property
    def magnifications(self) -> Float[np.ndarray, "n 2 2"]:
        """Anisotropic magnification of each particle, as `locref_widgets.engine.ctf` has it."""
        return np.asarray(self.ctf.magnification, np.float64)

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
        cs = None if self.cs is None else self.cs.take(rows)
        return replace(
            self,
            blocks=self._blocks_with(cs, lambda table: table.take(rows)),
            cs=cs,
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
    ) -> "Particles":
        """Give the particles these poses, in the columns the file has for them.

        Every other column stays byte for byte.
        """
        cs = None if self.cs is None else with_cs_poses(self.cs, rotations, origins_angstrom)

        def change(table: StarTable) -> StarTable:
            return with_pose_columns(
                table,
                rotations,
                origins_angstrom,
                self.pixel_size_angstrom,
                in_pixels="optics" not in self.blocks,
            )

        return replace(
            self,
            blocks=self._blocks_with(cs, change),
            cs=cs,
            rotations=np.asarray(rotations, np.float64),
            origins_angstrom=np.asarray(origins_angstrom, np.float64),
        )

    def with_half_sets(self, half_sets: Int[np.ndarray, " n"]) -> "Particles":
        """Put the particles into these half-sets, 1 or 2."""
        cs = self.cs
        if cs is not None:
            cs = cs.with_column("alignments3D/split", (half_sets - 1).astype(np.uint32))
        blocks = self._blocks_with(cs, lambda table: table.with_column(HALF_SETS, half_sets))
        return replace(self, blocks=blocks, cs=cs, half_sets=half_sets)

    def write_star(self, path: str | os.PathLike[str]) -> list[NotCarried]:
        """Write the table; a stack's name changes only if the new folder asks for it.

        Names that lead to the same stack from the new folder, or one above it, stay as they are.
        Returns the fields of a .cs file that RELION has no column for.

        Raises
        ------
        OutputError
            If the folder cannot be written or the disc is full.
        """
        names = self._names_from(path)
        source = self.image_source
        table = self.table
        if names != list(source.names):
            old = table.strings("rlnImageName")
            new = renamed_tokens(old, source.which, source.names, names)
            table = table.with_column("rlnImageName", new)
        write_star(path, {**self.blocks, self.table_name: table})
        return self.blocks.not_carried if isinstance(self.blocks, ConvertedBlocks) else []

    def write_cs(self, path: str | os.PathLike[str]) -> list[NotCarried]:
        """Write a plain .cs file: every field read, or what the STAR file has for cryoSPARC.

        A stack's name changes as in `write_star`; one with the sign >, in every other folder.
        Places on micrographs need these to be there, for cryoSPARC gives them as parts of their
        size. Returns the columns of a STAR file that cryoSPARC has no field for.

        Raises
        ------
        OutputError
            If the folder cannot be written or the disc is full.
        """
        source = self.image_source
        cs = self.cs
        left: list[NotCarried] = []
        if cs is None:
            shapes = micrograph_shapes(self.table, search_folders(self.path))
            facts = ImageFacts(self.box_px, source.header_pixel_sizes_angstrom, shapes)
            cs, left = star_to_cs(self.blocks, self.table_name, self.path, facts)
        names = [name.removesuffix(AS_STACK) for name in source.names]
        wanted = ImageNames(names, source.which, source.number)
        stacks = [stack.path for stack in source.stacks]
        cs = with_stack_names(cs, Path(path), wanted, stacks)
        if not np.array_equal(image_names(cs).number, source.number):
            cs = cs.with_column("blob/idx", source.number.astype(np.uint32))
        write_cs(path, cs)
        return left

    def same_table(self, other: "Particles") -> bool:
        """Whether both hold the same columns, values and stacks."""
        stacks = [[s.path.resolve() for s in p.image_source.stacks] for p in (self, other)]
        if stacks[0] != stacks[1] or (self.cs is None) != (other.cs is None):
            return False
        if self.cs is not None and other.cs is not None:
            return self.cs.same_fields(other.cs)
        return self.blocks.keys() == other.blocks.keys() and all(
            other.blocks[name].columns.keys() == block.columns.keys()
            and all(
                np.array_equal(other.blocks[name].columns[column], values)
                for column, values in block.columns.items()
            )
            for name, block in self.blocks.items()
        )

    def _blocks_with(
        self, cs: CsTable | None, change: Callable[[StarTable], StarTable]
    ) -> Mapping[str, StarTable]:
        if cs is not None:
            return ConvertedBlocks(cs)
        return {**self.blocks, self.table_name: change(self.table)}

    def _names_from(self, path: str | os.PathLike[str]) -> list[str]:
        """Names of the stacks as a file at this path should hold them."""
        folder = Path(path).resolve().parent
        source = self.image_source
        return [
            name_from(folder, name, stack.path)
            for name, stack in zip(source.names, source.stacks, strict=True)
        ]


def read_particles(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    need_half_sets: bool = True,
    passthrough: Sequence[str | os.PathLike[str]] | None = None,
) -> Particles:
    """Read particles and open the stacks they name.

    A RELION STAR file (3.0, or 3.1 and later), a .cs file of cryoSPARC or a .csg group of them.

    Parameters
    ----------
    root: the folder that image names start from and may not lead out of. Without it relative ones
        are looked for from the file's folder, then from each folder above it, then from the current
        one.
    need_half_sets: whether absent half-sets are an error.
    passthrough: files whose further fields are joined to a .cs file by ``uid``. None: those that
        lie beside it under the names that cryoSPARC gives them.

    Raises
    ------
    InputError
        If anything that a refinement needs is absent or wrong; the message says what and where.
    """
    path = Path(path)
    if path.suffix in CS_SUFFIXES:
        table = read_cs(path, passthrough)
        return _read_cs_particles(table, None if root is None else Path(root), need_half_sets)
    blocks = read_star(path)
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


def reread_particles(
    path: str | os.PathLike[str], companions: Sequence[str | os.PathLike[str]]
) -> Particles:
    """Read particles with exactly the files that were read with them before.

    ``companions`` are those of `CsTable`; a .csg names its own. Raises like `read_particles`.
    """
    return read_particles(path, passthrough=companions if Path(path).suffix == ".cs" else None)


def _read_cs_particles(table: CsTable, root: Path | None, need_half_sets: bool) -> Particles:
    rotations, origins = read_cs_poses(table)
    half_sets = read_cs_half_sets(table) if need_half_sets or has_half_sets(table) else None
    images = open_images(image_names(table), table.path, root)
    group, _ = optics_groups(table)
    return Particles(
        path=table.path,
        blocks=ConvertedBlocks(table),
        table_name="particles",
        box_px=images.box_px,
        pixel_size_angstrom=read_cs_pixel_size(table, group, images),
        rotations=rotations,
        origins_angstrom=origins,
        half_sets=half_sets,
        ctf=read_cs_ctf(table),
        optics_group=group,
        image_source=images,
        cs=table,
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
