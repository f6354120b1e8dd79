"""Particle tables with a fault each: one message that names the file, the place and the remedy.

Faults of maps are in test_mrc.py, of the STAR format itself in test_star.py.
"""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.io.particles import check_particles_match_map, read_particles

Change = Callable[..., None]


def without(*names: str) -> Change:
    def change(recipe) -> None:
        for name in names:
            recipe.particles.pop(name, None)
            recipe.optics.pop(name, None)

    return change


def rows(**columns: list[str]) -> Change:
    def change(recipe) -> None:
        recipe.particles |= columns

    return change


def groups(**columns: list[str]) -> Change:
    def change(recipe) -> None:
        repeat = max(map(len, columns.values()))
        recipe.optics = {k: v * repeat for k, v in recipe.optics.items()} | columns

    return change


def both(*changes: Change) -> Change:
    def change(recipe) -> None:
        for one in changes:
            one(recipe)

    return change


def images(array: np.ndarray) -> Change:
    def change(recipe) -> None:
        recipe.images = array

    return change


def second_stack(size: int) -> Change:
    def change(recipe) -> None:
        mrcfile.write(recipe.folder / "other.mrcs", np.zeros((3, size, size), np.float32))
        recipe.particles["rlnImageName"] = ["1@stack.mrcs"] * 3 + ["1@other.mrcs"] * 3

    return change


def no_rows(recipe) -> None:
    recipe.particles = {name: [] for name in recipe.particles}


def no_image_names(recipe) -> None:
    recipe.particles = {"rlnMicrographName": ["a"]}


def no_optics_rows(recipe) -> None:
    recipe.optics = {name: [] for name in recipe.optics}


TWO_GROUPS = {"rlnOpticsGroup": ["1", "2"], "rlnOpticsGroupName": ["a", "b"]}
IN_BOTH = rows(rlnOpticsGroup=["1", "1", "1", "2", "2", "2"])

CASES: dict[str, tuple[Change, str]] = {
    "no optics groups": (no_optics_rows, "data_optics has no rows"),
    "half-set beyond 64 bits": (
        rows(rlnRandomSubset=["1", "2", "1e300", "1", "2", "2"]),
        "row 3 has rlnRandomSubset = 1e300, expected a whole number",
    ),
    "no poses": (
        without("rlnAngleRot", "rlnAngleTilt", "rlnAnglePsi"),
        "no poses: rlnAngleRot, rlnAngleTilt, rlnAnglePsi absent",
    ),
    "one angle absent": (without("rlnAngleTilt"), "no poses: rlnAngleTilt absent"),
    "one origin absent": (without("rlnOriginYAngst"), "rlnOriginXAngst but not its companion"),
    "angle is no number": (
        rows(rlnAngleRot=["1", "2", "three", "4", "5", "6"]),
        "row 3 has rlnAngleRot = three, expected a finite number",
    ),
    "origin is NaN": (
        rows(rlnOriginXAngst=["1", "nan", "3", "4", "5", "6"]),
        "row 2 has rlnOriginXAngst = nan",
    ),
    "no half-sets": (without("rlnRandomSubset"), "no half-sets: rlnRandomSubset absent"),
    "one half-set": (rows(rlnRandomSubset=["2"] * 6), "all 6 particles are in half-set 2"),
    "half-set 0": (
        rows(rlnRandomSubset=["1", "2", "0", "1", "0", "2"]),
        "row 3 has rlnRandomSubset = 0, expected 1 or 2 (2 rows likewise)",
    ),
    "stack absent": (
        rows(rlnImageName=["1@stack.mrcs"] * 5 + ["1@gone.mrcs"]),
        "row 6 names the stack gone.mrcs, which is not there",
    ),
    "stack too short": (
        images(np.zeros((4, 16, 16), np.float32)),
        "row 5 names image 5 of",
    ),
    "image number 0": (
        rows(rlnImageName=["0@stack.mrcs"] * 6),
        "row 1 has rlnImageName = '0@stack.mrcs', expected a number from 1",
    ),
    "image number absent": (
        rows(rlnImageName=["1@stack.mrcs"] * 3 + ["@stack.mrcs"] * 3),
        "row 4 has rlnImageName = '@stack.mrcs'",
    ),
    "image number beyond 64 bits": (
        rows(rlnImageName=["1@stack.mrcs"] * 5 + ["99999999999999999999@stack.mrcs"]),
        "row 6 has rlnImageName = '99999999999999999999@stack.mrcs', expected a number from 1",
    ),
    "image number beyond what int() reads": (
        rows(rlnImageName=["9" * 5000 + "@stack.mrcs"] * 6),
        "row 1 has rlnImageName = '999",
    ),
    "images not square": (
        images(np.zeros((6, 16, 12), np.float32)),
        "the images are not square: 12 x 16 (x, y)",
    ),
    "box not the table's": (
        images(np.zeros((6, 20, 20), np.float32)),
        "rlnImageSize says 16 px, but the images in",
    ),
    "stacks of two boxes": (second_stack(24), "more than one box: 16 px in"),
    "groups of two boxes": (
        both(groups(**TWO_GROUPS, rlnImageSize=["16", "24"]), IN_BOTH),
        "more than one box (px): 16 in row 1 (optics group 1), 24 in row 4 (optics group 2)",
    ),
    "groups of two pixel sizes": (
        both(groups(**TWO_GROUPS, rlnImagePixelSize=["2.5", "1.25"]), IN_BOTH),
        "more than one pixel size (Å): 2.5 in row 1 (optics group 1), 1.25 in row 4",
    ),
    "group absent": (
        rows(rlnOpticsGroup=["1", "1", "1", "5", "5", "1"]),
        "row 4 has rlnOpticsGroup = 5, but data_optics holds only 1 (2 rows likewise)",
    ),
    "group not said": (
        both(groups(**TWO_GROUPS), lambda recipe: recipe.particles.pop("rlnOpticsGroup")),
        "no column rlnOpticsGroup, but there are 2 optics groups",
    ),
    "pixel size 0": (groups(rlnImagePixelSize=["0"]), "has rlnImagePixelSize = 0, expected a pos"),
    "pixel size no number": (
        groups(rlnImagePixelSize=["two"]),
        "block data_optics: row 1 has rlnImagePixelSize = two",
    ),
    "no voltage": (without("rlnVoltage"), "no column rlnVoltage"),
    "no spherical aberration": (without("rlnSphericalAberration"), "rlnSphericalAberration"),
    "no amplitude contrast": (without("rlnAmplitudeContrast"), "no column rlnAmplitudeContrast"),
    "no defocus": (without("rlnDefocusU", "rlnDefocusV"), "no column rlnDefocusU"),
    "astigmatism without angle": (without("rlnDefocusAngle"), "no column rlnDefocusAngle"),
    "voltage 0": (groups(rlnVoltage=["0"]), "has rlnVoltage = 0, expected a positive number"),
    "amplitude contrast in per cent": (
        groups(rlnAmplitudeContrast=["10"]),
        "has rlnAmplitudeContrast = 10, expected a fraction, at least 0 and below 1: 10 % is 0.1,",
    ),
    "amplitude contrast 1": (
        rows(rlnAmplitudeContrast=["0", "0.1", "1", "0.1", "0.1", "0.1"]),
        "row 3 (optics group 1) has rlnAmplitudeContrast = 1, expected a fraction",
    ),
    "amplitude contrast negative": (
        groups(rlnAmplitudeContrast=["-0.1"]),
        "has rlnAmplitudeContrast = -0.1, expected a fraction",
    ),
    "Zernike list spoiled": (
        groups(rlnOddZernike=["[1,x]"]),
        "has rlnOddZernike = [1,x], expected a list of numbers like [0.1,0.2,0.3]",
    ),
    "half a magnification matrix": (groups(rlnMagMat00=["1"]), "no column rlnMagMat01"),
    "magnification mirrors": (
        groups(rlnMagMat00=["1"], rlnMagMat01=["0"], rlnMagMat10=["0"], rlnMagMat11=["-1"]),
        "the determinant of rlnMagMat00 … 11 = -1",
    ),
    "multiplied by the CTF": (
        groups(rlnCtfDataAreCtfPremultiplied=["1"]),
        "rlnCtfDataAreCtfPremultiplied is set",
    ),
    "phases flipped": (groups(rlnCtfDataArePhaseFlipped=["1"]), "phases of the images were flip"),
    "empty table": (no_rows, "block data_particles has no rows"),
    "no particles": (no_image_names, "no block has the column rlnImageName"),
    "sub-tomograms by name": (rows(rlnTomoName=["TS_01"] * 6), "sub-tomograms (rlnTomoName)"),
    "sub-tomograms by origin": (rows(rlnOriginZAngst=["0"] * 6), "holds sub-tomograms (rlnOrig"),
    "sub-tomograms by dimension": (
        groups(rlnImageDimensionality=["3"]),
        "holds sub-tomograms (rlnImageDimensionality = 3)",
    ),
}


@pytest.mark.parametrize(("change", "message"), CASES.values(), ids=CASES.keys())
def test_faulty_particle_tables_are_refused(recipe, change: Change, message: str) -> None:
    change(recipe)
    path = recipe.write()
    before = {file: file.read_bytes() for file in recipe.folder.iterdir()}
    with pytest.raises(InputError) as caught:
        read_particles(path)
    said = str(caught.value)
    assert message in said
    assert str(recipe.folder) in said.split(" ", maxsplit=1)[0]
    assert "\n" not in said
    # What was expected is followed by how to mend it.
    assert any(verb in said for verb in ("Mend", "Give", "Add", "Put", "Extract", "Refine", "add"))
    assert {file: file.read_bytes() for file in recipe.folder.iterdir()} == before


def test_missing_value_in_a_row(recipe) -> None:
    path = recipe.write(lambda text: text.replace("   -45.10000   1   -128.10516", "   1   -128.1"))
    with pytest.raises(
        InputError, match=r"\(row 1 of block data_particles\) has 11 values, expected 12"
    ):
        read_particles(path)


def test_stack_cut_short_after_copying(recipe) -> None:
    path = recipe.write()
    stack = recipe.folder / "stack.mrcs"
    stack.write_bytes(stack.read_bytes()[:-700])
    with pytest.raises(InputError, match=r"stack.mrcs: is truncated: .* 5 whole sections"):
        read_particles(path)


def test_stack_cut_short_while_it_is_read(recipe) -> None:
    particles = read_particles(recipe.write())
    stack = recipe.folder / "stack.mrcs"
    stack.write_bytes(stack.read_bytes()[:-700])
    with pytest.raises(InputError, match=r"stack.mrcs: ended early"):
        particles.images(np.arange(6))


def test_a_number_of_many_zeros_is_a_number(recipe) -> None:
    recipe.particles["rlnImageName"] = [f"{i + 1:030d}@stack.mrcs" for i in range(6)]
    np.testing.assert_array_equal(
        read_particles(recipe.write()).images(np.array([5])), recipe.images[5:]
    )


def test_no_amplitude_contrast_is_allowed(recipe) -> None:
    recipe.optics["rlnAmplitudeContrast"] = ["0"]
    assert not np.any(read_particles(recipe.write()).ctf.amplitude_contrast)


def refuse(monkeypatch: pytest.MonkeyPatch, method: str, refused: Callable[[Path], bool]) -> None:
    """Let a method of Path fail as it does in a folder without permission (tests may be root)."""
    real = getattr(Path, method)

    def guarded(self: Path, *arguments, **keywords):
        if refused(self):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))
        return real(self, *arguments, **keywords)

    monkeypatch.setattr(Path, method, guarded)


def test_stack_in_a_folder_that_may_not_be_entered(recipe, monkeypatch) -> None:
    path = recipe.write()
    refuse(monkeypatch, "is_file", lambda file: file.name == "stack.mrcs")
    with pytest.raises(InputError, match=r"stack\.mrcs: cannot be looked at \(Permission denied\)"):
        read_particles(path)


def test_a_closed_folder_on_the_way_does_not_hide_the_stack(recipe, monkeypatch) -> None:
    folder = recipe.folder / "job"
    folder.mkdir()
    path = recipe.write().rename(folder / "particles.star")
    refuse(monkeypatch, "is_file", lambda file: file.parent == folder)
    particles = read_particles(path)
    np.testing.assert_array_equal(particles.images(np.arange(6)), recipe.images)
    # Nor does it keep the table from being written there.
    particles.write_star(folder / "out.star")
    assert "@stack.mrcs" in (folder / "out.star").read_text()


@pytest.mark.parametrize("error", [errno.ENOENT, errno.EACCES, errno.EIO])
def test_stack_gone_while_it_is_read(recipe, monkeypatch, error: int) -> None:
    particles = read_particles(recipe.write())
    if error == errno.ENOENT:
        (recipe.folder / "stack.mrcs").unlink()
    else:

        def fail(self: Path, *arguments, **keywords):
            raise OSError(error, os.strerror(error), str(self))

        monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(InputError) as caught:
        particles.images(np.arange(6))
    said = str(caught.value)
    assert said.startswith(str(recipe.folder / "stack.mrcs"))
    assert os.strerror(error) in said
    assert "locref refine --resume" in said


def test_particles_and_map_must_agree(recipe) -> None:
    particles = read_particles(recipe.write())
    check_particles_match_map(particles, Map(np.zeros((16, 16, 16), np.float32), 2.501))
    with pytest.raises(InputError, match=r"images have a box of 16 px, but the map has 20 voxels"):
        check_particles_match_map(particles, Map(np.zeros((20, 20, 20), np.float32), 2.5))
    with pytest.raises(InputError, match=r"pixels of 2.5000 Å, but the map has voxels of 2.6000 Å"):
        check_particles_match_map(particles, Map(np.zeros((16, 16, 16), np.float32), 2.6))


@pytest.mark.parametrize(
    "name",
    [
        "star/cryocat_relion_4.0.star",
        "star/cryocat_relion_3.1_optics.star",
        "star/cylindra_relion5_run_it025_data.star",
        "star/teamtomo_starfile/one_loop.star",
        "particles/warptools_ribosome_40/warptools_test_4-tomos_10-ptcls_box-32_angpix-12.star",
    ],
)
def test_real_tomography_files_are_refused_in_words(shared_data: Path, name: str) -> None:
    with pytest.raises(InputError, match="holds sub-tomograms"):
        read_particles(shared_data / name)
