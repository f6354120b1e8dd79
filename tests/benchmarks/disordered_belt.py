"""Refinement of an ordered core in a disordered belt, with and without non-uniform regularisation.

``python -m tests.benchmarks.disordered_belt [--particles N] [--seed N] [--uniform-particle]``

Like a membrane protein in its micelle: the core is the same in every particle, the belt around it
is made of blobs drawn anew for each, and only its average survives in the map. All particles are
given poses with errors and are refined as a whole. Printed: FSC 0.5 of the core against the truth
and the errors of the poses. ``--uniform-particle`` leaves the belt out: there nothing should be
lost.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fsc import compute_fsc_curve
from locref_widgets.engine.fulcrum import motion_about_fulcrum
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import read_particles
from locref_widgets.masks.edges import soft_edge
from locref_widgets.refinement.problem import RefinementInput
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult
from tests.blobs import Blobs, write_blob_set

BOX_PX, PIXEL_SIZE_ANGSTROM = 64, 2.5
CORE_RADIUS_ANGSTROM = 26.0
BELT_RADIUS_ANGSTROM, BELT_THICKNESS_ANGSTROM, BELT_HEIGHT_ANGSTROM = 44.0, 16.0, 30.0
BLOBS = 150
"""In the core, and in each particle's belt."""
NOISE = 5.0
"""Standard deviation over that of the signal."""
POSE_ERROR_DEG, ORIGIN_ERROR_PX = 4.0, 0.7
"""Of the poses given: standard deviations along each axis."""


class Quiet:
    """Takes no notice, and keeps the last result."""

    def event(self, kind: str, **values: object) -> None: ...

    def checkpoint(self) -> None: ...

    def iteration_finished(self, result: IterationResult) -> None: ...


@dataclass(frozen=True)
class Case:
    """Particles with wrong poses, their true ones, and the true map of the core."""

    inputs: RefinementInput
    rotations: np.ndarray
    origins_angstrom: np.ndarray
    core: np.ndarray
    core_mask: np.ndarray


def core_blobs(rng: np.random.Generator) -> Blobs:
    """Blobs in a ball, small enough to carry signal to Nyquist."""
    directions = rng.normal(size=(BLOBS, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    radii = CORE_RADIUS_ANGSTROM * rng.uniform(0, 1, (BLOBS, 1)) ** (1 / 3)
    return Blobs(directions * radii, rng.uniform(1.2, 2.2, BLOBS), rng.uniform(0.5, 1.5, BLOBS))


def belt_blobs(rng: np.random.Generator) -> Blobs:
    """Blobs in a ring about z: one draw for each particle."""
    angle = rng.uniform(0, 2 * np.pi, BLOBS)
    radius = BELT_RADIUS_ANGSTROM + rng.uniform(-0.5, 0.5, BLOBS) * BELT_THICKNESS_ANGSTROM
    height = rng.uniform(-0.5, 0.5, BLOBS) * BELT_HEIGHT_ANGSTROM
    centres = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
    return Blobs(centres, rng.uniform(1.5, 3.0, BLOBS), rng.uniform(0.5, 1.5, BLOBS))


def make_case(folder: Path, n: int, seed: int, *, with_belt: bool) -> Case:
    """Simulate the particles; the starting map is the truth, which is low-passed before use."""
    rng = np.random.default_rng(seed)
    blobs = core_blobs(rng)
    known = write_blob_set(
        folder,
        rng,
        n=n,
        box_px=BOX_PX,
        pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
        noise=NOISE,
        blobs=blobs,
        disorder=belt_blobs if with_belt else None,
    )
    core = blobs.volume(BOX_PX, PIXEL_SIZE_ANGSTROM)
    ring = [belt_blobs(rng).volume(BOX_PX, PIXEL_SIZE_ANGSTROM) for _ in range(200)]
    average_ring = np.mean(ring, axis=0) if with_belt else 0.0
    z, y, x = np.indices((BOX_PX,) * 3) - BOX_PX // 2
    flat, height = np.hypot(x, y) * PIXEL_SIZE_ANGSTROM, np.abs(z) * PIXEL_SIZE_ANGSTROM
    ball = np.hypot(flat, height) < CORE_RADIUS_ANGSTROM + 4
    belt = np.abs(flat - BELT_RADIUS_ANGSTROM) < BELT_THICKNESS_ANGSTROM / 2 + 4
    belt &= height < BELT_HEIGHT_ANGSTROM / 2 + 4
    mask = soft_edge(ball | belt if with_belt else ball, 2.0, 22.0, PIXEL_SIZE_ANGSTROM)
    given = read_particles(known.star)
    errors = Rotation.from_rotvec(np.deg2rad(POSE_ERROR_DEG) * rng.normal(size=(n, 3)))
    shifts = ORIGIN_ERROR_PX * PIXEL_SIZE_ANGSTROM * rng.normal(size=(n, 2))
    given = given.with_poses(errors.as_matrix() @ known.rotations, known.origins_angstrom + shifts)
    volume = Map((core + average_ring).astype(np.float32), PIXEL_SIZE_ANGSTROM)
    return Case(
        RefinementInput(given, volume, Map(mask, PIXEL_SIZE_ANGSTROM)),
        known.rotations,
        known.origins_angstrom,
        core,
        soft_edge(ball, 0.0, 8.0, PIXEL_SIZE_ANGSTROM),
    )


def refine_case(case: Case, *, non_uniform: bool, iterations: int) -> IterationResult:
    """Refine the whole particle."""
    settings = RefinementSettings(
        fulcrum="box",
        rotation_extent=0.26,
        shift_extent=6.0,
        initial_lowpass=12.0,
        iterations=iterations,
        subtract=False,
        non_uniform=non_uniform,
    )
    return refine_loop(case.inputs, settings, Quiet())


def report(name: str, case: Case, result: IterationResult) -> None:
    """Print how far the core and the poses are from the truth."""
    curve = compute_fsc_curve(result.map, case.core, PIXEL_SIZE_ANGSTROM, case.core_mask)
    turns, shifts = motion_about_fulcrum(
        case.rotations,
        case.origins_angstrom,
        result.rotations,
        result.origins_angstrom,
        np.zeros(3),
    )
    turn = np.rad2deg(np.linalg.norm(turns, axis=1))
    shift = np.linalg.norm(shifts, axis=1) / PIXEL_SIZE_ANGSTROM
    print(
        f"{name:20s} iteration {result.iteration}  core against truth: FSC 0.5 at "
        f"{curve.resolution_angstrom(0.5):.2f} Å, mean FSC {curve.values[1:].mean():.4f}  "
        f"half-maps {result.resolution_angstrom:.2f} Å  rotation {np.median(turn):.2f}°  "
        f"shift {np.median(shift):.3f} px",
        flush=True,
    )


def main() -> None:
    """Refine twice and print both outcomes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--particles", type=int, default=800)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--uniform-particle", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        case = make_case(
            Path(folder), options.particles, options.seed, with_belt=not options.uniform_particle
        )
        for non_uniform in (False, True):
            result = refine_case(case, non_uniform=non_uniform, iterations=options.iterations)
            report(f"non-uniform {'on' if non_uniform else 'off'}", case, result)


if __name__ == "__main__":
    main()
