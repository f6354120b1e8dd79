"""The loose and the tight mask that FSC curves are drawn with when nobody gave one.

Made as cryoSPARC's are: the map, low-passed, is cut at half its maximum; the mask is 1 up to a
distance from that region, then falls to 0 as a cosine. cryoSPARC's distances were fixed (25 and
40 Å loose, 6 and 12 Å tight) and became multiples of the resolution in version 5. Here they are
the fixed ones down to the resolution that these suit, and multiples of a coarser one. Both
half-maps go into the density, for these masks only measure: no reference is made with them.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.filters import lowpass
from locref_widgets.engine.fsc import compute_fsc_curve, fsc_curves, spherical_mask
from locref_widgets.engine.phase_randomisation import DRAWS_TO_KEEP
from locref_widgets.errors import InputError
from locref_widgets.masks.edges import soft_edge

THRESHOLD = 0.5
"""Fraction of the low-passed map's maximum that counts as the particle."""

LOWPASS_ANGSTROM = 12.0
"""The map is low-passed to this, or to its resolution where that is worse."""

TIGHT_NEAR_ANGSTROM, TIGHT_FAR_ANGSTROM = 6.0, 12.0
TIGHT_NEAR_RESOLUTIONS, TIGHT_FAR_RESOLUTIONS = 1.0, 3.0
"""The tight mask is 1 and 0 at these multiples of the resolution, no less than these distances.
(Measured on the 30S subunit at 5.6 Å: it holds 99.9 % of the density.)"""

LOOSE_NEAR_ANGSTROM, LOOSE_FAR_ANGSTROM = 25.0, 40.0
LOOSE_NEAR_RESOLUTIONS, LOOSE_FAR_RESOLUTIONS = 3.0, 6.0
"""The same of the loose mask."""


_ROUNDING = 1e-4
"""A maximum this small beside the largest absolute value is rounding, not density."""


@dataclass(frozen=True)
class ResolutionMasks:
    """Masks (z, y, x) of values 0 to 1, and the resolution in Å that their distances follow."""

    loose: Float[np.ndarray, "z y x"]
    tight: Float[np.ndarray, "z y x"]
    resolution_angstrom: float


def resolution_masks(
    half1: Float[np.ndarray, "z y x"],
    half2: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
) -> ResolutionMasks:
    """Make both masks from the average of two half-maps.

    The resolution is first that of the FSC in the sphere; with the tight mask of that, the
    corrected FSC tells it better, and the masks are made once more. In a box whose corners the
    distances reach, the masks end with the sphere.

    Raises
    ------
    InputError
        If the average holds no positive density inside the sphere.
    """
    sphere = spherical_mask(half1.shape[-1])
    average = 0.5 * (half1 + half2) * sphere
    in_sphere = compute_fsc_curve(half1, half2, voxel_size_angstrom, sphere)
    resolution = in_sphere.resolution_angstrom()
    tight = tight_mask(average, voxel_size_angstrom, resolution) * sphere
    curves = fsc_curves(
        half1,
        half2,
        voxel_size_angstrom,
        {"tight": tight},
        corrected=("tight",),
        randomisations=DRAWS_TO_KEEP,
    )
    resolution = min(resolution, curves["tight corrected"].resolution_angstrom())
    return ResolutionMasks(
        loose_mask(average, voxel_size_angstrom, resolution) * sphere,
        tight_mask(average, voxel_size_angstrom, resolution) * sphere,
        resolution,
    )


def tight_mask(
    volume: Float[np.ndarray, "z y x"], voxel_size_angstrom: float, resolution_angstrom: float
) -> Float[np.ndarray, "z y x"]:
    """Mask close around the density of a map. Raises `InputError` if there is none."""
    return density_mask(
        volume,
        voxel_size_angstrom,
        resolution_angstrom,
        near_angstrom=max(TIGHT_NEAR_ANGSTROM, TIGHT_NEAR_RESOLUTIONS * resolution_angstrom),
        far_angstrom=max(TIGHT_FAR_ANGSTROM, TIGHT_FAR_RESOLUTIONS * resolution_angstrom),
    )


def loose_mask(
    volume: Float[np.ndarray, "z y x"], voxel_size_angstrom: float, resolution_angstrom: float
) -> Float[np.ndarray, "z y x"]:
    """Mask far around the density of a map. Raises `InputError` if there is none."""
    return density_mask(
        volume,
        voxel_size_angstrom,
        resolution_angstrom,
        near_angstrom=max(LOOSE_NEAR_ANGSTROM, LOOSE_NEAR_RESOLUTIONS * resolution_angstrom),
        far_angstrom=max(LOOSE_FAR_ANGSTROM, LOOSE_FAR_RESOLUTIONS * resolution_angstrom),
    )


def density_mask(
    volume: Float[np.ndarray, "z y x"],
    voxel_size_angstrom: float,
    resolution_angstrom: float,
    *,
    near_angstrom: float,
    far_angstrom: float,
    threshold: float = THRESHOLD,
) -> Float[np.ndarray, "z y x"]:
    """Mask around where the low-passed map reaches ``threshold`` times its maximum.

    Raises
    ------
    InputError
        If the map holds no positive density.
    """
    smooth = np.asarray(
        lowpass(volume, voxel_size_angstrom, max(LOWPASS_ANGSTROM, resolution_angstrom))
    )
    highest = float(smooth.max())
    if not highest > _ROUNDING * float(np.abs(smooth).max()):
        raise InputError(
            "no mask can be made from these maps: their average holds no positive density. Is the "
            "contrast inverted (density must be positive)?"
        )
    return soft_edge(
        smooth >= threshold * highest, near_angstrom, far_angstrom, voxel_size_angstrom
    )
