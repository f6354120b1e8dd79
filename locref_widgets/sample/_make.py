"""Make the packaged sample again: ``python -m locref_widgets.sample._make FOLDER``."""

import argparse
import shutil
import tempfile
from pathlib import Path

from locref_widgets.simulation.dataset import simulate_hinge_dataset

FILES = (
    "particles.mrcs",
    "consensus.star",
    "consensus.mrc",
    "mask.mrc",
    "truth_B.star",
    "dataset.json",
)


def make_sample(folder: Path) -> None:
    """Simulate the sample and put the files that are packaged into a folder.

    The maps of the bodies and the half-maps stay out: they would double its size, and the same
    call makes them again.
    """
    with tempfile.TemporaryDirectory() as scratch:
        made = simulate_hinge_dataset(
            Path(scratch) / "sample",
            n=1000,
            box_px=64,
            pixel_size_angstrom=4.0,
            hinge_deg=10.0,
            shift_px=1.5,
            snr=0.2,
            seed=4,
            pixel_type="int8",
        )
        folder.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            shutil.copyfile(made / name, folder / name)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    make_sample(parser.parse_args().folder)
