"""A run of a million particles: how long it takes to open it, build its heatmaps and its report.

``python -m tests.benchmarks.million_particles FOLDER`` makes such a run in FOLDER once (about 6 GB,
some minutes; image stacks are sparse files), then measures in a fresh process, three times. The
targets are 20 s and 3 GB for all three together; ``cpu`` is the processor time of the process, its
imports included, which tells more where other programs run as well.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.io.mrc_header import HEADER_BYTES, make_header
from locref_widgets.io.particles import Particles, read_particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import CORRECTED_CURVE, IterationResult

PIXEL_ANGSTROM, PER_STACK = 1.1, 500
SETTINGS = RefinementSettings(iterations=5)
REPEATS = 3


def write_stacks(folder: Path, n: int, box_px: int) -> None:
    """Stacks of int8 images that take no room: nothing but the header is ever written."""
    (folder / "Extract").mkdir(parents=True)
    for number in range(-(-n // PER_STACK)):
        with (folder / "Extract" / f"mic{number:05d}.mrcs").open("wb") as file:
            size = (box_px, box_px, PER_STACK)
            file.write(make_header(size, PIXEL_ANGSTROM, (0, 0, 0, 0), mode=0, is_stack=True))
            file.truncate(HEADER_BYTES + PER_STACK * box_px**2)


def write_table(folder: Path, n: int, box_px: int, rng: np.random.Generator) -> None:
    """A table as RELION's refinements write it, 25 columns."""
    angles = Rotation.random(n, random_state=1).as_euler("ZYZ", degrees=True)
    numbers = {
        "rlnCoordinateX": rng.uniform(0, 5000, n),
        "rlnCoordinateY": rng.uniform(0, 5000, n),
        "rlnAutopickFigureOfMerit": rng.normal(size=n),
        "rlnDefocusU": rng.uniform(8000, 20000, n),
        "rlnDefocusV": rng.uniform(8000, 20000, n),
        "rlnDefocusAngle": rng.uniform(0, 180, n),
        "rlnCtfBfactor": np.zeros(n),
        "rlnCtfScalefactor": np.ones(n),
        "rlnPhaseShift": np.zeros(n),
        "rlnCtfMaxResolution": rng.uniform(3, 5, n),
        "rlnCtfFigureOfMerit": rng.uniform(0, 1, n),
        "rlnAngleRot": angles[:, 0],
        "rlnAngleTilt": angles[:, 1],
        "rlnAnglePsi": angles[:, 2],
        "rlnOriginXAngst": rng.normal(size=n) * 3,
        "rlnOriginYAngst": rng.normal(size=n) * 3,
        "rlnNormCorrection": rng.uniform(0.8, 1.2, n),
        "rlnLogLikeliContribution": rng.uniform(1e5, 2e5, n),
        "rlnMaxValueProbDistribution": rng.uniform(0, 1, n),
    }
    whole = ("rlnClassNumber", "rlnGroupNumber", "rlnRandomSubset", "rlnOpticsGroup")
    names = ["rlnImageName", "rlnMicrographName", *numbers, *whole]
    with (folder / "particles.star").open("w") as file:
        file.write(
            "\ndata_optics\n\nloop_\n_rlnOpticsGroupName #1\n_rlnOpticsGroup #2\n"
            "_rlnVoltage #3\n_rlnSphericalAberration #4\n_rlnAmplitudeContrast #5\n"
            "_rlnImagePixelSize #6\n_rlnImageSize #7\n_rlnImageDimensionality #8\n"
            f"opticsGroup1 1 300.000000 2.700000 0.100000 {PIXEL_ANGSTROM} {box_px} 2\n\n"
            "\ndata_particles\n\nloop_\n"
        )
        file.writelines(f"_{name} #{i}\n" for i, name in enumerate(names, start=1))
        columns = np.stack(list(numbers.values()), axis=1)
        for row in range(n):
            stack, image = divmod(row, PER_STACK)
            file.write(
                f"{image + 1:06d}@Extract/mic{stack:05d}.mrcs MotionCorr/mic{stack:05d}.mrc "
                + " ".join(f"{value:.6f}" for value in columns[row])
                + f" 1 {stack + 1} {1 + row % 2} 1\n"
            )


def a_result(
    particles: Particles, iteration: int, box_px: int, rng: np.random.Generator
) -> IterationResult:
    """An iteration with everything that a real one has for each particle."""
    n = len(particles)
    turns = rng.normal(size=(n, 3)) * 0.03 * min(iteration, 3)
    shifts = rng.normal(size=(n, 2)) * min(iteration, 3)
    axis = np.arange(box_px) - box_px // 2
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[:, None] ** 2 + axis**2)
    ball = np.clip((0.3 * box_px - radius) / 4, 0, 1).astype(np.float32)
    half1, half2 = ((ball * rng.normal(1, 0.2, (box_px,) * 3)).astype(np.float32) for _ in range(2))
    frequency = np.arange(box_px // 2 + 1) / (box_px * PIXEL_ANGSTROM)
    names = ("no mask", "spherical", "loose", "tight", "dynamic mask", CORRECTED_CURVE)
    spectrum = rng.uniform(1, 2, box_px // 2)
    info = {
        "pose_change_rad": np.linalg.norm(turns, axis=1),
        "shift_change_px": np.linalg.norm(shifts, axis=1),
        "turn_rad": turns,
        "shift_px": shifts,
        "log_likelihood": rng.normal(size=n),
        "log_likelihood_margin": rng.uniform(0, 9, n),
        "rotation_error_rad": rng.uniform(0.005, 0.02, n),
        "shift_error_px": rng.uniform(0.1, 0.4, n),
        "cells_evaluated": rng.integers(100, 10_000, n),
        "effective_cells": rng.uniform(1, 30, n),
        "work": rng.uniform(1, 30, n),
        "certified": rng.random(n) < 0.9,
        "overflowed": np.zeros(n, np.int8),
        "dispersion": rng.uniform(1, 1.3, n),
        "at_bound": rng.random(n) < 0.02,
        "start_turn_rad": np.zeros((n, 3)),
        "start_shift_px": np.zeros((n, 2)),
        "mean_turn_rad": turns,
        "mean_shift_px": shifts,
        "pose_covariance": rng.random((n, 5, 5), np.float32),
        "probability": np.ones(n, np.float32),
        "turn_since_last_rad": rng.uniform(0, 0.01, n),
        "agreement_history_shells": np.linspace(20, 40, iteration),
        "fulcrum_angstrom": np.zeros(3),
    }
    for kind in ("sigma2", "weight_sigma2"):
        info |= {f"{kind}_half{half}": spectrum for half in (1, 2)}
    return IterationResult(
        iteration=iteration,
        half_maps=(half1, half2),
        map=np.float32(0.5) * (half1 + half2),
        mask=ball,
        fsc={name: FSCCurve(frequency, np.exp(-((frequency * 5) ** 2))) for name in names},
        resolution_angstrom=5.0 - 0.1 * iteration,
        converged=False,
        seconds=4000.0,
        indices=np.arange(n),
        rotations=Rotation.from_rotvec(turns).as_matrix() @ particles.rotations,
        origins_angstrom=particles.origins_angstrom + shifts,
        cutoff_resolution_angstrom=np.full((box_px,) * 3, 5.0, np.float32),
        info=info,
    )


def fabricate(folder: Path, n: int, box_px: int) -> None:
    """Make the data and the run folder, with the package's own writers; say how long these take."""
    from locref_widgets.refinement.problem import RefinementInput
    from locref_widgets.runs.folder import RunFolder
    from locref_widgets.runs.inputs import record_inputs
    from locref_widgets.runs.job import job_record
    from locref_widgets.runs.lock import WriterLock
    from locref_widgets.runs.observer import RunObserver
    from locref_widgets.runs.steward import Steward

    rng = np.random.default_rng(0)
    write_stacks(folder, n, box_px)
    write_table(folder, n, box_px, rng)
    begun = time.monotonic()
    particles = read_particles(folder / "particles.star")
    print(f"reading the table: {time.monotonic() - begun:.1f} s")
    first = a_result(particles, 0, box_px, rng)
    for name, data in (("map", first.map), ("mask", first.mask)):
        write_map(folder / f"{name}.mrc", data, PIXEL_ANGSTROM)
    maps = read_map(folder / "map.mrc"), read_map(folder / "mask.mrc")
    inputs = RefinementInput(particles, *maps)
    run = folder / "run"
    (run / "iterations").mkdir(parents=True)
    lock = WriterLock.acquire(run)
    record = job_record(record_inputs(inputs, run / "inputs"), SETTINGS, ["benchmark"], {})
    run_folder = RunFolder.create(run, record)
    observer = RunObserver(run_folder, Steward(run_folder, inputs, SETTINGS))
    observer.say(
        "run_started",
        n_particles=n,
        box_px=box_px,
        pixel_size_angstrom=PIXEL_ANGSTROM,
        fulcrum_angstrom=[0.0, 0.0, 0.0],
        fulcrum_voxels=[box_px / 2] * 3,
        rotation_extent=SETTINGS.rotation_extent,
        shift_extent=SETTINGS.shift_extent,
        settings=SETTINGS.model_dump(mode="json"),
    )
    seconds = []
    for iteration in range(SETTINGS.iterations + 1):
        result = a_result(particles, iteration, box_px, rng)
        # As many reports of progress as a search of some hours leaves behind.
        for done in range(0, n, max(1, n // 5000)):
            observer.log.append("progress", iteration=iteration, phase="search", done=done, total=n)
        begun = time.monotonic()
        observer.iteration_finished(result)
        seconds.append(time.monotonic() - begun)
    print(f"writing an iteration: {statistics.median(seconds):.1f} s", flush=True)
    run_folder.set_status("stopped")
    lock.release()


def peak_bytes() -> int:
    """Most memory that this process has held; its `ru_maxrss` would begin with its parent's."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith("VmHWM:")).split()[1])


def measure(run: Path) -> dict[str, float]:
    """What a user waits for, each in seconds, and the most memory that it took."""
    from locref_widgets.figures.report import write_report
    from locref_widgets.runs.run import open_run
    from locref_widgets.runs.run_state import RunState

    clock = [time.monotonic()]
    opened = open_run(run)
    assert opened.status == "stopped"
    state = RunState()
    for event in opened.events():
        state.add(event)
    clock.append(time.monotonic())
    last = opened.iterations()[-1]
    assert opened.summarise(last)["heatmap"] == state.iterations[last]["heatmap"]
    clock.append(time.monotonic())
    write_report(run)
    clock.append(time.monotonic())
    opening, heatmaps, report = np.diff(clock)
    return {
        "opening": opening,
        "heatmaps": heatmaps,
        "report": report,
        "together": clock[-1] - clock[0],
        "cpu": time.process_time(),
        "peak_gb": peak_bytes() / 1e9,
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--particles", type=int, default=1_000_000)
    parser.add_argument("--box", type=int, default=128)
    parser.add_argument("--measure-once", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    run = options.folder / "run"
    if options.measure_once:
        print(json.dumps(measure(run)))
        return
    if not run.exists():
        fabricate(options.folder, options.particles, options.box)
    told = []
    for _ in range(REPEATS):
        words = [sys.executable, "-m", "tests.benchmarks.million_particles", str(options.folder)]
        measured = subprocess.run([*words, "--measure-once"], stdout=subprocess.PIPE, check=True)
        told.append(json.loads(measured.stdout.splitlines()[-1]))
        print("  ".join(f"{name} {value:.2f}" for name, value in told[-1].items()), flush=True)
    middle = {name: statistics.median(t[name] for t in told) for name in told[0]}
    print("median: " + "  ".join(f"{name} {value:.2f}" for name, value in middle.items()))


if __name__ == "__main__":
    main()
