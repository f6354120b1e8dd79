"""How fast a map is segmented, and how much memory that takes.

``python -m tests.benchmarks.segmentation [BOX]`` makes a map of the 30S subunit at 8 Å in a box
(256 voxels unless told otherwise) of which it fills 62 %, with noise of a tenth of the map's
standard deviation, and prints medians of five runs and the peak of memory at two levels, a sensible
one and one in the noise. Targets at 256: watershed and four steps of grouping in under 3 s on two
cores, with less than 12 volumes of the map beside it.
"""

import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from scipy import ndimage

from locref_widgets.masks.segmentation import segment
from locref_widgets.masks.watershed import watershed
from locref_widgets.simulation.density import density_of_atoms
from locref_widgets.simulation.model import default_model

RUNS = 5
RESOLUTION_ANGSTROM = 8.0
FILLS = 0.62
LEVELS = {"sensible": 0.12, "in the noise": 0.03}
"""Shares of the map's maximum."""


def make_map(box_px: int) -> np.ndarray:
    """The 30S subunit in noise, float32."""
    model = default_model()
    extent_angstrom = float(np.ptp(model.positions_angstrom, axis=0).max())
    voxel_angstrom = extent_angstrom / (FILLS * box_px)
    volume = density_of_atoms(model.positions_angstrom, model.elements, box_px, voxel_angstrom)
    sd_px = RESOLUTION_ANGSTROM / (np.pi * np.sqrt(2.0)) / voxel_angstrom
    volume = ndimage.gaussian_filter(volume, sd_px)
    noise = np.random.default_rng(0).standard_normal(volume.shape, np.float32)
    return (volume + 0.1 * volume.std() * noise).astype(np.float32)


def median_of(what: str, run: Callable[[], object]) -> None:
    """Run several times and print the medians of wall and processor time."""
    walls, cpus = [], []
    for _ in range(RUNS):
        wall, cpu = time.perf_counter(), time.process_time()
        run()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    print(f"  {what:42} {statistics.median(walls):6.3f} s ({statistics.median(cpus):6.3f} s CPU)")


def peak_volumes(volume: np.ndarray, level: float) -> float:
    """Most memory that a segmentation holds beside its map, in volumes of the map."""
    tracemalloc.start()
    segment(volume, level)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak / volume.nbytes


def measure(volume: np.ndarray, level: float) -> None:
    """Print everything for a map at a level."""
    median_of("watershed", lambda: watershed(volume, level))
    median_of("watershed and 4 steps of grouping", lambda: segment(volume, level))
    made = segment(volume, level)
    print(f"  regions at levels 0 to 4: {made.tree().counts()}")
    median_of("contacts, once", lambda: segment(volume, level, steps=0).contacts)
    _ = made.contacts
    median_of("go to another level and list its regions", lambda: made.tree(2).regions())
    median_of("labels of all voxels", lambda: made.tree(2).labels())
    median_of("mask of all regions", lambda: made.tree(2).mask())
    median_of("join by contacts, 20 passes", lambda: len(made.tree(0).join_by_contacts()))
    print(f"  peak of memory: {peak_volumes(volume, level):.2f} volumes beside the map")


def main(box_px: int) -> None:
    """Make the map and measure at both levels."""
    volume = make_map(box_px)
    for name, share in LEVELS.items():
        level = share * float(volume.max())
        kept = np.count_nonzero(volume >= np.float32(level))
        print(f"{box_px}^3, level {name}: {kept:,} voxels at it or over")
        measure(volume, level)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 256)
