"""The commands that make masks, as a user meets them."""

import json
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from locref_widgets.cli import app
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.io.segger import read_segger
from locref_widgets.masks.edges import soft_pad
from locref_widgets.masks.recipe import MaskRecipe
from tests.masks.test_recipe import BOX_PX, VOXEL_ANGSTROM, two_blobs

MODEL = """\
ATOM      1  C   ALA A   1      13.000   0.000   0.000  1.00  0.00           C
ATOM      2  O   ALA A   2      15.000   1.000   0.000  1.00  0.00           O
ATOM      3  N   ALA B   1     -14.000   3.000   0.000  1.00  0.00           N
END
"""
AT_CENTRE = BoxPosition(start_px=(-12, -12, -12))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a map of two blobs, a model in it, and a piece cut out of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("locref_widgets.runs.process_setup.prepare_process", lambda: None)
    volume = two_blobs().data
    write_map("map.mrc", volume, VOXEL_ANGSTROM, AT_CENTRE)
    corner = BoxPosition(start_px=(-2, -6, -5))
    write_map("piece.mrc", volume[7:19, 6:20, 10:24], VOXEL_ANGSTROM, corner)
    Path("model.pdb").write_text(MODEL)
    Path("bad.yaml").write_text("steps: [{tool: dilate}]\n")
    Path("text.mrc").write_text("no map " * 300)
    return tmp_path


def locref(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        app([str(word) for word in words], prog_name="locref")
    return int(caught.value.code or 0)


def check_identity(path: str) -> np.ndarray:
    """A mask on the map's grid with the origin at zero, read by mrcfile; its values."""
    with mrcfile.open(path) as mask, mrcfile.open("map.mrc") as volume:
        assert mask.data is not None
        assert volume.data is not None
        assert mask.header is not None
        assert mask.data.shape == volume.data.shape
        assert mask.voxel_size == volume.voxel_size
        assert mask.header.origin.tolist() == (0, 0, 0)
        assert 0 <= mask.data.min() <= mask.data.max() <= 1
        return mask.data.copy()


def test_volume_tools_make_a_mask_and_its_recipe(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--threshold", "0.3max", "--islands", "1", "--fill-holes", "--dilate", "1.5"]
    assert locref("volume-tools", "map.mrc", "--out", "mask.mrc", *words, "--soft-pad", "4") == 0
    volume = two_blobs().data
    above = volume >= 0.3 * volume.max()
    above[..., : BOX_PX // 2] = False
    np.testing.assert_array_equal(check_identity("mask.mrc"), soft_pad(above, 4.0, dilate_px=1.5))
    said = capsys.readouterr().out
    assert "0.3 of the map's maximum" in said
    assert "voxels from the corner =" in said
    assert "mask.recipe.yaml" in said
    assert locref("volume-tools", "map.mrc", "--out", "2.mrc", "--recipe", "mask.recipe.yaml") == 0
    np.testing.assert_array_equal(check_identity("2.mrc"), check_identity("mask.mrc"))


def test_volume_tools_keep_a_map_where_it_lies(folder: Path) -> None:
    assert locref("volume-tools", "map.mrc", "--out", "low.mrc", "--lowpass", "12") == 0
    low = read_map("low.mrc")
    np.testing.assert_allclose(low.corner_angstrom, read_map("map.mrc").corner_angstrom)
    assert not list(folder.glob("*.recipe.yaml"))
    assert locref("volume-tools", "map.mrc", "--out", "crop.mrc", "--crop", "16") == 0
    np.testing.assert_allclose(read_map("crop.mrc").corner_angstrom, [-24, -24, -24])


def test_a_recipe_is_converted_to_another_grid_when_asked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_map("fine.mrc", two_blobs(48, 1.5).data, 1.5)
    assert locref("volume-tools", "map.mrc", "--out", "a.mrc", "--threshold", "0.2max") == 0
    words = ["volume-tools", "fine.mrc", "--out", "b.mrc", "--recipe", "a.recipe.yaml"]
    assert locref(*words) == 2
    assert "--rescale" in capsys.readouterr().err
    assert locref(*words, "--rescale") == 0
    assert read_map("b.mrc").size_xyz == (48, 48, 48)
    assert MaskRecipe.load("b.recipe.yaml").made_on is not None


def test_erase_takes_spheres_out_or_leaves_them(folder: Path) -> None:
    sphere = ["--sphere", "16.3,12,12,6"]
    assert locref("erase", "map.mrc", "--out", "in.mrc", *sphere) == 0
    assert locref("erase", "map.mrc", "--out", "out.mrc", *sphere, "--outside") == 0
    inside, outside = read_map("in.mrc").data, read_map("out.mrc").data
    assert inside[12, 12, 16] == 0
    assert outside[12, 12, 16] == two_blobs().data[12, 12, 16]
    np.testing.assert_array_equal(inside + outside, two_blobs().data)


def test_segments_are_listed_joined_and_masked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["segment", "map.mrc", "--out", "labels.mrc", "--threshold", "0.1max"]
    words += ["--smoothing-steps", "2"]
    assert locref(*words, "--json") == 0
    regions = json.loads(capsys.readouterr().out)["regions"]
    assert len(regions) == 2
    labels = read_map("labels.mrc").data
    for region in regions:
        x, y, z = region["point"]
        assert labels[z, y, x] == region["id"]
        assert np.count_nonzero(labels == region["id"]) == region["voxels"]
    first = str(regions[0]["id"])
    assert locref(*words, "--region", first, "--mask", "mask.mrc") == 0
    expected = labels == regions[0]["id"]
    np.testing.assert_array_equal(check_identity("mask.mrc"), expected)
    assert locref("volume-tools", "map.mrc", "--out", "2.mrc", "--recipe", "mask.recipe.yaml") == 0
    np.testing.assert_array_equal(check_identity("2.mrc"), expected)
    both = ",".join(str(region["id"]) for region in regions)
    capsys.readouterr()
    assert locref(*words, "--merge", both, "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["regions"]) == 1
    assert locref("segment", "map.mrc", "--out", "labels.seg", *words[4:]) == 0
    assert read_segger("labels.seg").mask.shape == (BOX_PX,) * 3


def test_molmap_lies_on_the_maps_grid_and_can_be_a_mask(folder: Path) -> None:
    words = ["molmap", "model.pdb", "--on-grid", "map.mrc", "--resolution", "12"]
    assert locref(*words, "--out", "density.mrc") == 0
    density = read_map("density.mrc")
    np.testing.assert_allclose(density.corner_angstrom, read_map("map.mrc").corner_angstrom)
    # The sum of atomic numbers; what is left is cut off at 5 sigma.
    assert density.data.sum() * VOXEL_ANGSTROM**3 == pytest.approx(6 + 8 + 7, rel=1e-3)
    mask = [*words, "--selection", "A", "--threshold", "95%", "--soft-pad", "4"]
    assert locref(*mask, "--out", "mask.mrc") == 0
    values = check_identity("mask.mrc")
    assert values[12, 12, 16] == 1
    assert values[12, 13, 7] == 0


def test_a_piece_is_put_back_on_the_grid_exactly(folder: Path) -> None:
    assert locref("resample", "piece.mrc", "--on-grid", "map.mrc", "--out", "whole.mrc") == 0
    whole = read_map("whole.mrc")
    expected = np.zeros((BOX_PX,) * 3, np.float32)
    expected[7:19, 6:20, 10:24] = two_blobs().data[7:19, 6:20, 10:24]
    np.testing.assert_array_equal(whole.data, expected)


def test_a_mask_is_checked_with_mends_that_mend(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert locref("volume-tools", "map.mrc", "--out", "hard.mrc", "--threshold", "0.3max") == 0
    capsys.readouterr()
    words = ["check-mask", "hard.mrc", "--map", "map.mrc", "--resolution", "6", "--json"]
    assert locref(*words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["state"] == "warning"
    assert said["recipe"] == ["threshold at 0.3max"]
    checks = {check["name"]: check for check in said["checks"]}
    assert checks["islands"]["state"] == checks["binary"]["state"] == "warning"
    for name in ("islands", "binary"):
        command = checks[name]["mend"].replace("MENDED.mrc", f"{name}.mrc").split()
        assert command[0] == "locref"
        assert locref(*command[1:]) == 0, command
        capsys.readouterr()
        assert locref("check-mask", f"{name}.mrc", "--resolution", "6", "--json") == 0
        after = {c["name"]: c for c in json.loads(capsys.readouterr().out)["checks"]}
        assert after[name]["state"] == "ok"


def test_the_consequence_for_the_fsc_is_told_before_any_refinement(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    for half in ("half1.mrc", "half2.mrc"):
        noisy = two_blobs().data + rng.normal(scale=0.2, size=(BOX_PX,) * 3).astype(np.float32)
        write_map(half, noisy, VOXEL_ANGSTROM, AT_CENTRE)
    words = ["--threshold", "0.2max", "--dilate", "1", "--soft-pad", "6"]
    assert locref("volume-tools", "map.mrc", "--out", "mask.mrc", *words) == 0
    assert locref("check-mask", "mask.mrc", "--half-maps", "half1.mrc", "half2.mrc") == 0
    said = capsys.readouterr().out
    assert "FSC: with this mask the half-maps agree to" in said
    assert "made by:" in said


def test_a_mask_that_cannot_be_used_ends_with_status_2(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert locref("check-mask", "map.mrc") == 2
    assert "cannot be used" in capsys.readouterr().out


def test_a_model_is_fitted_back_to_where_it_was(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["molmap", "model.pdb", "--on-grid", "map.mrc", "--resolution", "9", "--out", "d.mrc"]
    assert locref(*words) == 0
    shifted = MODEL.replace("  13.000   0.000", "  15.000   1.000")
    shifted = shifted.replace(
        "  15.000   1.000   0.000  1.00  0.00           O",
        "  17.000   2.000   0.000  1.00  0.00           O",
    )
    shifted = shifted.replace(" -14.000   3.000", " -12.000   4.000")
    Path("shifted.pdb").write_text(shifted)
    capsys.readouterr()
    assert locref("fit", "shifted.pdb", "--in-map", "d.mrc", "--out", "back.pdb", "--json") == 0
    best = json.loads(capsys.readouterr().out)["fits"][0]
    np.testing.assert_allclose(best["translation_angstrom"][2], 0.0, atol=0.3)
    search = ["--search", "4", "--out", "found.pdb"]
    assert locref("fit", "shifted.pdb", "--in-map", "d.mrc", *search) == 0
    assert "found.pdb: moved by" in capsys.readouterr().out
    lines = Path("back.pdb").read_text().splitlines()
    first = next(line for line in lines if line.startswith("ATOM"))
    found = [float(first[start : start + 8]) for start in (30, 38, 46)]
    # A tenth of a voxel of 3 A: the map is interpolated.
    np.testing.assert_allclose(found, [13.0, 0.0, 0.0], atol=0.5)


def test_no_mask_is_proposed_where_nothing_is_blurred_more(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(5)
    for half in ("half1.mrc", "half2.mrc"):
        noisy = two_blobs(48, 3.0).data + rng.normal(scale=0.05, size=(48,) * 3)
        write_map(half, noisy.astype(np.float32), VOXEL_ANGSTROM)
    words = ["propose-mask", "--half-maps", "half1.mrc", "half2.mrc", "--out", "proposed.mrc"]
    assert locref(*words, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["verdict"] == "no"
    assert said["mask"] is None
    assert "standard errors" in said["reason"]
    assert not Path("proposed.mrc").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["volume-tools", "map.mrc", "--out", "o.mrc"], "there is nothing to do"),
        (["volume-tools", "map.mrc", "--out", "map.mrc", "--flip"], "is an input"),
        (["volume-tools", "absent.mrc", "--out", "o.mrc", "--flip"], "absent.mrc"),
        (["volume-tools", "text.mrc", "--out", "o.mrc", "--flip"], "text.mrc"),
        (["volume-tools", "map.mrc", "--out", "o.mrc", "--dilate", "3"], "threshold the map first"),
        (["volume-tools", "map.mrc", "--out", "o.mrc", "--threshold", "high"], "0.2max"),
        (["volume-tools", "map.mrc", "--out", "o.mrc", "--lowpass", "-3"], "--lowpass is -3"),
        (["volume-tools", "map.mrc", "--out", "o.mrc", "--recipe", "bad.yaml"], "step 1 (dilate)"),
        (["erase", "map.mrc", "--out", "o.mrc", "--sphere", "1,2,3"], "expected X,Y,Z,R"),
        (["erase", "map.mrc", "--out", "o.mrc", "--sphere", "300,300,300,9"], "not in Å"),
        (["segment", "map.mrc", "--out", "o.mrc", "--threshold", "99"], "99"),
        (["segment", "map.mrc", "--out", "o.mrc", "--region", "1"], "go together"),
        (
            ["segment", "map.mrc", "--out", "l.mrc", "--region", "77", "--mask", "o.mrc"],
            "no region 77",
        ),
        (
            ["molmap", "map.mrc", "--on-grid", "map.mrc", "--resolution", "9", "--out", "o.mrc"],
            "map.mrc",
        ),
        (
            [
                *("molmap", "model.pdb", "--on-grid", "map.mrc", "--resolution", "9"),
                *("--selection", "Q", "--out", "o.mrc"),
            ],
            "Q",
        ),
        (["check-mask", "absent.mrc"], "absent.mrc"),
        (["propose-mask", "--out", "o.mrc"], "give --half-maps A B, or --run DIR"),
        (["propose-mask", "--run", "absent", "--out", "o.mrc"], "not a run folder"),
        (["fit", "model.pdb", "--in-map", "map.mrc", "--out", "o.mrc"], "the result is one too"),
        (["fit", "text.mrc", "--in-map", "map.mrc", "--out", "o.mrc"], "text.mrc"),
        (["resample", "absent.mrc", "--on-grid", "map.mrc", "--out", "o.mrc"], "absent.mrc"),
        (
            [
                *("molmap", "model.pdb", "--on-grid", "map.mrc", "--resolution", "9"),
                *("--dilate", "2", "--out", "o.mrc"),
            ],
            "give --threshold, too",
        ),
        (
            [
                *("volume-tools", "map.mrc", "--threshold", "0.5max", "--dilate", "-50"),
                *("--out", "o.mrc"),
            ],
            "nothing is left after these steps",
        ),
        (["volume-tools", "map.mrc", "--out", "o.mrc", "--resample", "100000"], "2048 at most"),
        (["check-mask", "map.mrc", "--resolution", "-3"], "a length above 0"),
        (["check-mask", "map.mrc", "--resolution", "nan"], "a length above 0"),
        (
            [
                *("segment", "map.mrc", "--threshold", "0.5", "--region", "1"),
                *("--out", "o.mrc", "--mask", "o.mrc"),
            ],
            "a file each",
        ),
        (
            ["fit", "piece.mrc", "--in-map", "map.mrc", "--out", "o.mrc", "--resolution", "9"],
            "--resolution is for models",
        ),
        (
            ["fit", "model.pdb", "--in-map", "map.mrc", "--out", "o.pdb", "--resolution", "nan"],
            "expected a length above 0",
        ),
        (
            ["fit", "piece.mrc", "--in-map", "map.mrc", "--out", "o.mrc", "--seed", "-1"],
            "greater than or equal to 0",
        ),
    ],
)
def test_wrong_input_is_told_and_nothing_written(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], told: str
) -> None:
    before = {path: path.read_bytes() for path in folder.iterdir()}
    assert locref(*words) == 2
    captured = capsys.readouterr()
    assert told in captured.err
    assert "Traceback" not in captured.err
    assert not (folder / "o.mrc").exists()
    assert {path: path.read_bytes() for path in before} == before
