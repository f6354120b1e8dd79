"""A process that behaves towards a viewer as a refinement does, without refining anything.

It writes the run folder's record, holds its lock, appends the events of the contract (summarised by
the package's own `summarise_iteration`) and obeys the requests in ``control``. Also a program:
``python -m tests.widgets.fake_run FOLDER --iterations 4 --seconds 2``.
"""

import argparse
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mrcfile
import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.refinement.diagnostics import summarise_iteration
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import ROTATION_PRIOR, IterationResult
from locref_widgets.runs.control import take_request
from locref_widgets.runs.events import EventLog
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.lock import WriterLock

BOX_PX, PIXEL_SIZE_ANGSTROM = 64, 4.0


@dataclass
class FakeRun:
    """One pretended run; its particles leave the poles of the view sphere empty."""

    folder: Path
    iterations: int = 4
    n_particles: int = 900
    seed: int = 7
    particles: Particles | None = None
    """With them, each iteration's folder is written, too."""
    prior_deg: float | None = None
    """Width of the prior that its searches are told."""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = RefinementSettings(iterations=self.iterations)
        self.events = EventLog(self.folder / "events.jsonl")
        self.random = np.random.default_rng(self.seed)
        if self.particles is not None:
            self.n_particles = len(self.particles)
        self.rotations = _views(self.n_particles, self.random)
        self.lock: WriterLock | None = None

    def begin(self) -> None:
        record = {"settings": self.settings.model_dump(mode="json"), "inputs": {}}
        self.lock = WriterLock.acquire(self.folder)
        self.run_folder = RunFolder.create(self.folder, record)
        self.events.append(
            "run_started",
            n_particles=self.n_particles,
            box_px=BOX_PX,
            pixel_size_angstrom=PIXEL_SIZE_ANGSTROM,
            fulcrum_angstrom=[0.0, 0.0, 0.0],
            fulcrum_voxels=[32.0, 32.0, 32.0],
            rotation_extent=self.settings.rotation_extent,
            shift_extent=self.settings.shift_extent,
            settings=self.settings.model_dump(mode="json"),
        )

    def search(self, iteration: int, batches: int, seconds: float) -> bool:
        """Pretend to search; False when a viewer asked to stop."""
        self.events.append("phase", iteration=iteration, name="search")
        for batch in range(batches):
            if not self._obey():
                return False
            time.sleep(seconds / batches)
            done = round(self.n_particles * (batch + 1) / batches)
            self.events.append(
                "progress",
                iteration=iteration,
                phase="search",
                done=done,
                total=self.n_particles,
            )
        return True

    def finish_iteration(self, iteration: int, seconds: float = 1.0) -> dict[str, Any]:
        result = self.result(iteration, seconds)
        if self.particles is not None:
            self.run_folder.write_iteration(result, self.particles, PIXEL_SIZE_ANGSTROM)
        payload = summarise_iteration(result, self.rotations, self.settings, PIXEL_SIZE_ANGSTROM)
        return self.events.append("iteration_finished", **payload)

    def result(self, iteration: int, seconds: float) -> IterationResult:
        """Pose changes that grow towards one side of the sphere, sharper curves every time."""
        n, (volume, mask) = self.n_particles, _blob(iteration)
        share = 1 - 0.5**iteration
        azimuth = np.arctan2(self.rotations[:, 2, 1], self.rotations[:, 2, 0])
        trend = 3.0 + 2.5 * np.cos(azimuth - 0.8 * iteration)
        pose_deg = share * np.abs(trend + self.random.normal(0, 0.8, n))
        turns = np.zeros((n, 3))
        # About the map's z axis, as each image sees it.
        turns[:] = np.deg2rad(pose_deg)[:, None] * self.rotations[:, :, 2]
        shift_px = share * np.abs(1.2 + self.random.normal(0, 0.5, n))
        resolution = 18.0 - 7.0 * share
        precision = 0.0 if self.prior_deg is None else np.deg2rad(self.prior_deg) ** -2
        return IterationResult(
            iteration=iteration,
            half_maps=(volume, volume),
            map=volume,
            mask=mask,
            fsc=_curves(resolution),
            resolution_angstrom=resolution,
            converged=iteration == self.iterations,
            seconds=seconds,
            indices=np.arange(n),
            rotations=self.rotations,
            origins_angstrom=np.zeros((n, 2)),
            info={
                "pose_change_rad": np.deg2rad(pose_deg),
                "shift_change_px": shift_px,
                "turn_rad": turns,
                "shift_px": shift_px[:, None] * [1.0, 0.0],
                "rotation_error_rad": np.full(n, 0.01),
                "log_likelihood_margin": self.random.gamma(2.0, 4.0, n),
                "dispersion": self.random.normal(1.1, 0.05, n),
                "certified": self.random.random(n) < 0.9,
                "sigma2_half1": np.geomspace(4.0, 1.0, BOX_PX // 2),
                "sigma2_half2": np.geomspace(4.2, 1.0, BOX_PX // 2),
                "at_bound": self.random.random(n) < 0.02,
                ROTATION_PRIOR: np.full(n, precision),
            },
        )

    def end(self, status: str) -> None:
        self.run_folder.set_status(status)
        if status == "finished":
            self.events.append("run_finished", resolution_angstrom=11.0, iterations=self.iterations)
        else:
            self.events.append(status)
        self.release()

    def release(self) -> None:
        if self.lock is not None:
            self.lock.release()
            self.lock = None

    def run(self, seconds: float, batches: int = 20, *, paused: bool = False) -> None:
        self.begin()
        if paused:
            self._wait_while_paused()
        self.finish_iteration(0, seconds)
        for iteration in range(1, self.iterations + 1):
            if not self.search(iteration, batches, seconds):
                self.end("stopped")
                return
            self.finish_iteration(iteration, seconds)
        self.end("finished")

    def _obey(self) -> bool:
        request = take_request(self.folder)
        if request == "pause":
            request = self._wait_while_paused()
        return request != "stop"

    def _wait_while_paused(self) -> str | None:
        self.events.append("paused")
        while (request := take_request(self.folder)) not in ("continue", "stop"):
            time.sleep(0.05)
        if request == "continue":
            self.events.append("continued")
        return request


def small_particles(folder: Path, n: int = 40, box_px: int = 16) -> Particles:
    """Write a stack and a STAR file of ``n`` random images, with a column of its own, and read."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True, exist_ok=True)
    with mrcfile.new(folder / "images.mrcs", overwrite=True) as stack:
        stack.set_data(random.normal(size=(n, box_px, box_px)).astype(np.float32))
        stack.set_image_stack()
        stack.voxel_size = PIXEL_SIZE_ANGSTROM
    columns = ["ImageName", "AngleRot", "AngleTilt", "AnglePsi", "OriginXAngst", "OriginYAngst"]
    columns += ["RandomSubset", "OpticsGroup", "DefocusU", "DefocusV", "DefocusAngle", "OwnNote"]
    lines = ["data_optics", "", "loop_", "_rlnOpticsGroup #1", "_rlnVoltage #2"]
    lines += ["_rlnSphericalAberration #3", "_rlnAmplitudeContrast #4", "_rlnImagePixelSize #5"]
    lines += ["_rlnImageSize #6", f"1 300 2.7 0.1 {PIXEL_SIZE_ANGSTROM} {box_px}", ""]
    lines += ["data_particles", "", "loop_", *(f"_rln{name}" for name in columns)]
    for i in range(n):
        rot, tilt, psi = random.uniform(-180, 180), random.uniform(0, 180), random.uniform(0, 90)
        lines.append(
            f"{i + 1:06d}@images.mrcs {rot:.3f} {tilt:.3f} {psi:.3f} 0 0 {i % 2 + 1} 1"
            f" 12000 11800 30 note{i}"
        )
    (folder / "particles.star").write_text("\n".join(lines) + "\n")
    return read_particles(folder / "particles.star")


def _blob(iteration: int) -> tuple[np.ndarray, np.ndarray]:
    """A small map that becomes sharper, and its mask."""
    z, y, x = np.mgrid[:24, :24, :24].astype(np.float32)
    squared = (x - 13) ** 2 + (y - 12) ** 2 + (z - 11) ** 2
    width = 20.0 / (1 + 0.3 * iteration)
    return np.exp(-squared / width), np.clip(7.5 - np.sqrt(squared), 0, 1).astype(np.float32)


def _views(n: int, random: np.random.Generator) -> np.ndarray:
    """Poses whose line of sight keeps away from the poles, as particles lying on a film do."""
    directions = np.stack([random.normal(size=n), random.normal(size=n), random.normal(size=n) / 4])
    directions /= np.linalg.norm(directions, axis=0)
    turns = Rotation.from_euler("z", random.uniform(0, 2 * math.pi, (n, 1))).as_matrix()
    third = directions.T
    first = np.cross(third, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    frames = np.stack([first, np.cross(third, first), third], axis=1)
    return np.einsum("nij,njk->nik", turns, frames)


def _curves(resolution_angstrom: float) -> dict[str, FSCCurve]:
    frequency = np.arange(BOX_PX // 2 + 1) / (BOX_PX * PIXEL_SIZE_ANGSTROM)
    curves = {}
    for name, factor in {
        "no mask": 1.5,
        "spherical": 1.3,
        "loose": 1.2,
        "tight": 0.97,
        "tight randomised": 2.1,
        "tight corrected": 1.03,
        "user mask": 1.05,
        "user mask randomised": 2.3,
        "user mask corrected": 1.08,
        "dynamic mask": 0.9,
        "dynamic mask randomised": 2.2,
        "dynamic mask corrected": 1.0,
    }.items():
        # 6 e^-1.79 = 1: the logistic passes 0.143 at the resolution asked for.
        at = frequency * resolution_angstrom * factor
        curves[name] = FSCCurve(frequency, 1 / (1 + np.exp(10 * (at - 1) + 1.79)))
    return curves


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--iterations", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--paused", action="store_true", help="wait for a viewer's continue")
    parser.add_argument("--particles", type=int, default=0, help="write folders of so many, too")
    arguments = parser.parse_args()
    particles = None
    if arguments.particles:
        particles = small_particles(arguments.folder.parent / "data", arguments.particles)
    run = FakeRun(arguments.folder, arguments.iterations, particles=particles)
    run.run(arguments.seconds, paused=arguments.paused)


if __name__ == "__main__":
    main()
