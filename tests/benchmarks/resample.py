"""Speed, peak memory and error of resampling.

``python -m tests.benchmarks.resample [--box N] [--repeats N]``

Volumes are white noise over the whole box, so that nothing can be left out. Every case runs in a
process of its own, whose peak memory above what it held before the first call is told in volumes of
N^3 float32 (source and result are two of them; the compilation of turned grids counts as well).
Errors are the largest differences from SciPy's ``map_coordinates`` in float64 over the largest
value, at 200,000 voxels.
"""

import argparse
import os
import resource
import subprocess
import sys
import time

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import Map
from locref_widgets.masks.resample import resample_on_grid

CASES = {
    "copy": {"offset": 3.0},
    "linear, shifted": {"offset": 0.3},
    "cubic, shifted": {"offset": 0.3, "order": 3},
    "linear, twice as fine": {"offset": 0.3, "ratio": 0.5},
    "linear, twice as coarse": {"offset": 0.3, "ratio": 2.0},
    "linear, turned": {"offset": 0.3, "turned": True},
    "cubic, turned": {"offset": 0.3, "order": 3, "turned": True},
    "linear, turned, twice as coarse": {"offset": 0.3, "ratio": 2.0, "turned": True},
}


def make(case: dict, box: int) -> tuple[Map, Map, dict]:
    """Source, reference and further arguments of a case."""
    values = np.random.default_rng(0).standard_normal((box,) * 3, np.float32)
    ratio = case.get("ratio", 1.0)
    size = int(box / max(ratio, 1.0))
    corner = (1.0 + case["offset"],) * 3
    grid = Map(np.zeros((size,) * 3, np.float32), ratio, None, BoxPosition((0, 0, 0), corner))
    source = Map(values, 1.0, None, BoxPosition((0, 0, 0), (1.0, 1.0, 1.0)))
    options: dict = {"order": case.get("order", 1)}
    if case.get("turned"):
        rotation = Rotation.from_euler("zyx", [20, 30, 40], degrees=True).as_matrix()
        centre = np.full(3, box / 2)
        options |= {"rotation": rotation, "translation_angstrom": centre - rotation @ centre}
    return source, grid, options


def error(source: Map, grid: Map, options: dict, found: np.ndarray) -> float:
    """Largest difference from SciPy at some voxels, over the largest value."""
    voxels = np.random.default_rng(1).integers(0, grid.data.shape[0], (3, 200_000))
    points = grid.corner_angstrom[:, None] + grid.voxel_size_angstrom * voxels
    if "rotation" in options:
        points = options["rotation"].T @ (points - options["translation_angstrom"][:, None])
    places = points - source.corner_angstrom[:, None]
    padded = np.pad(source.data.astype(np.float64), 16)
    expected = ndimage.map_coordinates(
        padded, places[::-1] + 16, order=options["order"], mode="grid-constant"
    )
    return float(np.abs(found[tuple(voxels[::-1])] - expected).max() / np.abs(expected).max())


def peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_case(name: str, box: int, repeats: int) -> None:
    """Time one case and print a row."""
    source, grid, options = make(CASES[name], box)
    if options.get("rotation") is not None:
        import jax

        jax.devices()  # its start belongs to the process
    # Touch what NumPy and BLAS load once.
    resample_on_grid(source, Map(np.zeros((8,) * 3, np.float32), 1.1, None, grid.position))
    before = peak_bytes()
    wall, cpu = [], []
    found = grid
    for _ in range(repeats + 1):
        start, used = time.perf_counter(), os.times()
        found = resample_on_grid(source, grid, **options)
        wall.append(time.perf_counter() - start)
        now = os.times()
        cpu.append(now.user + now.system - used.user - used.system)
    volumes = (peak_bytes() - before) / source.data.nbytes + 1.0  # the source was there before
    told = ""
    if CASES[name].get("ratio", 1.0) <= 1.0:
        told = f"{error(source, grid, options, found.data):.1e}"
    print(
        f"{name:32s} {wall[0]:7.2f} {np.median(wall[1:]):7.3f} {np.median(cpu[1:]):7.3f} "
        f"{volumes:7.1f}   {told}"
    )


def main() -> None:
    """Run every case in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--box", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case")
    given = parser.parse_args()
    if given.case:
        run_case(given.case, given.box, given.repeats)
        return
    print(f"{given.box}^3, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}")
    print(f"{'':32s} {'first':>7s} {'median':>7s} {'CPU':>7s} {'memory':>7s}   error")
    for name in CASES:
        call = [sys.executable, "-m", "tests.benchmarks.resample", "--case", name]
        subprocess.run(
            [*call, "--box", str(given.box), "--repeats", str(given.repeats)], check=True
        )


if __name__ == "__main__":
    main()
