"""Peak memory of a refinement of 1,000 and of 10,000 particles: ``python -m`` this file FOLDER.

The larger set holds the images of the smaller one ten times over, as a stack of its own: what is in
the images does not matter for memory, their number does. Takes some minutes and 1 GB of disc.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np

from locref_widgets.io.star import read_star, write_star
from locref_widgets.simulation import simulate_hinge_dataset

TIMES = 10


def make_larger(small: Path, large: Path) -> None:
    """Write the set with every particle ``TIMES`` times."""
    large.mkdir(parents=True, exist_ok=True)
    blocks = read_star(small / "consensus.star")
    table = blocks["particles"]
    n = len(table)
    rows = table.take(np.tile(np.arange(n), TIMES))
    names = [f"{i + 1:06d}@particles.mrcs" for i in range(n * TIMES)]
    blocks["particles"] = rows.with_column("rlnImageName", names)
    write_star(large / "consensus.star", blocks)
    with mrcfile.mmap(small / "particles.mrcs") as source:
        shape = (n * TIMES, *source.data.shape[1:])
        mode = int(source.header.mode)
        with mrcfile.new_mmap(large / "particles.mrcs", shape, mode, overwrite=True) as out:
            for k in range(TIMES):
                out.data[k * n : (k + 1) * n] = source.data
            out.set_image_stack()
            out.voxel_size = source.voxel_size


def peak_megabytes(particles: Path, maps: Path, out: Path) -> float:
    """Refine in a process of its own and return its peak resident memory."""
    code = (
        "import resource, sys; from locref_widgets.cli import main; "
        "import atexit; atexit.register(lambda: print('PEAK', "
        "resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)); sys.exit(main())"
    )
    arguments = ["refine", str(particles), "--map", str(maps / "consensus.mrc")]
    arguments += ["--mask", str(maps / "mask.mrc"), "--out", str(out), "--iterations", "1"]
    arguments += ["--rotation-extent", "0.05", "--shift-extent", "2"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], check=True, capture_output=True, text=True
    )
    return float(done.stdout.split("PEAK")[1].split()[0]) / 1024


def main() -> None:
    """Make both sets, refine both, print the peaks and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--box", type=int, default=128)
    options = parser.parse_args()
    small, large = options.folder / "small", options.folder / "large"
    if not small.exists():
        simulate_hinge_dataset(small, n=1000, box_px=options.box, pixel_size_angstrom=2.0)
    make_larger(small, large)
    peaks = {}
    for folder in (small, large):
        run = options.folder / f"run_{folder.name}"
        peaks[folder.name] = peak_megabytes(folder / "consensus.star", small, run)
        print(f"{folder.name}: peak {peaks[folder.name]:.0f} MB", flush=True)
    print(f"ratio {peaks['large'] / peaks['small']:.3f}")


if __name__ == "__main__":
    main()
