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

import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.refinement.diagnostics import summarise_iteration
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import IterationResult
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

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.settings = RefinementSettings(iterations=self.iterations)
        self.events = EventLog(self.folder / "events.jsonl")
        self.random = np.random.default_rng(self.seed)
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
        payload = summarise_iteration(result, self.rotations, self.settings, PIXEL_SIZE_ANGSTROM)
        return self.events.append("iteration_finished", **payload)

    def result(self, iteration: int, seconds: float) -> IterationResult:
        """Pose changes that grow towards one side of the sphere, sharper curves every time."""
        n, edge = self.n_particles, np.zeros((2, 2, 2), np.float32)
        share = 1 - 0.5**iteration
        azimuth = np.arctan2(self.rotations[:, 2, 1], self.rotations[:, 2, 0])
        trend = 3.0 + 2.5 * np.cos(azimuth - 0.8 * iteration)
        pose_deg = share * np.abs(trend + self.random.normal(0, 0.8, n))
        shift_px = share * np.abs(1.2 + self.random.normal(0, 0.5, n))
        resolution = 18.0 - 7.0 * share
        return IterationResult(
            iteration=iteration,
            half_maps=(edge, edge),
            map=edge,
            mask=edge,
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
                "at_bound": self.random.random(n) < 0.02,
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
    arguments = parser.parse_args()
    run = FakeRun(arguments.folder, arguments.iterations)
    run.run(arguments.seconds, paused=arguments.paused)


if __name__ == "__main__":
    main()
