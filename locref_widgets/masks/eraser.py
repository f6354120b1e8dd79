"""The volume eraser: spheres that are cut out of a map or a mask, or that it is cut down to."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from locref_widgets.errors import InputError


class Sphere(NamedTuple):
    """A sphere in voxels from the corner of the box: centre ``(x, y, z)`` and radius."""

    x: float
    y: float
    z: float
    radius_px: float


def erase(
    values: Float[np.ndarray, "z y x"],
    spheres: Sequence[Sphere],
    *,
    outside: bool = False,
    soft_px: float = 0.0,
) -> Float[np.ndarray, "z y x"]:
    """Set what lies in any of the spheres to zero, or, with ``outside``, what lies in none.

    A voxel lies in a sphere when its centre is no farther from the sphere's than the radius, the
    rule of Chimera's eraser. With ``soft_px`` the edge is a raised cosine that wide, beyond the
    radius: ``(1 + cos(pi (d - radius) / soft_px)) / 2`` of the sphere is taken at distance d.

    Parameters
    ----------
    values
        a map or a mask; it is not changed
    spheres
        in voxels from the corner
    outside
        keep the spheres and erase the rest
    soft_px
        width of the edge in voxels, 0 for a hard one

    Raises
    ------
    InputError
        if there is no sphere, a number is not finite, a radius or width is negative, or all of
        the spheres miss the box.
    """
    share = np.zeros(values.shape, np.float32)
    touched = [_cover(share, sphere, soft_px) for sphere in _checked(spheres, soft_px)]
    if not any(touched):
        raise InputError(
            f"no sphere meets the box of {' x '.join(map(str, values.shape[::-1]))} voxels (x, y, "
            "z): centres and radii are in voxels from the corner of the box, not in Å."
        )
    return values * (share if outside else np.float32(1.0) - share)


def paint(
    mask: Float[np.ndarray, "z y x"],
    spheres: Sequence[Sphere],
    *,
    remove: bool = False,
    within: Float[np.ndarray, "z y x"] | None = None,
    at_least: float = -np.inf,
) -> Float[np.ndarray, "z y x"]:
    """Set a mask to 1 (``remove``: 0) in the spheres of a brush stroke.

    With ``within``, a map on the same grid, only voxels where it reaches ``at_least`` are touched,
    so that a coarse brush follows the density.

    Raises
    ------
    InputError
        as `erase` does, but a stroke may miss the box.
    """
    painted = mask.copy()
    value = np.float32(0.0 if remove else 1.0)
    for sphere in _checked(spheres, 0.0):
        box = _box_of(sphere, sphere.radius_px, mask.shape)
        inside = _squared_distance(sphere, box) <= sphere.radius_px**2
        if within is not None:
            inside &= within[box] >= at_least
        painted[box][inside] = value
    return painted


def _checked(spheres: Sequence[Sphere], soft_px: float) -> list[Sphere]:
    if not spheres:
        raise InputError("no sphere is given: expected X,Y,Z,RADIUS in voxels from the corner.")
    for sphere in spheres:
        if not np.isfinite(sphere).all() or sphere.radius_px < 0:
            raise InputError(
                f"sphere {', '.join(f'{value:g}' for value in sphere)}: expected X,Y,Z,RADIUS, "
                "four finite numbers in voxels, the radius 0 or more."
            )
    if not (np.isfinite(soft_px) and soft_px >= 0):
        raise InputError(f"the eraser's edge is {soft_px:g} voxels wide: expected 0 or more.")
    return list(spheres)


def _cover(share: Float[np.ndarray, "z y x"], sphere: Sphere, soft_px: float) -> bool:
    """Raise ``share`` to what the sphere takes of each voxel; tell whether it took anything."""
    box = _box_of(sphere, sphere.radius_px + soft_px, share.shape)
    squared = _squared_distance(sphere, box)
    if soft_px > 0:
        with np.errstate(over="ignore"):  # an edge next to nothing wide
            fall = np.clip((np.sqrt(squared) - sphere.radius_px) / soft_px, 0.0, 1.0)
        taken = (0.5 + 0.5 * np.cos(np.pi * fall)).astype(np.float32)
    else:
        taken = (squared <= sphere.radius_px**2).astype(np.float32)
    np.maximum(share[box], taken, out=share[box])
    return bool(taken.any())


def _box_of(sphere: Sphere, reach_px: float, shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Voxels within reach along each axis; empty where the sphere misses the box."""
    limits = zip((sphere.z, sphere.y, sphere.x), shape, strict=True)
    return tuple(
        slice(
            int(np.clip(np.floor(centre - reach_px), 0, size)),
            int(np.clip(np.ceil(centre + reach_px) + 1, 0, size)),
        )
        for centre, size in limits
    )


def _squared_distance(sphere: Sphere, box: tuple[slice, ...]) -> Float[np.ndarray, "z y x"]:
    along = [
        (np.arange(side.start, max(side.start, side.stop)) - float(centre)) ** 2
        for side, centre in zip(box, (sphere.z, sphere.y, sphere.x), strict=True)
    ]
    return along[0][:, None, None] + along[1][:, None] + along[2]
