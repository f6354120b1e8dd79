"""What a refinement knows after an iteration: enough to show it, and to go on from it."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.refinement.halves import HALVES

CORRECTED_CURVE = "dynamic mask corrected"
"""Name of the FSC curve whose 0.143 crossing is quoted as the resolution."""

ROTATION_PRIOR = "rotation_prior_precision"
"""Name in ``info`` of the precision (1/rad^2) of the prior that each particle's search was told; 0:
none."""
MARGINALIZED = "marginalized"
"""Name in ``info`` of whether particles entered the maps with the covariance of what is not known
of their poses, or as if these were exact; absent in older runs, which noted the latter as zero."""


class StopRequested(Exception):
    """Raised by an observer's ``checkpoint`` to end the refinement between two batches."""


@dataclass(frozen=True)
class MeasuredMaps:
    """Unfiltered half-maps, and what was made of them; fields as those of `IterationResult`."""

    half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]
    map: Float[np.ndarray, "z y x"]
    mask: Float[np.ndarray, "z y x"]
    cutoff_resolution_angstrom: Float[np.ndarray, "z y x"] | None
    fsc: dict[str, FSCCurve]

    @property
    def resolution_angstrom(self) -> float:
        """0.143 crossing of the corrected curve."""
        return self.fsc[CORRECTED_CURVE].resolution_angstrom()


@dataclass(frozen=True)
class IterationResult:
    """Outcome of one iteration.

    Attributes
    ----------
    iteration
        0 is the reconstruction at the given poses, before any search.
    half_maps
        Unfiltered reconstructions of the two half-sets.
    map
        Unfiltered reconstruction from both half-sets.
    mask
        Mask used for the reference of the next iteration and for the masked FSC curves.
    cutoff_resolution_angstrom
        Resolution up to which the next reference is used at each voxel; None without non-uniform
        regularisation.
    fsc
        FSC curves by name.
    resolution_angstrom
        0.143 crossing of the corrected curve.
    converged
        Whether neither the half-maps' agreement nor poses still improve.
    seconds
        Wall time of the iteration.
    indices
        Rows of the input table that take part; per-particle arrays follow this order.
    rotations, origins_angstrom
        Current poses (see `locref_widgets.engine.conventions`).
    info
        Per-particle arrays ``pose_change_rad``, ``shift_change_px``, ``log_likelihood``,
        ``log_likelihood_margin``, ``rotation_error_rad``, ``shift_error_px``,
        ``cells_evaluated``, ``certified``, ``at_bound``, `ROTATION_PRIOR`, ``turn_rad`` and
        ``shift_px`` (the local motion in the image frame), ``turn_since_last_rad``; the noise
        spectra ``sigma2_half1`` and ``sigma2_half2``; ``agreement_history_shells`` of the
        iterations before. Iteration 0 has no search in it and only the changes (zero), the spectra
        and the history.
    """

    iteration: int
    half_maps: tuple[Float[np.ndarray, "z y x"], Float[np.ndarray, "z y x"]]
    map: Float[np.ndarray, "z y x"]
    mask: Float[np.ndarray, "z y x"]
    fsc: dict[str, FSCCurve]
    resolution_angstrom: float
    converged: bool
    seconds: float
    indices: Int[np.ndarray, " n"]
    rotations: Float[np.ndarray, "n 3 3"]
    origins_angstrom: Float[np.ndarray, "n 2"]
    cutoff_resolution_angstrom: Float[np.ndarray, "z y x"] | None = None
    info: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def measured(self) -> MeasuredMaps:
        """Its maps and what was made of them."""
        return MeasuredMaps(
            self.half_maps, self.map, self.mask, self.cutoff_resolution_angstrom, self.fsc
        )

    @property
    def sigma2(self) -> dict[int, Float[np.ndarray, " shells"]]:
        """Noise spectrum of each half-set."""
        return {half: self.info[f"sigma2_half{half}"] for half in HALVES}
