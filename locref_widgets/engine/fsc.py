"""Every Fourier shell correlation curve of two half-maps.

Masked, unmasked and corrected for the mask. The curve itself is in ``engine.fsc_curve``, the
correction in ``engine.phase_randomisation``; both are also to be had from here.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache, partial

import numpy as np
from jaxtyping import Float

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.fsc_curve import (
    FSCCurve,
    compute_fsc_curve,
    fourier_shell_correlation,
    make_curve,
)
from locref_widgets.engine.on_device import on_device
from locref_widgets.engine.phase_randomisation import (
    RANDOMISE_BELOW_FSC,
    corrected_fsc,
    notch_shells,
    phase_randomised_fscs,
    randomisation_shell,
    randomise_phases,
)
from locref_widgets.engine.shells import shell_indices

__all__ = [
    "FSCCurve",
    "compute_fsc_curve",
    "corrected_fsc",
    "fourier_shell_correlation",
    "fsc_curves",
    "phase_randomised_fscs",
    "randomisation_shell",
    "randomise_phases",
    "shell_indices",
    "spherical_mask",
]


@lru_cache(maxsize=2)
def spherical_mask(box_px: int, inner_fraction: float = 0.85) -> Float[np.ndarray, "z y x"]:
    """Ball of radius N/2 about voxel N//2: 1 up to ``inner_fraction`` of it, cosine edge to 0.

    Not to be written to: every call for a box returns the same array.
    """
    axis = np.arange(box_px) - box_px // 2
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    outer = box_px / 2
    inner = inner_fraction * outer
    fall = np.clip((np.sqrt(squared) - inner) / (outer - inner), 0.0, 1.0)
    mask = (0.5 + 0.5 * np.cos(np.pi * fall)).astype(np.float32)
    mask.flags.writeable = False
    return mask


def fsc_curves(
    half1: Float[AnyArray, "z y x"],
    half2: Float[AnyArray, "z y x"],
    voxel_size_angstrom: float,
    masks: Mapping[str, Float[AnyArray, "z y x"]],
    *,
    corrected: tuple[str, ...] = ("dynamic mask",),
    randomise_below_fsc: float = RANDOMISE_BELOW_FSC,
    seed: int = 0,
    randomisations: int = 1,
    as_stored: bool = False,
) -> dict[str, FSCCurve]:
    """Every FSC curve of two unfiltered half-maps.

    Keys: ``"no mask"``, ``"spherical"``, the names in ``masks``; and for each of those named in
    ``corrected``, ``"<name> randomised"`` and ``"<name> corrected"`` (``corrected_fsc``), random
    phases starting where the unmasked FSC first falls below ``randomise_below_fsc`` and drawn from
    ``seed``. The randomised curve is the mean of ``randomisations`` draws: one has a scatter of its
    own, which ends in the corrected curve. Both carry the notch (``FSCCurve.notch``).
    ``as_stored`` counts coefficients as RELION does (``fourier_shell_correlation``).
    """
    half1, half2 = on_device(half1), on_device(half2)
    box_px = half1.shape[-1]
    curve_of = partial(compute_fsc_curve, half1, half2, voxel_size_angstrom, as_stored=as_stored)
    curves = {"no mask": curve_of(), "spherical": curve_of(spherical_mask(box_px))}
    curves |= {name: curve_of(mask) for name, mask in masks.items()}

    from_shell = randomisation_shell(curves["no mask"].values, randomise_below_fsc)
    rngs = [np.random.default_rng((seed, draw)) for draw in range(randomisations)]
    wanted = {name: masks[name] for name in corrected if name in masks}
    draws = [
        phase_randomised_fscs(half1, half2, wanted, from_shell, rng, as_stored=as_stored)
        for rng in rngs
    ]
    for name in wanted:
        randomised = np.mean([draw[name] for draw in draws], axis=0)
        values = corrected_fsc(curves[name].values, randomised, from_shell)
        notch = notch_shells(randomised, from_shell)
        for kind, told in (("randomised", randomised), ("corrected", values)):
            curves[f"{name} {kind}"] = make_curve(told, box_px, voxel_size_angstrom, notch)
        if len(draws) > 1:
            scatter = np.std([draw[name] for draw in draws], axis=0, ddof=1)
            error = (scatter / np.sqrt(len(draws))).astype(np.float64)
            told = curves[f"{name} randomised"]
            curves[f"{name} randomised"] = replace(told, standard_error=error)
    return curves
