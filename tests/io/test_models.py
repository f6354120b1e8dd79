"""Reading, selecting and moving atomic models."""

import gzip
from pathlib import Path

import gemmi
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.models import (
    is_model_name,
    moved_structure,
    read_atoms,
    read_structure,
    select_atoms,
    write_model,
)

PDB = """\
CRYST1   80.000   80.000   80.000  90.00  90.00  90.00 P 1
ATOM      1  N   ALA A   1      11.104   6.134  -6.504  1.00 10.00           N
ATOM      2  CA AALA A   1      11.639   6.071  -5.147  0.60 10.00           C
ATOM      3  CA BALA A   1      12.639   6.071  -5.147  0.40 10.00           C
ATOM      4  CA  GLY A   2      13.559   8.207  -5.003  1.00 10.00           C
ATOM      5  HA  GLY A   2      14.000   8.900  -5.100  1.00 10.00           H
ATOM      6  P    DA B   5      20.100  -3.200   4.500  1.00 20.00           P
HETATM    7 CA    CA C   1       1.000   2.000   3.000  1.00 20.00          CA
HETATM    8  O   HOH C   2       2.000   2.000   3.000  1.00 20.00           O
END
"""


@pytest.fixture
def small_model(tmp_path: Path) -> Path:
    path = tmp_path / "small.pdb"
    path.write_text(PDB)
    return path


def turn_and_shift() -> tuple[np.ndarray, np.ndarray]:
    return Rotation.from_euler("ZYZ", [40, 70, -130], degrees=True).as_matrix(), np.array(
        [5.0, -12.5, 33.25]
    )


def test_atoms_are_read_with_elements_and_residues(small_model: Path) -> None:
    atoms = read_atoms(small_model)
    np.testing.assert_allclose(atoms.positions_angstrom[0], [11.104, 6.134, -6.504])
    # One of the two conformations, with its hydrogen and water.
    assert len(atoms) == 7
    assert atoms.elements.tolist() == ["N", "C", "C", "H", "P", "Ca", "O"]
    assert atoms.atomic_numbers.tolist() == [7, 6, 6, 1, 15, 20, 8]
    assert atoms.chains.tolist() == list("AAAABCC")
    assert atoms.residues.tolist() == ["1", "1", "2", "2", "5", "1", "2"]
    # Calcium is named CA as the carbon is.
    assert atoms.in_trace.tolist() == [False, True, True, False, True, False, False]


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ("A", 4),
        ("A,C", 6),
        ("A/2-9", 2),
        ("//*//CA[C]", 2),
        (["B", "A/1"], 3),
        ("(HOH)", 1),
        ("*", 7),
        (None, 7),
    ],
)
def test_selections_name_atoms(small_model: Path, selection: str | None, count: int) -> None:
    assert len(read_atoms(small_model, selection)) == count


def test_selecting_leaves_the_structure_as_it_is(small_model: Path) -> None:
    structure = read_structure(small_model)
    select_atoms(structure, "B")
    assert len(select_atoms(structure)) == 7
    assert structure[0].count_atom_sites() == 8


@pytest.mark.parametrize(
    ("selection", "message"),
    [
        ("Z", r'selection "Z" names no atoms. The model has the chains A, B, C'),
        ("A/900-910", "names no atoms"),
        ("A/1-x", "is not understood"),
    ],
)
def test_selections_of_nothing_are_refused(small_model: Path, selection: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_atoms(small_model, selection)
    assert str(small_model) in str(caught.value)


def test_a_selection_from_atoms_is_refused(small_model: Path) -> None:
    atoms = read_atoms(small_model)
    assert read_atoms(atoms) is atoms
    with pytest.raises(InputError, match="select when reading"):
        read_atoms(atoms, "A")


def test_content_tells_the_format_whatever_the_name(small_model: Path, tmp_path: Path) -> None:
    structure = read_structure(small_model)
    text = structure.make_mmcif_document().as_string()
    for name, content in {
        "model.pdb": text.encode(),
        "model": text.encode(),
        "model.cif": PDB.encode(),
        "model.ent.gz": gzip.compress(PDB.encode()),
    }.items():
        path = tmp_path / name
        path.write_bytes(content)
        assert len(read_atoms(path)) == 7


def test_the_first_of_several_models_is_used_and_it_is_told(tmp_path: Path) -> None:
    lines = [line for line in PDB.splitlines() if line.startswith(("ATOM", "HETATM"))]
    path = tmp_path / "two.pdb"
    path.write_text("\n".join(["MODEL 1", *lines, "ENDMDL", "MODEL 2", *lines, "ENDMDL", "END"]))
    atoms = read_atoms(path)
    assert len(atoms) == 7
    assert "2 models" in atoms.remarks[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no atoms"),
        (b"hello\n", "holds no atoms"),
        (b"data_x\n_a.b 1\n", "holds no atoms"),
        (b"data_x\nloop_\n_atom_site.id\n_atom_site.x\n1\n", "cannot be read"),
        (PDB[:-300].encode(), "cannot be read"),
        (PDB.replace("11.104", "   nan").encode(), "coordinates that are no numbers"),
        (gzip.compress(PDB.encode())[:-20], "corrupt or cut off"),
    ],
)
def test_broken_models_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "broken.pdb"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_atoms(path)
    assert str(path) in str(caught.value)


def test_bytes_that_are_no_text_are_read_as_question_marks(tmp_path: Path) -> None:
    path = tmp_path / "latin.pdb"
    path.write_bytes(
        b"AUTHOR    J.M\xfcLLER\n" + PDB.replace(" DA B", " D\xc4 B").encode("latin-1")
    )
    atoms = read_atoms(path)
    assert len(atoms) == 7
    assert atoms.residue_names[4] == "D?"
    write_model(tmp_path / "again.pdb", read_structure(path))


def test_absent_models_and_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_atoms(tmp_path / "absent.pdb")
    with pytest.raises(InputError, match="is a folder"):
        read_atoms(tmp_path)


@pytest.mark.parametrize("name", ["moved.pdb", "moved.cif", "moved.pdb.gz", "moved.mmcif.gz"])
def test_a_moved_model_is_written_with_all_it_holds(
    small_model: Path, tmp_path: Path, name: str
) -> None:
    rotation, shift = turn_and_shift()
    structure = read_structure(small_model)
    out = tmp_path / name
    write_model(out, structure, rotation, shift)
    again = read_structure(out)
    before, after = (select_atoms(each) for each in (structure, again))
    expected = before.positions_angstrom @ rotation.T + shift
    # A PDB file has three decimals.
    np.testing.assert_allclose(after.positions_angstrom, expected, atol=5.1e-4)
    assert after.residues.tolist() == before.residues.tolist()
    assert again[0].count_atom_sites() == 8  # both conformations
    assert again.cell.a == 1.0
    np.testing.assert_allclose(  # what was read has not moved
        select_atoms(structure).positions_angstrom, before.positions_angstrom
    )


def test_moving_there_and_back_is_the_identity(small_model: Path) -> None:
    rotation, shift = turn_and_shift()
    structure = read_structure(small_model)
    back = moved_structure(
        moved_structure(structure, rotation, shift), rotation.T, -rotation.T @ shift
    )
    np.testing.assert_allclose(
        select_atoms(back).positions_angstrom,
        select_atoms(structure).positions_angstrom,
        atol=1e-12,
    )


@pytest.mark.parametrize(
    ("model", "suffix"), [("1oel_groel.pdb.gz", ".pdb"), ("7a4m.cif.gz", ".cif")]
)
def test_copies_of_an_assembly_move_with_the_model(
    shared_data: Path, tmp_path: Path, model: str, suffix: str
) -> None:
    """A copy of the moved model is the moved copy of the model."""
    rotation, shift = turn_and_shift()
    structure = read_structure(shared_data / "models" / model)
    out = tmp_path / f"moved{suffix}"
    write_model(out, structure, rotation, shift)
    again = read_structure(out)
    point = gemmi.Position(*select_atoms(structure).positions_angstrom[0])
    moved = gemmi.Position(*select_atoms(again).positions_angstrom[0])
    for before, after in zip(structure.assemblies, again.assemblies, strict=True):
        for old, new in zip(
            before.generators[0].operators, after.generators[0].operators, strict=True
        ):
            copy = rotation @ np.array(old.transform.apply(point).tolist()) + shift
            # Operators in PDB files have six decimals, coordinates (up to 200 Å here) three.
            np.testing.assert_allclose(new.transform.apply(moved).tolist(), copy, atol=3e-3)


def test_anisotropic_factors_turn_with_the_model(shared_data: Path, tmp_path: Path) -> None:
    rotation, shift = turn_and_shift()
    structure = read_structure(shared_data / "models" / "7a4m.cif.gz")
    write_model(tmp_path / "moved.cif", structure, rotation, shift)
    again = read_structure(tmp_path / "moved.cif")
    before, after = (
        np.array(each[0][0][0][0].aniso.as_mat33().tolist()) for each in (structure, again)
    )
    np.testing.assert_allclose(after, rotation @ before @ rotation.T, atol=2e-4)


def test_models_that_cannot_be_written_leave_what_is_there(
    small_model: Path, tmp_path: Path
) -> None:
    structure = read_structure(small_model)
    out = tmp_path / "there.pdb"
    out.write_text("kept")
    with pytest.raises(InputError, match=r"Write \.cif instead"):
        write_model(out, structure, np.eye(3), np.array([0.0, 20000.0, 0.0]))
    structure[0][0].name = "LONG"
    with pytest.raises(InputError, match=r"Write \.cif instead"):
        write_model(out, structure)
    with pytest.raises(InputError, match="is no rotation"):
        write_model(out, structure, np.diag([1.0, 1.0, -1.0]), np.zeros(3))
    assert out.read_text() == "kept"
    for name in ("model.txt", "model", "model.pdb.bz2"):
        with pytest.raises(InputError, match="is written as"):
            write_model(tmp_path / name, structure)
    with pytest.raises(OutputError):
        write_model(tmp_path / "absent" / "model.cif", structure)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.pdb", "there.pdb"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("a.pdb", True), ("a.CIF.gz", True), ("a.ent", True), ("a.mrc", False), ("a.map.gz", False)],
)
def test_names_tell_models_from_maps(name: str, expected: bool) -> None:
    assert is_model_name(name) == expected
