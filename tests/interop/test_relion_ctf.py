"""The CTF and the aberrations against RELION's own programs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.engine.ctf import (
    evaluate_antisymmetric_phase,
    evaluate_ctf,
    magnified_coordinates,
)
from tests.ctf_cases import EVEN, MAGNIFICATION, ODD, PLAIN, fft_frequencies, one


def write_relion_star(
    path: Path, box_px: int, pixel_size: float, optics: dict, particles: list[dict]
) -> None:
    optics = {
        "rlnOpticsGroupName": "group1",
        "rlnOpticsGroup": 1,
        "rlnMicrographOriginalPixelSize": pixel_size,
        "rlnVoltage": 300,
        "rlnSphericalAberration": 2.7,
        "rlnAmplitudeContrast": 0.1,
        "rlnImagePixelSize": pixel_size,
        "rlnImageSize": box_px,
        "rlnImageDimensionality": 2,
    } | optics
    fixed = {
        "rlnMicrographName": "m.mrc",
        "rlnOpticsGroup": 1,
        "rlnDefocusU": 12000,
        "rlnDefocusV": 9000,
        "rlnDefocusAngle": 33,
    }
    rows = [
        {"rlnImageName": f"{i + 1}@images.mrcs", "rlnOriginXAngst": 0, "rlnOriginYAngst": 0}
        | fixed
        | row
        for i, row in enumerate(particles)
    ]
    text = ""
    for name, table in (("optics", [optics]), ("particles", rows)):
        text += f"data_{name}\n\nloop_\n" + "".join(f"_{label}\n" for label in table[0])
        text += "".join(" ".join(str(value) for value in row.values()) + "\n" for row in table)
        text += "\n"
    path.write_text(text)


def write_map(path: Path, data: np.ndarray, pixel_size: float) -> None:
    with mrcfile.new(path, overwrite=True) as file:
        file.set_data(np.asarray(data, np.float32))
        file.voxel_size = pixel_size


ANGLES = {"rlnAngleRot": 20, "rlnAngleTilt": 30, "rlnAnglePsi": 40}
MAGNIFICATION_COLUMNS = {
    f"rlnMagMat{i}{j}": MAGNIFICATION[i][j] for i in range(2) for j in range(2)
}
EVEN_COLUMN = {"rlnEvenZernike": "[" + ",".join(map(str, EVEN)) + "]"}
ODD_COLUMN = {"rlnOddZernike": "[" + ",".join(map(str, ODD)) + "]"}
# RELION writes zeros for the two terms of coma where it writes beam tilt; given both, 3.1.3 drops
# the terms and RELION 5 adds them, as we do.
TREFOIL = (1.0, 2.0, 3.0, 0.0, 0.0, 60.0)
TREFOIL_COLUMN = {"rlnOddZernike": "[" + ",".join(map(str, TREFOIL)) + "]"}
BEAM_TILT_COLUMNS = {"rlnBeamTiltX": 0.7, "rlnBeamTiltY": -0.3}


@pytest.mark.relion
@pytest.mark.parametrize(
    ("optics", "row", "ours"),
    [
        ({}, {}, {}),
        ({}, {"rlnPhaseShift": 60}, {"phase_shift_deg": 60.0}),
        ({}, {"rlnCtfBfactor": 40}, {"bfactor_angstrom2": 40.0}),
        ({}, {"rlnCtfScalefactor": 0.5}, {"scale": 0.5}),
        (EVEN_COLUMN, {}, {"even_zernike": EVEN}),
        (MAGNIFICATION_COLUMNS, {}, {"magnification": MAGNIFICATION}),
        (
            EVEN_COLUMN | MAGNIFICATION_COLUMNS,
            {"rlnCtfBfactor": 40, "rlnPhaseShift": 60},
            {
                "even_zernike": EVEN,
                "magnification": MAGNIFICATION,
                "bfactor_angstrom2": 40.0,
                "phase_shift_deg": 60.0,
            },
        ),
    ],
    ids=["astigmatism", "phase-shift", "b-factor", "scale", "even-zernike", "magnification", "all"],
)
def test_matches_relion_project(
    program: Callable[[str], str], tmp_path: Path, optics: dict, row: dict, ours: dict
) -> None:
    box_px, pixel_size = 48, 1.5
    point = np.zeros((box_px,) * 3)
    point[(box_px // 2,) * 3] = 1  # its transform is 1 everywhere: the image is the CTF itself
    write_map(tmp_path / "point.mrc", point, pixel_size)
    write_relion_star(tmp_path / "in.star", box_px, pixel_size, optics, [ANGLES | row])
    command = [program("relion_project"), "--i", "point.mrc", "--ang", "in.star", "--ctf"]
    command += ["--angpix", str(pixel_size), "--o", "out"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    image = mrcfile.read(tmp_path / "out.mrcs").reshape(box_px, box_px)
    theirs = np.fft.fft2(np.fft.ifftshift(image.astype(np.float64))).ravel()
    frequency = fft_frequencies(box_px, pixel_size)
    inside = np.hypot(*frequency.T) * pixel_size < 0.48  # RELION zeroes what lies beyond Nyquist
    expected = np.asarray(evaluate_ctf(one(**(PLAIN | ours)), frequency))
    # Both stacks are float32 with gamma up to 150 rad; any wrong sign or order is off by > 0.1.
    np.testing.assert_allclose(theirs[inside], expected[inside], atol=1e-4)


@pytest.mark.relion
def test_magnified_slices_match_relion_reconstruct(
    program: Callable[[str], str], tmp_path: Path, rng: np.random.Generator
) -> None:
    """Images sliced at our magnified coordinates are put together to the undistorted object."""
    box_px, pixel_size, sigma, n = 32, 2.0, 3.0, 150
    centre = np.array([12.0, -10.0, 8.0])
    matrix = np.array([[1.04, 0.05], [-0.03, 0.95]])
    angles = rng.uniform([-180, 0, -180], [180, 180, 180], (n, 3)).round(3)
    rotations = Rotation.from_euler("ZYZ", angles, degrees=True).inv().as_matrix()
    rows = [{"rlnAngleRot": a, "rlnAngleTilt": b, "rlnAnglePsi": c} for a, b, c in angles.tolist()]
    columns = {f"rlnMagMat{i}{j}": matrix[i, j] for i in range(2) for j in range(2)}
    frequency = fft_frequencies(box_px, pixel_size)
    axis = (np.arange(box_px) - box_px // 2) * pixel_size
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    distance = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (z - centre[2]) ** 2
    blob = np.exp(-distance / (2 * sigma**2))

    def correlation(name: str, magnification: np.ndarray) -> float:
        coordinates = magnified_coordinates(one(**PLAIN, magnification=magnification), frequency)
        points = np.einsum("pi,nij->npj", np.asarray(coordinates), rotations[:, :2])
        transform = np.exp(
            -2 * np.pi**2 * sigma**2 * (points**2).sum(-1) - 2j * np.pi * (points @ centre)
        )
        images = np.fft.ifft2(transform.reshape(n, box_px, box_px)).real
        folder = tmp_path / name
        folder.mkdir()
        write_map(folder / "images.mrcs", np.fft.fftshift(images, axes=(1, 2)), pixel_size)
        write_relion_star(folder / "in.star", box_px, pixel_size, columns, rows)
        command = [program("relion_reconstruct"), "--i", "in.star", "--o", "map.mrc"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return float(np.corrcoef(mrcfile.read(folder / "map.mrc").ravel(), blob.ravel())[0, 1])

    right = correlation("right", matrix)
    # 150 views leave small gaps in Fourier space; a wrong matrix smears the object.
    assert right > 0.995
    assert correlation("transposed", matrix.T) < right - 0.002
    assert correlation("inverse", np.linalg.inv(matrix)) < right - 0.002
    assert correlation("none", np.eye(2)) < right - 0.002


@pytest.mark.relion
@pytest.mark.parametrize(
    ("optics", "ours"),
    [
        (BEAM_TILT_COLUMNS, {"beam_tilt_mrad": (0.7, -0.3)}),
        (ODD_COLUMN, {"odd_zernike": ODD}),
        (
            BEAM_TILT_COLUMNS | TREFOIL_COLUMN | MAGNIFICATION_COLUMNS,
            {
                "beam_tilt_mrad": (0.7, -0.3),
                "odd_zernike": TREFOIL,
                "magnification": MAGNIFICATION,
            },
        ),
    ],
    ids=["beam-tilt", "odd-zernike", "all"],
)
def test_antisymmetric_phase_matches_relion_reconstruct(
    program: Callable[[str], str],
    tmp_path: Path,
    rng: np.random.Generator,
    optics: dict,
    ours: dict,
) -> None:
    """RELION takes our phases out of the images: the map is that of images without them."""
    box_px, pixel_size, n = 32, 1.5, 12
    frequency = fft_frequencies(box_px, pixel_size)
    phase = np.asarray(evaluate_antisymmetric_phase(one(**(PLAIN | ours)), frequency))
    inside = np.hypot(*frequency.T) * pixel_size < 0.48
    window = np.exp(-((np.arange(box_px) - box_px // 2) ** 2) / (2 * 4.0**2))
    clean = rng.normal(size=(n, box_px, box_px)) * window[:, None] * window
    transform = np.fft.fft2(np.fft.ifftshift(clean, axes=(1, 2))).reshape(n, -1) * inside
    turn = np.exp(1j * phase)
    angles = [
        {"rlnAngleRot": a, "rlnAngleTilt": b, "rlnAnglePsi": c}
        for a, b, c in rng.uniform(0, 180, (n, 3)).round(3)
    ]

    def reconstruct(name: str, spectra: np.ndarray, columns: dict) -> np.ndarray:
        images = np.fft.ifft2(spectra.reshape(n, box_px, box_px)).real
        folder = tmp_path / name
        folder.mkdir()
        write_map(folder / "images.mrcs", np.fft.fftshift(images, axes=(1, 2)), pixel_size)
        write_relion_star(folder / "in.star", box_px, pixel_size, columns, angles)
        command = [program("relion_reconstruct"), "--i", "in.star", "--o", "map.mrc", "--ctf"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        return mrcfile.read(folder / "map.mrc")

    magnification = {key: value for key, value in optics.items() if key.startswith("rlnMagMat")}
    expected = reconstruct("clean", transform, magnification)
    corrected = reconstruct("turned", transform * turn, optics)
    ignored = reconstruct("ignored", transform * turn, magnification)
    size = np.abs(expected).max()
    # float32 images and phases; with the sign reversed or a term misplaced the maps differ as the
    # control does.
    assert np.abs(corrected - expected).max() < 2e-3 * size
    assert np.abs(ignored - expected).max() > 0.1 * size
