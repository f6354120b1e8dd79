"""``locref fsc``: the files it leaves, what it prints, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from locref_widgets.cli import app
from locref_widgets.engine.fsc_curve import make_curve
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.fsc_files import read_fsc_json, write_fsc_text, write_fsc_xml
from locref_widgets.io.fsc_readers import read_fsc
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.masks.edges import soft_edge
from tests.validation.half_maps import BOX, VOXEL, ball, make_halves

ALWAYS = {"fsc.json", "fsc.star", "fsc.xml", "fsc.txt", "fsc.png", "summary.json"}
ALWAYS |= {"mask_loose.mrc", "mask_tight.mrc"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("halves")
    for name, half in zip(("half1.mrc", "half2.mrc"), make_halves(), strict=True):
        write_map(made / name, half.data, VOXEL)
    write_map(made / "mask.mrc", soft_edge(ball(30.0), 4.0, 26.0, VOXEL), VOXEL)
    return made


def run(folder: Path, out: Path, *options: str) -> Result:
    command = ["fsc", str(folder / "half1.mrc"), str(folder / "half2.mrc"), "--out", str(out)]
    return CliRunner().invoke(app, [*command, *options])


def test_everything_at_once(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    mask, against = str(folder / "mask.mrc"), str(folder / "half1.mrc")
    options = ("--sharpen", "--local-resolution", "--json")
    answer = run(folder, out, "--mask", mask, "--against", against, *options)
    assert answer.exit_code == 0, answer.output
    values = json.loads(answer.stdout)
    assert values == json.loads((out / "summary.json").read_text())
    extra = {"mask_user.mrc", "map_sharpened.mrc", "local_resolution.mrc", "local_resolution.png"}
    extra |= {"fsc_against.json", "fsc_against.png", "fsc_directional.png", "guinier.png"}
    assert {path.name for path in out.iterdir()} == ALWAYS | extra
    assert [path.name for path in out.parent.iterdir()] == ["out"]

    curves = read_fsc_json(out / "fsc.json")
    quoted = curves[values["quoted_curve"]]
    assert quoted.resolution_angstrom() == pytest.approx(values["resolution_angstrom"])
    from_star = read_fsc(out / "fsc.star")["corrected"].values
    np.testing.assert_allclose(from_star, quoted.values, atol=1e-6)
    from_xml = read_fsc(out / "fsc.xml")["user mask corrected"].values
    np.testing.assert_allclose(from_xml, quoted.values, atol=1e-6)
    from_text = read_fsc(out / "fsc.txt", box_angstrom=BOX * VOXEL)["loose"].values
    np.testing.assert_allclose(from_text, curves["loose"].values, atol=1e-6)
    for name in ("mask_tight", "map_sharpened", "local_resolution"):
        written = read_map(out / f"{name}.mrc")
        assert written.data.shape == (BOX,) * 3
        assert written.voxel_size_angstrom == pytest.approx(VOXEL)
    for path in out.glob("*.png"):
        assert path.read_bytes().startswith(b"\x89PNG")


def test_a_table_is_printed_and_an_empty_folder_taken(folder: Path, tmp_path: Path) -> None:
    answer = run(folder, tmp_path, "--no-directional")
    assert answer.exit_code == 0, answer.output
    assert {path.name for path in tmp_path.iterdir()} == ALWAYS
    lines = answer.stdout.splitlines()
    assert lines[0].split() == ["curve", "FSC", "0.143", "FSC", "0.5"]
    assert any(line.startswith("tight corrected *") for line in lines)


def test_curves_of_others_are_drawn_beside(folder: Path, tmp_path: Path) -> None:
    curve = make_curve(1 / (1 + (np.arange(33) / 10) ** 6), BOX, VOXEL)
    write_fsc_xml(tmp_path / "theirs.xml", curve, "masked")
    write_fsc_text(tmp_path / "theirs.txt", {"no mask": curve, "tight": curve})
    out = tmp_path / "out"
    files = ("--compare", str(tmp_path / "theirs.xml"), "--compare", str(tmp_path / "theirs.txt"))
    answer = run(folder, out, "--no-directional", *files)
    assert answer.exit_code == 0, answer.output
    assert {path.name for path in out.iterdir()} == ALWAYS | {"fsc_compared.png"}
    told = [line for line in answer.stdout.splitlines() if line.startswith("compared, ")]
    quoted = f"{curve.resolution_angstrom():.2f} Å at FSC 0.143"
    names = ("theirs.xml: masked", "theirs.txt: no mask", "theirs.txt: tight")
    assert [line.split(": ")[:2] for line in told] == [
        f"compared, {name}".split(": ") for name in names
    ]
    assert all(quoted in line for line in told)


def test_a_folder_in_use_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    answer = CliRunner().invoke(app, ["fsc", "no1.mrc", "no2.mrc", "--out", str(tmp_path)])
    assert answer.exit_code == 2
    assert "not empty" in answer.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_equal_halves_and_other_grids_are_refused(folder: Path, tmp_path: Path) -> None:
    half, out = str(folder / "half1.mrc"), tmp_path / "out"
    answer = CliRunner().invoke(app, ["fsc", half, half, "--out", str(out)])
    assert answer.exit_code == 2
    assert "hold the same map" in answer.stderr
    write_map(tmp_path / "small.mrc", np.ones((8, 8, 8)), VOXEL)
    answer = run(folder, out, "--mask", str(tmp_path / "small.mrc"))
    assert answer.exit_code == 2
    assert "the mask has a box of 8 x 8 x 8 voxels" in answer.stderr
    answer = run(folder, out, "--against", str(folder / "none.mrc"))
    assert answer.exit_code == 2
    assert "none.mrc" in answer.stderr
    assert not out.exists()


def test_files_of_one_name_keep_their_curves_apart(folder: Path, tmp_path: Path) -> None:
    options = []
    for number in ("1", "2"):
        (tmp_path / number).mkdir()
        curve = make_curve(1 / (1 + (np.arange(33) / (8 + int(number))) ** 6), BOX, VOXEL)
        write_fsc_xml(tmp_path / number / "postprocess.xml", curve, "masked")
        options += ["--compare", str(tmp_path / number / "postprocess.xml")]
    answer = run(folder, tmp_path / "out", "--no-directional", *options)
    assert answer.exit_code == 0, answer.output
    told = [line for line in answer.stdout.splitlines() if line.startswith("compared, ")]
    assert [f"{number}/postprocess.xml" in line for number, line in zip("12", told, strict=True)]
    assert len({line.split("Å")[0].split()[-1] for line in told}) == 2


def test_a_piece_of_a_mask_is_placed_and_results_lie_where_the_half_maps_do(
    folder: Path, tmp_path: Path
) -> None:
    position = BoxPosition(origin_angstrom=(25.0, -5.0, 10.0))
    for name in ("half1", "half2"):
        half = read_map(folder / f"{name}.mrc")
        write_map(tmp_path / f"{name}.mrc", half.data, VOXEL, position)
    mask = read_map(folder / "mask.mrc").data
    first = np.array(position.origin_angstrom) + np.array([3, 2, 1]) * VOXEL
    at = BoxPosition(origin_angstrom=tuple(float(v) for v in first))
    write_map(tmp_path / "piece.mrc", mask[1:-1, 2:-2, 3:-2], VOXEL, at)
    whole = run(folder, tmp_path / "whole", "--no-directional", "--mask", str(folder / "mask.mrc"))
    assert whole.exit_code == 0, whole.output
    mask_option = ("--mask", str(tmp_path / "piece.mrc"))
    answer = run(tmp_path, tmp_path / "out", "--no-directional", *mask_option)
    assert answer.exit_code == 0, answer.output
    assert "placed" in answer.output
    curves = [read_fsc_json(tmp_path / name / "fsc.json") for name in ("whole", "out")]
    user = [curve["user mask"].values for curve in curves]
    np.testing.assert_allclose(user[1], user[0], atol=1e-6)
    assert read_map(tmp_path / "out" / "mask_tight.mrc").position == position


@pytest.mark.parametrize("value", ["nan", "inf"])
def test_a_bfactor_that_is_no_number_is_refused(folder: Path, tmp_path: Path, value: str) -> None:
    answer = run(folder, tmp_path / "out", "--bfactor", value)
    assert answer.exit_code == 2
    assert "expected a number in Å²" in answer.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_made_is_told_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    out = str(tmp_path / "file" / "out")
    answer = CliRunner().invoke(app, ["fsc", "no1.mrc", "no2.mrc", "--out", out])
    assert answer.exit_code == 2
    assert "is no folder" in answer.stderr
