"""How well the two half-sets agree at given poses, and what each particle adds to that.

Settings are compared by this. What is to be compared may depend on nothing but the poses that they
led to, so everything else is the same for all of them: the particles, what is subtracted from the
images, the noise weights, the mask of the comparison and the band of frequencies.

**The criterion.** Half-maps ``h_1, h_2`` of the region are reconstructed from the two half-sets at
the poses found, multiplied by the fixed mask, and correlated in shells ``k``:

    A = sum_k n_k FSC_k / sum_k n_k            (n_k: coefficients of shell k, k in the band)

The halves were refined apart, so that noise adds nothing to ``A`` on average. Both began with the
same map up to the initial low-pass, to which their noise may have been aligned alike: the band
therefore begins beyond the finest initial low-pass of all settings. It needs no truth, a larger
search mask does not raise it, and a wider search raises it only where it brings poses nearer to
where *both* halves need them. For half-maps of signal-to-noise ``s`` the expected correlation is
``s / (1 + s)``, and ``s`` grows with the number of particles: ``A / (1 - A)`` of two settings
compares as numbers of particles do.

**What each particle adds.** Give particle ``i`` the weight ``w_i`` in the reconstruction. The
derivative ``U_i = dA / dw_i`` at ``w = 1`` is its influence (the infinitesimal jackknife, Jaeckel
1972; Efron 1982). ``A`` does not change when all weights of a half-set grow together, so those of a
half-set add up to zero. To first order the criterion of a set in which particle ``i`` occurs
``m_i`` times is ``A + sum_i (m_i - 1) U_i``: a bootstrap over particles without reconstructing
again. With ``G = dA / d(sums)``, by reverse differentiation of mask, transform and division by the
weights, ``U_i`` is the inner product of ``G`` with what the image adds to the sums: one slice of
``G`` for each particle. Poses are held; see `locref_widgets.refinement.agreement_verdict`.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from locref_widgets.engine.array_types import AnyArray
from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.engine.fsc_curve import FSC_THRESHOLD, make_curve
from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.engine.reconstruction import solve, solve_and_pull_back
from locref_widgets.engine.shells import shell_counts, shell_sum
from locref_widgets.engine.slicing import Accumulator
from locref_widgets.refinement.batches import BATCH_SIZE
from locref_widgets.refinement.consensus import measure_noise, reconstruct_consensus
from locref_widgets.refinement.executor import Executor, LocalExecutor, Report
from locref_widgets.refinement.given_maps import subtraction_maps
from locref_widgets.refinement.halves import HALVES
from locref_widgets.refinement.influence import InfluencePass
from locref_widgets.refinement.passes import OutsideMaps, make_task
from locref_widgets.refinement.problem import RefinementInput, pose_problem
from locref_widgets.refinement.references import cut_region
from locref_widgets.refinement.region_place import place_region
from locref_widgets.refinement.region_sums import sums_again
from locref_widgets.refinement.search_pass import plan_for
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.starts import first_start
from locref_widgets.refinement.whole_particle import set_aside

Band = tuple[int, int]
_FEWEST_SHELLS = 3


@dataclass(frozen=True)
class Agreement:
    """Agreement of the half-maps at some poses.

    ``influence`` is that of each particle of `AgreementMeter.rows` on ``value``.
    """

    value: float
    influence: Float[np.ndarray, " n"]


class AgreementMeter:
    """Measures poses of one set of particles, all by the same yardstick.

    Parameters
    ----------
    inputs
        Particles, map and half-maps as given to the refinements; the mask is that of the
        comparison, and what is outside it is subtracted from the images.
    settings
        Its subset, seed and choice of subtraction count; no symmetry is imposed.
    executor, report
        Computes the passes; is told of them.
    """

    def __init__(
        self,
        inputs: RefinementInput,
        settings: RefinementSettings,
        executor: Executor | None = None,
        report: Report | None = None,
    ) -> None:
        taken = settings.model_dump(include={"subset", "seed", "subtract", "initial_lowpass"})
        self._settings = RefinementSettings(**taken)
        self._executor, self._report = executor or LocalExecutor(), report or _say_nothing
        problem, mask = pose_problem(inputs, self._settings), place_region(inputs.mask).mask
        self._batch_size = min(BATCH_SIZE, int(np.bincount(problem.half_sets).max()))
        consensus = reconstruct_consensus(problem, self._batch_size, self._report, self._executor)
        problem, _, _ = set_aside(problem, consensus.usable)
        self.problem = problem
        maps = subtraction_maps(inputs, consensus, self._settings.initial_lowpass, _say_nothing)
        self._outside: OutsideMaps | None = None
        if problem.subtract:
            self._outside = {half: maps[half] * (1.0 - mask) for half in HALVES}
        self._sigma2 = measure_noise(problem, maps, self._batch_size, self._report, self._executor)
        self._mask = jnp.asarray(cut_region(mask, problem))
        # One plan for all settings: here it only says in which box the images are cut.
        self._plan = plan_for(problem, self._settings, problem.region_disc.radius_px)

    @property
    def rows(self) -> Int[np.ndarray, " n"]:
        """Rows of the table that are measured, ascending."""
        return self.problem.rows

    def curve(self, rotations: np.ndarray, origins_angstrom: np.ndarray) -> FSCCurve:
        """FSC of the half-maps at these poses inside the mask of the comparison."""
        sums = self._sums(self._motions(rotations, origins_angstrom))
        first, second = (self._solve(sums[half]) * self._mask for half in HALVES)
        cross, power = shell_products(first, second)
        values = np.asarray(cross / np.maximum(np.asarray(power), 1e-30))
        return make_curve(values, self.problem.region_box_px, self.problem.pixel_size_angstrom)

    def band(self, lowpasses_angstrom: list[float], curves: list[FSCCurve]) -> Band:
        """Shells (first, one past the last) of the comparison.

        From two shells (the fall of the filter and the width of the mask's transform) beyond the
        finest low-pass, to where the mean of the curves of all settings falls below 0.143.
        """
        edge_angstrom = self.problem.region_box_px * self.problem.pixel_size_angstrom
        last = self.problem.region_disc.radius_px
        first = int(np.ceil(edge_angstrom / min(lowpasses_angstrom))) + 2
        first = min(first, last - _FEWEST_SHELLS + 1)
        mean = np.mean([curve.values for curve in curves], axis=0)
        below = np.flatnonzero(mean[first : last + 1] < FSC_THRESHOLD)
        end = first + int(below[0]) if below.size else last + 1
        return first, min(max(end, first + _FEWEST_SHELLS), last + 1)

    def measure(self, rotations: np.ndarray, origins_angstrom: np.ndarray, band: Band) -> Agreement:
        """The criterion at these poses, in the order of `rows`, and each particle's influence."""
        motions = self._motions(rotations, origins_angstrom)
        sums = self._sums(motions)
        (first, back1), (second, back2) = (
            solve_and_pull_back(sums[half], self.problem.region_box_px, self._noise_over_signal())
            for half in HALVES
        )
        value, (slope1, slope2) = _value_and_slopes(first, second, self._mask, band)
        work = InfluencePass(
            {1: np.asarray(back1(slope1)), 2: np.asarray(back2(slope2))},
            sums[1].padded_px,
            sums[1].radius,
            self._sigma2,
            self._plan,
        )
        task = make_task(
            self.problem,
            work,
            self._batch_size,
            self.problem.region_box_px,
            outside=self._outside,
            inputs=motions,
        )
        influence = self._executor.run(task, self._report).found["influence"].astype(np.float64)
        for half in HALVES:
            # What the prior adds follows the weights, so that together they change nothing.
            members = self.problem.half_sets == half
            influence[members] -= influence[members].mean()
        return Agreement(float(value), influence)

    def _motions(
        self, rotations: np.ndarray, origins_angstrom: np.ndarray
    ) -> dict[str, np.ndarray]:
        problem = self.problem
        if len(rotations) != problem.rows.size:
            raise ValueError(f"{len(rotations)} poses for {problem.rows.size} particles")
        turns, shifts = motion_about_fulcrum(
            problem.particles.rotations[problem.rows],
            problem.particles.origins_angstrom[problem.rows],
            rotations,
            origins_angstrom,
            problem.fulcrum_angstrom,
            problem.particles.magnifications[problem.rows],
        )
        return {"turn_rad": turns, "shift_px": shifts / problem.pixel_size_angstrom}

    def _sums(
        self, motions: dict[str, np.ndarray], weights: Float[np.ndarray, " n"] | None = None
    ) -> dict[int, Accumulator]:
        n = self.problem.rows.size
        start = first_start(n)
        info = {
            "start_turn_rad": start.turns_rad,
            "start_shift_px": start.shifts_px,
            "mean_turn_rad": motions["turn_rad"],
            "mean_shift_px": motions["shift_px"],
            "pose_covariance": np.zeros((n, 5, 5), np.float32),
            "probability": np.ones(n, np.float32) if weights is None else weights,
        } | {f"weight_sigma2_half{half}": self._sigma2[half] for half in HALVES}
        sums = sums_again(
            self._executor,
            self.problem,
            self._outside,
            info,
            self._plan,
            np.zeros(n, int),
            1,
            self._batch_size,
            self._report,
        )
        return {half: sums[half, 0] for half in HALVES}

    def _solve(self, sums: Accumulator) -> Float[Array, "m m m"]:
        return solve(sums, self.problem.region_box_px, self._noise_over_signal())

    def _noise_over_signal(self) -> Float[np.ndarray, " shells"]:
        # As much as the mean weight of a shell: no gap between few slices decides the comparison,
        # and the map depends smoothly on each particle. Filters by shell do not change the FSC.
        return np.ones(self.problem.region_box_px // 2 + 1)


def _say_nothing(*_: object) -> None:
    """Stand in for a report and for remarks: the runs themselves made them already."""


def shell_products(
    first: Float[AnyArray, "m m m"], second: Float[AnyArray, "m m m"]
) -> tuple[Float[Array, " shells"], Float[Array, " shells"]]:
    """Sums over shells of ``Re F1 F2*``, and the root of the product of those of the powers."""
    f1, f2 = jnp.fft.rfftn(first), jnp.fft.rfftn(second)
    cross = f1.real * f2.real + f1.imag * f2.imag
    powers = jnp.stack([cross, f1.real**2 + f1.imag**2, f2.real**2 + f2.imag**2])
    product, power1, power2 = shell_sum(powers)
    return product, jnp.sqrt(power1) * jnp.sqrt(power2)


def agreement(
    first: Float[AnyArray, "m m m"],
    second: Float[AnyArray, "m m m"],
    mask: Float[AnyArray, "m m m"],
    band: Band,
) -> Float[Array, ""]:
    """The criterion of two half-maps (see the module)."""
    cross, power = shell_products(first * mask, second * mask)
    shells = slice(*band)
    counts = shell_counts(mask.shape[-1])[shells].astype(np.float32)
    return jnp.sum(counts * cross[shells] / power[shells]) / counts.sum()


@partial(jax.jit, static_argnames=("band",))
def _value_and_slopes(
    first: Float[Array, "m m m"],
    second: Float[Array, "m m m"],
    mask: Float[Array, "m m m"],
    band: Band,
) -> tuple[Float[Array, ""], tuple[Float[Array, "m m m"], Float[Array, "m m m"]]]:
    return jax.value_and_grad(agreement, argnums=(0, 1))(first, second, mask, band)
