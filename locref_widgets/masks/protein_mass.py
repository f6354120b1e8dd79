"""Protein by the volume it fills."""

import numpy as np

from locref_widgets.errors import InputError

DALTON_PER_CUBIC_ANGSTROM = 0.81
"""1.35 g/cm³, a partial specific volume of 0.74 cm³/g."""


def protein_mass_kda(voxels: int, voxel_size_angstrom: float) -> float:
    """Mass of protein that fills so many voxels, in kDa."""
    return voxels * voxel_size_angstrom**3 * DALTON_PER_CUBIC_ANGSTROM / 1000.0


def check_voxel_size(voxel_size_angstrom: float) -> None:
    """Raise `InputError` unless a voxel size is a length above 0."""
    if not (np.isfinite(voxel_size_angstrom) and voxel_size_angstrom > 0):
        raise InputError(
            f"a voxel size of {voxel_size_angstrom} Å: expected a length above 0, as in the map's "
            "header."
        )
