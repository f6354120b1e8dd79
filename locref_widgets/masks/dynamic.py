"""Masks made from maps: soft edges, the dynamic mask of an iteration, where a mask lies.

Everything here is on the host (NumPy, SciPy). Work is done on the region's bounding box grown by
the reach of the edge, which is several times cheaper than the whole box.
"""

import numpy as np
from jaxtyping import Bool, Float, Shaped
from scipy import ndimage

from locref_widgets.errors import InputError


def soft_edge(
    binary: Bool[np.ndarray, "z y x"],
    near_angstrom: float,
    far_angstrom: float,
    voxel_size_angstrom: float,
) -> Float[np.ndarray, "z y x"]:
    """Mask that is 1 within ``near_angstrom`` of the region and 0 from ``far_angstrom`` on.

    The distance is the one to the nearest voxel centre of the region; between near and far the
    value is ``(1 + cos(pi (d - near) / (far - near))) / 2``. float32; all 0 for an empty region.

    Raises
    ------
    InputError
        if the distances are negative or ``far_angstrom`` is less than ``near_angstrom``.
    """
    if near_angstrom < 0 or far_angstrom < near_angstrom:
        raise InputError(
            f"mask edge from {near_angstrom:g} Å (near) to {far_angstrom:g} Å (far): "
            "near must be 0 or more and far no smaller than near."
        )
    mask = np.zeros(binary.shape, np.float32)
    if not binary.any():
        return mask
    reach_px = int(np.ceil(far_angstrom / voxel_size_angstrom)) + 1
    box = tuple(
        slice(max(s.start - reach_px, 0), s.stop + reach_px)
        for s in ndimage.find_objects(binary.astype(np.int8))[0]
    )
    distance = np.asarray(
        ndimage.distance_transform_edt(~binary[box], sampling=voxel_size_angstrom)
    )
    if far_angstrom > near_angstrom:
        fall = np.clip((distance - near_angstrom) / (far_angstrom - near_angstrom), 0.0, 1.0)
    else:
        fall = (distance > near_angstrom).astype(np.float64)
    mask[box] = 0.5 + 0.5 * np.cos(np.pi * fall)
    return mask


def dynamic_mask(
    volume: Float[np.ndarray, "z y x"],
    user_mask: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    *,
    threshold: float = 0.2,
    near_angstrom: float = 3.0,
    far_angstrom: float = 12.0,
    absolute: bool = False,
) -> Float[np.ndarray, "z y x"]:
    """Mask around the density inside the user's mask.

    The region is where the map times the user's mask reaches ``threshold`` times the maximum of
    that product; ``soft_edge`` grows it, and the user's mask limits the result.

    Parameters
    ----------
    volume
        the low-passed map
    user_mask
        values 0 to 1 on the same grid
    voxel_size_angstrom
        of both
    threshold
        fraction of the maximum, over 0 to 1
    near_angstrom, far_angstrom
        distances from the region up to which the mask is 1, and from which it is 0
    absolute
        also take density that is as far below zero

    Raises
    ------
    InputError
        if no density is left, or a parameter is out of its range.
    """
    if not 0.0 < threshold <= 1.0:
        raise InputError(
            f"dynamic mask threshold {threshold:g}: it is a fraction of the map's maximum, "
            "over 0 and up to 1 (0.2 is usual)."
        )
    density = volume * user_mask
    if absolute:
        density = np.abs(density)
    highest = float(density.max())
    if not np.isfinite(highest) or highest <= 0.0:
        why = (
            "the mask is zero everywhere"
            if not np.any(user_mask > 0)
            else "the map holds no positive density inside the mask"
        )
        raise InputError(
            f"the dynamic mask is empty: {why}. Check that the mask lies on the region in the "
            "map, and that map and mask share one grid and one contrast (density positive)."
        )
    region = density >= np.float32(threshold * highest)
    mask = soft_edge(region, near_angstrom, far_angstrom, voxel_size_angstrom)
    return (mask * user_mask).astype(np.float32)


def centre_of_mass_angstrom(
    mask: Shaped[np.ndarray, "z y x"], voxel_size_angstrom: float
) -> Float[np.ndarray, "3"]:
    """Centre of mass (x, y, z) of a mask in Å relative to voxel N//2.

    Raises
    ------
    InputError
        if the mask is zero everywhere.
    """
    weight = np.asarray(mask, dtype=np.float64)
    total = weight.sum()
    if not total > 0:
        raise InputError("the mask is zero everywhere: it has no centre of mass.")
    along = [
        weight.sum(axis=tuple(other for other in range(3) if other != axis)) for axis in range(3)
    ]
    zyx = [
        np.dot(profile, np.arange(len(profile)) - len(profile) // 2) / total for profile in along
    ]
    return np.array(zyx[::-1]) * voxel_size_angstrom


def radius_angstrom(
    mask: Shaped[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    centre_angstrom: Float[np.ndarray, "3"],
    level: float = 0.5,
) -> float:
    """Radius of the ball about ``centre_angstrom`` that holds every voxel of at least ``level``.

    ``centre_angstrom`` is (x, y, z) relative to voxel N//2; 0 if there is no such voxel.
    """
    voxels = np.argwhere(np.asarray(mask) >= level)
    if not len(voxels):
        return 0.0
    middle = np.array(mask.shape) // 2
    points = (voxels - middle)[:, ::-1] * voxel_size_angstrom - centre_angstrom
    return float(np.sqrt((points**2).sum(axis=1).max()))
