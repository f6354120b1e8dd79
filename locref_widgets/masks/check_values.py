"""Looks at a mask's values: whether it is a mask, its shape, its edge."""

import numpy as np

from locref_widgets.io.mrc import Map
from locref_widgets.masks.islands import fill_holes, label_islands
from locref_widgets.masks.mask_check import MaskCheck, Mend
from locref_widgets.masks.mask_measures import (
    INSIDE,
    NOTHING,
    edge_width_angstrom,
    margin_px,
)
from locref_widgets.masks.protein_mass import protein_mass_kda

RANGE_TOLERANCE = 1e-3
"""Masks resampled or low-passed by other programs leave [0, 1] by about this much."""

EDGE_RESOLUTIONS = 5.0
"""A soft edge should be this many times the resolution wide (cryoSPARC's guide says the same)."""

_EDGE_TOLERANCE = 0.8
"""The width is measured from voxels on a slope, to about a tenth."""


def finite(mask: Map) -> MaskCheck:
    """Whether all values are numbers."""
    bad = int(np.count_nonzero(~np.isfinite(mask.data)))
    if bad:
        text = "the mask holds NaN or infinite values. Make it again."
        return MaskCheck("values", "fault", text, float(bad))
    return MaskCheck("values", "ok", "all are numbers.", 0.0)


def value_range(mask: Map, edge_px: int) -> MaskCheck:
    """Whether values go from 0 to 1."""
    lowest, highest = float(mask.data.min()), float(mask.data.max())
    told = f"from {lowest:.4g} to {highest:.4g}"
    if lowest < -RANGE_TOLERANCE or highest > 1.0 + RANGE_TOLERANCE:
        text = (
            f"the mask holds values {told}, expected 0 to 1. "
            "A map is no mask: threshold it, then give it a soft edge (locref volume-tools, "
            "relion_mask_create, or cryoSPARC's Volume Tools)."
        )
        mend = soft_pad(edge_px, 0.5 * highest) if highest > 0 else None
        return MaskCheck("range", "fault", text, max(-lowest, highest - 1.0), mend)
    return MaskCheck("range", "ok", f"{told}.", max(-lowest, highest - 1.0, 0.0))


def empty(mask: Map, edge_px: int) -> MaskCheck:
    """Whether anything is inside, and how much."""
    highest = float(mask.data.max())
    if highest < INSIDE:
        nothing = highest <= NOTHING
        what = "is zero everywhere" if nothing else f"reaches only {highest:.3g}"
        text = (
            f"the mask is empty: it {what}, expected 1 inside the region. "
            "Was the threshold higher than the map?"
        )
        mend = None if nothing else soft_pad(edge_px, 0.5 * highest)
        return MaskCheck("size", "fault", text, 0.0, mend)
    voxels = int(np.count_nonzero(mask.data >= INSIDE))
    volume = voxels * mask.voxel_size_angstrom**3
    mass = protein_mass_kda(voxels, mask.voxel_size_angstrom)
    text = (
        f"{voxels} voxels inside ({100.0 * voxels / mask.data.size:.2g} % of the box), "
        f"{volume:.3g} Å³: room for {mass:.3g} kDa of protein."
    )
    return MaskCheck("size", "ok", text, float(voxels))


def islands(mask: Map) -> MaskCheck:
    """Whether the mask is in one piece."""
    _, sizes = label_islands(mask.data >= INSIDE)
    if len(sizes) < 2:
        return MaskCheck("islands", "ok", "the mask is in one piece.", float(len(sizes)))
    rest = sizes[1:].sum()
    text = (
        f"the mask is in {len(sizes)} pieces; those beside the largest hold {rest} voxels "
        f"({100.0 * rest / sizes.sum():.1f} %). Remove islands (dust) unless they are meant."
    )
    mend = _shape_mend(mask, "--islands 1", {"islands": 1})
    return MaskCheck("islands", "warning", text, float(len(sizes)), mend)


def holes(mask: Map) -> MaskCheck:
    """Whether the mask encloses voxels that are outside it."""
    inside = mask.data >= INSIDE
    voxels = int(np.count_nonzero(fill_holes(inside) & ~inside))
    if not voxels:
        return MaskCheck("holes", "ok", "none.", 0.0)
    text = (
        f"the mask has holes: {voxels} voxels are outside it but enclosed by it. Density that lies "
        "in a hole is cut out of the region."
    )
    mend = _shape_mend(mask, "--fill-holes", {"fill_holes": True})
    return MaskCheck("holes", "warning", text, float(voxels), mend)


def box_edge(mask: Map) -> MaskCheck:
    """Whether the mask is cut off by the box."""
    values = mask.data
    margin = margin_px(values)
    touched = [
        f"{'zyx'[axis]} = {end % values.shape[axis]}"
        for axis in range(3)
        for end in (0, -1)
        if np.take(values, end, axis=axis).max() > NOTHING
    ]
    fills = len(touched) == 6 and values.min() > NOTHING
    if not touched:
        return MaskCheck("box edge", "ok", f"{margin} voxels away.", float(margin))
    if fills:  # told of by its cover
        return MaskCheck("box edge", "ok", "the mask fills the box.", 0.0)
    text = (
        f"the mask touches the edge of the box (at voxel {', '.join(touched)}), where it is cut "
        "off hard. Make the mask smaller, or extract the particles in a larger box."
    )
    return MaskCheck("box edge", "warning", text, 0.0)


def needed_edge_px(resolution_angstrom: float, voxel_size_angstrom: float) -> int:
    """Width of a soft edge in voxels, 5 times the resolution over the voxel size, rounded up."""
    return int(np.ceil(EDGE_RESOLUTIONS * resolution_angstrom / voxel_size_angstrom - 1e-6))


def soft_edge(mask: Map, resolution_angstrom: float) -> list[MaskCheck]:
    """Whether there is a soft edge, and whether it is wide enough."""
    voxel = mask.voxel_size_angstrom
    needed = EDGE_RESOLUTIONS * resolution_angstrom
    advice = (
        f"Give it a soft edge about {needed:.0f} Å ({needed / voxel:.0f} voxels) wide, "
        f"5 times the resolution of {resolution_angstrom:.3g} Å."
    )
    between = np.count_nonzero((mask.data > NOTHING) & (mask.data < 1.0 - NOTHING))
    edge_px = needed_edge_px(resolution_angstrom, voxel)
    if not between:
        text = (
            "the mask is binary; its hard edge makes false features in the map and a false FSC. "
            + advice
        )
        return [MaskCheck("binary", "warning", text, 0.0, soft_pad(edge_px))]
    share = between / max(np.count_nonzero(mask.data > NOTHING), 1)
    text = f"no: {100.0 * share:.0f} % of its voxels are in a soft edge."
    checks = [MaskCheck("binary", "ok", text, float(share))]
    width = edge_width_angstrom(mask.data, voxel)
    told = f"about {width:.0f} Å wide" if np.isfinite(width) else "without a slope"
    if width < _EDGE_TOLERANCE * needed:
        text = f"the soft edge is {told}, and a softer one is needed. {advice}"
        mend = soft_pad(edge_px)
        return [*checks, MaskCheck("soft edge", "warning", text, width / voxel, mend)]
    text = (
        f"{told} ({width / voxel:.0f} voxels); 5 times {resolution_angstrom:.3g} Å are "
        f"{needed:.0f} Å."
    )
    return [*checks, MaskCheck("soft edge", "ok", text, width / voxel)]


def soft_pad(width_px: int, threshold: float | None = None) -> Mend:
    """A new soft edge, about what reaches a half or, where the values are no mask's, a threshold.

    The tools take of a soft mask what reaches a half.
    """
    if threshold is None:
        return Mend(f"--soft-pad {width_px}", "volume-tools", {"soft_pad": width_px})
    level = float(f"{threshold:.3g}")
    values = {"threshold": level, "soft_pad": width_px}
    return Mend(f"--threshold {level:g} --soft-pad {width_px}", "volume-tools", values)


def _shape_mend(mask: Map, flag: str, values: dict[str, object]) -> Mend:
    """A mend of the binary mask; a soft one gets its edge back."""
    width = edge_width_angstrom(mask.data, mask.voxel_size_angstrom) / mask.voxel_size_angstrom
    if not (0 < width < np.inf):
        return Mend(flag, "volume-tools", values)
    edge = soft_pad(round(width))
    return Mend(f"{flag} {edge.flag}", "volume-tools", {**values, **edge.values})
