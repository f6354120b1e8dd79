"""Particles seen from another centre: whole-pixel windows, origins and defocus that go with them.

A map point ``r`` of a particle with magnification ``M`` is seen at ``M^T (R r)_xy - o`` (slices are
taken at ``M k``; see `locref_widgets.engine.ctf`). The window about the point ``c`` of the map is
centred on the whole pixel ``w`` nearest to where ``c`` is seen, so that nothing is interpolated;
relative to it, and with points counted from ``c``, the origin is

    o' = o - M^T (R c)_xy + w ,

at most half a pixel along each axis. The way back uses whatever rotation the particle has by then.

Defocus: ``z = (R c)_z`` is the height of ``c`` over the particle's centre along the image's third
axis, which points towards the electron source: where the images are as seen from there and the map
has the right hand. Underfocus is the distance from the specimen up to the plane in focus (a weaker
lens focuses on a plane further away from it, which is nearer to the source), so a point that is
higher by ``z`` has less of it:

    defocus' = defocus - z .

Programs for sub-particles agree (localrec: the height is subtracted). With images that were
mirrored on the way (a detector read from the other side), or a map of the wrong hand, the sign is
the opposite one; no projection tells.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

Rotations = Float[np.ndarray, "n 3 3"]
Magnifications = Float[np.ndarray, "n 2 2"]


@dataclass(frozen=True)
class Windows:
    """Where the windows of particles lie, and what that does to poses and defocus.

    Attributes
    ----------
    shifts_px
        Whole pixels ``(x, y)`` from the image's centre to the window's.
    origins_px
        Origins relative to the windows.
    heights_px
        ``(R c)_z`` of each particle.
    """

    shifts_px: Int[np.ndarray, "n 2"]
    origins_px: Float[np.ndarray, "n 2"]
    heights_px: Float[np.ndarray, " n"]


def place_windows(
    rotations: Rotations,
    origins_px: Float[np.ndarray, "n 2"],
    magnifications: Magnifications,
    centre_px: Float[np.ndarray, " 3"],
) -> Windows:
    """Centre a window of each particle on the map's point ``centre_px`` (from voxel ``N // 2``)."""
    seen = _seen(rotations, magnifications, centre_px)
    shifts = np.rint(seen - origins_px).astype(np.int64)
    heights = (rotations @ np.asarray(centre_px, np.float64))[:, 2]
    return Windows(shifts, origins_px - seen + shifts, heights)


def origins_before(
    rotations: Rotations,
    origins: Float[np.ndarray, "n 2"],
    magnifications: Magnifications,
    shifts: Float[np.ndarray, "n 2"],
    centres: Float[np.ndarray, "n 3"],
) -> Float[np.ndarray, "n 2"]:
    """Origins relative to the images that the windows were cut from; lengths in any one unit.

    The inverse of `place_windows` where the rotations are still the same ones.
    """
    seen = np.einsum("nij,nj->ni", rotations, centres)[:, :2]
    return origins + np.einsum("nji,nj->ni", magnifications, seen) - shifts


def _seen(
    rotations: Rotations, magnifications: Magnifications, point: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "n 2"]:
    turned = (rotations @ np.asarray(point, np.float64))[:, :2]
    return np.einsum("nji,nj->ni", magnifications, turned)


def cut_windows(
    images: Float[np.ndarray, "n y x"], shifts_px: Int[np.ndarray, "n 2"], box_px: int
) -> Float[np.ndarray, "n m m"]:
    """Cut boxes of ``box_px`` centred on whole pixels.

    Beyond an edge the image goes on periodically: so does its discrete Fourier transform, and the
    noise stays what it is.
    """
    n = images.shape[-1]
    line = np.arange(box_px) - box_px // 2 + n // 2
    columns = (line + shifts_px[:, :1]) % n
    rows = (line + shifts_px[:, 1:]) % n
    each = np.arange(len(images))[:, None, None]
    return images[each, rows[:, :, None], columns[:, None, :]]
