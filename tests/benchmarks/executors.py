"""What executors cost: Dask against this machine, and more devices: ``python -m`` this file FOLDER.

Refines the same simulated set on the same cores by `LocalExecutor` (one process, two chunks side by
side) and by two Dask workers of one thread each, in turns. Then on 1, 2 and 4 virtual CPU devices:
these share the cores, so the time should stay what it is. Every process first refines once, so that
compilation is left out. Wall time means something on an idle machine only, so the processor time of
all processes stands beside it. What comes out is compared to the last bit.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster

from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.process_setup import prepare_process
from locref_widgets.runs.run import Run, refine
from locref_widgets.simulation import simulate_hinge_dataset


def refine_set(data: Path, out: Path, iterations: int, executor: str = "local") -> Run:
    """Refine the set into a new folder."""
    shutil.rmtree(out, ignore_errors=True)
    settings = RefinementSettings(fulcrum="mask", rotation_extent=0.25, iterations=iterations)
    return refine(
        read_particles(data / "consensus.star"),
        read_map(data / "consensus.mrc"),
        read_map(data / "mask.mrc"),
        settings,
        out,
        progress=False,
        wait_for_device=False,
        executor=executor,
    )


def seconds_of(run: Run) -> float:
    """Wall time of a run's iterations, the one at the poses given included: no report."""
    return sum(run.iteration(iteration).seconds for iteration in run.iterations())


def timed(work: Callable[[], Run], processor: Callable[[], float]) -> tuple[float, float, Run]:
    """Wall and processor seconds of a run."""
    before, started = processor(), time.perf_counter()
    run = work()
    return time.perf_counter() - started, processor() - before, run


def compare_with_dask(data: Path, folder: Path, iterations: int, times: int) -> None:
    """Local and two workers, in turns."""
    rows: dict[str, list[tuple[float, float, float]]] = {"local": [], "dask": []}
    runs: dict[str, Run] = {}
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with (
        LocalCluster(n_workers=2, processes=True, **options) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        executors = {"local": "local", "dask": f"dask:{cluster.scheduler_address}"}

        def all_processes() -> float:
            return time.process_time() + sum(client.run(time.process_time).values())

        for number in range(times + 1):
            for name, executor in executors.items():
                wall, cpu, run = timed(
                    lambda name=name, executor=executor: refine_set(
                        data, folder / name, iterations, executor
                    ),
                    all_processes,
                )
                runs[name] = run
                if number:  # the first ones compile
                    rows[name].append((wall, seconds_of(run), cpu))
                    print(f"  {name}: {wall:.1f} s wall, {cpu:.1f} s of processors", flush=True)
    for what, column in (("wall, whole run", 0), ("wall, iterations", 1), ("processors", 2)):
        local, dask = (statistics.median(row[column] for row in rows[name]) for name in rows)
        least = [min(row[column] for row in rows[name]) for name in rows]
        print(
            f"{what}: local {local:.1f} s, dask {dask:.1f} s: {100 * (dask / local - 1):+.1f} %"
            f" (of the shortest: {100 * (least[1] / least[0] - 1):+.1f} %)"
        )
    print(f"same to the last bit: {same(*(runs[name] for name in rows))}")


def same(one: Run, other: Run) -> bool:
    """Whether poses and half-maps of the last iterations are equal."""
    a, b = (run.iteration(run.iterations()[-1]) for run in (one, other))
    pairs = zip((a.rotations, *a.half_maps), (b.rotations, *b.half_maps), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


def compare_devices(data: Path, folder: Path, iterations: int) -> None:
    """1, 2 and 4 virtual devices, each in a process of its own."""
    first = None
    for devices in (1, 2, 4):
        flags = (
            f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
        )
        out = folder / f"devices_{devices}"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "tests.benchmarks.executors", str(folder)),
                *("--one", str(out), "--data", str(data), "--iterations", str(iterations)),
            ],
            env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            check=True,
        )
        wall, cpu = json.loads(done.stdout.splitlines()[-1])
        run = Run(out)
        first = first or run
        print(
            f"{devices} devices: {wall:.1f} s wall, {cpu:.1f} s of processors,"
            f" same to the last bit as 1: {same(run, first)}",
            flush=True,
        )


def main() -> None:
    """Simulate, refine, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--particles", type=int, default=1500)
    parser.add_argument("--box", type=int, default=128)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--part", choices=["dask", "devices"])
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    prepare_process()
    if options.one:
        refine_set(options.data, options.one, options.iterations)
        work = timed(
            lambda: refine_set(options.data, options.one, options.iterations), time.process_time
        )
        print(json.dumps(work[:2]))
        return
    data = options.folder / f"data_{options.box}_{options.particles}"
    if not data.exists():
        simulate_hinge_dataset(
            data,
            n=options.particles,
            box_px=options.box,
            # So that the particle fits into a small box as well.
            pixel_size_angstrom=max(2.0, 256.0 / options.box),
        )
    if options.part != "devices":
        compare_with_dask(data, options.folder, options.iterations, options.times)
    if options.part != "dask":
        compare_devices(data, options.folder, options.iterations)


if __name__ == "__main__":
    main()
