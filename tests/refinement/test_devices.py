"""All devices of one machine: the same result with 1, 2 and 4, here virtual ones of the CPU."""

import os
import subprocess
import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from tests.refinement.following import soft_ball
from tests.refinement.on_devices import COUNTS

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def files(hinged_blob_set, tmp_path_factory):
    """A small set: the table beside its images, and the folder of the map and the mask."""
    s, folder = hinged_blob_set, tmp_path_factory.mktemp("devices")
    n, a = s.box_px, s.pixel_size_angstrom
    volume = s.blobs.volume(n, a) + s.hinge.body.volume(n, a)
    mask = soft_ball(n, a, s.hinge.body.centres_angstrom.mean(axis=0))
    for name, data in (("map", volume), ("mask", mask)):
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(data.astype(np.float32))
            file.voxel_size = a
    return s.star, folder


@pytest.fixture(scope="module")
def results(files):
    """What came out on 1, 2 and 4 devices."""
    star, folder = files
    done = subprocess.run(
        [sys.executable, "-m", "tests.refinement.on_devices", str(star), str(folder)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {count: np.load(folder / f"{count}.npz") for count in COUNTS}


@pytest.mark.parametrize("devices", [2, 4])
def test_poses_maps_and_all_numbers_are_those_of_one_device(results, devices):
    one, more = results[1], results[devices]
    # Every chunk is computed as on one device, and the sums are added up in the same order. Only
    # a library that divides its work by the number of devices could differ, by rounding.
    np.testing.assert_allclose(more["rotations"], one["rotations"], atol=np.deg2rad(1e-4))
    np.testing.assert_allclose(more["origins_angstrom"], one["origins_angstrom"], atol=1e-4)
    for name in ("half1", "half2", "region"):
        difference = np.linalg.norm(more[name] - one[name])
        assert difference <= 1e-5 * np.linalg.norm(one[name])


@pytest.mark.parametrize("devices", COUNTS)
def test_later_iterations_compile_nothing(results, devices):
    assert results[devices]["compiled_again"] == 0
