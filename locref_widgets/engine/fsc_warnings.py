"""What FSC curves say against the mask they were made with, in sentences."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.fsc_curve import FSC_THRESHOLD, FSCCurve

_EXCESS = 0.05
"""A masked curve this far above the corrected one is told of, if it is also beyond chance."""

_STANDARD_ERRORS = 3.0
"""Beyond chance is this many standard errors of the randomised curve."""

_RUN = 3
"""Shells averaged before two curves are compared, so that one shell alone says nothing."""

_RANDOMISED_AT_RESOLUTION = 0.1
"""RELION warns of a randomised curve above this at the resolution it quotes."""

_FIRST_SHELLS = 3
"""With phases random from there on, nothing of the particle's shape is left for a mask to cut."""

_RISE = 0.1
"""A curve that, having ended, comes back this far above the threshold is told of."""


def fsc_warnings(curves: dict[str, FSCCurve]) -> list[str]:
    """Warnings about the masks of a set of curves (``fsc.fsc_curves``), each a sentence or two.

    For every mask with a randomised and a corrected curve:

    - the mask is too tight where its curve, averaged over three shells, is above the corrected one
      by more than 0.05 and by more than three standard errors, from the end of the notch to the
      masked curve's 0.143 resolution. The standard error is that of the randomised curve
      (``chance_of_shells``);
    - the randomised curve is above 0.1 at the corrected resolution (RELION's limit);
    - phases are random from one of the first three shells on, so that the correction sees nothing.

    And for the curve that a resolution is quoted from: it never falls below 0.143, or it comes back
    well above it.
    """
    warnings: list[str] = []
    names = [name for name in curves if f"{name} corrected" in curves]
    for name in names:
        randomised, corrected = curves[f"{name} randomised"], curves[f"{name} corrected"]
        warnings += _random_from_the_start(name, randomised)
        warnings += _too_tight(name, curves[name], randomised, corrected)
        warnings += _high_randomised(name, randomised, corrected)
    quoted = [f"{name} corrected" for name in names] or list(curves)[:1]
    for name in quoted:
        warnings += _odd_end(name, curves[name])
    return warnings


def chance_of_shells(randomised: FSCCurve) -> Float[np.ndarray, " shells"]:
    """Standard error of a randomised curve in each shell, or of its mean over three.

    Of noise it is c / k in shell k, for the shell holds some k^2 independent values. c follows from
    the scatter between draws of random phases, where the curve is a mean of several. Else from the
    differences of its shells beyond the notch (their median absolute value, 0.954 standard errors
    of one shell), to which a mask's own share adds as far as it is not smooth. A mask's transform
    makes neighbours alike, so the shells compared are three apart, and a mean of three is hardly
    better known than one. NaN if fewer than eight shells lie beyond the notch.
    """
    shells = np.arange(len(randomised.values))
    start = max(randomised.notch[1], 1)
    error = randomised.standard_error
    if error is not None and len(shells) > start:
        c = np.sqrt(np.mean((error * shells)[start:] ** 2))
        return c / np.maximum(shells, 1)
    if len(shells) - start < 5 + _RUN:
        return np.full(len(shells), np.nan)
    values = randomised.values[start:].astype(np.float64)
    steps = np.abs(values[_RUN:] - values[:-_RUN])
    c = np.median(steps * shells[start + _RUN :]) / 0.954
    return c / np.maximum(shells, 1)


@dataclass(frozen=True)
class MaskExcess:
    """Where a masked curve is farthest above the corrected one, in a mean over three shells.

    ``limit`` is what would pass there: 0.05, or three standard errors of the randomised curve.
    """

    value: float
    limit: float
    at_angstrom: float

    @property
    def is_too_much(self) -> bool:
        """Whether the mask is too tight."""
        return self.value > self.limit


def mask_excess(masked: FSCCurve, randomised: FSCCurve, corrected: FSCCurve) -> MaskExcess | None:
    """The worst excess from the end of the notch to the masked curve's 0.143 resolution.

    One beyond its limit goes before a larger one within. None if fewer than three shells lie there.
    """
    resolution = masked.resolution_angstrom(FSC_THRESHOLD)
    start = max(corrected.notch[1], 1)
    end = int(np.searchsorted(masked.frequency_per_angstrom, 1.0 / resolution, "right")) + 1
    excess = masked.values[start:end].astype(np.float64) - corrected.values[start:end]
    if len(excess) < _RUN:
        return None
    mean = np.convolve(excess, np.full(_RUN, 1.0 / _RUN), "valid")
    chance = chance_of_shells(randomised)[start + 1 : start + 1 + len(mean)]
    limit = np.maximum(_EXCESS, _STANDARD_ERRORS * np.nan_to_num(chance))
    over = np.where(mean > limit, mean, -np.inf)
    worst = int(np.argmax(over if np.isfinite(over).any() else mean))
    frequency = float(masked.frequency_per_angstrom[start + 1 + worst])
    return MaskExcess(float(mean[worst]), float(limit[worst]), 1.0 / frequency)


def _too_tight(name: str, masked: FSCCurve, randomised: FSCCurve, corrected: FSCCurve) -> list[str]:
    excess = mask_excess(masked, randomised, corrected)
    if excess is None or not excess.is_too_much:
        return []
    resolution = masked.resolution_angstrom(FSC_THRESHOLD)
    fallen = corrected.resolution_angstrom(FSC_THRESHOLD)
    text = (
        f"the {_mask(name)} is too tight: its curve is above the corrected one by "
        f"{excess.value:.2f} at {excess.at_angstrom:.1f} Å (up to {excess.limit:.2f} would pass), "
        f"and the resolution of {resolution:.2f} Å is {fallen:.2f} Å corrected. Quote the "
        "corrected one, and make the mask wider or its edge softer."
    )
    return [text]


def _random_from_the_start(name: str, randomised: FSCCurve) -> list[str]:
    first = randomised.notch[0]
    if not 0 < first <= _FIRST_SHELLS:
        return []
    text = (
        f"the phases are random from {1.0 / randomised.frequency_per_angstrom[first]:.3g} Å on, "
        f"for the unmasked FSC is low already there: the correction of the {_mask(name)} says "
        "little. The box is mostly noise, or the half-maps lie apart or were filtered."
    )
    return [text]


def _high_randomised(name: str, randomised: FSCCurve, corrected: FSCCurve) -> list[str]:
    resolution = corrected.resolution_angstrom(FSC_THRESHOLD)
    frequency = randomised.frequency_per_angstrom
    shell = int(np.argmin(np.abs(frequency - 1.0 / resolution)))
    if shell < randomised.notch[1]:
        return []
    near = slice(max(shell - 1, randomised.notch[1]), shell + 2)
    value = float(np.mean(randomised.values[near]))
    if not value > _RANDOMISED_AT_RESOLUTION:
        return []
    text = (
        f"the randomised curve of the {_mask(name)} is {value:.2f} at the corrected resolution of "
        f"{resolution:.2f} Å, where it should be near 0: the mask alone makes the half-maps look "
        "alike there. Use a wider mask with a softer edge."
    )
    return [text]


def _odd_end(name: str, curve: FSCCurve) -> list[str]:
    if not curve.falls_below(FSC_THRESHOLD):
        nyquist = 1.0 / curve.frequency_per_angstrom[-1]
        text = (
            f"the curve {name!r} never falls below {FSC_THRESHOLD:g}: the resolution is limited by "
            f"the voxels (Nyquist, {nyquist:.2f} Å). Use smaller pixels, and check that the "
            "half-maps are unfiltered and of different particles."
        )
        return [text]
    resolution = curve.resolution_angstrom(FSC_THRESHOLD)
    beyond = curve.frequency_per_angstrom > 1.0 / resolution
    values = curve.values[beyond].astype(np.float64)
    if len(values) < _RUN:
        return []
    mean = np.convolve(values, np.full(_RUN, 1.0 / _RUN), "valid")
    highest = int(np.argmax(mean))
    if not mean[highest] > FSC_THRESHOLD + _RISE:
        return []
    at = 1.0 / curve.frequency_per_angstrom[beyond][highest + 1]
    text = (
        f"the curve {name!r} ends at {resolution:.2f} Å but rises again to {mean[highest]:.2f} at "
        f"{at:.2f} Å. Half-sets that share particles, or maps that were filtered, masked or "
        "interpolated, look like this."
    )
    return [text]


def _mask(name: str) -> str:
    return name if name.endswith("mask") else f"{name} mask"
