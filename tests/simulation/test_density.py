"""Densities of atoms against the form factors they are made of; models and their two bodies."""

from pathlib import Path

import gemmi
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.simulation.density import density_of_atoms
from locref_widgets.simulation.model import default_model, read_model


def test_one_atom_has_its_form_factor() -> None:
    box_px, voxel, bfactor = 24, 1.5, 60.0
    position = np.array([[4.1, -2.3, 0.7]])
    density = density_of_atoms(position, np.array(["C"]), box_px, voxel, bfactor)
    spectrum = np.fft.fftn(np.fft.ifftshift(density)) * voxel**3
    k = np.fft.fftfreq(box_px, voxel)
    kz, ky, kx = np.meshgrid(k, k, k, indexing="ij")
    s_squared = kx**2 + ky**2 + kz**2
    coefficients = gemmi.Element("C").c4322
    factor = sum(
        a * np.exp(-b * s_squared / 4) for a, b in zip(coefficients.a, coefficients.b, strict=True)
    ) * np.exp(-bfactor * s_squared / 4)
    phase = np.exp(-2j * np.pi * (kx * 4.1 - ky * 2.3 + kz * 0.7))
    inside = s_squared < (0.5 / voxel) ** 2 * 0.999
    scale = factor[0, 0, 0]
    # gemmi cuts the tails of an atom's density where they fall below 1e-5 of a grid's units.
    assert np.abs(spectrum - factor * phase)[inside].max() < 0.01 * scale
    assert np.abs(spectrum[s_squared > (0.5 / voxel) ** 2 * 1.001]).max() < 1e-5 * scale


def test_atom_outside_the_box_is_refused() -> None:
    with pytest.raises(InputError, match="larger box"):
        density_of_atoms(np.array([[0.0, 30.0, 0.0]]), np.array(["C"]), 16, 2.0)


def test_default_model_is_two_bodies_about_the_neck() -> None:
    model = default_model()
    assert model.moving.sum() == 17304
    assert len(model.positions_angstrom) == 51486
    distance = [
        np.linalg.norm(model.body(part)[0] - model.fulcrum_angstrom, axis=1).min()
        for part in (False, True)
    ]
    # The neck belongs to both: an atom of each lies next to the fulcrum.
    assert max(distance) < 8.0
    assert set(model.elements) == {"C", "N", "O", "P", "S"}


def test_model_file_is_split_and_centred(two_chains: Path) -> None:
    model = read_model(two_chains, "B")
    assert model.moving.sum() == 250
    np.testing.assert_allclose(
        model.positions_angstrom.min(axis=0), -model.positions_angstrom.max(axis=0), atol=1e-9
    )
    # The contact lies between the two bodies.
    between = model.fulcrum_angstrom
    centres = [model.body(part)[0].mean(axis=0) for part in (False, True)]
    assert all(np.linalg.norm(between - centre) < 25 for centre in centres)
    given = read_model(two_chains, "B", (95.0, 92.0, 101.0))
    offset = given.positions_angstrom[0] - np.array(
        gemmi.read_structure(str(two_chains))[0][0][0][0].pos.tolist()
    )
    np.testing.assert_allclose(given.fulcrum_angstrom, np.array([95.0, 92.0, 101.0]) + offset)


def test_selections_of_residues_add_up(two_chains: Path) -> None:
    assert read_model(two_chains, ["A/1-10", "B/1-5"]).moving.sum() == 15


@pytest.mark.parametrize(
    ("selection", "message"), [("Z", "none of the 750"), ("A,B", "all of the 750")]
)
def test_useless_selections_are_refused(two_chains: Path, selection: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_model(two_chains, selection)


def test_unreadable_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.pdb"):
        read_model(tmp_path / "absent.pdb", "A")
    (tmp_path / "empty.pdb").write_text("END\n")
    with pytest.raises(InputError, match="no atoms"):
        read_model(tmp_path / "empty.pdb", "A")
