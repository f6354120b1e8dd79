"""How fast a large STAR file is read and written, and how much memory that takes.

``python -m tests.benchmarks.star_files [ROWS]`` makes a table as RELION 3.1 writes it (25 columns,
200,000 rows unless told otherwise) in a temporary folder, and prints for every step its seconds,
rows a second and the peak of memory so far. The columns with poses are then replaced; that all
others are written byte for byte is checked as well.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from locref_widgets.io.images import ImageNames
from locref_widgets.io.optics import find_optics, read_ctf
from locref_widgets.io.poses import read_half_sets, read_poses, with_pose_columns
from locref_widgets.io.star import read_star, write_star

PIXEL_ANGSTROM = 1.1
A_MICROGRAPH = 200
OPTICS = """
# version 30001

data_optics

loop_
_rlnOpticsGroupName #1
_rlnOpticsGroup #2
_rlnVoltage #3
_rlnSphericalAberration #4
_rlnAmplitudeContrast #5
_rlnImagePixelSize #6
_rlnImageSize #7
_rlnImageDimensionality #8
opticsGroup1            1   300.000000     2.700000     0.100000     1.100000      256        2


# version 30001

data_particles

loop_
"""
FLOATS = {
    "rlnCoordinateX": (0, 4000),
    "rlnCoordinateY": (0, 4000),
    "rlnCtfMaxResolution": (2.5, 5),
    "rlnCtfFigureOfMerit": (0, 0.3),
    "rlnDefocusU": (5000, 25000),
    "rlnDefocusV": (5000, 25000),
    "rlnDefocusAngle": (-90, 90),
    "rlnCtfBfactor": (0, 0),
    "rlnCtfScalefactor": (1, 1),
    "rlnPhaseShift": (0, 0),
    "rlnAngleRot": (-180, 180),
    "rlnAngleTilt": (0, 180),
    "rlnAnglePsi": (-180, 180),
    "rlnOriginXAngst": (-10, 10),
    "rlnOriginYAngst": (-10, 10),
    "rlnNormCorrection": (0.5, 1.5),
    "rlnLogLikeliContribution": (1e5, 2e5),
    "rlnMaxValueProbDistribution": (0, 1),
}
INTEGERS = {
    "rlnOpticsGroup": (1, 1),
    "rlnGroupNumber": (1, 500),
    "rlnClassNumber": (1, 1),
    "rlnNrOfSignificantSamples": (1, 200),
    "rlnRandomSubset": (1, 2),
}


def make_file(path: Path, rows: int) -> None:
    """Write a table with values as RELION pads them."""
    rng = np.random.default_rng(0)
    names = ["rlnImageName", "rlnMicrographName", *FLOATS, *INTEGERS]
    with path.open("w") as handle:
        handle.write(OPTICS)
        handle.writelines(f"_{name} #{i}\n" for i, name in enumerate(names, 1))
        for first in range(0, rows, A_MICROGRAPH):
            movie = f"Movies/FoilHole_{first // A_MICROGRAPH:05d}_Data_fractions"
            count = min(A_MICROGRAPH, rows - first)
            columns = [
                [f"{i + 1:06d}@Extract/job012/{movie}.mrcs" for i in range(count)],
                [f"MotionCorr/job002/{movie}.mrc"] * count,
            ]
            for low, high in FLOATS.values():
                columns.append([f"{value:12.6f}" for value in rng.uniform(low, high, count)])
            for low, high in INTEGERS.values():
                columns.append([f"{value:12d}" for value in rng.integers(low, high + 1, count)])
            handle.writelines(f"{' '.join(row)} \n" for row in zip(*columns, strict=True))


@contextmanager
def measured(what: str, rows: int) -> Iterator[None]:
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    # In kilobytes on Linux, bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6
    speed = f"{rows / wall:10,.0f} rows/s"
    print(f"{what:28} {wall:6.2f} s ({cpu:5.2f} s CPU) {speed} {peak:6.0f} MB peak")


def main(rows: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.star", Path(folder) / "out.star"
        make_file(source, rows)
        print(f"{rows:,} rows, 25 columns, {source.stat().st_size / 1e6:.0f} MB")
        with measured("read_star", rows):
            blocks = read_star(source)
        particles = blocks["particles"]
        with measured("metadata of read_particles", rows):
            optics = find_optics(particles, blocks["optics"])
            ImageNames.parse(particles.strings("rlnImageName"), source)
            rotations, origins = read_poses(particles, PIXEL_ANGSTROM)
            read_half_sets(particles)
            read_ctf(optics)
        with measured("poses into columns", rows):
            table = with_pose_columns(
                particles, rotations, origins, PIXEL_ANGSTROM, in_pixels=False
            )
        with measured("write_star", rows):
            write_star(target, {**blocks, "particles": table})
        back = read_star(target)["particles"]
        for name, column in particles.columns.items():
            if "Angle" not in name.removeprefix("rlnDefocus") and "Origin" not in name:
                assert np.array_equal(back.columns[name], column), name
        for values, again in zip(
            (rotations, origins), read_poses(back, PIXEL_ANGSTROM), strict=True
        ):
            # Six decimals of a degree, and of an Å.
            assert np.abs(values - again).max() < 2e-6


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200_000)
