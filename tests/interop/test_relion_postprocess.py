"""FSC, correction, B-factor and sharpened map against Debian's relion_postprocess.

The half-maps are the density of the packaged 30S model with independent white noise in each. Both
programs draw random phases, so corrected curves are compared as means over five seeds each.
"""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import gemmi
import mrcfile
import numpy as np
import pytest

from locref_widgets.engine.fsc import fsc_curves
from locref_widgets.engine.fsc_curve import FSCCurve, compute_fsc_curve
from locref_widgets.engine.guinier import guinier_plot
from locref_widgets.engine.postprocess import postprocess
from locref_widgets.io.fsc_files import write_fsc_star
from locref_widgets.io.fsc_readers import read_fsc
from locref_widgets.io.mrc import write_map
from locref_widgets.masks.edges import soft_edge
from locref_widgets.simulation.density import density_of_atoms
from locref_widgets.simulation.model import default_model

pytestmark = pytest.mark.relion

BOX, VOXEL = 96, 2.5
SEEDS = range(1, 6)
HALVES = ("run_half1_class001_unfil.mrc", "run_half2_class001_unfil.mrc")


@dataclass(frozen=True)
class Case:
    """Half-maps, mask, what RELION made of them, and our curves, for each seed."""

    folder: Path
    halves: tuple[np.ndarray, np.ndarray]
    theirs: list[dict[str, FSCCurve]]
    their_bfactors: list[float]
    ours: list[dict[str, FSCCurve]]

    def mean(self, curves: list[dict[str, FSCCurve]], name: str) -> np.ndarray:
        return np.mean([one[name].values for one in curves], axis=0)


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory, program: Callable[[str], str]) -> Case:
    executable = program("relion_postprocess")
    folder = tmp_path_factory.mktemp("postprocess")
    rng = np.random.default_rng(5)
    model = default_model()
    density = density_of_atoms(model.positions_angstrom, model.elements, BOX, VOXEL, 200.0)
    # With this B-factor the masked FSC reaches 0.143 just before Nyquist.
    noise = 1.0 * density.std()
    first, second = (
        (density + noise * rng.normal(size=density.shape)).astype(np.float32) for _ in range(2)
    )
    mask = soft_edge(density > 0.25 * density.max(), 4.0, 20.0, VOXEL)
    for name, data in zip((*HALVES, "mask.mrc"), (first, second, mask), strict=True):
        write_map(folder / name, data, VOXEL)
    (folder / "post").mkdir()  # RELION puts its log there
    theirs, bfactors, ours = [], [], []
    for seed in SEEDS:
        command = [executable, "--i", HALVES[0], "--mask", "mask.mrc", "--angpix", f"{VOXEL}"]
        command += ["--o", f"post/{seed}", "--random_seed", f"{seed}", "--auto_bfac"]
        command += ["--autob_lowres", "10", "--autob_highres", "0"]
        command += ["--low_pass", "-1"]  # at the resolution, as RELION 3.0 and we do by default
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        star = folder / "post" / f"{seed}.star"
        theirs.append(read_fsc(star))
        bfactors.append(general(star, "rlnBfactorUsedForSharpening"))
        ours.append(
            fsc_curves(
                first,
                second,
                VOXEL,
                {"mask": mask},
                corrected=("mask",),
                seed=seed,
                as_stored=True,
            )
        )
    return Case(folder, (first, second), theirs, bfactors, ours)


def general(star: Path, label: str) -> float:
    block = gemmi.cif.read(str(star)).find_block("general")
    return float(block.find_value(f"_{label}"))


def guinier_column(star: Path, label: str) -> np.ndarray:
    block = gemmi.cif.read(str(star)).find_block("guinier")
    return np.array([float(value) for value in block.find_values(f"_{label}")])


def test_unmasked_and_masked_curves_agree_in_every_shell(case: Case) -> None:
    mask = mrcfile.read(case.folder / "mask.mrc")
    for name, used in (("no mask", None), ("mask", mask)):
        theirs = case.theirs[0][name].values
        # The file has 6 decimals, the maps are float32: the same sums give the same numbers.
        np.testing.assert_allclose(case.ours[0][name].values, theirs, atol=1e-5)
        # The sum over the full spectrum differs by the plane kx = 0, which RELION counts twice:
        # 1/(2k) of a shell's pairs, so less than 0.01 in a map as noisy as this.
        full = compute_fsc_curve(*case.halves, VOXEL, used).values
        assert 1e-4 < np.abs(full - theirs).max() < 0.01


def test_phases_are_randomised_from_the_same_shell(case: Case) -> None:
    start = general(case.folder / "post" / "1.star", "rlnRandomiseFrom")
    notch = case.ours[0]["mask corrected"].notch
    assert BOX * VOXEL / notch[0] == pytest.approx(start, rel=1e-4)


def test_corrected_curves_agree_outside_the_notch(case: Case) -> None:
    ours, theirs = (
        case.mean(curves, name)
        for curves, name in ((case.ours, "mask corrected"), (case.theirs, "corrected"))
    )
    first, end = case.ours[0]["mask corrected"].notch
    outside = np.ones(len(ours), bool)
    outside[first:end] = False
    assert outside.sum() > 40
    assert np.abs(ours - theirs)[outside].max() < 0.02
    # The programs differ from each other no more than either does from seed to seed.
    apart = np.std([one["corrected"].values for one in case.theirs], axis=0)
    assert np.abs(ours - theirs)[outside].mean() < 2.0 * apart[outside].mean() + 0.001


def test_resolution_is_relions_within_a_shell(case: Case) -> None:
    # RELION quotes the last shell above 0.143.
    for seed, curves in zip(SEEDS, case.ours, strict=True):
        theirs = general(case.folder / "post" / f"{seed}.star", "rlnFinalResolution")
        ours = curves["mask corrected"].resolution_angstrom()
        assert abs(1 / ours - 1 / theirs) < 1.5 / (BOX * VOXEL)


def test_guinier_plot_is_relions_but_for_the_doubled_plane(case: Case) -> None:
    star = case.folder / "post" / "1.star"
    # With RELION's own curve, so that nothing but the amplitudes can differ.
    plot = guinier_plot(0.5 * (case.halves[0] + case.halves[1]), VOXEL, case.theirs[0]["corrected"])
    np.testing.assert_allclose(
        plot.inverse_squared_angstrom[1:],
        guinier_column(star, "rlnResolutionSquared")[1:],
        atol=1e-6,
    )
    fitted = plot.fitted
    for label, ours in (
        ("rlnLogAmplitudesOriginal", plot.log_amplitude),
        ("rlnLogAmplitudesWeighted", plot.log_weighted),
    ):
        # The plane weighs 1/24 of shell 24 and less beyond, twice: 1 % of the amplitude at most.
        np.testing.assert_allclose(ours[fitted], guinier_column(star, label)[fitted], atol=0.01)
    # The same curve gives the same B-factor: the slope differs by that plane only.
    assert plot.bfactor_angstrom2 == pytest.approx(case.their_bfactors[0], rel=0.02)
    assert plot.intercept == pytest.approx(general(star, "rlnFittedInterceptGuinierPlot"), abs=0.02)


def test_bfactors_agree_within_a_tenth(case: Case) -> None:
    ours = [
        postprocess(*case.halves, VOXEL, curves["mask corrected"]).bfactor_angstrom2
        for curves in case.ours
    ]
    # The fit goes on to where the corrected curve ends, which the random phases decide: both
    # programs' B-factors scatter from seed to seed, and their means are compared.
    assert np.mean(ours) == pytest.approx(np.mean(case.their_bfactors), rel=0.1)


def test_sharpened_map_is_relions(case: Case) -> None:
    theirs = mrcfile.read(case.folder / "post" / "1.mrc")
    result = postprocess(
        *case.halves,
        VOXEL,
        case.theirs[0]["corrected"],
        bfactor_angstrom2=case.their_bfactors[0],
        lowpass_angstrom=general(case.folder / "post" / "1.star", "rlnFinalResolution"),
    )
    # Same weights, B-factor and low-pass. What is left: our weights are linear between the shells,
    # RELION's are steps.
    correlation = np.corrcoef(result.volume.ravel(), theirs.ravel())[0, 1]
    assert correlation > 0.999
    assert result.volume.std() == pytest.approx(theirs.std(), rel=0.01)


def test_our_star_has_the_labels_of_relions(case: Case, tmp_path: Path) -> None:
    curves = {
        name.replace("mask", "user mask") if name.startswith("mask") else name: curve
        for name, curve in case.ours[0].items()
    }
    result = postprocess(*case.halves, VOXEL, curves["user mask corrected"])
    write_fsc_star(
        tmp_path / "fsc.star",
        curves,
        guinier=result.guinier,
        bfactor_angstrom2=result.bfactor_angstrom2,
    )
    ours = gemmi.cif.read(str(tmp_path / "fsc.star"))
    theirs = gemmi.cif.read(str(case.folder / "post" / "1.star"))
    assert [block.name for block in ours] == [block.name for block in theirs]
    for block in ours:
        relions = {tag for item in theirs.find_block(block.name) for tag in tags(item)}
        assert {tag for item in block for tag in tags(item)} <= relions


def tags(item: gemmi.cif.Item) -> list[str]:
    return list(item.loop.tags) if item.loop else [item.pair[0]]
