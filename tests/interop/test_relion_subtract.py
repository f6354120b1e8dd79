"""Subtraction beside RELION's own, our tables in RELION's hands, and its sign of the defocus."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pandas as pd
import pytest
import starfile
from scipy.spatial.transform import Rotation

from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.refinement.reconstruct_job import reconstruct
from locref_widgets.refinement.subtract_job import revert, subtract
from locref_widgets.refinement.subtract_options import SubtractOptions
from tests.blobs import Blobs, random_blobs
from tests.interop.relion import relion_reconstruct, shell_correlations, soft_sphere
from tests.refinement.two_bodies import TwoBodies, write_two_bodies

N, CROP_PX = 60, 24
CENTRE_PX = np.array([9, 0, 1])


def run_relion(folder: Path, *command: str) -> None:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    answer = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert answer.returncode == 0, f"{' '.join(command)}\n{answer.stdout[-2000:]}\n{answer.stderr}"


@pytest.fixture(scope="module")
def optimised(
    program: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TwoBodies, Path]:
    """Particles, and the folder of a RELION job on them in which their poses stayed as they are."""
    folder = tmp_path_factory.mktemp("relion_subtract")
    case = write_two_bodies(folder, n=N, noise=0.5, largest_deg=0.0)
    (folder / "job").mkdir()
    options = "--iter 1 --K 1 --skip_align --tau2_fudge 1 --ctf --particle_diameter 190"
    options += " --ini_high 12 --pad 2 --j 1"
    run_relion(
        folder,
        *(program("relion_refine"), "--i", "particles.star", "--o", "job/run"),
        *("--ref", "map.mrc", *options.split()),
    )
    return case, folder


def ours(folder: Path, case: TwoBodies, out: Path, **options: object) -> Path:
    result = subtract(
        read_particles(folder / "job" / "run_it001_data.star"),
        read_map(case.mask),
        out,
        volume=read_map(folder / "job" / "run_it001_class001.mrc"),
        options=SubtractOptions(scale="none", **options),
    )
    return result.star


def theirs(program: str, folder: Path, out: str, *options: str) -> Path:
    (folder / out).mkdir()
    run_relion(
        folder,
        *(program, "--i", "job/run_it001_optimiser.star", "--mask", "mask.mrc"),
        *("--o", f"{out}/", *options),
    )
    return folder / out / "particles_subtracted.star"


def images_in(star: Path, root: Path | None = None) -> np.ndarray:
    particles = read_particles(star, root=root)
    return particles.images(np.arange(len(particles)))


def correlations(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return np.array(
        [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(first, second, strict=True)]
    )


@pytest.mark.relion
def test_the_same_signal_is_subtracted(optimised, program, tmp_path) -> None:
    case, folder = optimised
    relion = images_in(theirs(program("relion_particle_subtract"), folder, "plain"), folder)
    locref = images_in(ours(folder, case, tmp_path / "plain"))
    assert correlations(locref, relion).min() >= 0.99
    # Also of what was taken off alone, which the images' common noise does not raise. Both
    # interpolate linearly in a spectrum of twice the size; seen: 0.99998.
    off = [case.data.images - images for images in (locref, relion)]
    assert correlations(*off).min() >= 0.99
    assert np.vdot(off[0], off[1]) / np.vdot(off[1], off[1]) == pytest.approx(1.0, abs=0.01)


@pytest.mark.relion
def test_windows_and_origins_are_those_of_relion(optimised, program, tmp_path) -> None:
    case, folder = optimised
    place = [
        f for axis, c in zip("xyz", CENTRE_PX, strict=True) for f in (f"--center_{axis}", str(c))
    ]
    their_star = theirs(
        program("relion_particle_subtract"), folder, "moved", *place, "--new_box", str(CROP_PX)
    )
    star = ours(folder, case, tmp_path / "moved", recenter=True, crop_px=CROP_PX)
    assert correlations(images_in(star), images_in(their_star, folder)).min() >= 0.99
    a, b = (starfile.read(path, always_dict=True)["particles"] for path in (star, their_star))
    for name in ("rlnOriginXAngst", "rlnOriginYAngst", "rlnAngleTilt"):
        np.testing.assert_allclose(a[name], b[name], atol=1e-4)
    # RELION leaves the defocus alone.
    assert np.abs(a["rlnDefocusU"] - b["rlnDefocusU"]).max() > 10


@pytest.mark.relion
def test_relion_keeps_what_reverting_needs(optimised, program) -> None:
    case, folder = optimised
    ours(folder, case, folder / "ours", recenter=True, crop_px=CROP_PX)
    run_relion(
        folder,
        *(program("relion_star_handler"), "--i", "ours/particles_subtracted.star"),
        *("--o", "half.star", "--select", "rlnRandomSubset", "--minval", "1", "--maxval", "1"),
    )
    back = revert(folder / "half.star", folder / "reverted")
    table = starfile.read(back, always_dict=True)["particles"]
    given = starfile.read(folder / "job" / "run_it001_data.star", always_dict=True)["particles"]
    given = given[given["rlnRandomSubset"] == 1].reset_index()
    assert table["rlnImageName"].tolist() == given["rlnImageName"].tolist()
    for name in ("rlnOriginXAngst", "rlnOriginYAngst", "rlnDefocusU"):
        # RELION writes its own columns with six digits.
        np.testing.assert_allclose(table[name], given[name], rtol=1e-5, atol=2e-5)


@pytest.mark.relion
def test_relion_makes_our_map_of_the_subtracted_set(optimised, program, tmp_path) -> None:
    case, folder = optimised
    star = ours(folder, case, folder / "region", recenter=True, crop_px=CROP_PX)
    # RELION takes the images' names from where it is started: the project's folder.
    shutil.copy(star, folder / "region.star")
    theirs = relion_reconstruct(
        program("relion_reconstruct"), folder / "region.star", tmp_path / "relion.mrc"
    )
    mine = mrcfile.read(reconstruct(read_particles(star), tmp_path / "out").folder / "map.mrc")
    sphere = soft_sphere(CROP_PX)
    fsc = shell_correlations(mine * sphere, theirs * sphere)
    # The gridding weights differ, which shows where 60 images leave gaps (0.986 one shell on).
    assert fsc[1 : int(0.7 * CROP_PX / 2) + 1].min() >= 0.99
    # It is the region, in the middle of its box.
    body = case.data.hinge.body
    centre = CENTRE_PX * case.data.pixel_size_angstrom
    alone = Blobs(body.centres_angstrom - centre, body.sigmas_angstrom, body.masses)
    truth = alone.volume(CROP_PX, case.data.pixel_size_angstrom)
    assert np.corrcoef((mine * sphere).ravel(), truth.ravel())[0, 1] > 0.8


@pytest.mark.relion
def test_relions_ewald_sphere_takes_the_height_off_the_defocus(program, tmp_path) -> None:
    """Images in which a point at height z has the defocus less z, as we correct it.

    RELION's correction for the curvature of the Ewald sphere supposes the same sign: with it the
    map is right, with ``--reverse_curvature`` it is not. At 3 kV the effect is large.
    """
    n, count, pixel, kilovolt = 48, 300, 3.0, 3.0
    rng = np.random.default_rng(4)
    blobs = random_blobs(rng, count=10, radius_angstrom=50.0)
    blobs.sigmas_angstrom[:] = 2.0
    rotations = Rotation.random(count, random_state=rng)
    angles = rotations.inv().as_euler("ZYZ", degrees=True)
    defocus = rng.uniform(1500, 3000, count)
    k = np.fft.fftfreq(n, pixel)
    frequencies = np.stack(np.meshgrid(k, k), axis=-1).reshape(-1, 2)
    squared = np.sum(frequencies**2, axis=-1)
    volts = kilovolt * 1e3
    wavelength = 12.2643247 / np.sqrt(volts * (1 + volts * 0.978466e-6))
    seen = np.einsum("nij,kj->nki", rotations.as_matrix(), blobs.centres_angstrom)
    spectra = np.zeros((count, n * n), complex)
    for i, (sigma, mass) in enumerate(zip(blobs.sigmas_angstrom, blobs.masses, strict=True)):
        local = defocus - seen[:, i, 2]
        ctf = np.sin(np.pi * wavelength * local[:, None] * squared + np.arcsin(0.1))
        envelope = mass * np.exp(-2 * (np.pi * sigma) ** 2 * squared)
        spectra += envelope * ctf * np.exp(-2j * np.pi * (seen[:, i, :2] @ frequencies.T))
    images = np.fft.fftshift(np.fft.ifft2(spectra.reshape(count, n, n)).real, axes=(1, 2))
    with mrcfile.new(tmp_path / "images.mrcs") as file:
        file.set_data(images.astype(np.float32))
        file.set_image_stack()
        file.voxel_size = pixel
    optics = {
        "rlnOpticsGroup": 1,
        "rlnOpticsGroupName": "a",
        "rlnVoltage": kilovolt,
        "rlnSphericalAberration": 0.0,
        "rlnAmplitudeContrast": 0.1,
        "rlnImagePixelSize": pixel,
        "rlnImageSize": n,
        "rlnImageDimensionality": 2,
    }
    table = pd.DataFrame(
        {
            "rlnImageName": [f"{i + 1:06d}@images.mrcs" for i in range(count)],
            "rlnOpticsGroup": 1,
            **dict(zip(["rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"], angles.T, strict=True)),
            "rlnOriginXAngst": 0.0,
            "rlnOriginYAngst": 0.0,
            "rlnDefocusU": defocus,
            "rlnDefocusV": defocus,
            "rlnDefocusAngle": 0.0,
        }
    )
    blocks = {"optics": pd.DataFrame([optics]), "particles": table}
    starfile.write(blocks, tmp_path / "images.star")
    truth = blobs.volume(n, pixel)

    def agreement(*options: str) -> float:
        options = ("--ewald", "--mask_diameter", "130", *options)
        found = relion_reconstruct(
            program("relion_reconstruct"), tmp_path / "images.star", tmp_path / "r.mrc", *options
        )
        return float(shell_correlations(found, truth)[14:21].mean())

    # Seen: 0.984 and 0.971.
    assert agreement() > agreement("--reverse_curvature") + 0.005
