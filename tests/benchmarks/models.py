"""Speed of models in maps: molmap, regions near atoms, fits: ``python -m tests.benchmarks.models``.

Made cases are balls of atoms at a protein's density (20 Å^3 an atom); the fits are of GroEL (1OEL,
EMD-1997) where ``LOCREF_TEST_DATA`` names the folder of test data. Medians of several calls after
a first one, which compiles what is to be compiled and is told by itself; CPU is time of all
threads, which neighbours on the machine change less than the wall's.
"""

import argparse
import os
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import gemmi
import jax
import numpy as np
from scipy.spatial.transform import Rotation

from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.models import Atoms
from locref_widgets.io.mrc import Map, read_map
from locref_widgets.masks.fit_in_map import Fit, FitTarget, fit_in_map, make_target
from locref_widgets.masks.fit_points import FitPoints, points_of_atoms
from locref_widgets.masks.fit_search import search_fits
from locref_widgets.masks.molmap import molmap, region_near_atoms

VOXEL_ANGSTROM = 1.34
_CUBIC_ANGSTROM_AN_ATOM = 20.0


def report(name: str, work: Callable[[], object], repeats: int) -> None:
    """Print the first time and the medians."""
    started = time.perf_counter()
    work()
    first = time.perf_counter() - started
    wall, cpu = [], []
    for _ in range(repeats):
        started, used = time.perf_counter(), time.process_time()
        work()
        wall.append(time.perf_counter() - started)
        cpu.append(time.process_time() - used)
    print(f"{name:58s} {first:8.3f} {np.median(wall):8.3f} {np.median(cpu):8.3f}")


def ball(count: int) -> Atoms:
    """Atoms spread evenly in a ball about zero."""
    rng = np.random.default_rng(0)
    direction = rng.normal(size=(count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radius = (count * _CUBIC_ANGSTROM_AN_ATOM * 0.75 / np.pi) ** (1 / 3)
    elements = rng.choice(["C", "N", "O"], count, p=[0.63, 0.17, 0.2])
    numbers = {symbol: gemmi.Element(symbol).atomic_number for symbol in ("C", "N", "O")}
    return Atoms(
        direction * radius * rng.random((count, 1)) ** (1 / 3),
        elements,
        np.array([numbers[symbol] for symbol in elements]),
        np.full(count, "CA"),
        np.full(count, "A"),
        np.arange(count).astype(str),
        np.full(count, "ALA"),
    )


def grid(box: int) -> Map:
    """An empty map about zero."""
    corner = (-box // 2 * VOXEL_ANGSTROM,) * 3
    position = BoxPosition(origin_angstrom=corner)
    return Map(np.zeros((box,) * 3, np.float32), VOXEL_ANGSTROM, position=position)


def bench_molmap(repeats: int) -> None:
    """Simulated maps and regions."""
    for box, count in ((256, 4000), (256, 100_000), (400, 100_000)):
        atoms, on_grid = ball(count), grid(box)
        for resolution in (8.0, 16.0):
            name = f"molmap {resolution:g} Å, {count} atoms, {box}^3"
            report(name, lambda a=atoms, g=on_grid, r=resolution: molmap(a, r, on_grid=g), repeats)
        for radius in (3.0, 10.0):
            name = f"region within {radius:g} Å, {count} atoms, {box}^3"
            report(name, lambda a=atoms, g=on_grid, r=radius: region_near_atoms(a, r, g), repeats)
    tracemalloc.start()
    molmap(ball(100_000), 8.0, on_grid=grid(256))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(f"molmap 8 Å, 100,000 atoms, 256^3: peak memory {peak / 2**20:.0f} MiB")


def displaced(best: Fit, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rotation and translation 15 degrees and 5 Å from a fit."""
    axis, way = np.random.default_rng(seed).normal(size=(2, 3))
    turn = Rotation.from_rotvec(np.deg2rad(15.0) * axis / np.linalg.norm(axis)).as_matrix()
    rotation = turn @ best.rotation
    place = best.rotation @ best.centre_angstrom + best.translation_angstrom
    place = place + 5.0 * way / np.linalg.norm(way)
    return rotation, place - rotation @ best.centre_angstrom


def bench_fits(folder: Path, repeats: int) -> None:
    """Local fits and searches of a ring of GroEL."""
    volume = read_map(folder / "maps" / "EMD-1997.map")
    atoms = points_of_atoms(folder / "models" / "1oel_groel.pdb.gz")
    report("map of 100^3 made ready", lambda: make_target(volume), repeats)
    report("map of 100^3 made ready, level given", lambda: make_target(volume, 1.0), repeats)
    target = make_target(volume, 1.0)
    best = search_fits(atoms, target, n=60)[0]
    for points in (atoms.some(4000), atoms):
        steps = bench_local(points, target, best, repeats)
        print(f"{'':4s}steps: {np.median(steps):.0f} (most {max(steps)})")
    for n in (20, 100):
        name = f"search, {n} starts, {len(atoms)} atoms, 100^3"
        report(name, lambda n=n: search_fits(atoms, target, n=n), max(repeats // 2, 1))
    found = search_fits(atoms, target, n=100)
    right = sum(fit.average > 0.9 * found[0].average for fit in found)
    print(f"{'':4s}right places found: {right} of 14")


def bench_local(points: FitPoints, target: FitTarget, best: Fit, repeats: int) -> list[int]:
    """Fits from moves of 5 Å and 15 degrees, each call from another one."""
    steps: list[int] = []

    def work() -> None:
        rotation, translation = displaced(best, len(steps))
        fit = fit_in_map(points, target, rotation=rotation, translation_angstrom=translation)
        steps.append(fit.steps)

    report(f"local fit, {len(points)} atoms, 100^3, 5 Å and 15°", work, 4 * repeats)
    return steps


def main() -> None:
    """Print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"{jax.default_backend()}, {os.cpu_count()} processors, load {load:.1f}")
    print(f"{'seconds':58s} {'first':>8s} {'median':>8s} {'CPU':>8s}")
    bench_molmap(given.repeats)
    default = Path(__file__).parents[3] / "shared" / "data"
    folder = Path(os.environ.get("LOCREF_TEST_DATA", default))
    if folder.is_dir():
        bench_fits(folder, given.repeats)
    else:
        print(f"no test data in {folder}: fits are not timed")


if __name__ == "__main__":
    main()
