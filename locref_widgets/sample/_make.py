"""Make the packaged sample again: ``python -m locref_widgets.sample._make FOLDER``."""

import argparse
import shutil
import tempfile
from pathlib import Path

import mrcfile
import numpy as np

from locref_widgets.io.mrc import read_map
from locref_widgets.simulation.dataset import simulate_hinge_dataset

FILES = (
    "particles.mrcs",
    "consensus.star",
    "truth_B.star",
    "dataset.json",
)
MAPS = ("consensus.mrc", "mask.mrc")


def make_sample(folder: Path) -> None:
    """Simulate the sample and put the files that are packaged into a folder.

    The maps of the bodies and the half-maps stay out: they would double its size, and the same
    call makes them again.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = simulate_hinge_dataset(
            Path(scratch) / "sample",
            n=800,
            box_px=80,
            pixel_size_angstrom=3.2,
            hinge_deg=10.0,
            shift_px=1.8,
            snr=0.13,
            seed=4,
            pixel_type="int8",
        )
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(made / name, folder / name)
        for name in MAPS:
            store_as_float16(made / name, folder / name)


def store_as_float16(source: Path, target: Path) -> None:
    """Copy a map at half the size: 11 bits are plenty for a start and for a mask."""
    volume = read_map(source)
    with mrcfile.new(target, overwrite=True) as file:
        file.set_data(volume.data.astype(np.float16))
        file.voxel_size = volume.voxel_size_angstrom


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    make_sample(parser.parse_args().folder)
