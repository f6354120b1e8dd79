"""The dynamic mask of an iteration, made from its map, and where a mask lies."""

import numpy as np
from jaxtyping import Float, Shaped

from locref_widgets.errors import InputError
from locref_widgets.masks.edges import soft_edge


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
