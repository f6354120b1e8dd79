"""A refinement that does nothing but what the runs depend on, quickly and the same every time.

As a program (``python -m tests.runs.fake_job DIR OUT SECONDS``) it refines the job in DIR in its
own process, so that tests can kill it; ``KILL_AT`` names an instant at which it kills itself.
"""

import os
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.refinement.observing import Previewing, Steering
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult

BATCHES = 4


@dataclass(frozen=True)
class Job:
    """Files of a small job, read."""

    particles: Particles
    volume: Map
    mask: Map

    @property
    def arguments(self) -> tuple[Particles, Map, Map]:
        return self.particles, self.volume, self.mask


def write_job(folder: Path, box_px: int = 24, n: int = 40) -> None:
    """Write particles, map and mask (a soft ball off the centre) into ``folder``."""
    from tests.blobs import write_blob_set

    rng = np.random.default_rng(5)
    blobs = write_blob_set(folder, rng, n=n, box_px=box_px, pixel_size_angstrom=6.0, noise=1.0)
    write_map(folder / "map.mrc", blobs.blobs.volume(box_px, 6.0), 6.0)
    write_map(folder / "mask.mrc", soft_ball(box_px, (2, -1, 3), 5.0, 4.0), 6.0)


def soft_ball(box_px: int, centre_px, radius_px: float, edge_px: float) -> np.ndarray:
    z, y, x = np.indices((box_px,) * 3) - box_px // 2
    distance = np.sqrt(sum((a - c) ** 2 for a, c in zip((x, y, z), centre_px, strict=True)))
    ramp = np.clip((distance - radius_px) / edge_px, 0, 1)
    return (0.5 + 0.5 * np.cos(np.pi * ramp)).astype(np.float32)


def read_job(folder: Path) -> Job:
    return Job(
        read_particles(folder / "particles.star"),
        read_map(folder / "map.mrc"),
        read_map(folder / "mask.mrc"),
    )


def make_loop(seconds_per_batch: float = 0.0):
    """A stand-in for refine_loop: every iteration depends on all bits of the one before."""

    def loop(inputs, settings, observer, resume=None) -> IterationResult:
        particles = inputs.particles
        steers = isinstance(observer, Steering)
        observer.event(
            "run_started",
            n_particles=len(particles),
            box_px=particles.box_px,
            pixel_size_angstrom=particles.pixel_size_angstrom,
            fulcrum_angstrom=[0.0, 0.0, 0.0],
            fulcrum_voxels=[particles.box_px / 2] * 3,
            rotation_extent=settings.rotation_extent,
            shift_extent=settings.shift_extent,
            settings=settings.model_dump(mode="json"),
        )
        result = resume
        while True:
            iteration = 0 if result is None else result.iteration + 1
            change = observer.before_iteration(iteration) if result and steers else None
            if change is not None:
                settings = change.settings
                inputs = replace(inputs, mask=change.mask or inputs.mask)
                observer.event(
                    "settings_changed",
                    iteration=iteration,
                    mask=change.mask and change.mask.path.name,
                    fulcrum_angstrom=[0.0, 0.0, 0.0],
                    fulcrum_voxels=[particles.box_px / 2] * 3,
                    rotation_extent=settings.rotation_extent,
                    shift_extent=settings.shift_extent,
                    settings=settings.model_dump(mode="json"),
                )
            if result is not None and result.iteration >= settings.iterations:
                return result
            observer.event("phase", iteration=iteration, name="search")
            for batch in range(BATCHES):
                observer.checkpoint()
                time.sleep(seconds_per_batch)
                if (iteration, batch) == (1, 1) and isinstance(observer, Previewing):
                    observer.map_so_far(1, result.measured, len(particles) // 2)
                observer.event(
                    "progress", iteration=iteration, phase="search", done=batch + 1, total=BATCHES
                )
            result = _next(inputs, settings, result)
            observer.iteration_finished(result)

    return loop


def _next(inputs, settings, before: IterationResult | None) -> IterationResult:
    iteration = 0 if before is None else before.iteration + 1
    rng = np.random.default_rng([settings.seed, iteration])
    particles = inputs.particles
    n, shape = len(particles), inputs.volume.data.shape
    old = inputs.volume.data if before is None else before.map
    rotations = particles.rotations if before is None else before.rotations
    origins = particles.origins_angstrom if before is None else before.origins_angstrom
    old = (0.9 + 0.01 * settings.rotation_extent) * old
    halves = [(old + rng.normal(size=shape) * 1e-3).astype(np.float32) for _ in range(2)]
    frequency = np.arange(shape[0] // 2 + 1) / (shape[0] * 6.0)
    values = np.exp(-((frequency * 20) ** 2)) * (1 + 1e-3 * iteration)
    return IterationResult(
        iteration=iteration,
        half_maps=(halves[0], halves[1]),
        map=(0.5 * (halves[0] + halves[1])).astype(np.float32),
        mask=inputs.mask.data,
        fsc={
            "no mask": FSCCurve(frequency, values),
            CORRECTED_CURVE: FSCCurve(frequency, values, notch=(2, 4)),
        },
        resolution_angstrom=30.0 / (1 + iteration),
        converged=False,
        seconds=0.5,
        indices=np.arange(n),
        rotations=rotations,
        cutoff_resolution_angstrom=(30.0 + rng.uniform(0, 9, shape)).astype(np.float32),
        origins_angstrom=origins + (0.0 if before is None else rng.normal(size=(n, 2))),
        info={
            "pose_change_rad": np.full(n, 0.01 * iteration),
            "shift_change_px": rng.uniform(0, 1, n),
            "at_bound": np.zeros(n, dtype=bool),
            "sigma2_half1": rng.uniform(1, 2, shape[0] // 2 + 1).astype(np.float32),
        },
    )


def kill_at(instant: str) -> None:
    """Make this process kill itself, as by ``kill -9``, at a delicate instant (of iteration 2)."""
    from locref_widgets.io import atomic
    from locref_widgets.runs import durable, events, finish, iteration_files
    from locref_widgets.runs.observer import RunObserver

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def half_written(path: Path, **arrays) -> None:
        if int(arrays["iteration"]) == 2:
            Path(path).write_bytes(b"half of it")
            die()
        savez(path, **arrays)

    def torn(descriptor: int, line: bytes) -> int:
        if b'"iteration_finished", "iteration": 2' in line:
            write(descriptor, line[:40])
            die()
        return write(descriptor, line)

    savez, write = np.savez, os.write
    if instant == "while an iteration is written":
        iteration_files.np.savez = half_written
    elif instant == "before an iteration is renamed":
        sync = durable._sync
        durable._sync = lambda path: die() if path.name == ".002.part" else sync(path)
    elif instant == "before an iteration is told":
        tell = RunObserver.tell_iteration
        RunObserver.tell_iteration = lambda self, result: (
            die() if result.iteration == 2 else tell(self, result)
        )
    elif instant == BEFORE_THE_RECORD:
        atomic.os.replace = lambda src, dst, **_: die()
    elif instant == "while an event is written":
        events.os.write = torn
    elif instant == "while the results are written":
        finish.write_fsc_star = lambda *_, **__: die()
    else:
        raise ValueError(instant)


BEFORE_THE_RECORD = "while the first run.json is written"
"""Apart from the others, since there is no run yet that could be opened."""

INSTANTS = [
    "while an iteration is written",
    "before an iteration is renamed",
    "before an iteration is told",
    "while an event is written",
    "while the results are written",
]


def main(job_folder: str, out: str, seconds_per_batch: str) -> None:
    from locref_widgets.runs.run import refine

    if "KILL_AT" in os.environ:
        kill_at(os.environ["KILL_AT"])
    job = read_job(Path(job_folder))
    loop = make_loop(float(seconds_per_batch))
    settings = RefinementSettings(iterations=3, seed=3)
    refine(*job.arguments, settings, out, progress=False, resume=True, refine_loop=loop)


if __name__ == "__main__":
    main(*sys.argv[1:])
