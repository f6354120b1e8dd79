"""How often the search loses a pose that brute force over its finest cells would have found.

A particle is lost when the best log-posterior of all the last level's cells inside the extents,
scored in float64 with all shells, exceeds that of the pose found by more than rounding. The objects
have signal up to 80 % of Nyquist, as a region sampled at a third of its resolution has.
"""

from dataclasses import dataclass, replace
from functools import reduce
from operator import add

import numpy as np

from locref_widgets.engine.rotations import child_offsets
from locref_widgets.engine.search_plan import SearchPlan, plan_search
from locref_widgets.engine.slicing import Projector
from tests.blobs import Blobs
from tests.engine.objects import compact_blobs
from tests.engine.oracle import Oracle
from tests.engine.simulated import Particles, Simulation, project_blobs, simulate

EXTENT_RAD, SHIFT_EXTENT_PX = 0.3, 6.0
RADIUS_SHARE = 0.2
"""Radius of the ball that holds the blobs' centres, in boxes."""
SIGMAS_PX = (0.8, 1.2)
"""Widths of the blobs: 6 % of the signal at the origin is left at 80 % of Nyquist."""


@dataclass(frozen=True)
class Condition:
    """What particles are like. ``holds``: whether the template explains them up to noise."""

    name: str
    snr: float
    ctf: bool = True
    prior_rad: float | None = None
    prior_px: float | None = None
    coloured: bool = False
    long_lever: bool = False
    scale: float = 1.0
    perturbed: bool = False

    @property
    def holds(self) -> bool:
        """Whether the reference is the truth."""
        return self.scale == 1.0 and not self.perturbed


SNRS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
CONDITIONS = (
    *(Condition(f"SNR {snr}", snr, ctf=False) for snr in SNRS),
    *(Condition(f"SNR {snr}, CTF", snr) for snr in SNRS),
    *(
        Condition(f"SNR {snr}, CTF, prior", snr, prior_rad=0.12, prior_px=1.5)
        for snr in (0.01, 0.05, 0.2)
    ),
    *(Condition(f"SNR {snr}, CTF, coloured noise", snr, coloured=True) for snr in (0.02, 0.1)),
    *(Condition(f"SNR {snr}, CTF, long lever", snr, long_lever=True) for snr in (0.02, 0.1)),
    *(Condition(f"SNR 0.05, CTF, reference x {s}", 0.05, scale=s) for s in (0.8, 1.25)),
    *(Condition(f"SNR {s}, CTF, wrong reference", s, perturbed=True) for s in (0.05, 0.2)),
)


def exactness_plan(box_px: int) -> SearchPlan:
    """The search of a region that fills about half of its box's edge."""
    return plan_search(
        box_px, box_px // 2 - 1, (RADIUS_SHARE + 0.08) * box_px, EXTENT_RAD, SHIFT_EXTENT_PX
    )


def unlimited(plan: SearchPlan) -> SearchPlan:
    """The same search with lists that lose nothing: only the bound leaves cells out."""
    most = {"keep_tilts": 10**5, "keep_turns": 10**5, "keep_shifts": 10**5}
    return replace(plan, levels=tuple(replace(level, **most) for level in plan.levels))


def finest(points: np.ndarray, spacings: list[float]) -> np.ndarray:
    """Centres of all cells of the last level that the roots contain."""
    points = np.asarray(points, np.float64)
    if points.ndim == 1:
        points = points[:, None]
    for spacing in spacings[:-1]:
        offsets = child_offsets(spacing, points.shape[1])
        points = (points[:, None] + offsets).reshape(-1, points.shape[1])
    return points


def brute_force(oracle: Oracle, plan: SearchPlan) -> float:
    """Best log-posterior of the finest cells whose centres lie inside the extents."""
    rotations = [level.rotation_spacing_rad for level in plan.levels]
    tilts = finest(plan.root_tilts_rad(), rotations)
    turns = finest(plan.root_turns_rad(), rotations)[:, 0]
    shifts = finest(plan.root_shifts_px(), [level.shift_spacing_px for level in plan.levels])
    shifts = shifts[np.linalg.norm(shifts, axis=1) <= plan.shift_radius_px]
    return float(oracle.scores(tilts, turns, shifts, plan.rotation_extent_rad).max())


@dataclass(frozen=True)
class Losses:
    """Of each particle: how far brute force lies above what was found, rounding allowed for."""

    missing: np.ndarray
    certified: np.ndarray

    @property
    def lost(self) -> np.ndarray:
        """Whether brute force found better."""
        return self.missing > 0

    def __add__(self, other: "Losses") -> "Losses":
        """Both together."""
        pairs = ((getattr(self, f), getattr(other, f)) for f in ("missing", "certified"))
        return Losses(*(np.concatenate(pair) for pair in pairs))


def _perturbed(blobs: Blobs, rng: np.random.Generator, box_px: int) -> Blobs:
    """Blobs displaced by 3 % of the box and of other masses."""
    count = len(blobs.masses)
    return Blobs(
        blobs.centres_angstrom + rng.normal(size=(count, 3)) * 0.03 * box_px,
        blobs.sigmas_angstrom,
        blobs.masses * rng.uniform(0.6, 1.4, count),
    )


def _scaled(projector: Projector, scale: float) -> Projector:
    return Projector(scale * projector.parts, projector.padded_px, projector.radius)


def losses_of(particles: Particles) -> Losses:
    """Search particles and hold what was found against brute force."""
    plan = particles.plan
    found = particles.search()
    turns, shifts = (np.asarray(a, np.float64) for a in (found.turn_rad, found.shift_px))
    # To float32's rounding of the shortened vectors.
    assert np.linalg.norm(turns, axis=1).max() <= plan.rotation_extent_rad * (1 + 1e-5)
    assert np.linalg.norm(shifts, axis=1).max() <= plan.shift_radius_px * (1 + 1e-5)
    missing = []
    for oracle, turn, shift in zip(particles.oracles, turns, shifts, strict=True):
        # Rounding may hide this much from the search: a score's terms are off by a few float32
        # roundings (6e-8), here 16 of them, all to the same side.
        allowance = 1e-6 * oracle.sum_of_sizes(turn)
        missing.append(brute_force(oracle, plan) - oracle.log_posterior(turn, shift) - allowance)
    return Losses(np.array(missing), np.asarray(found.certified))


def make_particles(
    condition: Condition, rng: np.random.Generator, count: int, plan: SearchPlan
) -> Particles:
    """Particles of a new object under a condition."""
    box = plan.box_px
    blobs = compact_blobs(rng, box, radius=RADIUS_SHARE, sigmas=SIGMAS_PX)
    truth = project_blobs(blobs, box, plan.radius_px)
    reference = truth
    if condition.perturbed:
        reference = project_blobs(_perturbed(blobs, rng, box), box, plan.radius_px)
    shells = np.arange(plan.radius_px + 1)
    lever = np.array([6.0, -4.0, 5.0]) / 32 * box
    made = Simulation(
        plan=plan,
        truth=truth,
        snr=condition.snr,
        ctf=condition.ctf,
        # The fulcrum half a box away.
        lever_px=np.array([0.4, -0.3, 0.1]) * box if condition.long_lever else lever,
        noise_power=1 + 3 * np.exp(-shells / 4) if condition.coloured else None,
        prior_rad=condition.prior_rad,
        prior_px=condition.prior_px,
    )
    return simulate(rng, count, made, _scaled(reference, condition.scale))


def measure(condition: Condition, seed: int, count: int, plan: SearchPlan, batch: int) -> Losses:
    """Losses among at least ``count`` particles in batches of one size, each of another object."""
    rng = np.random.default_rng([seed, CONDITIONS.index(condition)])
    batches = [
        losses_of(make_particles(condition, rng, batch, plan)) for _ in range(-(-count // batch))
    ]
    return reduce(add, batches)
