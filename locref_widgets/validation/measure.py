"""All that two half-maps say of their resolution, in one go."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc import compute_fsc_curve, fsc_curves
from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.fsc_directional import (
    ANISOTROPIC_CFAR,
    DirectionalFSC,
    directional_fsc,
)
from locref_widgets.engine.fsc_warnings import fsc_warnings
from locref_widgets.engine.local_resolution import local_resolution
from locref_widgets.engine.phase_randomisation import DRAWS_TO_KEEP
from locref_widgets.engine.postprocess import PostProcessed, postprocess
from locref_widgets.errors import InputError
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.half_maps import check_half_maps
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.io.placing import grid_remarks, place_on_grid
from locref_widgets.masks.checks import check_mask
from locref_widgets.masks.resolution_masks import resolution_masks

USER_MASK = "user mask"
TIGHT = "tight"


@dataclass(frozen=True)
class HalfMapResults:
    """What was found.

    Attributes
    ----------
    voxel_size_angstrom
        Of all maps here.
    position
        Of the half-maps' box, where all maps lie.
    curves
        FSC curves of the half-maps by name: no mask, spherical, loose, tight, the user's mask; the
        last two also randomised and corrected.
    masks
        Masks by name: loose, tight, and the user's.
    quoted
        Name of the curve whose 0.143 crossing is the resolution: the user's mask corrected, else
        the tight one corrected.
    average
        Mean of the half-maps, unfiltered.
    against
        FSC of the average with the map given for comparison, by mask; empty without one.
    compared
        Curves of other programs, given to be drawn beside the quoted one.
    directional, sharpened, local_resolution_angstrom
        None when not asked for.
    warnings
        Sentences.
    """

    voxel_size_angstrom: float
    position: BoxPosition
    curves: dict[str, FSCCurve]
    masks: dict[str, Float[np.ndarray, "z y x"]]
    quoted: str
    average: Float[np.ndarray, "z y x"]
    against: dict[str, FSCCurve] = field(default_factory=dict)
    compared: dict[str, FSCCurve] = field(default_factory=dict)
    directional: DirectionalFSC | None = None
    sharpened: PostProcessed | None = None
    local_resolution_angstrom: Float[np.ndarray, "z y x"] | None = None
    warnings: list[str] = field(default_factory=list)

    @property
    def resolution_angstrom(self) -> float:
        """0.143 crossing of the quoted curve."""
        return self.curves[self.quoted].resolution_angstrom()

    @property
    def quoted_mask(self) -> Float[np.ndarray, "z y x"]:
        """The mask of the quoted curve."""
        return self.masks[self.quoted.removesuffix(" corrected")]


def measure(
    half1: Map,
    half2: Map,
    mask: Map | None = None,
    *,
    against: Map | None = None,
    compared: dict[str, FSCCurve] | None = None,
    directional: bool = True,
    sharpen: bool = False,
    bfactor_angstrom2: float | None = None,
    local: bool = False,
    seed: int = 0,
) -> HalfMapResults:
    """Measure the resolution of two unfiltered half-maps.

    Parameters
    ----------
    mask
        The user's mask, 0 to 1, on the half-maps' grid; its corrected curve is then the quoted one.
    against
        A map (of a model, or a published one) on the same grid to compare the average with.
    compared
        Curves read from files (``io.fsc_readers``), by name.
    directional, sharpen, local
        Whether to compute the FSC in cones, a sharpened map, and the local resolution.
    bfactor_angstrom2
        For the sharpened map; None reads it from the Guinier plot.
    seed
        Of the random phases.

    Raises
    ------
    InputError
        If the maps cannot be half-maps, or mask or reference lie on another grid.
    """
    check_half_maps(half1, half2)
    if bfactor_angstrom2 is not None and not np.isfinite(bfactor_angstrom2):
        raise InputError(
            f"the B-factor is {bfactor_angstrom2}: expected a number in Å², negative to sharpen."
        )
    voxel = half1.voxel_size_angstrom
    first, second = half1.data, half2.data
    average = Map(0.5 * (first + second), voxel, position=half1.position)
    if against is not None:
        check_same_grid(half1, against, "the map to compare with")
    if mask is not None:
        mask = place_on_grid(half1, mask, "the mask")
    made = resolution_masks(first, second, voxel)
    masks = {"loose": made.loose, TIGHT: made.tight}
    warnings = []
    if mask is not None:
        masks[USER_MASK] = mask.data
        # How soft the edge must be is known now.
        warnings = [
            *mask.remarks,
            *grid_remarks(half1, mask, "the mask"),
            *check_mask(
                mask, average, resolution_angstrom=made.resolution_angstrom, selects_part=False
            ),
        ]
    own = USER_MASK if mask is not None else TIGHT
    curves = fsc_curves(
        first,
        second,
        voxel,
        masks,
        corrected=(TIGHT, USER_MASK),
        seed=seed,
        randomisations=DRAWS_TO_KEEP,
        as_stored=True,  # the very numbers that relion_postprocess gives
    )
    quoted = f"{own} corrected"
    warnings += fsc_warnings(curves)
    cones = directional_fsc(first, second, voxel, masks[own]) if directional else None
    if cones is not None and cones.is_anisotropic:
        warnings.append(_anisotropy_warning(cones))
    sharpened = None
    if sharpen or bfactor_angstrom2 is not None:
        sharpened = postprocess(
            first, second, voxel, curves[quoted], bfactor_angstrom2=bfactor_angstrom2
        )
        warnings += _bfactor_warnings(sharpened, bfactor_angstrom2)
    return HalfMapResults(
        voxel,
        half1.position,
        curves,
        masks,
        quoted,
        average.data,
        _fsc_against(average, against, masks, own),
        compared or {},
        cones,
        sharpened,
        local_resolution(first, second, voxel) if local else None,
        warnings,
    )


def _fsc_against(
    average: Map, against: Map | None, masks: dict[str, Float[np.ndarray, "z y x"]], own: str
) -> dict[str, FSCCurve]:
    if against is None:
        return {}
    voxel = average.voxel_size_angstrom
    return {
        "no mask": compute_fsc_curve(average.data, against.data, voxel),
        own: compute_fsc_curve(average.data, against.data, voxel, masks[own]),
    }


def _bfactor_warnings(sharpened: PostProcessed, given: float | None) -> list[str]:
    text = None
    if given is None and sharpened.guinier is None:
        text = (
            f"no B-factor could be told: at {sharpened.resolution_angstrom:.1f} Å too few shells "
            "lie beyond 10 Å, so the map was weighted but not sharpened. Give one (--bfactor)."
        )
    elif sharpened.bfactor_angstrom2 > 0:
        text = (
            f"the B-factor is {sharpened.bfactor_angstrom2:.0f} Å², and a positive one blurs the "
            "map; sharpening takes a negative one (--bfactor)."
        )
    return [text] if text else []


def _anisotropy_warning(cones: DirectionalFSC) -> str:
    x, y, z = cones.worst_direction
    resolutions = cones.resolutions_angstrom
    return (
        f"the resolution depends on the direction: {resolutions.min():.1f} to "
        f"{resolutions.max():.1f} Å, cFAR {cones.area_ratio:.2f} (under {ANISOTROPIC_CFAR:g} is "
        f"anisotropic). It is worst along ({x:.2f}, {y:.2f}, {z:.2f}) (x, y, z): views across that "
        "direction are missing."
    )
