"""FSC curves written as JSON, STAR and XML."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from gemmi import cif

from locref_widgets.engine.fsc import FSCCurve
from locref_widgets.errors import InputError, OutputError
from locref_widgets.io.fsc_files import (
    read_fsc_json,
    write_fsc_json,
    write_fsc_star,
    write_fsc_xml,
)


def curves() -> dict[str, FSCCurve]:
    frequency = np.arange(9) / (16 * 1.7)
    names = ("no mask", "spherical", "dynamic mask", "dynamic mask corrected")
    return {
        name: FSCCurve(frequency, 1 / (1 + (frequency / (0.1 + 0.02 * i)) ** 6))
        for i, name in enumerate(names)
    }


def test_json_returns_every_curve_exactly(tmp_path: Path) -> None:
    given = curves()
    given["no mask"].values[-1] = np.nan
    write_fsc_json(tmp_path / "fsc.json", given)
    read = read_fsc_json(tmp_path / "fsc.json")
    assert list(read) == list(given)
    for name, curve in given.items():
        np.testing.assert_array_equal(
            read[name].frequency_per_angstrom, curve.frequency_per_angstrom
        )
        np.testing.assert_array_equal(read[name].values, curve.values)
    assert [p.name for p in tmp_path.iterdir()] == ["fsc.json"]


def test_star_has_relions_columns(tmp_path: Path) -> None:
    given = curves()
    write_fsc_star(tmp_path / "fsc.star", given)
    document = cif.read(str(tmp_path / "fsc.star"))
    assert [block.name for block in document] == ["general", "fsc"]
    block = document.find_block("fsc")
    corrected = [float(v) for v in block.find_values("_rlnFourierShellCorrelationCorrected")]
    # Six decimals are written.
    np.testing.assert_allclose(corrected, given["dynamic mask corrected"].values, atol=1e-6)
    angstrom = [float(v) for v in block.find_values("_rlnAngstromResolution")]
    assert angstrom[0] == 999.0
    assert angstrom[-1] == pytest.approx(2 * 1.7)
    assert len(block.find_values("_rlnSpectralIndex")) == 9


def test_star_of_unknown_curves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="spherical"):
        write_fsc_star(tmp_path / "fsc.star", {"spherical": curves()["spherical"]})


def test_xml_is_a_list_of_coordinates(tmp_path: Path) -> None:
    curve = curves()["no mask"]
    write_fsc_xml(tmp_path / "fsc.xml", curve, title='half maps, "no mask" & all')
    root = ET.parse(tmp_path / "fsc.xml").getroot()  # noqa: S314 our own file
    assert root.tag == "fsc"
    assert root.get("title") == 'half maps, "no mask" & all'
    assert [float(x.text or "") for x in root.iter("y")] == pytest.approx(curve.values, abs=1e-6)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2]",
        '{"no mask": {"values": [1]}}',
        '{"no mask": {"frequency_per_angstrom": [0, 0.1, 0.2], "values": [1, 0.5]}}',
        '{"no mask": {"frequency_per_angstrom": [[0, 0.1]], "values": [[1, 0.5]]}}',
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "fsc.json"
    path.write_text(content)
    with pytest.raises(InputError, match=r"fsc\.json"):
        read_fsc_json(path)


def test_a_missing_folder_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_fsc_json(tmp_path / "absent" / "fsc.json", curves())
