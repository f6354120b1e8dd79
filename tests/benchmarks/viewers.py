"""What viewers cost the run that they follow: ``python -m tests.benchmarks.viewers FOLDER``.

Refines the same simulated set in a process of its own, in turns with nobody looking and with eight
other processes that each follow the run's events and keep the state that the dashboard draws. The
target is less than 2 % of the worker's speed. On few cores what viewers compute is taken from the
worker, so that their processor time is measured as well; and so is the worker's own, which tells
whether it does more when it is watched. Wall time means something on an idle machine only.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from locref_widgets.simulation import simulate_hinge_dataset

VIEWERS = 8


def work(data: Path, out: Path, iterations: int) -> None:
    """The worker: refine once to compile, then once for all to see."""
    from locref_widgets.runs.process_setup import prepare_process

    prepare_process()
    from locref_widgets.io.mrc import read_map
    from locref_widgets.io.particles import read_particles
    from locref_widgets.refinement.settings import RefinementSettings
    from locref_widgets.runs.run import refine

    settings = RefinementSettings(fulcrum="mask", rotation_extent=0.25, iterations=iterations)
    volume, mask = read_map(data / "consensus.mrc"), read_map(data / "mask.mrc")
    particles = read_particles(data / "consensus.star")
    for path in (out.with_name("compiling"), out):
        shutil.rmtree(path, ignore_errors=True)
        wall, cpu = time.perf_counter(), time.process_time()
        run = refine(particles, volume, mask, settings, path, progress=False, wait_for_device=False)
    spent = sum(run.iteration(iteration).seconds for iteration in run.iterations())
    print(json.dumps([time.perf_counter() - wall, spent, time.process_time() - cpu]))


def view(out: Path, ready: Path) -> None:
    """A viewer: wait for the run, follow it to its end, tell the processor time."""
    from locref_widgets.runs.run import open_run
    from locref_widgets.runs.run_state import RunState

    ready.touch()
    while not (out / "run.json").exists():
        time.sleep(0.25)
    cpu, wall, state, count = time.process_time(), time.perf_counter(), RunState(), 0
    for event in open_run(out).follow():
        state.add(event)
        count += 1
    print(json.dumps([time.process_time() - cpu, time.perf_counter() - wall, count]))


def spawn(*arguments: object) -> subprocess.Popen:
    """This program again, in another part."""
    command = [sys.executable, "-m", "tests.benchmarks.viewers", *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def measure(data: Path, folder: Path, iterations: int, viewers: int) -> tuple[list, list]:
    """Numbers of the worker and of each viewer."""
    out = folder / "watched"
    shutil.rmtree(out, ignore_errors=True)
    marks = [folder / f"viewer-{number}" for number in range(viewers)]
    for mark in marks:
        mark.unlink(missing_ok=True)
    watching = [spawn(folder, "--view", out, "--ready", mark) for mark in marks]
    while not all(mark.exists() for mark in marks):  # their imports are done
        time.sleep(0.1)
    worker = spawn(folder, "--work", out, "--data", data, "--iterations", iterations)
    told = json.loads(worker.communicate()[0].splitlines()[-1])
    return told, [json.loads(v.communicate()[0].splitlines()[-1]) for v in watching]


def main() -> None:
    """Simulate, refine with and without viewers, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--particles", type=int, default=400)
    parser.add_argument("--box", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--times", type=int, default=3)
    for hidden in ("--work", "--view", "--ready", "--data"):
        parser.add_argument(hidden, type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work(options.data, options.work, options.iterations)
        return
    if options.view:
        view(options.view, options.ready)
        return
    options.folder.mkdir(parents=True, exist_ok=True)
    data = options.folder / f"data_{options.box}_{options.particles}"
    if not data.exists():
        simulate_hinge_dataset(
            data,
            n=options.particles,
            box_px=options.box,
            # So that the particle fits into a small box as well.
            pixel_size_angstrom=max(2.0, 256.0 / options.box),
        )
    rows: dict[int, list] = {0: [], VIEWERS: []}
    shares = []
    for _ in range(options.times):
        for viewers, kept in rows.items():
            told, seen = measure(data, options.folder, options.iterations, viewers)
            kept.append(told)
            load = os.getloadavg()[0]
            print(
                f"  {viewers} viewers: {told[0]:.1f} s wall, {told[2]:.1f} s of processors,"
                f" load {load:.1f}",
                flush=True,
            )
            if seen:
                cpu, wall = sum(v[0] for v in seen), statistics.median(v[1] for v in seen)
                shares.append(cpu / told[2])
                print(
                    f"    all viewers: {cpu:.2f} s of processors in {wall:.0f} s,"
                    f" {100 * cpu / wall:.2f} % of a core; {seen[0][2]} events each"
                )
    for what, column in (("wall, whole run", 0), ("wall, iterations", 1), ("processors", 2)):
        alone, watched = (statistics.median(row[column] for row in rows[n]) for n in rows)
        print(
            f"{what}: alone {alone:.1f} s, watched {watched:.1f} s:"
            f" {100 * (watched / alone - 1):+.1f} %"
        )
    share = 100 * statistics.median(shares)
    print(f"processor time of all viewers over the worker's: {share:.2f} %")


if __name__ == "__main__":
    main()
