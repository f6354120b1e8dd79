"""``locref subtract`` and ``locref reconstruct`` as a user meets them."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.cli import app
from locref_widgets.io.mrc import write_map
from locref_widgets.io.particles import read_particles
from tests.runs.fake_job import soft_ball, write_job

BOX_PX, VOXEL_ANGSTROM = 24, 6.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("particles")
    write_job(folder, BOX_PX)
    write_map(folder / "other_box.mrc", soft_ball(20, (0, 0, 0), 4.0, 3.0), VOXEL_ANGSTROM)
    write_map(folder / "empty.mrc", np.zeros((BOX_PX,) * 3), VOXEL_ANGSTROM)
    star = (folder / "particles.star").read_text()
    (folder / "no_poses.star").write_text(star.replace("_rlnAngleRot", "_rlnSomething"))
    (folder / "no_halves.star").write_text(star.replace("_rlnRandomSubset", "_rlnSomething"))
    return folder


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locref_widgets.runs.process_setup.prepare_process", lambda: None)


def locref(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        app([str(word) for word in words], prog_name="locref")
    return int(caught.value.code or 0)


def test_subtract_recenter_crop_and_revert(files, tmp_path, capsys):
    words = ["--map", files / "map.mrc", "--mask", files / "mask.mrc", "--recenter", "--crop", "16"]
    out = tmp_path / "out"
    assert locref("subtract", files / "particles.star", *words, "--out", out) == 0
    said = capsys.readouterr()
    assert "40 particles, box 16 px" in said.out
    assert "centred on voxel (14, 11, 15)" in said.out
    names = {path.name for path in out.iterdir()}
    stack = "subtracted_opticsgroup1.mrcs"
    assert names == {"particles_subtracted.star", stack, "subtract.json", "map.mrc", "mask.mrc"}
    assert json.loads((out / "subtract.json").read_text())["options"]["crop_px"] == 16
    # What was written can be looked at, and reconstructed.
    assert locref("info", out / "particles_subtracted.star") == 0
    rec = tmp_path / "rec"
    star = out / "particles_subtracted.star"
    assert locref("reconstruct", star, "--mask", out / "mask.mrc", "--out", rec) == 0
    assert "resolution (user mask corrected, FSC 0.143)" in capsys.readouterr().out
    back = tmp_path / "back"
    assert locref("subtract", star, "--revert", "--out", back) == 0
    given, found = (
        read_particles(path)
        for path in (files / "particles.star", back / "particles_original.star")
    )
    np.testing.assert_allclose(found.origins_angstrom, given.origins_angstrom, atol=3e-6)
    np.testing.assert_array_equal(found.images(np.arange(5)), given.images(np.arange(5)))


def test_center_is_a_voxel_from_the_corner(files, tmp_path, capsys):
    words = ["--map", files / "map.mrc", "--mask", files / "mask.mrc", "--scale", "none"]
    words += ["--center", "14.2,11,15", "--no-defocus", "--float16"]
    assert locref("subtract", files / "particles.star", *words, "--out", tmp_path / "out") == 0
    assert "centred on voxel (14, 11, 15)" in capsys.readouterr().out
    given, found = (
        read_particles(path).table
        for path in (files / "particles.star", tmp_path / "out" / "particles_subtracted.star")
    )
    np.testing.assert_array_equal(found.columns["rlnDefocusU"], given.columns["rlnDefocusU"])


SUBTRACT_FAULTS = [
    (["particles.star", "--map", "map.mrc"], "--mask is missing"),
    (["particles.star", "--mask", "other_box.mrc"], "24 px"),
    (["particles.star", "--mask", "mask.mrc", "--map", "other_box.mrc"], "20 voxels"),
    (["particles.star", "--mask", "empty.mrc"], "the mask is empty"),
    (["no_poses.star", "--mask", "mask.mrc"], "rlnAngleRot"),
    (["no_halves.star", "--mask", "mask.mrc"], "rlnRandomSubset"),
    (["particles.star", "--mask", "mask.mrc", "--scale", "none"], "give --map"),
    (["particles.star", "--mask", "mask.mrc", "--scale", "2"], "particle, shared or none"),
    (["particles.star", "--mask", "mask.mrc", "--crop", "15"], "even number"),
    (["particles.star", "--mask", "mask.mrc", "--center", "1,2"], "expected three numbers"),
    (["particles.star", "--mask", "mask.mrc", "--center", "1,2,30"], "outside the box"),
    (["particles.star", "--revert"], "rlnImageOriginalName"),
    (["absent.star", "--revert"], "absent.star"),
]


@pytest.mark.parametrize(("words", "message"), SUBTRACT_FAULTS)
def test_wrong_input_ends_with_2_and_one_message(
    files, tmp_path, capsys, monkeypatch, words, message
):
    monkeypatch.chdir(files)
    assert locref("subtract", *words, "--out", tmp_path / "out") == 2
    said = capsys.readouterr()
    assert said.err.startswith("locref: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["no_halves.star"], "rlnRandomSubset"),
        (["particles.star", "--mask", "other_box.mrc"], "20 voxels"),
        (["particles.star", "--mask", "empty.mrc"], "the mask is empty"),
        (["particles.star", "--symmetry", "D3h"], "D3h"),
    ],
)
def test_wrong_input_of_reconstruct(files, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(files)
    assert locref("reconstruct", *words, "--out", tmp_path / "out") == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_left_alone(files, tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    words = ["--mask", files / "mask.mrc", "--out", tmp_path]
    assert locref("subtract", files / "particles.star", *words) == 2
    assert "is there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_ctrl_c_ends_with_130_and_leaves_nothing(files, tmp_path, monkeypatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("locref_widgets.refinement.subtract_job.write_stacks", interrupted)
    words = ["--map", files / "map.mrc", "--mask", files / "mask.mrc", "--scale", "none"]
    assert locref("subtract", files / "particles.star", *words, "--out", tmp_path / "out") == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["subtract", "reconstruct"])
def test_a_folder_that_may_not_be_written_is_told_before_any_work(
    files, tmp_path, capsys, monkeypatch, command
):
    # The tests may be run by root, whom no permission holds.
    access = os.access
    monkeypatch.setattr(
        "locref_widgets.io.new_folder.os.access",
        lambda path, mode, **more: not mode & os.W_OK and access(path, mode, **more),
    )
    monkeypatch.setattr("locref_widgets.refinement.batches.read_batches", None)
    words = [files / "particles.star", "--mask", files / "mask.mrc", "--out", tmp_path / "a" / "b"]
    assert locref(command, *words) == 2
    assert f"{tmp_path} may not be written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_circle_of_links_is_told(files, tmp_path, capsys):
    (tmp_path / "loop").symlink_to("loop")
    words = [files / "particles.star", "--out", tmp_path / "loop" / "x"]
    assert locref("reconstruct", *words) == 2
    assert "cannot be looked at" in capsys.readouterr().err


def test_one_half_map_twice_is_refused(files, tmp_path, capsys):
    words = [files / "particles.star", "--mask", files / "mask.mrc", "--out", tmp_path / "out"]
    halves = ["--half-maps", files / "map.mrc", files / "map.mrc"]
    for scale in ("particle", "none"):
        assert locref("subtract", *words, *halves, "--scale", scale) == 2
        assert "hold the same map" in capsys.readouterr().err
    refined = [files / "particles.star", "--map", files / "map.mrc", *words[1:]]
    assert locref("refine", *refined, *halves) == 2
    assert "hold the same map" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_mask_of_the_whole_box_leaves_nothing_to_subtract(files, tmp_path, capsys):
    write_map(tmp_path / "ones.mrc", np.ones((BOX_PX,) * 3), VOXEL_ANGSTROM)
    words = [files / "particles.star", "--mask", tmp_path / "ones.mrc", "--out", tmp_path / "out"]
    assert locref("subtract", *words) == 2
    assert "nothing lies outside it" in capsys.readouterr().err


def test_the_way_back_takes_no_other_flags(files, tmp_path, capsys):
    words = [files / "particles.star", "--revert", "--crop", "16", "--out", tmp_path / "out"]
    assert locref("subtract", *words) == 2
    assert "--revert takes nothing but" in capsys.readouterr().err
