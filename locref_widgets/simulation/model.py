"""Atomic models of two bodies: one stays, the other moves about a fulcrum."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import gemmi
import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy.spatial import KDTree

from locref_widgets.errors import InputError
from locref_widgets.io.models import parse_selection, read_structure

DEFAULT_MODEL = Path(__file__).parents[1] / "sample" / "model_30S.npz"
_CONTACT_ANGSTROM = 6.0


@dataclass(frozen=True)
class AtomicModel:
    """Atoms of two bodies, centred so that they fit the smallest box."""

    positions_angstrom: Float[np.ndarray, "atoms 3"]
    """(x, y, z) relative to the centre of the map."""
    elements: Shaped[np.ndarray, " atoms"]
    """Chemical symbols."""
    moving: Bool[np.ndarray, " atoms"]
    """Whether an atom belongs to the body that moves (B)."""
    fulcrum_angstrom: Float[np.ndarray, "3"]
    source: str

    def body(self, moving: bool) -> tuple[Float[np.ndarray, "n 3"], Shaped[np.ndarray, " n"]]:
        """Return positions and elements of one body."""
        chosen = self.moving == moving
        return self.positions_angstrom[chosen], self.elements[chosen]

    @property
    def centre_of_moving_angstrom(self) -> Float[np.ndarray, "3"]:
        """Mean position of the atoms that move."""
        return self.positions_angstrom[self.moving].mean(axis=0)

    @property
    def radius_angstrom(self) -> float:
        """Distance of the outermost atom from the centre."""
        return float(np.linalg.norm(self.positions_angstrom, axis=1).max())


def default_model() -> AtomicModel:
    """Load the 30S ribosomal subunit of PDB 4V5A: body and platform stay, the head moves.

    The fulcrum is the neck (helix 28 of the 16S RNA). The entry is in the public domain (CC0).
    """
    with np.load(DEFAULT_MODEL) as stored:
        return AtomicModel(
            positions_angstrom=stored["xyz_centi_angstrom"] / 100.0,
            elements=stored["elements"][stored["element"]],
            moving=stored["body"].astype(bool),
            fulcrum_angstrom=stored["fulcrum"],
            source="PDB 4V5A, 30S subunit",
        )


def read_model(
    path: str | os.PathLike[str],
    moving: str | Sequence[str],
    fulcrum_angstrom: Sequence[float] | None = None,
) -> AtomicModel:
    """Read a PDB or mmCIF file and split it in two bodies.

    Hydrogens, waters and all but the first alternative location are left out.

    Parameters
    ----------
    path
        PDB or mmCIF file; its first model is used.
    moving
        The body that moves, as one or more selections in MMDB's syntax that gemmi reads:
        ``"B"`` (a chain), ``"A/921-1396"`` (residues of a chain), ``"A,B,C"`` (chains).
    fulcrum_angstrom
        (x, y, z) in the coordinates of the file; by default the middle of the contact between the
        two bodies.

    Raises
    ------
    InputError
        If the file cannot be read, a selection is wrong or empty, or takes everything.
    """
    path = Path(path)
    structure = read_structure(path)
    structure.remove_alternative_conformations()
    structure.remove_hydrogens()
    structure.remove_waters()
    structure.remove_empty_chains()
    if structure[0].count_atom_sites() == 0:
        raise InputError(f"{path}: holds no atoms but waters and hydrogens. Is this the model?")
    selections = [moving] if isinstance(moving, str) else list(moving)
    chosen: set[tuple] = set()
    for text in selections:
        chosen |= _select(structure, text, path)
    positions, elements, flags = [], [], []
    for chain in structure[0]:
        for residue in chain:
            for atom in residue:
                positions.append(atom.pos.tolist())
                elements.append(atom.element.name)
                flags.append((chain.name, str(residue.seqid), residue.name) in chosen)
    xyz, is_moving = np.array(positions), np.array(flags, dtype=bool)
    if is_moving.all() or not is_moving.any():
        raise InputError(
            f"{path}: the selection {', '.join(selections)} takes "
            f"{'all' if is_moving.all() else 'none'} of the {len(xyz)} atoms. Select the part of "
            'the model that moves, for example "A/921-1396" or "B,C".'
        )
    fulcrum = _contact(xyz, is_moving) if fulcrum_angstrom is None else np.array(fulcrum_angstrom)
    centre = (xyz.min(axis=0) + xyz.max(axis=0)) / 2
    return AtomicModel(
        positions_angstrom=xyz - centre,
        elements=np.array(elements),
        moving=is_moving,
        fulcrum_angstrom=np.asarray(fulcrum, dtype=np.float64) - centre,
        source=path.name,
    )


def _select(structure: gemmi.Structure, text: str, path: Path) -> set[tuple]:
    """Residues of the first model that a selection names."""
    selection = parse_selection(text, path)
    return {
        (chain.name, str(residue.seqid), residue.name)
        for chain in selection.chains(structure[0])
        for residue in selection.residues(chain)
    }


def _contact(
    positions: Float[np.ndarray, "n 3"], moving: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, "3"]:
    """Middle of the atoms that touch the other body (or of the closest pair)."""
    still = KDTree(positions[~moving])
    answer = still.query(positions[moving])
    distance, nearest = np.asarray(answer[0]), np.asarray(answer[1])
    near = distance <= max(_CONTACT_ANGSTROM, float(distance.min()))
    touching = positions[moving][near]
    return (touching.mean(axis=0) + positions[~moving][nearest[near]].mean(axis=0)) / 2
