"""Masks grown, shrunk and given a soft edge. Distances are Euclidean, between voxel centres.

Nothing is known of what lies outside the box, so it neither adds to a mask nor takes from it: what
touches the border is dilated from within the box only, and is not eroded from the border.
"""

import numpy as np
from jaxtyping import Bool, Float

from locref_widgets.errors import InputError
from locref_widgets.masks.bounding import bounding_box
from locref_widgets.masks.distance import ROUNDING, by_distance


def dilate(binary: Bool[np.ndarray, "z y x"], radius_px: float) -> Bool[np.ndarray, "z y x"]:
    """Grow a mask by every voxel within ``radius_px``, the radius included.

    A negative radius erodes.

    Raises
    ------
    InputError
        If the radius is not a number.
    """
    if radius_px < 0:
        return erode(binary, -radius_px)
    _check_number("radius", radius_px)
    return by_distance(binary, radius_px, np.isfinite)


def erode(binary: Bool[np.ndarray, "z y x"], radius_px: float) -> Bool[np.ndarray, "z y x"]:
    """Take from a mask every voxel that has one outside it within ``radius_px``.

    The complement of `dilate` on the complement. A negative radius dilates.

    Raises
    ------
    InputError
        If the radius is not a number.
    """
    if radius_px < 0:
        return dilate(binary, -radius_px)
    _check_number("radius", radius_px)
    return _eroded(binary, radius_px, strict=False)


def soft_pad(
    binary: Bool[np.ndarray, "z y x"],
    width_px: float,
    *,
    dilate_px: float = 0.0,
    two_stage: bool = False,
) -> Float[np.ndarray, "z y x"]:
    """Mask with a cosine edge outside the region, float32.

    With d the distance from the region it is 1 up to ``dilate_px`` (e), 0 from e + ``width_px`` (w)
    on, and ``(1 + cos(pi (d - e) / w)) / 2`` between. A negative ``dilate_px`` erodes the region
    before the edge is put on. A width of 0 leaves a hard edge.

    Parameters
    ----------
    two_stage
        As relion_mask_create does: the region takes in voxels at d < e (strictly; for negative e
        it loses those with an outside voxel at less than -e), and the edge goes by the distance
        from the grown region. Made of whole voxels, that one lies up to about a voxel farther away
        than d - e, so values are less, by up to 0.13 for e = 6 and w = 12.

    Raises
    ------
    InputError
        If the width is negative, or one of the two is not a number.
    """
    _check_number("soft edge", width_px)
    _check_number("dilation", dilate_px)
    if width_px < 0:
        raise InputError(
            f"soft edge of {width_px:g} voxels: a width must be 0 or more. To shrink the mask, "
            "give a negative dilation."
        )
    if two_stage:
        binary, dilate_px = _grown_strictly(binary, dilate_px), 0.0
    elif dilate_px < 0:
        binary, dilate_px = erode(binary, -dilate_px), 0.0

    def fall(distance: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        beyond = np.maximum(distance - dilate_px * (1 + ROUNDING), 0.0)
        if width_px == 0:
            return (beyond == 0).astype(np.float32)
        share = np.minimum(beyond, width_px) / width_px
        return (0.5 + 0.5 * np.cos(np.pi * share)).astype(np.float32)

    return by_distance(binary, dilate_px + width_px, fall)


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
    return soft_pad(
        binary,
        (far_angstrom - near_angstrom) / voxel_size_angstrom,
        dilate_px=near_angstrom / voxel_size_angstrom,
    )


def _grown_strictly(
    binary: Bool[np.ndarray, "z y x"], extend_px: float
) -> Bool[np.ndarray, "z y x"]:
    """RELION's extension: by voxels nearer than ``extend_px``, or less if that is negative."""
    if extend_px < 0:
        return _eroded(binary, -extend_px, strict=True)
    return by_distance(binary, extend_px, lambda d: (d == 0) | (d < extend_px * (1 - ROUNDING)))


def _eroded(
    binary: Bool[np.ndarray, "z y x"], radius_px: float, *, strict: bool
) -> Bool[np.ndarray, "z y x"]:
    result = np.zeros_like(binary)
    # The outside voxel that is nearest to an inside one is at most one voxel beyond the box.
    box = bounding_box(binary, margin_px=1)
    if box is not None:
        outside = ~binary[box]
        grown = _grown_strictly(outside, radius_px) if strict else dilate(outside, radius_px)
        np.logical_not(grown, out=result[box])
    return result


def _check_number(what: str, value_px: float) -> None:
    if not np.isfinite(value_px):
        raise InputError(f"{what} of {value_px} voxels: expected a number, fractions allowed.")
