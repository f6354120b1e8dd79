"""Atomic models in PDB and mmCIF files: reading, selecting atoms, writing what was moved."""

import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from locref_widgets.errors import InputError
from locref_widgets.io.atomic import atomic_writer
from locref_widgets.io.packed import open_packed, packing_of, reading_errors

_CIF_SUFFIXES = (".cif", ".mmcif")
_PDB_SUFFIXES = (".pdb", ".ent", ".pdb1")
_CIF_KEYWORD = b"data_"
_LARGEST_PDB_ANGSTROM = (-999.9995, 9999.9995)
"""Coordinates of a PDB file have eight columns, three of them decimals."""
_ROTATION_TOLERANCE = 1e-4
_CHOSEN = "s"
_ASSEMBLY_REMARK = "REMARK 350"
_STALE_REMARKS = ("290", "300", "350")
"""Crystal symmetry and assemblies in the coordinates of the file that was read."""

Selection = str | Sequence[str]
"""One or more selections in MMDB's syntax; atoms that any of them names are taken."""


@dataclass(frozen=True)
class Atoms:
    """Atoms of a model, one conformation of each, in the order of the file."""

    positions_angstrom: Float[np.ndarray, "atoms 3"]
    """(x, y, z) in the frame of coordinates, the one of `Map.corner_angstrom`."""
    elements: Shaped[np.ndarray, " atoms"]
    """Chemical symbols; X where unknown."""
    atomic_numbers: Int[np.ndarray, " atoms"]
    """0 where the element is unknown."""
    names: Shaped[np.ndarray, " atoms"]
    """Names of atoms: CA, P, O5'."""
    chains: Shaped[np.ndarray, " atoms"]
    residues: Shaped[np.ndarray, " atoms"]
    """Numbers of residues with their insertion code: 12, 12A."""
    residue_names: Shaped[np.ndarray, " atoms"]
    source: str = "the model given"
    remarks: tuple[str, ...] = ()
    """What was left out, in sentences for the user."""

    def __len__(self) -> int:
        return len(self.positions_angstrom)

    def take(self, chosen: Bool[np.ndarray, " atoms"] | Int[np.ndarray, " n"]) -> "Atoms":
        """Return the atoms that are chosen."""
        return Atoms(
            self.positions_angstrom[chosen],
            self.elements[chosen],
            self.atomic_numbers[chosen],
            self.names[chosen],
            self.chains[chosen],
            self.residues[chosen],
            self.residue_names[chosen],
            self.source,
            self.remarks,
        )

    @property
    def in_trace(self) -> Bool[np.ndarray, " atoms"]:
        """Which atoms trace the chains: C-alpha of amino acids, P of nucleotides."""
        carbon = (self.names == "CA") & (self.elements == "C")
        return carbon | ((self.names == "P") & (self.elements == "P"))


Model = str | os.PathLike[str] | gemmi.Structure | Atoms
"""A file, what was read from it, or its atoms."""


def is_model_name(path: str | os.PathLike[str]) -> bool:
    """Whether a file's name ends as those of PDB and mmCIF files do (.gz and .bz2 aside)."""
    return _suffix(Path(path)) in _CIF_SUFFIXES + _PDB_SUFFIXES


def read_structure(path: str | os.PathLike[str]) -> gemmi.Structure:
    """Read a PDB or mmCIF file, also compressed with gzip or bzip2, with all that it holds.

    The format is told by the content, so any name will do.

    Raises
    ------
    InputError
        If the file cannot be read, is cut off or no such file, or holds no atoms or coordinates
        that are not numbers.
    """
    path = Path(path)
    content = _as_text(_read_bytes(path))
    is_cif = content.lstrip().startswith((_CIF_KEYWORD, b"#")) or b"\n" + _CIF_KEYWORD in content
    kind = gemmi.CoorFormat.Mmcif if is_cif else gemmi.CoorFormat.Pdb
    try:
        structure = gemmi.read_structure_string(content, format=kind)
    except (OSError, RuntimeError, ValueError, IndexError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no content"
        raise InputError(
            f"{path}: cannot be read as PDB or mmCIF ({reason}). Check the name and the file."
        ) from None
    structure.setup_entities()
    structure.remove_empty_chains()
    if len(structure) == 0 or structure[0].count_atom_sites() == 0:
        raise InputError(f"{path}: holds no atoms. Is this a PDB or mmCIF file of a model?")
    for site in structure[0].all():
        if not all(np.isfinite(site.atom.pos.tolist())):
            raise InputError(
                f"{path}: atom {site.atom.name} of residue {site.residue.name} "
                f"{site.residue.seqid} in chain {site.chain.name} has coordinates that are no "
                "numbers. Mend the file, or take that atom out."
            )
    return structure


def read_atoms(model: Model, selection: Selection | None = None) -> Atoms:
    """Atoms of a file or structure, those that a selection names: see `select_atoms`.

    Atoms are returned as they are, for functions that take a model in any form.

    Raises
    ------
    InputError
        If the file cannot be read, or the selection is not understood or names no atoms.
    """
    if isinstance(model, Atoms):
        if selection is not None:
            raise InputError(
                f"{model.source}: these atoms were read already; select when reading the model."
            )
        return model
    if isinstance(model, gemmi.Structure):
        return select_atoms(model, selection)
    return select_atoms(read_structure(model), selection, source=str(model))


def select_atoms(
    structure: gemmi.Structure, selection: Selection | None = None, *, source: str | None = None
) -> Atoms:
    """Atoms of a structure's first model that a selection names, or all of them.

    Of alternative conformations the first is taken; hydrogens and waters are kept.

    Parameters
    ----------
    structure
        As `read_structure` gives it; it is not changed.
    selection
        One or more selections in MMDB's syntax as gemmi reads it: ``"B"`` (a chain), ``"A,B"``
        (chains), ``"A/921-1396"`` (residues of a chain), ``"//*//CA"`` (atoms of a name),
        ``"A/10-20;q>0.5"``. Atoms that any of them names are taken.
    source
        The model's name in messages.

    Raises
    ------
    InputError
        If a selection is not understood, or names no atoms.
    """
    where = source or structure.name or "the model given"
    single = structure.clone()
    single.remove_alternative_conformations()
    model = single[0]
    remarks = ()
    if len(structure) > 1:
        remark = (
            f"{where}: holds {len(structure)} models; the first is used. If they are the copies "
            "of an assembly, write them as chains of one model."
        )
        remarks = (remark,)
    sites = list(model.all())
    if selection is not None:
        texts = [selection] if isinstance(selection, str) else list(selection)
        for text in texts:
            _flag_atoms(model, parse_selection(text, where))
        sites = [site for site in sites if site.atom.flag == _CHOSEN]
        if not sites:
            raise InputError(
                f'{where}: the selection "{", ".join(texts)}" names no atoms. The model has the '
                f"chains {', '.join(dict.fromkeys(chain.name for chain in model))}. Write, for "
                'example, "A" (a chain), "A,B" (chains) or "A/10-120" (residues of a chain).'
            )
    return Atoms(
        np.array([site.atom.pos.tolist() for site in sites], np.float64),
        np.array([site.atom.element.name for site in sites]),
        np.array([site.atom.element.atomic_number for site in sites], np.int64),
        np.array([site.atom.name for site in sites]),
        np.array([site.chain.name for site in sites]),
        np.array([str(site.residue.seqid) for site in sites]),
        np.array([site.residue.name for site in sites]),
        where,
        remarks,
    )


def _flag_atoms(model: gemmi.Model, selection: gemmi.Selection) -> None:
    for chain in selection.chains(model):
        for residue in selection.residues(chain):
            for atom in selection.atoms(residue):
                atom.flag = _CHOSEN


def parse_selection(text: str, where: Path | str) -> gemmi.Selection:
    """Read one selection in MMDB's syntax; InputError, naming the model, if it is none."""
    try:
        return gemmi.Selection(text)
    except (RuntimeError, ValueError) as error:
        raise InputError(
            f'{where}: the selection "{text}" is not understood ({error}). Write a chain and '
            'residues, for example "A/921-1396", or chains: "B,C".'
        ) from None


def moved_structure(
    structure: gemmi.Structure,
    rotation: Float[np.ndarray, "3 3"],
    translation_angstrom: Float[np.ndarray, "3"],
) -> gemmi.Structure:
    """Move a structure rigidly: each position ``x`` becomes ``rotation @ x + translation``.

    Anisotropic B-factors, the operators of assemblies and those of non-crystallographic symmetry
    go along. The crystal's cell and symmetry do not, for the model is in its crystal no more.

    Raises
    ------
    InputError
        If the matrix is no rotation.
    """
    wrong = np.abs(rotation @ rotation.T - np.eye(3)).max()
    if not wrong < _ROTATION_TOLERANCE or np.linalg.det(rotation) < 0:
        raise InputError(
            "the matrix that moves the model is no rotation (its rows must be at right angles, of "
            "length 1, and right-handed)."
        )
    moved = structure.clone()
    move = gemmi.Transform(
        gemmi.Mat33(np.asarray(rotation, np.float64).tolist()),
        gemmi.Vec3(*np.asarray(translation_angstrom, np.float64).tolist()),
    )
    for model in moved:
        model.transform_pos_and_adp(move)
    back = move.inverse()
    for assembly in moved.assemblies:
        for generator in assembly.generators:
            for operator in generator.operators:
                operator.transform = move.combine(operator.transform).combine(back)
    moved.ncs = gemmi.NcsOpList(
        [
            gemmi.NcsOp(move.combine(symmetry.tr).combine(back), symmetry.id, symmetry.given)
            for symmetry in structure.ncs
        ]
    )
    moved.cell, moved.spacegroup_hm = gemmi.UnitCell(1, 1, 1, 90, 90, 90), "P 1"
    moved.has_origx = False
    moved.raw_remarks = []
    if structure.raw_remarks:
        kept = [line for line in structure.raw_remarks if line[7:10] not in _STALE_REMARKS]
        made = moved.make_pdb_headers().splitlines()
        kept += [line for line in made if line.startswith(_ASSEMBLY_REMARK)]
        moved.raw_remarks = sorted(kept, key=lambda line: line[7:10])
    return moved


def write_model(
    path: str | os.PathLike[str],
    structure: gemmi.Structure,
    rotation: Float[np.ndarray, "3 3"] | None = None,
    translation_angstrom: Float[np.ndarray, "3"] | None = None,
) -> None:
    """Write a model, moved if a rotation or translation is given; whole or not at all.

    The suffix tells the format: .cif, .mmcif or .pdb, .ent, each also with .gz.

    Parameters
    ----------
    structure: as `read_structure` gives it, with all its models and atoms.
    rotation, translation_angstrom: as in `moved_structure`.

    Raises
    ------
    InputError
        If the suffix is another one, the matrix is no rotation, or the model does not fit in the
        columns of a PDB file.
    OutputError
        If the folder cannot be written or the disc is full.
    """
    path = Path(path)
    suffix = _suffix(path)
    if suffix not in _CIF_SUFFIXES + _PDB_SUFFIXES or path.suffix == ".bz2":
        raise InputError(
            f"{path}: a model is written as .cif or .pdb, as is or with .gz. Give it such a name."
        )
    if rotation is not None or translation_angstrom is not None:
        structure = moved_structure(
            structure,
            np.eye(3) if rotation is None else rotation,
            np.zeros(3) if translation_angstrom is None else translation_angstrom,
        )
    if suffix in _CIF_SUFFIXES:
        text = structure.make_mmcif_document().as_string()
    else:
        text = _as_pdb(path, structure)
    content = text.encode()
    with atomic_writer(path) as handle:
        handle.write(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def _as_pdb(path: Path, structure: gemmi.Structure) -> str:
    low, high = _LARGEST_PDB_ANGSTROM
    for model in structure:
        for site in model.all():
            if not all(low < value < high for value in site.atom.pos.tolist()):
                raise InputError(
                    f"{path}: coordinates below -999 or over 9999 Å do not fit in a PDB file. "
                    "Write .cif instead."
                )
    try:
        return structure.make_pdb_string()
    except RuntimeError as error:
        raise InputError(
            f"{path}: the model does not fit in a PDB file ({error}). Write .cif instead."
        ) from None


def _read_bytes(path: Path) -> bytes:
    if path.is_dir():
        raise InputError(f"{path}: is a folder, expected a PDB or mmCIF file.")
    with reading_errors(path):
        with path.open("rb") as handle:
            packing = packing_of(handle.read(3))
        if packing is None:
            return path.read_bytes()
        with open_packed(path, packing) as handle:
            return handle.read()


def _as_text(content: bytes) -> bytes:
    """What is no UTF-8 (names of authors, broken bytes) becomes "?", a column for each byte."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return content.decode("latin-1").encode("ascii", "replace")
    return content


def _suffix(path: Path) -> str:
    """Last suffix in lower case, without the one of a compression."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".bz2"):
        suffixes.pop()
    return suffixes[-1] if suffixes else ""
