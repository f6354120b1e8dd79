"""FSC curves of other programs: real files, and files that are damaged."""

from pathlib import Path

import numpy as np
import pytest

from locref_widgets.engine.fsc_curve import FSCCurve
from locref_widgets.errors import InputError
from locref_widgets.io.fsc_files import write_fsc_star, write_fsc_text, write_fsc_xml
from locref_widgets.io.fsc_readers import read_fsc

BOX_ANGSTROM = 160.0
FREQUENCY = np.arange(21) / BOX_ANGSTROM


def suite() -> dict[str, FSCCurve]:
    shells = np.arange(21)
    randomised = np.where(shells < 5, 1.0, 0.2 / (1.0 + shells))
    masked = 1.0 / (1.0 + (shells / 12) ** 6)
    corrected = np.where(
        shells < 7, masked, (masked - randomised) / np.maximum(1 - randomised, 0.5)
    )
    curves = {
        "no mask": 1.0 / (1.0 + (shells / 9) ** 6),
        "spherical": 1.0 / (1.0 + (shells / 10) ** 6),
        "loose": 1.0 / (1.0 + (shells / 11) ** 6),
        "tight": masked,
    }
    told = {name: FSCCurve(FREQUENCY, values) for name, values in curves.items()}
    told["tight randomised"] = FSCCurve(FREQUENCY, randomised, (5, 7))
    told["tight corrected"] = FSCCurve(FREQUENCY, np.maximum(corrected, 0.0), (5, 7))
    return told


def test_cryosparc_text_has_its_columns_and_is_read_again(tmp_path: Path) -> None:
    given = suite()
    write_fsc_text(tmp_path / "fsc.txt", given)
    head = (tmp_path / "fsc.txt").read_text().splitlines()[0].split("\t")
    # The columns of cryoSPARC up to 4.7, in its order.
    assert head == [
        "wave_number",
        "fsc_nomask",
        "fsc_sphericalmask",
        "fsc_loosemask",
        "fsc_tightmask",
        "fsc_noisesub_raw",
        "fsc_noisesub_true",
        "fsc_noisesub",
    ]
    read = read_fsc(tmp_path / "fsc.txt", box_angstrom=BOX_ANGSTROM)
    for name, curve in given.items():
        np.testing.assert_allclose(read[name].values, curve.values, atol=1e-6)
        np.testing.assert_allclose(read[name].frequency_per_angstrom, FREQUENCY)
    uncut = read["tight corrected, notch and all"].values
    assert uncut[5] < given["tight corrected"].values[5]
    np.testing.assert_allclose(uncut[7:], given["tight corrected"].values[7:], atol=1e-6)
    with pytest.raises(InputError, match="box and the voxel size"):
        read_fsc(tmp_path / "fsc.txt")


def test_our_star_and_xml_are_read_again(tmp_path: Path) -> None:
    given = suite()
    write_fsc_star(tmp_path / "fsc.star", given)
    read = read_fsc(tmp_path / "fsc.star")
    np.testing.assert_allclose(read["corrected"].values, given["tight corrected"].values, atol=1e-6)
    np.testing.assert_allclose(
        read["mask randomised"].values, given["tight randomised"].values, atol=1e-6
    )
    write_fsc_xml(tmp_path / "fsc.xml", given["tight"], "tight & more")
    (title, curve) = next(iter(read_fsc(tmp_path / "fsc.xml").items()))
    assert title == "tight & more"
    np.testing.assert_allclose(curve.frequency_per_angstrom, FREQUENCY, atol=1e-6)
    np.testing.assert_allclose(curve.values, given["tight"].values, atol=1e-6)


def test_relions_own_xml_and_dat_hold_one_curve(shared_data: Path) -> None:
    folder = shared_data / "fsc" / "relion_postprocess"
    files = sorted(folder.glob("*.xml"))
    assert len(files) == 7
    for path in files:
        (title, from_xml) = next(iter(read_fsc(path).items()))
        assert title == "RELION masked-corrected FSC"
        from_dat = read_fsc(path.with_suffix(".dat"))["FSC"]
        np.testing.assert_allclose(from_xml.values, from_dat.values, atol=1e-6)
        frequency = from_xml.frequency_per_angstrom
        assert frequency[0] == 0.0  # written as 1/999 Å
        np.testing.assert_allclose(np.diff(frequency), frequency[1], rtol=1e-3)
        assert 1.9 < from_xml.resolution_angstrom() < 4.2


def test_our_xml_has_the_form_of_relions(tmp_path: Path, shared_data: Path) -> None:
    real = (shared_data / "fsc/relion_postprocess/EMPIAR-10330_iter0_fsc.xml").read_text()
    write_fsc_xml(tmp_path / "fsc.xml", suite()["tight"], "RELION masked-corrected FSC")
    ours = (tmp_path / "fsc.xml").read_text().splitlines()
    theirs = real.splitlines()
    assert ours[1] == theirs[0]  # the element fsc with its axes; ours has the XML declaration
    assert [line.split(">")[0] for line in ours[2:6]] == [
        line.split(">")[0] for line in theirs[1:5]
    ]


def test_cryosparc_tables_hold_a_curve_and_its_resolution(shared_data: Path) -> None:
    curves = {
        path.stem: read_fsc(path)["FSC"]
        for path in (shared_data / "fsc" / "cryosparc").glob("*.csv")
    }
    assert {len(curve.values) for curve in curves.values()} == {160}
    for curve in curves.values():
        # Box 320 at 0.83 Å.
        np.testing.assert_allclose(1 / curve.frequency_per_angstrom[1], 265.6, rtol=1e-4)
    told = {name: curve.resolution_angstrom() for name, curve in curves.items()}
    assert told["goldfsc_nu_refinement_P7"] == pytest.approx(4.73, abs=0.01)
    assert told["goldfsc_homo_refinement_P7"] == pytest.approx(7.71, abs=0.01)


def test_relions_model_file_holds_its_curve(shared_data: Path) -> None:
    path = shared_data / "star" / "relion31_emtools_refine3d" / "run_it016_half1_model.star"
    curve = read_fsc(path)["FSC"]
    assert len(curve.values) == 129
    assert curve.resolution_angstrom() == pytest.approx(2.85, abs=0.01)


UNEQUAL = "data_fsc\nloop_\n_rlnResolution\n0.1\n0.2\n\nloop_\n_rlnGoldStandardFsc\n1\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xml", "<fsc><coordinate><x>1</x>", "is no XML"),
        ("a.xml", "<fsc title='t'></fsc>", "no FSC curve"),
        ("a.xml", "<!DOCTYPE fsc [<!ENTITY a 'b'>]><fsc/>", "document type"),
        ("a.xml", "<fsc><coordinate><x>0.1</x></coordinate></fsc>", "row 1 is damaged"),
        ("a.dat", "0.1 1\n0.2\n0.3 0.1\n", "row 2 is damaged"),
        ("a.dat", "0.1 1\n0.3 1\n0.2 0.1\n", "do not rise"),
        ("a.dat", "0.1 1\n0.3 1\n", "at least 3"),
        ("a.star", "data_x\n_rlnVoltage 300\n", "no FSC curve"),
        ("a.star", "data_x\nloop_\n_rlnResolution\n1 2\n_y\n", "is no STAR file.*Write it again"),
        ("a.star", UNEQUAL, "data_fsc has 2 values of rlnResolution, but 1 of rlnGoldStandardFsc"),
        ("a.json", "{}", "no FSC curve"),
        ("a.csv", "a,b\n1,2\n", "neither a column"),
        ("a.csv", "res_A,fsc\n", "no FSC curve"),
        ("a.pdf", "x", "end in"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_fsc(path)
    assert name in str(caught.value)


def test_missing_and_binary_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_fsc(tmp_path / "none.xml")
    for name in ("folder.json", "folder.csv"):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=rf"{name}: cannot be read .*[Cc]heck the path"):
            read_fsc(tmp_path / name)
    (tmp_path / "long.dat").write_bytes(b" " * (10 * 2**20 + 1))
    with pytest.raises(InputError, match=r"too large .* Give the file of the curves alone"):
        read_fsc(tmp_path / "long.dat")
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="is no text"):
        read_fsc(tmp_path / "b.csv")
