"""What is wrong with a mask, said before it costs an afternoon of refinement."""

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, check_same_grid

_INSIDE = 0.5
"""A voxel of at least this value is in the mask."""

_NOTHING = 0.01
"""Below this a mask is taken as zero: the tail of a soft edge, or rounding in the file."""

_RANGE_TOLERANCE = 1e-3
"""Masks resampled or low-passed by other programs leave [0, 1] by about this much."""

_EDGE_RESOLUTIONS = 5.0
"""A soft edge should be this many times the resolution wide (cryoSPARC's guide says the same)."""

_EDGE_TOLERANCE = 0.8
"""The width is measured from voxels on a slope, to about a tenth."""

_DENSITY_LEVEL = 0.2
"""Fraction of the map's maximum that counts as density."""


def check_mask(
    mask: Map,
    reference: Map,
    *,
    resolution_angstrom: float | None = None,
    selects_part: bool = True,
) -> list[str]:
    """Warnings about a mask for a map, each a sentence that says how to mend it; empty if none.

    ``resolution_angstrom`` is what the edge must be soft enough for; Nyquist when not given.
    ``selects_part`` says whether the mask is to select a part of the particle, as for refinement.

    Raises
    ------
    InputError
        if the mask cannot be used: another grid than the map's, NaN, negative, over 1, or empty.
    """
    check_same_grid(reference, mask, "the mask")
    told = check_mask_alone(mask, resolution_angstrom=resolution_angstrom)
    cover = _cover_warning(mask, reference) if selects_part else None
    return told + ([f"{_name(mask)}: {cover}"] if cover else [])


def check_mask_alone(mask: Map, *, resolution_angstrom: float | None = None) -> list[str]:
    """The warnings of `check_mask` that need no map: edges and islands. Raises as it does."""
    check_usable(mask)
    warnings = [
        _edge_warning(mask, resolution_angstrom or 2.0 * mask.voxel_size_angstrom),
        _box_edge_warning(mask.data),
        _islands_warning(mask.data >= _INSIDE),
    ]
    return [f"{_name(mask)}: {text}" for text in warnings if text]


def covers_the_box(mask: Float[np.ndarray, "z y x"]) -> bool:
    """Whether a mask selects next to all of the box, and so no region."""
    return bool(np.mean(mask >= _INSIDE) > 0.9)


def density_share(mask: Float[np.ndarray, "z y x"], volume: Float[np.ndarray, "z y x"]) -> float:
    """Share of the map's density (values over 0.2 of its maximum) that the mask holds, 0 to 1.

    1 means that the mask covers the whole particle; a map without positive density gives 0.
    """
    highest = float(volume.max())
    if not highest > 0:
        return 0.0
    density = np.where(volume >= _DENSITY_LEVEL * highest, volume, 0.0)
    return float(np.sum(density * (mask >= _INSIDE)) / np.sum(density))


def edge_width_angstrom(mask: Float[np.ndarray, "z y x"], voxel_size_angstrom: float) -> float:
    """Width of a mask's cosine edge from 1 to 0, 0 for a binary mask.

    From central differences g at half height, where a cosine edge of width W sampled every h has
    ``g = sin(pi h / W) / (2 h)``; the median over the edge.
    """
    half_way = (mask > 0.35) & (mask < 0.65)
    if not half_way.any():
        return 0.0
    box = tuple(
        slice(max(s.start - 1, 0), s.stop + 1)
        for s in ndimage.find_objects(half_way.astype(np.int8))[0]
    )
    gradient = np.gradient(mask[box].astype(np.float64), voxel_size_angstrom)
    slope = np.sqrt(sum(component**2 for component in gradient))[half_way[box]]
    slope = slope[slope > 0]
    if not len(slope):
        return np.inf
    rise = min(2.0 * voxel_size_angstrom * float(np.median(slope)), 1.0)
    return float(np.pi * voxel_size_angstrom / np.arcsin(rise))


def _name(mask: Map) -> str:
    return str(mask.path or "the mask given")


def check_usable(mask: Map) -> None:
    """Raise `InputError` if a mask holds NaN, is negative, over 1, or empty."""
    values, name = mask.data, _name(mask)
    if not np.isfinite(values).all():
        raise InputError(f"{name}: the mask holds NaN or infinite values. Make it again.")
    lowest, highest = float(values.min()), float(values.max())
    if lowest < -_RANGE_TOLERANCE or highest > 1.0 + _RANGE_TOLERANCE:
        raise InputError(
            f"{name}: the mask holds values from {lowest:.4g} to {highest:.4g}, expected 0 to 1. "
            "A map is no mask: threshold it, then give it a soft edge (relion_mask_create, or "
            "cryoSPARC's Volume Tools)."
        )
    if highest < _INSIDE:
        what = "is zero everywhere" if highest <= _NOTHING else f"reaches only {highest:.3g}"
        raise InputError(
            f"{name}: the mask is empty: it {what}, expected 1 inside the region. "
            "Was the threshold higher than the map?"
        )


def _edge_warning(mask: Map, resolution_angstrom: float) -> str | None:
    voxel = mask.voxel_size_angstrom
    needed = _EDGE_RESOLUTIONS * resolution_angstrom
    advice = (
        f"Give it a soft edge about {needed:.0f} Å ({needed / voxel:.0f} voxels) wide, "
        f"5 times the resolution of {resolution_angstrom:.3g} Å."
    )
    if not np.any((mask.data > _NOTHING) & (mask.data < 1.0 - _NOTHING)):
        return (
            "the mask is binary; its hard edge makes false features in the map and a false FSC. "
            + advice
        )
    width = edge_width_angstrom(mask.data, voxel)
    if width < _EDGE_TOLERANCE * needed:
        return f"the soft edge is about {width:.0f} Å wide, and a softer one is needed. {advice}"
    return None


def _box_edge_warning(values: Float[np.ndarray, "z y x"]) -> str | None:
    touched = [
        f"{'zyx'[axis]} = {end % values.shape[axis]}"
        for axis in range(3)
        for end in (0, -1)
        if np.take(values, end, axis=axis).max() > _NOTHING
    ]
    if not touched or (len(touched) == 6 and values.min() > _NOTHING):
        return None  # a mask that fills the box is told of by its cover
    return (
        f"the mask touches the edge of the box (at voxel {', '.join(touched)}), where it is cut "
        "off hard. Make the mask smaller, or extract the particles in a larger box."
    )


def _islands_warning(inside: Bool[np.ndarray, "z y x"]) -> str | None:
    labels = np.empty(inside.shape, np.int32)
    ndimage.label(inside, structure=np.ones((3, 3, 3)), output=labels)
    sizes = np.bincount(labels.ravel())[1:]
    if len(sizes) < 2:
        return None
    rest = sizes.sum() - sizes.max()
    return (
        f"the mask is in {len(sizes)} pieces; those beside the largest hold {rest} voxels "
        f"({100.0 * rest / sizes.sum():.1f} %). Remove islands (dust) unless they are meant."
    )


def _cover_warning(mask: Map, reference: Map) -> str | None:
    if covers_the_box(mask.data):
        return (
            "the mask covers the whole box, so it selects no region. Local refinement needs a "
            "mask around the part that moves."
        )
    share = density_share(mask.data, reference.data)
    if share < 0.01:
        return (
            f"the mask holds {100.0 * share:.1f} % of the map's density. Check "
            "that both are on one grid with one origin, and that density is positive."
        )
    if share > 0.99:
        return (
            "the mask covers the whole particle, so no part of it is refined by itself. Use a "
            "mask around the part that moves."
        )
    return None
