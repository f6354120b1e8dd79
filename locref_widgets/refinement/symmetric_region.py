"""Whether a region can be given a point group, and whether that makes sense.

Reconstructions are symmetrised about the centre of the box that they are made in: the map's for the
first and the last ones, and in between that of a cube about the region's centre, the whole voxel
nearest to the mask's centre of mass. The two are one and the same where every operator leaves the
region's centre in place: on the z axis for Cn, at the map's centre for the other groups.
"""

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.symmetry import (
    Operators,
    distance_from_axes_px,
    operators_fixing,
    point_group_operators,
)
from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.masks.dynamic import centre_of_mass_angstrom

_LEAST_OVERLAP = 0.95
"""Of a mask with its turned copies. The soft edges of a symmetric one, resampled, leave 0.99."""

_POINTS = 20_000
"""Voxels of the mask whose turned places are looked at: its overlap to a hundredth."""


def check_region_on_axes(symmetry: str, mask: Map) -> None:
    """Refuse a region whose centre the point group would move.

    Raises
    ------
    InputError
        If the voxel at the mask's centre of mass is not on every axis.
    """
    operators = point_group_operators(symmetry)
    voxel = mask.voxel_size_angstrom
    centre = np.rint(centre_of_mass_angstrom(mask.data, voxel) / voxel)
    if len(operators_fixing(operators, centre)) == len(operators):
        return
    where = "the z axis" if symmetry.startswith("C") else "the map's centre"
    shown = ", ".join(f"{value:.0f}" for value in centre + mask.box_px // 2)
    raise InputError(
        f"{mask.path or 'the mask given'}: with symmetry {symmetry} the region must lie about"
        f" {where} (voxel {mask.box_px // 2} of x and y"
        f"{'' if symmetry.startswith('C') else ' and z'}), but the mask's centre is at voxel"
        f" ({shown}), {distance_from_axes_px(operators, centre) * voxel:.1f} Å from it. For one of"
        f" several equal parts expand the particles instead (relion_particle_symmetry_expand --sym"
        f" {symmetry}) and refine with symmetry C1; for a symmetric part make the mask symmetric"
        " about it."
    )


def symmetry_warnings(
    symmetry: str, mask: Map, fulcrum_angstrom: Float[np.ndarray, " 3"]
) -> list[str]:
    """Say what speaks against a symmetry that can be given; each a sentence, empty if nothing.

    ``fulcrum_angstrom`` is ``(x, y, z)`` from the map's centre.
    """
    operators = point_group_operators(symmetry)
    if len(operators) == 1:
        return []
    warnings = []
    overlap = mask_overlap(operators, mask.data)
    if overlap < _LEAST_OVERLAP:
        warnings.append(
            f"{mask.path or 'the mask given'}: the mask does not have the symmetry {symmetry}:"
            f" turned by its operators it overlaps itself by {100 * overlap:.0f} %. The references"
            " would lack parts that the map has: make the mask symmetric, or refine with symmetry"
            " C1."
        )
    voxel = mask.voxel_size_angstrom
    away = distance_from_axes_px(operators, fulcrum_angstrom / voxel) * voxel
    if away > voxel:
        warnings.append(
            f"the fulcrum lies {away:.1f} Å off the axes of symmetry {symmetry}: a symmetric region"
            " has no reason to turn about a point to one side. Give the mask's centre of mass"
            " (--fulcrum mask) or a point on the axis."
        )
    return warnings


def mask_overlap(operators: Operators, mask: Float[np.ndarray, "z y x"]) -> float:
    """Least overlap of a mask with its turned copies: the correlation about zero, 0 to 1."""
    from scipy.ndimage import map_coordinates

    centre = mask.shape[0] // 2
    index = np.argwhere(mask > 0)
    index = index[:: max(1, len(index) // _POINTS)]
    values = mask[tuple(index.T)].astype(np.float64)
    points = index[:, ::-1] - centre
    least = 1.0
    for operator in operators[1:]:
        places = (points @ operator.T)[:, ::-1].T + centre
        turned = map_coordinates(mask, places, order=1, prefilter=False)
        least = min(least, float(values @ turned / (values @ values)))
    return least
