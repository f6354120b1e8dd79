"""How long particle tables take to read, write and convert: python -m tests.benchmarks.formats.

A table of 200,000 particles in 2,000 stacks with the fields of a cryoSPARC refinement. No stack is
there: what is measured is the metadata.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from cryosparc.dataset import CSDAT_FORMAT, Dataset

from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs import read_cs, write_cs
from locref_widgets.io.cs_particles import image_names, optics_groups, read_cs_ctf, read_cs_poses
from tests.io.cs_files import LOCATION, fields, save


def large_table(n: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    small = fields() | LOCATION
    rows = rng.integers(0, len(small["uid"]), n)
    columns = {name: column[rows] for name, column in small.items()}
    stack = np.arange(n) // 100
    columns["uid"] = rng.permutation(n).astype(np.uint64) * np.uint64(2**40)
    columns["blob/path"] = np.array(
        [
            f"J1/extract/{i:021d}_FoilHole_{i:08d}_Data_patch_aligned_particles.mrc".encode()
            for i in range(stack[-1] + 1)
        ]
    )[stack]
    columns["blob/idx"] = (np.arange(n) % 100).astype(np.uint32)
    return columns


def timed(what: str, function: Callable[[], object], repeat: int = 3) -> None:
    seconds = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    print(f"{what:58s} {min(seconds):7.3f} s (best of {repeat}: {max(seconds):.3f} at worst)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    rows = parser.parse_args().rows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain = save(folder / "plain.cs", large_table(rows))
        print(f"{rows} rows, {plain.stat().st_size / 1e6:.0f} MB")
        table = read_cs(plain)
        timed("read a plain .cs", lambda: read_cs(plain))
        timed("  and its images' names, poses, groups and CTF", lambda: understand(read_cs(plain)))
        timed("write a plain .cs (with fsync)", lambda: write_cs(folder / "out.cs", table))
        timed("Dataset.load of the same, for comparison", lambda: Dataset.load(plain), 1)
        Dataset.load(plain).save(folder / "packed.cs", format=CSDAT_FORMAT)
        timed("read a compressed .cs", lambda: read_cs(folder / "packed.cs"))
        star = folder / "out.star"
        timed(".cs to STAR", lambda: convert_particles(plain, star), 1)
        timed("STAR to .cs", lambda: convert_particles(star, folder / "back.cs"), 1)


def understand(table) -> None:
    image_names(table)
    read_cs_poses(table)
    optics_groups(table)
    read_cs_ctf(table)


if __name__ == "__main__":
    main()
