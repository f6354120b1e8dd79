"""Conversion held against other programs: pyem, cryoDRGN, cryosparc-tools and RELION."""

from pathlib import Path

import mrcfile
import numpy as np
import pytest
import starfile
from cryosparc.dataset import Dataset
from scipy.spatial.transform import Rotation

from locref_widgets.io.convert import convert_particles
from locref_widgets.io.cs import read_cs
from locref_widgets.io.cs_particles import read_cs_poses
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from tests.interop.projections import correlations, project
from tests.interop.relion import relion_reconstruct
from tests.io.cs_files import angle_between, assert_same_ctf

P12 = "cryosparc_P12_J24_001_particles"
J2 = "cryosparc_J2_particles_exported"
TRPV1 = "particles/empiar10059_trpv1_10"
PER_PARTICLE = ("rlnDefocusU", "rlnDefocusV", "rlnDefocusAngle", "rlnPhaseShift")
OPTICS = ("rlnVoltage", "rlnSphericalAberration", "rlnAmplitudeContrast", "rlnImagePixelSize")


def euler(table) -> np.ndarray:
    angles = table[["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"]].to_numpy(float)
    return Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()


@pytest.mark.parametrize("name", [P12, J2])
def test_pyem_makes_the_same_of_a_cs_file(shared_data: Path, tmp_path: Path, name: str) -> None:
    convert_particles(shared_data / "cs" / f"{name}.cs", tmp_path / "ours.star")
    ours = starfile.read(tmp_path / "ours.star")
    theirs = starfile.read(shared_data / "reference" / "csparc2star" / f"{name}.star")
    mine, reference = ours["particles"], theirs["particles"]
    assert mine["rlnImageName"].tolist() == reference["rlnImageName"].tolist()
    if name == P12:
        # pyem's angles have six decimals and come from float32.
        assert angle_between(euler(mine), euler(reference)) < 1e-5
        assert mine["rlnRandomSubset"].tolist() == reference["rlnRandomSubset"].tolist()
    else:
        turn = np.deg2rad(mine["rlnAnglePsi"] - reference["rlnAnglePsi"])
        assert np.abs(np.angle(np.exp(1j * turn))).max() < 1e-5
    for label in ("rlnOriginXAngst", "rlnOriginYAngst"):
        assert np.abs(mine[label] - reference[label]).max() < 1e-3
    assert mine["rlnClassNumber"].tolist() == reference["rlnClassNumber"].tolist()
    for label in PER_PARTICLE:
        # Six decimals are written there, and angles are made degrees in float32.
        np.testing.assert_allclose(mine[label], reference[label], rtol=2e-7, atol=1e-6)
        if label.startswith("rlnDefocus") and not label.endswith("Angle"):
            np.testing.assert_allclose(mine[label], reference[label], rtol=0, atol=1e-6)
    for label in OPTICS:
        np.testing.assert_allclose(ours["optics"][label], theirs["optics"][label], atol=1e-6)
    assert ours["optics"]["rlnImageSize"].tolist() == theirs["optics"]["rlnImageSize"].tolist()
    assert mine["rlnOpticsGroup"].tolist() == reference["rlnOpticsGroup"].tolist()


def test_cryodrgn_reads_the_same_poses(shared_data: Path) -> None:
    table = read_cs(shared_data / "cs" / f"{P12}.cs")
    rotations, origins = read_cs_poses(table)
    theirs = np.load(shared_data / "reference" / "csparc2star" / "P12_J24_cryodrgn_poses.npz")
    # Its matrices are float32, made of float32 vectors.
    assert angle_between(rotations, theirs["rotations"].astype(np.float64)) < 2e-6
    # Shifts as fractions of the box of 180 pixels of 2.95 Å.
    shifts = theirs["translations_fraction_of_box"] * 180
    assert np.abs(origins / 2.95 - shifts).max() < 1e-4


def test_real_particles_there_and_back(shared_data: Path, tmp_path: Path, program) -> None:
    """Ten TRPV1 images: cryosparc-tools opens the .cs, RELION the STAR made of it, with one map."""
    reconstruct = program("relion_reconstruct")
    source = shared_data / TRPV1
    (tmp_path / "trpv1_small_stack.mrcs").symlink_to(source / "trpv1_small_stack.mrcs")
    given = tmp_path / "given.star"
    given.write_bytes((source / "trpv1_small_stack_resolved.star").read_bytes())
    assert convert_particles(given, tmp_path / "middle.cs").not_carried == []
    dataset = Dataset.load(tmp_path / "middle.cs")
    assert len(dataset) == 10
    assert dataset["blob/path"].tolist() == ["trpv1_small_stack.mrcs"] * 10
    assert len(set(dataset["uid"].tolist())) == 10
    convert_particles(tmp_path / "middle.cs", tmp_path / "back.star")
    first, again = (read_particles(tmp_path / n) for n in ("given.star", "back.star"))
    assert angle_between(first.rotations, again.rotations) < 1e-6
    assert_same_ctf(first, again, rtol=2.0**-22)
    maps = [
        relion_reconstruct(reconstruct, tmp_path / f"{name}.star", tmp_path / f"{name}.mrc")
        for name in ("given", "back")
    ]
    assert maps[0].std() > 0
    # With ten images many voxels hang on one sample, and RELION's map jumps by 0.06 of its norm
    # when an angle changes by 5e-6 degrees (measured), which is what float32 does to it. A wrong
    # convention of pose or shift gives 1 and more.
    assert np.linalg.norm(maps[1] - maps[0]) < 0.15 * np.linalg.norm(maps[0])


def test_dark_images_agree_with_projections_by_the_sign(shared_data: Path, tmp_path: Path) -> None:
    """Real images turned over, said so by blob/sign: as like their map as before."""
    folder = shared_data / TRPV1
    convert_particles(folder / "trpv1_small_stack_resolved.star", tmp_path / "light.cs")
    images = mrcfile.read(folder / "trpv1_small_stack.mrcs")
    mrcfile.write(tmp_path / "dark.mrcs", -images, voxel_size=4.88)
    dataset = Dataset.load(tmp_path / "light.cs")
    dataset["blob/path"] = ["dark.mrcs"] * len(dataset)
    dataset["blob/sign"] = -1
    dataset.save(tmp_path / "dark.cs")
    particles, volume = read_particles(tmp_path / "dark.cs"), read_map(folder / "trpv1_volume.mrc")
    coefficients, disc = project(
        volume.data,
        particles.rotations,
        particles.origins_angstrom / particles.pixel_size_angstrom,
        box_px=particles.box_px,
        ctf=particles.ctf,
        pixel_size_angstrom=particles.pixel_size_angstrom,
    )
    found = correlations(coefficients, particles.images(np.arange(10)), disc).mean()
    # As the same images of a STAR file in test_real_images.py.
    assert found == pytest.approx(0.19, abs=0.02)


def test_relion_takes_the_sign_of_dark_images(shared_data: Path, tmp_path: Path, program) -> None:
    """blob/sign = -1 becomes a negative scale of the CTF, which turns RELION's map over."""
    reconstruct = program("relion_reconstruct")
    source = shared_data / TRPV1
    (tmp_path / "trpv1_small_stack.mrcs").symlink_to(source / "trpv1_small_stack.mrcs")
    given = tmp_path / "given.star"
    given.write_bytes((source / "trpv1_small_stack_resolved.star").read_bytes())
    convert_particles(given, tmp_path / "light.cs")
    dataset = Dataset.load(tmp_path / "light.cs")
    dataset["blob/sign"] = -1
    dataset.save(tmp_path / "dark.cs")
    maps = []
    for name in ("light", "dark"):
        convert_particles(tmp_path / f"{name}.cs", tmp_path / f"{name}.star")
        star, out = tmp_path / f"{name}.star", tmp_path / f"{name}.mrc"
        maps.append(relion_reconstruct(reconstruct, star, out))
    np.testing.assert_allclose(maps[1], -maps[0], atol=1e-4 * maps[0].std())


def test_images_with_the_sign_of_minus_one_are_dark(shared_data: Path) -> None:
    """What blob/sign means, by the one real set that has it and its images: 50S, EMPIAR-10076."""
    folder = shared_data / "particles" / "empiar10076_7"
    assert set(read_cs(folder / "empiar_10076_7.cs").columns["blob/sign"].tolist()) == {-1.0}
    images = mrcfile.open(folder / "empiar_10076_7.mrc", permissive=True).data
    y, x = np.indices(images.shape[1:]) - 160
    radius = np.hypot(x, y)
    inside, outside = images[:, radius < 40].mean(axis=1), images[:, radius > 80].mean(axis=1)
    # 2,000 pixels of noise 1 inside: means are known to 0.02, more or less.
    assert np.all(inside - outside < -0.05)


def test_relion_opens_a_table_of_3_0_made_one_of_3_1(
    shared_data: Path, tmp_path: Path, program
) -> None:
    reconstruct = program("relion_reconstruct")
    source = shared_data / TRPV1
    (tmp_path / "trpv1_small_stack.mrcs").symlink_to(source / "trpv1_small_stack.mrcs")
    given = starfile.read(source / "trpv1_small_stack_resolved.star")
    starfile.write(given, tmp_path / "given.star", float_format="%.9f")
    table, optics = given["particles"].drop(columns="rlnOpticsGroup"), given["optics"].iloc[0]
    for label in OPTICS[:3]:
        table[label] = optics[label]
    table["rlnDetectorPixelSize"], table["rlnMagnification"] = 4.88, 10000.0
    for axis in "XY":
        table[f"rlnOrigin{axis}"] = table.pop(f"rlnOrigin{axis}Angst") / 4.88
    starfile.write({"": table}, tmp_path / "old.star", float_format="%.9f")
    assert convert_particles(tmp_path / "old.star", tmp_path / "new.star").not_carried == []
    maps = [
        relion_reconstruct(reconstruct, tmp_path / f"{name}.star", tmp_path / f"{name}.mrc")
        for name in ("given", "new")
    ]
    # Measured 6e-9: only the shifts were divided and multiplied again.
    assert np.linalg.norm(maps[1] - maps[0]) < 1e-5 * np.linalg.norm(maps[0])
