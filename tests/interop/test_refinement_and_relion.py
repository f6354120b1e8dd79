"""``locref refine`` as a user runs it, and what RELION makes of the particles that it writes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
from scipy.spatial.transform import Rotation

from tests.blobs import BlobSet
from tests.interop.projections import rotations_of
from tests.interop.relion import relion_reconstruct, shell_correlations, soft_sphere


@pytest.fixture(scope="module")
def inputs(hinged_blob_set: BlobSet) -> tuple[BlobSet, Path, Path]:
    """The particle set, its map with both bodies unmoved, and a soft mask of the hinged body."""
    data, folder = hinged_blob_set, hinged_blob_set.star.parent
    box, pixel = data.box_px, data.pixel_size_angstrom
    volume = data.blobs.volume(box, pixel) + data.hinge.body.volume(box, pixel)
    x = (np.arange(box) - box // 2) * pixel
    centre = data.hinge.body.centres_angstrom.mean(0)
    points = np.stack(np.meshgrid(x, x, x, indexing="ij")[::-1], axis=-1)
    beyond = np.clip((np.linalg.norm(points - centre, axis=-1) - 32.0) / 15.0, 0, 1)
    paths = []
    for name, values in {"map": volume, "mask": 0.5 + 0.5 * np.cos(np.pi * beyond)}.items():
        paths.append(folder / f"{name}.mrc")
        with mrcfile.new(paths[-1], overwrite=True) as file:
            file.set_data(values.astype(np.float32))
            file.voxel_size = pixel
    return data, paths[0], paths[1]


def refine(inputs: tuple[BlobSet, Path, Path], out: Path, *options: str) -> Path:
    """Run the command line and return the folder of its final files."""
    data, volume, mask = inputs
    fulcrum = ",".join(str(v) for v in data.hinge.fulcrum_angstrom)
    command = [sys.executable, "-m", "locref_widgets", "refine", str(data.star)]
    command += ["--map", str(volume), "--mask", str(mask), "--out", str(out)]
    command += [f"--fulcrum-angstrom={fulcrum}", "--shift-extent", "3", "--initial-lowpass", "20"]
    answer = subprocess.run([*command, *options], capture_output=True, text=True, timeout=900)
    assert answer.returncode == 0, answer.stderr[-3000:]
    return out / "final"


def turn_errors_deg(rotations: np.ndarray, truth: np.ndarray) -> np.ndarray:
    relative = Rotation.from_matrix(np.swapaxes(rotations, 1, 2) @ truth)
    return np.rad2deg(relative.magnitude())


def test_relion_makes_the_map_of_a_run_from_its_particles(
    inputs: tuple[BlobSet, Path, Path], program: Callable[[str], str], tmp_path: Path
) -> None:
    reconstruct = program("relion_reconstruct")
    final = refine(inputs, tmp_path / "run", "--no-subtract", "--iterations", "1")

    theirs = relion_reconstruct(reconstruct, final / "particles.star", tmp_path / "relion.mrc")

    # RELION cuts the noise in the corners of the box away, so the maps are compared in the sphere.
    sphere = soft_sphere(inputs[0].box_px)
    fsc = shell_correlations(mrcfile.read(final / "map.mrc") * sphere, theirs * sphere)
    assert fsc[1 : int(0.8 * inputs[0].box_px / 2) + 1].min() >= 0.99


def test_a_subtracted_run_finds_the_hinge_and_relion_makes_its_region(
    inputs: tuple[BlobSet, Path, Path], program: Callable[[str], str], tmp_path: Path
) -> None:
    data, _, mask = inputs
    reconstruct = program("relion_reconstruct")
    final = refine(inputs, tmp_path / "run", "--subtract", "--iterations", "3")
    table = starfile.read(final / "particles.star", always_dict=True)["particles"]

    before = turn_errors_deg(data.rotations, data.hinged_rotations)
    after = turn_errors_deg(rotations_of(table), data.hinged_rotations)
    assert np.median(after) < 0.5 * np.median(before)

    # The images keep what the run subtracted, so RELION's map agrees inside the mask only.
    theirs = relion_reconstruct(reconstruct, final / "particles.star", tmp_path / "relion.mrc")
    inside = mrcfile.read(mask)
    fsc = shell_correlations(mrcfile.read(final / "map.mrc") * inside, theirs * inside)
    assert fsc[1 : int(0.8 * data.box_px / 2) + 1].min() >= 0.95
