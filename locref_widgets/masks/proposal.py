"""A mask that was proposed, how sure the proposal is, and why: in words."""

import math
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy import ndimage

from locref_widgets.engine.local_blur import LocalBlur
from locref_widgets.io.mrc import Map
from locref_widgets.masks.blur_field import BlurField
from locref_widgets.masks.check_values import needed_edge_px
from locref_widgets.masks.edges import soft_pad
from locref_widgets.masks.flexible_part import FlexiblePart
from locref_widgets.masks.islands import fill_holes, keep_islands

Verdict = Literal["yes", "perhaps", "no"]

_YES, _PERHAPS = 0.75, 0.35
"""From here on a proposal is made, or made with doubt."""

_LOGISTIC = (-6.3, 6.0, 3.9)
"""Of the power lost (natural logarithm) and of ``one_sided``. A logistic regression on 160
simulated cases at 4 to 18 Å (as tests/benchmarks/propose.py draws them, from six structures); right
is a part that moves with half of its points or more in common with the one proposed. In these and
in 64 further cases at 3 to 9 Å, which had no part in it, 50 of 52 "yes" were right, 10 of 23
"perhaps", and 139 of 148 "no"; of 112 rigid particles 1 came out as "yes", 6 as "perhaps"."""

_SUREST = 0.96
"""So many of the cases of "yes" were right; more cannot be claimed from them."""

_LEAST = 1e-3

_LEAST_EDGE_PX = 3

_MARGIN_OF_RESOLUTION = 0.25
"""The part's outline is known no better, and to cut a part costs more than to hold a little of what
is next to it. Of the density of the 30S head in 400 images, at 10 Å, 86.4 % are held instead of
85.0 %, and of the body's 16.6 instead of 14.3 %; with twice as much, 87.5 and 19.1 %. The mask of
the packaged sample, at 6.7 Å, and the one proposed have 87 instead of 85 % in common (83 %)."""

_EDGE_OF_RADIUS = 0.5
"""The soft edge is no wider than this share of the part's radius, or it would be all edge."""


@dataclass(frozen=True)
class Proposal:
    """A proposed mask.

    Attributes
    ----------
    mask
        Soft, on the half-maps' grid; None where nothing stands out at all. With the verdict "no"
        it is only what came nearest: not to be refined with.
    sure
        Share of simulated cases that looked like this in which a part did move and the mask lay on
        it (see `how_sure`), 0 to 0.96.
    verdict
        "yes" from 0.75 on, "perhaps" from 0.35 on.
    reason
        Sentences with the numbers behind it.
    caveats
        What else would look like this; sentences.
    part
        The numbers themselves.
    blur_angstrom
        Root of the blur's variance, over the least blurred tenth, at every voxel of the particle
        (0 outside): to be shown in colours.
    """

    mask: Map | None
    sure: float
    verdict: Verdict
    reason: str
    caveats: tuple[str, ...] = ()
    part: FlexiblePart | None = None
    blur_angstrom: Map | None = field(default=None, repr=False)


def verdict_of(sure: float) -> Verdict:
    """Put a number into a word."""
    return "yes" if sure >= _YES else "perhaps" if sure >= _PERHAPS else "no"


def describe_proposal(proposal: Proposal) -> list[str]:
    """Tell a proposal as lines for a terminal."""
    first = {
        "yes": "A part moves, and the mask lies on it",
        "perhaps": "A part may move, and the mask lies on it: look before you refine",
        "no": "No part stands out as flexible; no mask is proposed",
    }[proposal.verdict]
    lines = [f"{first} (sure to {100.0 * proposal.sure:.0f} %).", proposal.reason]
    return [*lines, *proposal.caveats]


def mask_of_part(part: FlexiblePart, field: BlurField, like: Map) -> Map:
    """Soft mask of a part on the grid of a map: the outline's voxels that lie nearer to the part.

    In one piece, without holes, smooth to the window that the blur was told from, and larger by
    a quarter of the resolution all around; the edge is five times the resolution wide, but no more
    than half of the part's radius.
    """
    voxel = like.voxel_size_angstrom
    inside = _on_voxels(part.inside, field, like) & field.outline
    inside = fill_holes(keep_islands(inside, count=1))
    radius_px = (0.75 * np.count_nonzero(inside) / np.pi) ** (1.0 / 3.0)
    width = min(needed_edge_px(field.resolution_angstrom, voxel), _EDGE_OF_RADIUS * radius_px)
    width_px = max(round(width), _LEAST_EDGE_PX)
    margin_angstrom = _MARGIN_OF_RESOLUTION * field.resolution_angstrom
    remark = (
        f"proposed from half-maps: {np.count_nonzero(inside)} voxels, {margin_angstrom:.1f} Å more "
        f"all around, then a soft edge of {width_px} voxels ({width_px * voxel:.1f} Å)."
    )
    mask = soft_pad(inside, width_px, dilate_px=margin_angstrom / voxel)
    return Map(mask, voxel, None, like.position, (remark,))


def blur_map(blur: LocalBlur, field: BlurField, like: Map) -> Map:
    """Blur at the voxels of a map, over that of its sharpest tenth, as a root in Å."""
    u2 = blur.variance_angstrom2
    over = np.maximum(u2 - np.percentile(u2, 10), 0.0)
    filled = _spread(np.sqrt(over).astype(np.float32), field)
    values = field.on_the_maps(filled, like).data * field.outline
    return Map(values, like.voxel_size_angstrom, None, like.position)


def _on_voxels(
    inside: Bool[np.ndarray, "pz py px"], field: BlurField, like: Map
) -> Bool[np.ndarray, "z y x"]:
    """Whether the points about each voxel, those of the region only, mostly are in the part."""
    sides = np.where(inside[field.region], 1.0, -1.0).astype(np.float32)
    return field.on_the_maps(_smoothed(sides, field), like).data > 0


def _smoothed(
    values: Float[np.ndarray, " points"], field: BlurField
) -> Float[np.ndarray, "pz py px"]:
    grid = np.zeros(field.region.shape, np.float32)
    grid[field.region] = values
    sigma = 0.5 * field.window_angstrom / field.step_angstrom
    return ndimage.gaussian_filter(grid, sigma, mode="constant")


def _spread(values: Float[np.ndarray, " points"], field: BlurField) -> Float[np.ndarray, "z y x"]:
    """Carry values at the region's points on to those around, so that interpolation finds some."""
    grid = np.zeros(field.region.shape, np.float32)
    grid[field.region] = values
    nearest = ndimage.distance_transform_edt(
        ~field.region, return_distances=False, return_indices=True
    )
    z, y, x = np.asarray(nearest)
    return grid[z, y, x]


def how_sure(part: FlexiblePart) -> float:
    """Probability that the part moves and was found, by what it lost and how one-sided it lies."""
    constant, of_loss, of_side = _LOGISTIC
    lost = -math.log(max(part.kept, _LEAST))
    score = constant + of_loss * lost + of_side * math.log(max(part.one_sided, _LEAST))
    return min(1.0 / (1.0 + math.exp(-score)), _SUREST)
