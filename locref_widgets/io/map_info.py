"""What a map file holds and what is wrong with it, of whatever shape and cell it is."""

from typing import Any

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import OFFSET_TOLERANCE_PX
from locref_widgets.io.mrc import check_cubic, check_finite, header_voxel_size_angstrom, read_values
from locref_widgets.io.mrc_header import MRCHeader


def map_facts(header: MRCHeader) -> tuple[dict[str, Any], list[str]]:
    """Read the values of a map and tell its facts, fit for JSON, and its faults, in sentences."""
    position = header.position
    facts: dict[str, Any] = {
        "start_xyz": list(position.start_px),
        "origin_angstrom": list(position.origin_angstrom),
        "axis_order": list(header.axes),
    }
    if header.cell_angles_deg != (90.0, 90.0, 90.0):
        facts["cell_angles_deg"] = list(header.cell_angles_deg)
    faults = [*_position_faults(header)]
    try:
        voxel = header_voxel_size_angstrom(header)
        facts["corner_angstrom"] = position.corner_angstrom(voxel).tolist()
        facts["size_xyz_angstrom"] = [n * voxel for n in header.size_xyz]
        check_cubic(header.path, header.size_xyz)
        facts["box_px"], facts["box_angstrom"] = header.size[0], header.size[0] * voxel
    except InputError as error:
        faults.append(str(error))
    try:
        values = read_values(header)
        facts |= _statistics(values)
        check_finite(header.path, values)
        if values.min() == values.max():
            faults.append(
                f"{header.path}: all voxels are equal ({values.flat[0]:g}): it holds nothing."
            )
    except InputError as error:
        faults.append(str(error))
    return facts, faults


def _statistics(values: Float[np.ndarray, "z y x"]) -> dict[str, float]:
    values = values[np.isfinite(values)]
    if not values.size:
        return {}
    return {
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "mean": float(values.mean(dtype=np.float64)),
        "standard_deviation": float(values.std(dtype=np.float64)),
    }


def _position_faults(header: MRCHeader) -> list[str]:
    """Tell when start and origin are both set and speak of different places."""
    position, voxel = header.position, np.array(header.voxel_size_angstrom)
    if not (any(position.start_px) and any(position.origin_angstrom)):
        return []
    apart = np.abs(np.array(position.origin_angstrom) - np.array(position.start_px) * voxel)
    if np.all(apart <= OFFSET_TOLERANCE_PX * voxel):
        return []
    fault = (
        f"{header.path}: start {position.start_px} voxels and origin {position.origin_angstrom} Å "
        "(x, y, z) in the header put the first voxel at different places. The origin is used, as "
        "ChimeraX does; programs of CCP4 use the start. Set one of them to zero."
    )
    return [fault]
