"""Looks at where a mask lies: on which grid, on what density, how far from the fulcrum."""

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError
from locref_widgets.io.box_position import OFFSET_TOLERANCE_PX
from locref_widgets.io.mrc import Map, check_same_grid, offset_px
from locref_widgets.io.placing import grid_remarks, place_on_grid
from locref_widgets.masks.dynamic import centre_of_mass_angstrom, radius_angstrom
from locref_widgets.masks.mask_check import MaskCheck, Mend
from locref_widgets.masks.mask_measures import covers_the_box, density_share, distance_px

_FAR_RADII = 2.0
"""A fulcrum beyond twice the mask's radius from its centre is more often a unit mistaken (Å typed
for voxels) than a long lever. ``refinement.fulcrum_point`` warns from there on, too."""


def grid(mask: Map, reference: Map | None) -> tuple[MaskCheck, Map]:
    """Whether the mask is on the map's grid; also the mask in the map's box where it fits there."""
    name = "grid"
    if reference is None:
        if len(set(mask.size_xyz)) == 1:
            text = f"a cube of {_voxels(mask)}; no map was given to compare it with."
            return MaskCheck(name, "ok", text), mask
        text = (
            f"the box is no cube but {_voxels(mask)}: the mask was cut out of a map's box. Bring "
            "it onto the map's grid."
        )
        return MaskCheck(name, "warning", text, None, on_grid(None)), mask
    try:
        placed = place_on_grid(reference, mask, "the mask")
        check_same_grid(reference, placed, "the mask")
    except InputError as error:
        text = str(error).removeprefix(f"{_named(mask)}: ")
        return MaskCheck(name, "fault", text, None, on_grid(reference)), mask
    if placed is not mask:
        text = placed.remarks[-1].removeprefix(f"{_named(mask)}: ")
        text += " Other programs want it on the map's grid."
        shift = float(np.abs(np.rint(offset_px(reference, mask))).max())
        return MaskCheck(name, "warning", text, shift, on_grid(reference)), placed
    return MaskCheck(name, "ok", f"the map's: {_voxels(mask)}.", 0.0), mask


def origin(mask: Map, reference: Map | None) -> MaskCheck:
    """Whether the header puts the mask where refinements take it to be."""
    name = "origin"
    corner = mask.corner_angstrom
    away = float(np.linalg.norm(corner))
    told = ", ".join(f"{value:.2f}" for value in corner)
    if reference is not None:
        remarks = grid_remarks(reference, mask, "the mask")
        if remarks:
            text = remarks[0].removeprefix(f"{_named(mask)}: ")
            return MaskCheck(name, "warning", text, away, on_grid(reference))
        same = np.all(np.abs(offset_px(reference, mask)) < OFFSET_TOLERANCE_PX)
        if same or not away:
            return MaskCheck(name, "ok", f"the map's: ({told}) Å (x, y, z).", away)
    if not away:
        return MaskCheck(name, "ok", "zero.", 0.0)
    text = (
        f"start and origin in the header put the first voxel at ({told}) Å (x, y, z). RELION and "
        "cryoSPARC take no notice of that, ChimeraX shows the mask there."
    )
    return MaskCheck(name, "warning", text, away, on_grid(reference))


def density(mask: Map, reference: Map) -> MaskCheck:
    """Whether the mask selects a part of the particle."""
    share = density_share(mask.data, reference.data)
    if covers_the_box(mask.data):
        text = (
            "the mask covers the whole box, so it selects no region. Local refinement needs a "
            "mask around the part that moves."
        )
    elif share < 0.01:
        text = (
            f"the mask holds {100.0 * share:.1f} % of the map's density. Check "
            "that both are on one grid with one origin, and that density is positive."
        )
    elif share > 0.99:
        text = (
            "the mask covers the whole particle, so no part of it is refined by itself. Use a "
            "mask around the part that moves."
        )
    else:
        text = f"the mask holds {100.0 * share:.0f} % of the map's density."
        return MaskCheck("density", "ok", text, share)
    return MaskCheck("density", "warning", text, share)


def fulcrum(mask: Map, point_voxels: tuple[float, float, float]) -> MaskCheck:
    """How far a fulcrum, in voxels from the corner, lies from the mask."""
    voxel, size = mask.voxel_size_angstrom, np.array(mask.size_xyz)
    point = np.array(point_voxels, np.float64)
    outside = bool(np.any(point < -0.5) or np.any(point > size - 0.5))
    away = distance_px(mask.data, point)
    told = "in the mask" if away == 0 else f"{away * voxel:.1f} Å ({away:.1f} voxels) from the mask"
    where = f"the fulcrum ({_triple(point)} voxels from the corner) is {told}"
    if not outside and not _is_far(mask, point):
        return MaskCheck("fulcrum", "ok", f"{where}.", away)
    text = f"{where} and outside the box." if outside else f"{where}, farther than levers are."
    guess = _other_unit(mask, point)
    mend = None
    if guess is not None:
        unit, voxels = guess
        typed = _triple(voxels, ",")
        text += f" Were Å typed for voxels? As Å from the {unit} it is ({_triple(voxels)}) voxels."
        mend = Mend(f"--fulcrum {typed}", "refine", {"fulcrum": tuple(map(float, voxels))})
    else:
        text += " Check the point and its unit: it counts in voxels from the corner."
    return MaskCheck("fulcrum", "fault" if outside else "warning", text, away, mend)


def _is_far(mask: Map, point_voxels: Float[np.ndarray, " 3"]) -> bool:
    voxel = mask.voxel_size_angstrom
    centre = centre_of_mass_angstrom(mask.data, voxel)
    radius = radius_angstrom(mask.data, voxel, centre)
    point = (point_voxels - np.array(mask.size_xyz) // 2) * voxel
    return bool(np.linalg.norm(point - centre) > _FAR_RADII * radius)


def _other_unit(
    mask: Map, point: Float[np.ndarray, " 3"]
) -> tuple[str, Float[np.ndarray, " 3"]] | None:
    """Voxels of the point if it was typed in Å, where that lies at the mask; the nearer reading."""
    in_voxels = point / mask.voxel_size_angstrom
    guesses = {"corner": in_voxels, "centre": in_voxels + np.array(mask.size_xyz) // 2}
    near = {unit: at for unit, at in guesses.items() if not _is_far(mask, at)}
    if not near:
        return None
    return min(near.items(), key=lambda guess: distance_px(mask.data, guess[1]))


def on_grid(reference: Map | None) -> Mend:
    """Resampling on the map's grid."""
    target = str(reference.path) if reference is not None and reference.path else "MAP.mrc"
    return Mend(f"--on-grid {target}", "resample", {"on_grid": target})


def _named(mask: Map) -> str:
    return str(mask.path or "the array given")


def _voxels(volume: Map) -> str:
    sizes = volume.size_xyz
    box = str(sizes[0]) if len(set(sizes)) == 1 else " x ".join(map(str, sizes))
    return f"{box} voxels of {volume.voxel_size_angstrom:.4g} Å"


def _triple(values: Float[np.ndarray, " 3"], between: str = ", ") -> str:
    return between.join(f"{value:.1f}" for value in values)
