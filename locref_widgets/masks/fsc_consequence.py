"""What a mask would do to the FSC of two half-maps, before anything is refined with it."""

from dataclasses import dataclass

from locref_widgets.engine.fsc import fsc_curves
from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.engine.fsc_warnings import MaskExcess, fsc_warnings, mask_excess
from locref_widgets.engine.phase_randomisation import DRAWS_TO_KEEP
from locref_widgets.io.half_maps import check_half_maps
from locref_widgets.io.mrc import Map, check_same_grid
from locref_widgets.io.placing import place_on_grid
from locref_widgets.masks import check_values
from locref_widgets.masks.checks import check_usable
from locref_widgets.masks.mask_check import MaskCheck, Mend

_MASK = "mask"

_GAIN = 0.02
"""A resolution better by less than this share is no gain: curves cross between shells."""

_NARROWEST_EDGE_PX = 3


@dataclass(frozen=True)
class FSCConsequence:
    """Curves of two half-maps without and with a mask, and what they say of it.

    Attributes
    ----------
    unmasked, tight, randomised, corrected
        FSC without the mask; with it; with it and random phases, so the share that is the mask's
        own doing (mean of four draws); and with it, rid of that share (Chen et al. 2013).
    excess
        Where the tight curve is farthest above the corrected one; None where too few shells lie
        between the shell of the first random phases and the resolution.
    sentence
        What the mask would do.
    warnings
        What else the curves say, each a sentence.
    mend
        For a mask that is too tight.
    """

    unmasked: FSCCurve
    tight: FSCCurve
    randomised: FSCCurve
    corrected: FSCCurve
    excess: MaskExcess | None
    sentence: str
    warnings: list[str]
    mend: Mend | None = None

    @property
    def is_too_tight(self) -> bool:
        """Whether the mask itself makes the half-maps look alike."""
        return self.excess is not None and self.excess.is_too_much

    @property
    def curves(self) -> dict[str, FSCCurve]:
        """The curves by the name under which they are shown."""
        return {
            "no mask": self.unmasked,
            "mask": self.tight,
            "mask randomised": self.randomised,
            "mask corrected": self.corrected,
        }

    @property
    def resolutions_angstrom(self) -> dict[str, float]:
        """0.143 crossings without mask, with it, and corrected."""
        return {
            name: curve.resolution_angstrom()
            for name, curve in self.curves.items()
            if name != "mask randomised"
        }

    def as_check(self) -> MaskCheck:
        """The same as one more line of `checks.examine_mask`; the number is the excess."""
        state = "warning" if self.is_too_tight else "ok"
        value = None if self.excess is None else self.excess.value
        return MaskCheck("FSC", state, self.sentence, value, self.mend)


def fsc_consequence(half1: Map, half2: Map, mask: Map, *, seed: int = 0) -> FSCConsequence:
    """Measure two unfiltered half-maps without and with a mask.

    A mask that whole voxels part from the half-maps is placed in their box. ``seed`` is that of the
    random phases. The curves are the ones a refinement shows (``engine.fsc.fsc_curves``).

    Raises
    ------
    InputError
        If the maps are no half-maps, or the mask cannot be used or lies on another grid.
    """
    check_half_maps(half1, half2)
    mask = place_on_grid(half1, mask, "the mask")
    check_same_grid(half1, mask, "the mask")
    check_usable(mask)
    voxel = half1.voxel_size_angstrom
    curves = fsc_curves(
        half1.data,
        half2.data,
        voxel,
        {_MASK: mask.data},
        corrected=(_MASK,),
        seed=seed,
        randomisations=DRAWS_TO_KEEP,
    )
    tight, randomised, corrected = (
        curves[f"{_MASK}{kind}"] for kind in ("", " randomised", " corrected")
    )
    excess = mask_excess(tight, randomised, corrected)
    is_too_tight = excess is not None and excess.is_too_much
    mend = _wider(mask, corrected.resolution_angstrom()) if is_too_tight else None
    # That it is too tight is said in the sentence.
    warnings = [text for text in fsc_warnings(curves) if "too tight" not in text]
    sentence = _sentence(curves["no mask"], tight, corrected, excess)
    return FSCConsequence(
        curves["no mask"], tight, randomised, corrected, excess, sentence, warnings, mend
    )


def _sentence(
    unmasked: FSCCurve, tight: FSCCurve, corrected: FSCCurve, excess: MaskExcess | None
) -> str:
    without, masked, rid = (c.resolution_angstrom() for c in (unmasked, tight, corrected))
    first = (
        f"with this mask the half-maps agree to {masked:.2f} Å, and to {rid:.2f} Å when corrected "
        f"for what the mask itself adds; without a mask to {without:.2f} Å."
    )
    if excess is None:
        return f"{first} Too few shells lie below the resolution to tell how tight the mask is."
    apart = f"{max(excess.value, 0.0):.2f} at {excess.at_angstrom:.1f} Å"
    if excess.is_too_much:
        return (
            f"{first} The mask is too tight: masked and corrected curve lie apart by {apart} (up "
            f"to {excess.limit:.2f} would pass). Make it wider or its edge softer."
        )
    second = f"The two curves differ by at most {apart}: the mask is not too tight."
    if rid > without * (1.0 + _GAIN):
        second += (
            " The density inside is worse resolved than the particle as a whole, as that of a part "
            "that moves."
        )
    elif rid > without * (1.0 - _GAIN):
        second += " It gains nothing over no mask."
    return f"{first} {second}"


def _wider(mask: Map, resolution_angstrom: float) -> Mend:
    """Softer where the edge is too hard for the resolution, wider where it is not."""
    voxel = mask.voxel_size_angstrom
    edge_px = check_values.needed_edge_px(resolution_angstrom, voxel)
    if any(not check.is_ok for check in check_values.soft_edge(mask, resolution_angstrom)):
        return check_values.soft_pad(edge_px)
    grown_px = max(round(resolution_angstrom / voxel), 1)
    edge_px = max(edge_px, _NARROWEST_EDGE_PX)
    values = {"dilate": grown_px, "soft_pad": edge_px}
    return Mend(f"--dilate {grown_px} --soft-pad {edge_px}", "volume-tools", values)
