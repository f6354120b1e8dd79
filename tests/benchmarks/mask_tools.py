"""How long mask tools take and what they need: python -m tests.benchmarks.mask_tools [--box N].

The mask is that of the packaged 30S model at about 8 Å with 10 % of noise, filling 62 % of the box;
its threshold leaves some 3 % of the voxels. A preview works on the same at half the box. Figures
are medians of several runs; CPU seconds are the ones to trust on a machine that is busy. Memory of
each tool is what NumPy allocated at most, JAX's not counted; at the end, that of the process.
"""

import argparse
import multiprocessing
import os
import resource
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from scipy import ndimage

from locref_widgets.io.mrc import Map
from locref_widgets.masks import volume_tools
from locref_widgets.masks.bounding import bounding_box
from locref_widgets.masks.edges import dilate, erode, soft_edge, soft_pad
from locref_widgets.masks.islands import fill_holes, keep_islands
from locref_widgets.simulation.density import density_of_atoms
from locref_widgets.simulation.model import default_model

BFACTOR_ANGSTROM2 = 300.0
LEVEL = 0.12


def ribosome(box_px: int) -> Map:
    """30S subunit over 62 % of the box, with noise of 10 % of the density's spread within it."""
    model = default_model()
    voxel = float(np.ptp(model.positions_angstrom, axis=0).max()) / 0.62 / box_px
    density = density_of_atoms(
        model.positions_angstrom, model.elements, box_px, voxel, BFACTOR_ANGSTROM2
    )
    noise = np.random.default_rng(0).normal(size=density.shape).astype(np.float32)
    spread = float(density[density > LEVEL * density.max()].std())
    return Map(density + np.float32(0.1 * spread) * noise, voxel)


def hollow(inside: np.ndarray) -> np.ndarray:
    """The mask's outer shell of 3 voxels, and so with one large hole."""
    solid = fill_holes(dilate(inside, 4.0))
    return solid & ~erode(solid, 3.0)


def by_scipy(inside: np.ndarray, near_px: float, width_px: float) -> np.ndarray:
    """Dilation and pad from SciPy's transform on the same part of the box, for comparison."""
    mask = np.zeros(inside.shape, np.float32)
    box = bounding_box(inside, int(near_px + width_px) + 1)
    assert box is not None
    distance = np.asarray(ndimage.distance_transform_edt(~inside[box]))
    fall = np.clip((distance - near_px) / width_px, 0.0, 1.0)
    mask[box] = 0.5 + 0.5 * np.cos(np.pi * fall)
    return mask


def measured(
    what: str, function: Callable[[], object], volume_bytes: int, target: str, repeat: int
) -> None:
    """Print median seconds and the peak of what was allocated, in volumes of float32."""
    function()
    wall, cpu = [], []
    for _ in range(repeat):
        start, start_cpu = time.perf_counter(), time.process_time()
        function()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(
        f"{what:44s} {np.median(wall):7.3f} s wall (best {min(wall):.3f}) {np.median(cpu):7.3f} s "
        f"CPU {peak / volume_bytes:5.2f} volumes   {target}",
        flush=True,
    )


def measure(density: Map, repeat: int) -> None:
    """All tools on the full box."""
    box_px = density.box_px
    highest = float(density.data.max())
    inside = density.data >= LEVEL * highest
    box = bounding_box(inside)
    assert box is not None
    extent = [along.stop - along.start for along in box]
    volume_bytes = density.data.nbytes
    print(
        f"box {box_px}, {density.voxel_size_angstrom:.3f} Å: {100.0 * inside.mean():.2f} % of the "
        f"voxels, extent {extent}, one volume is {volume_bytes / 1e6:.0f} MB"
    )
    shell = hollow(inside)
    voxel = density.voxel_size_angstrom
    lines: list[tuple[str, Callable[[], object], str]] = [
        ("dilate 6 + soft pad 12", lambda: soft_pad(inside, 12.0, dilate_px=6.0), "< 0.6 s"),
        ("  the same by SciPy", lambda: by_scipy(inside, 6.0, 12.0), ""),
        (
            "  the same in two stages, as RELION",
            lambda: soft_pad(inside, 12.0, dilate_px=6.0, two_stage=True),
            "",
        ),
        ("dilate 6", lambda: dilate(inside, 6.0), ""),
        ("erode 2", lambda: erode(inside, 2.0), ""),
        ("fill holes", lambda: fill_holes(inside), "< 0.8 s"),
        ("fill the hole of a hollow shell", lambda: fill_holes(shell), "< 0.8 s"),
        ("keep the largest island", lambda: keep_islands(inside, count=1), ""),
        ("loose mask: soft edge 25 to 40 Å", lambda: soft_edge(inside, 25.0, 40.0, voxel), ""),
        ("low-pass to 12 Å", lambda: volume_tools.lowpass(density, 12.0), ""),
        ("resample to half", lambda: volume_tools.resample_box(density, box_px // 2), ""),
        ("flip hand", lambda: volume_tools.flip_hand(density), ""),
    ]
    for what, function, target in lines:
        measured(what, function, volume_bytes, target, repeat)


def preview(density: Map, repeat: int) -> None:
    """What a slider asks for, on a box of half the size."""
    box_px = density.box_px
    level = LEVEL * float(density.data.max())
    for near, width in ((3.0, 6.0), (6.0, 12.0)):
        measured(
            f"preview at {box_px}: threshold, dilate {near:g}, pad {width:g}",
            lambda near=near, width=width: soft_pad(density.data >= level, width, dilate_px=near),
            density.data.nbytes,
            "< 0.1 s",
            repeat,
        )


def peak_resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--box", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=7)
    options = parser.parse_args()
    # In a process of its own, for what it needs is not to count.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as maker:
        whole, half = maker.map(ribosome, (options.box, options.box // 2))
    before = peak_resident_bytes()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; target: < 12 volumes")
    measure(whole, options.repeat)
    preview(half, options.repeat)
    grown = peak_resident_bytes() - before
    print(
        f"resident memory grew by {grown / 1e6:.0f} MB at most, {grown / whole.data.nbytes:.1f} "
        f"volumes, from {before / 1e6:.0f} MB; load {os.getloadavg()[0]:.1f}"
    )


if __name__ == "__main__":
    main()
