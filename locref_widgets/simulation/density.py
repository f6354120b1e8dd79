"""Electron-scattering density of atoms on the grid of a map."""

import gemmi
import numpy as np
from jaxtyping import Float, Shaped

from locref_widgets.errors import InputError

_FINE_ANGSTROM = 1.25
"""Atoms are summed on a grid at least this fine, so that their blobs are sampled well."""
_ATOMS_A_RESIDUE = 1000


def density_of_atoms(
    positions_angstrom: Float[np.ndarray, "atoms 3"],
    elements: Shaped[np.ndarray, " atoms"],
    box_px: int,
    voxel_size_angstrom: float,
    bfactor_angstrom2: float = 80.0,
) -> Float[np.ndarray, "z y x"]:
    """Sum the potentials of atoms on a map's grid, band-limited to its Nyquist sphere.

    Electron form factors are those of gemmi's ``DensityCalculatorE`` (International Tables C,
    4.3.2.2). The sum is taken on a finer grid and cut in Fourier space, so that the map holds the
    true coefficients up to the Nyquist frequency and none beyond: its slices are projections.

    Parameters
    ----------
    positions_angstrom
        (x, y, z) relative to voxel ``box_px // 2``.
    elements
        Chemical symbols.
    box_px, voxel_size_angstrom
        The map's grid.
    bfactor_angstrom2
        One B-factor for all atoms.

    Raises
    ------
    InputError
        If an atom lies outside the box.
    """
    half_box = box_px // 2 * voxel_size_angstrom
    reach = float(np.abs(positions_angstrom).max())
    if reach > half_box:
        raise InputError(
            f"the model reaches {reach:.0f} Å from its centre, but half the box is "
            f"{half_box:.0f} Å. Take a larger box or larger pixels."
        )
    oversampling = max(2, int(np.ceil(voxel_size_angstrom / _FINE_ANGSTROM)))
    fine_px = box_px * oversampling
    edge_angstrom = box_px * voxel_size_angstrom
    model = _as_gemmi_model(positions_angstrom + half_box, elements, bfactor_angstrom2)
    calculator = gemmi.DensityCalculatorE()
    calculator.d_min = 2 * edge_angstrom / fine_px
    calculator.rate = 1.0
    cell = gemmi.UnitCell(edge_angstrom, edge_angstrom, edge_angstrom, 90, 90, 90)
    calculator.grid.set_size(fine_px, fine_px, fine_px)
    calculator.grid.set_unit_cell(cell)
    calculator.grid.spacegroup = gemmi.SpaceGroup("P 1")
    calculator.initialize_grid()
    calculator.add_model_density_to_grid(model)
    fine = np.array(calculator.grid, copy=True)
    return _crop_to_band(fine, box_px).transpose(2, 1, 0).astype(np.float32, order="C")


def _as_gemmi_model(
    positions: Float[np.ndarray, "atoms 3"],
    elements: Shaped[np.ndarray, " atoms"],
    bfactor_angstrom2: float,
) -> gemmi.Model:
    model, chain = gemmi.Model(1), gemmi.Chain("A")
    for start in range(0, len(positions), _ATOMS_A_RESIDUE):
        residue = gemmi.Residue()
        residue.name = "UNK"
        stop = start + _ATOMS_A_RESIDUE
        for point, symbol in zip(positions[start:stop], elements[start:stop], strict=True):
            atom = gemmi.Atom()
            atom.element = gemmi.Element(str(symbol))
            atom.b_iso = bfactor_angstrom2
            atom.pos = gemmi.Position(*point)
            residue.add_atom(atom)
        chain.add_residue(residue)
    model.add_chain(chain)
    return model


def _crop_to_band(fine: Float[np.ndarray, "m m m"], box_px: int) -> Float[np.ndarray, "n n n"]:
    """Resample to ``box_px`` by keeping the coefficients inside the coarse Nyquist sphere."""
    spectrum = np.fft.rfftn(fine)
    full = np.rint(np.fft.fftfreq(box_px) * box_px).astype(int)
    half = np.arange(box_px // 2 + 1)
    rows = full % fine.shape[0]
    spectrum = spectrum[np.ix_(rows, rows, half)]
    radius_squared = full[:, None, None] ** 2 + full[None, :, None] ** 2 + half**2
    spectrum[radius_squared >= (box_px / 2) ** 2] = 0
    return np.fft.irfftn(spectrum, s=(box_px,) * 3, axes=(0, 1, 2)) * (box_px / fine.shape[0]) ** 3
