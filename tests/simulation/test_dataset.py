"""Simulated data sets as files: what they hold, and that they come whole or not at all."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.mrc import read_map
from locref_widgets.io.particles import read_particles
from locref_widgets.masks.checks import check_mask
from locref_widgets.simulation.dataset import simulate_hinge_dataset

BOX_PX, PIXEL_ANGSTROM = 32, 4.0


def test_files_fit_together(dataset: Path) -> None:
    facts = json.loads((dataset / "dataset.json").read_text())
    still = read_particles(dataset / "truth_A.star")
    moving = read_particles(dataset / "truth_B.star")
    given = read_particles(dataset / "consensus.star")
    np.testing.assert_array_equal(given.rotations, still.rotations)
    assert given.box_px == BOX_PX
    assert given.pixel_size_angstrom == PIXEL_ANGSTROM
    assert np.bincount(given.half_sets).tolist() == [0, 12, 12]
    assert len(np.unique(np.asarray(given.ctf.defocus_angle_deg))) == 3
    # The poses of B are those of A turned about the fulcrum, as the conventions state.
    fulcrum = np.array(facts["fulcrum_angstrom"])
    motion = np.swapaxes(still.rotations, 1, 2) @ moving.rotations
    angles = np.rad2deg(Rotation.from_matrix(motion).magnitude())
    assert angles.max() < 10.0
    assert np.median(angles) == pytest.approx(facts["median_hinge_deg"], abs=1e-3)
    lever = ((moving.rotations - still.rotations) @ fulcrum)[:, :2]
    shifts = moving.origins_angstrom - still.origins_angstrom - lever
    assert np.abs(shifts).max() <= 1.5 * PIXEL_ANGSTROM + 1e-2
    voxels = np.array(facts["fulcrum_voxels"])
    np.testing.assert_allclose((voxels - BOX_PX // 2) * PIXEL_ANGSTROM, fulcrum, atol=4e-3)


def test_maps_and_mask(dataset: Path) -> None:
    maps = {name: read_map(dataset / "maps" / f"{name}.mrc") for name in ("A", "B", "AB")}
    np.testing.assert_allclose(maps["AB"].data, maps["A"].data + maps["B"].data, atol=1e-5)
    mask = read_map(dataset / "mask.mrc")
    check_mask(mask, maps["AB"])
    inside = (maps["B"].data * mask.data).sum() / maps["B"].data.sum()
    # The mask is 1 within 6 Å of the body, so that next to nothing of it is lost.
    assert inside > 0.97
    assert (maps["A"].data * mask.data).sum() < 0.6 * maps["A"].data.sum()
    halves = [read_map(dataset / f"consensus_half{i}.mrc").data for i in (1, 2)]
    whole = read_map(dataset / "consensus.mrc").data
    assert np.corrcoef(sum(halves).ravel(), whole.ravel())[0, 1] > 0.8


def test_noise_and_signal_have_the_wanted_ratio(
    simulate: Callable[..., Path], tmp_path: Path
) -> None:
    # The same seed gives the same signal and noise at every ratio, so that two sets tell both.
    images = {}
    for snr in (0.5, 2.0):
        folder = simulate(tmp_path / str(snr), snr=snr)
        particles = read_particles(folder / "consensus.star")
        images[snr] = particles.images(np.arange(len(particles)))
    signal = images[2.0] - images[0.5]  # (sqrt 2 - sqrt 0.5) times the unit signal
    signal = signal / (np.sqrt(2.0) - np.sqrt(0.5))
    centred = np.arange(BOX_PX) - BOX_PX // 2
    circle = np.hypot(centred[:, None], centred) < BOX_PX / 2 - 1
    assert signal[:, circle].var(axis=1).mean() == pytest.approx(1.0, rel=1e-3)
    noise = images[0.5] - np.sqrt(0.5) * signal
    # 24 x 1,024 normal numbers: the sd of their variance is 0.9 %.
    assert noise.var() == pytest.approx(1.0, rel=0.04)


def test_same_seed_same_files(dataset: Path, simulate: Callable[..., Path], tmp_path: Path) -> None:
    again = simulate(tmp_path / "again")
    other = simulate(tmp_path / "other", seed=6)
    for name in ("particles.mrcs", "consensus.star", "truth_B.star", "consensus.mrc", "mask.mrc"):
        first = (dataset / name).read_bytes()
        assert (again / name).read_bytes() == first, name
        if name != "mask.mrc":
            assert (other / name).read_bytes() != first, name


@pytest.mark.parametrize("pixel_type", ["float32", "float16", "int8"])
def test_stack_is_a_valid_image_stack(
    simulate: Callable[..., Path], tmp_path: Path, pixel_type: str
) -> None:
    folder = simulate(tmp_path / "set", n=3, pixel_type=pixel_type)
    stack = folder / "particles.mrcs"
    assert mrcfile.validate(stack)
    with mrcfile.open(stack) as opened:
        assert opened.is_image_stack()
        assert opened.data.dtype == pixel_type
        assert float(opened.voxel_size.x) == PIXEL_ANGSTROM
        assert float(opened.header.rms) == pytest.approx(float(opened.data.std()), rel=1e-2)


def test_int8_stack_holds_the_same_images(
    dataset: Path, simulate: Callable[..., Path], tmp_path: Path
) -> None:
    folder = simulate(tmp_path / "int8", pixel_type="int8")
    assert mrcfile.open(folder / "particles.mrcs", header_only=True).header.mode == 0
    facts = json.loads((folder / "dataset.json").read_text())
    rounded = read_particles(folder / "consensus.star").images(np.arange(24))
    exact = read_particles(dataset / "consensus.star").images(np.arange(24))
    # Half a step of rounding; none of the 24,576 numbers is 5 sd above the strongest signal.
    assert np.abs(rounded / facts["noise_sd"] - exact).max() < 0.501 / facts["noise_sd"]


@pytest.mark.relion
def test_images_match_relion_project(
    program: Callable[[str], str], simulate: Callable[..., Path], tmp_path: Path
) -> None:
    folder = simulate(tmp_path / "clean", snr=1e6)
    relion = np.zeros((24, BOX_PX, BOX_PX))
    for name in ("A", "B"):
        command = [program("relion_project"), "--i", f"maps/{name}.mrc", "--ctf", "--pad", "3"]
        command += ["--ang", f"truth_{name}.star", "--angpix", str(PIXEL_ANGSTROM), "--o", name]
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        relion += mrcfile.read(folder / f"{name}.mrcs").reshape(relion.shape)
    images = read_particles(folder / "consensus.star").images(np.arange(24))
    k = np.fft.fftfreq(BOX_PX) * BOX_PX
    # Ours hold nothing in the Nyquist ring, RELION's do up to 16 px: compare inside of it.
    inside = np.hypot(k[:, None], k) < 15.4
    images, relion = (np.fft.ifft2(np.fft.fft2(stack) * inside).real for stack in (images, relion))
    for ours, theirs in zip(images, relion, strict=True):
        # Both interpolate linearly at padding 3.
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.999
    scale = (images * relion).sum() / (relion**2).sum()
    assert scale == pytest.approx(1.0, abs=0.01)


def test_maps_instead_of_a_model(dataset: Path, tmp_path: Path) -> None:
    facts = json.loads((dataset / "dataset.json").read_text())
    folder = simulate_hinge_dataset(
        tmp_path / "from_maps",
        n=4,
        maps=(dataset / "maps" / "A.mrc", dataset / "maps" / "B.mrc"),
        fulcrum_angstrom=facts["fulcrum_angstrom"],
    )
    made = json.loads((folder / "dataset.json").read_text())
    assert made["box_px"] == BOX_PX
    # Centre of the density against the mean of the atoms: ripples of the band limit, cut at zero.
    np.testing.assert_allclose(
        made["centre_of_B_angstrom"], facts["centre_of_B_angstrom"], atol=1.5
    )
    first, second = (read_map(f / "maps" / "B.mrc").data for f in (dataset, folder))
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] > 0.99999


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n": 1}, "at least 2 particles"),
        ({"snr": 0.0}, "snr"),
        ({"hinge_deg": 200.0}, "hinge_deg"),
        ({"box_px": 31}, "even number"),
        ({"pixel_size_angstrom": 1.5}, "larger box"),
        ({"moving": None}, "which part moves"),
        ({"moving": "Z"}, "none of the"),
        ({"pixel_type": "int4"}, "pixel_type"),
        ({"model": None}, "its own moving part"),
    ],
)
def test_wrong_arguments_are_refused(
    simulate: Callable[..., Path], tmp_path: Path, changes: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        simulate(tmp_path / "out", **changes)
    assert list(tmp_path.iterdir()) == []


def test_existing_folders_are_left_alone(dataset: Path, simulate: Callable[..., Path]) -> None:
    before = {path: path.stat().st_mtime_ns for path in dataset.iterdir()}
    with pytest.raises(InputError, match="is there already"):
        simulate(dataset)
    assert {path: path.stat().st_mtime_ns for path in dataset.iterdir()} == before


def test_a_full_disc_leaves_nothing(
    simulate: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("locref_widgets.simulation.dataset.write_table", full)
    with pytest.raises(OutputError, match="No space left"):
        simulate(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
