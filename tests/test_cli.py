"""The command line as a user meets it: exit statuses, messages, JSON."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.cli import app, demo_job
from locref_widgets.io.box_position import BoxPosition
from locref_widgets.io.mrc import read_map, write_map
from locref_widgets.io.star import read_star
from locref_widgets.runs import job
from tests.runs.fake_job import make_loop, soft_ball, write_job

BOX_PX, VOXEL_ANGSTROM = 24, 6.0


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job that can be refined, and files that spoil it in one way each."""
    folder = tmp_path_factory.mktemp("cli")
    write_job(folder, BOX_PX)
    ball = soft_ball(BOX_PX, (2, -1, 3), 5.0, 4.0)
    write_map(folder / "empty_mask.mrc", np.zeros_like(ball), VOXEL_ANGSTROM)
    write_map(folder / "negative_mask.mrc", ball - np.float32(0.5), VOXEL_ANGSTROM)
    write_map(folder / "other_voxel.mrc", ball, 5.0)
    half_a_voxel = BoxPosition(origin_angstrom=(3.0, 0.0, 0.0))
    write_map(folder / "between_voxels.mrc", ball, VOXEL_ANGSTROM, half_a_voxel)
    corner = BoxPosition(start_px=(4, 1, 5))
    write_map(folder / "piece.mrc", ball[5:, 1:22, 4:], VOXEL_ANGSTROM, corner)
    write_map(folder / "empty_map.mrc", np.zeros_like(ball), VOXEL_ANGSTROM)
    write_map(folder / "flat_map.mrc", np.full_like(ball, 2.5), VOXEL_ANGSTROM)
    write_job(folder / "small", 14)
    write_map(folder / "other_box.mrc", soft_ball(20, (0, 0, 0), 4.0, 3.0), VOXEL_ANGSTROM)
    whole = (folder / "map.mrc").read_bytes()
    (folder / "truncated.mrc").write_bytes(whole[:-100])
    (folder / "text.mrc").write_text("no map " * 300)
    star = (folder / "particles.star").read_text()
    (folder / "no_halves.star").write_text(star.replace("_rlnRandomSubset", "_rlnSomething"))
    (folder / "no_poses.star").write_text(star.replace("_rlnAngleRot", "_rlnSomething"))
    (folder / "beyond.star").write_text(star.replace("000040@", "000041@"))
    (folder / "bad.yaml").write_text("rotation_exent: 0.3\n")
    return folder


def locref(*words: str | Path) -> int:
    with pytest.raises(SystemExit) as caught:
        app([str(word) for word in words], prog_name="locref")
    return int(caught.value.code or 0)


def refine_words(files: Path, out: Path, **replaced: str) -> list[str]:
    names = {"particles": "particles.star", "map": "map.mrc", "mask": "mask.mrc"} | replaced
    maps = ["--map", str(files / names["map"]), "--mask", str(files / names["mask"])]
    return ["refine", str(files / names["particles"]), *maps, "--out", str(out)]


@pytest.fixture
def fake_refinement(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(job, "_real_loop", make_loop)
    monkeypatch.setattr("locref_widgets.figures.report.write_report", write_empty_report)
    monkeypatch.setattr("locref_widgets.runs.process_setup.prepare_process", lambda: None)


def write_empty_report(folder: Path) -> Path:
    path = folder / "final" / "report.html"
    path.write_text("<html></html>")
    return path


FILE_FAULTS = [
    ({"particles": "absent.star"}, "absent.star"),
    ({"map": "absent.mrc"}, "absent.mrc"),
    ({"mask": "absent.mrc"}, "absent.mrc"),
    ({"particles": "no_halves.star"}, "rlnRandomSubset"),
    ({"particles": "no_poses.star"}, "rlnAngleRot"),
    ({"particles": "beyond.star"}, "names image 41"),
    ({"particles": "map.mrc"}, "map.mrc"),
    ({"map": "truncated.mrc"}, "truncated.mrc"),
    ({"map": "text.mrc"}, "text.mrc"),
    ({"map": "particles.mrcs"}, "not cubic"),
    ({"map": "other_box.mrc"}, "box"),
    ({"map": "other_voxel.mrc"}, "5.0000 Å"),
    ({"map": "empty_map.mrc"}, "every voxel of the map is 0"),
    ({"map": "flat_map.mrc"}, "every voxel of the map is 2.5"),
    (
        {"particles": "small/particles.star", "map": "small/map.mrc", "mask": "small/mask.mrc"},
        "the box is 14 px, expected at least 16",
    ),
    ({"mask": "other_voxel.mrc"}, "5.0000 Å"),
    ({"mask": "other_box.mrc"}, "20 voxels"),
    ({"mask": "between_voxels.mrc"}, "the mask lies between the voxels of the map"),
    ({"mask": "empty_mask.mrc"}, "the mask is empty"),
    ({"mask": "negative_mask.mrc"}, "expected 0 to 1"),
]


@pytest.mark.parametrize(("replaced", "message"), FILE_FAULTS)
def test_wrong_files_end_with_2_and_one_message(files, run_path, capsys, replaced, message):
    assert locref(*refine_words(files, run_path, **replaced)) == 2
    assert_one_message(capsys, message)
    assert not run_path.exists()


@pytest.mark.usefixtures("fake_refinement")
def test_a_piece_of_a_mask_is_put_into_the_maps_box(files, run_path, capsys):
    words = refine_words(files, run_path, mask="piece.mrc")
    assert locref(*words, "--iterations", "1") == 0
    said = capsys.readouterr()
    assert "placed in the box of the map (24 x 24 x 24) with its first voxel at 4, 1, 5" in (
        said.out + said.err
    )
    whole = read_map(files / "mask.mrc")
    np.testing.assert_array_equal(read_map(run_path / "inputs" / "mask.mrc").data, whole.data)


SETTING_FAULTS = [
    (["--fulcrum", "30,5,5"], "lies outside the box of 24 voxels"),
    (["--fulcrum", "100,60,90"], "If the numbers are Å from the corner, give voxels"),
    (["--fulcrum-angstrom", "-80,0,0"], "lies outside the box"),
    (["--fulcrum", "1,2"], "expected three numbers"),
    (["--fulcrum", "here"], "expected three numbers"),
    (["--fulcrum", "1,2,3", "--fulcrum-angstrom", "1,2,3"], "both set"),
    (["--rotation-extent", "0"], "rotation_extent is 0"),
    (["--rotation-extent", "3.2"], "rotation_extent is 3.2"),
    (["--shift-extent", "0"], "shift_extent is 0"),
    (["--shift-extent", "100"], "wider than the box"),
    (["--initial-lowpass", "48.1"], "coarser than a third of the box (48 Å)"),
    (["--half-maps", "{files}/map.mrc", "{files}/empty_map.mrc"], "every voxel of the map is 0"),
    (["--iterations", "0"], "iterations is 0"),
    (["--subset", "1"], "subset is 1"),
    (["--settings", "{files}/bad.yaml"], "did you mean rotation_extent"),
    (["--settings", "{files}/absent.yaml"], "absent.yaml"),
    (["--half-maps", "{files}/map.mrc", "{files}/other_box.mrc"], "half-map"),
]


@pytest.mark.parametrize(("words", "message"), SETTING_FAULTS)
def test_wrong_settings_end_with_2_and_one_message(files, run_path, capsys, words, message):
    words = [word.replace("{files}", str(files)) for word in words]
    assert locref(*refine_words(files, run_path), *words) == 2
    assert_one_message(capsys, message)
    assert not run_path.exists()


@pytest.mark.parametrize(
    "words",
    [
        ["refine"],
        ["refine", "--out", "{files}"],
        ["refine", "--resume", "--out", "{files}/absent"],
        ["status", "{files}"],
        ["watch", "{files}/absent"],
        ["pause", "{files}"],
        ["report", "{files}"],
        ["info", "{files}/absent.mrc"],
        ["info", "{files}"],
        ["simulate", "--out", "{files}"],
        ["simulate", "--out", "{files}/new", "--snr", "0"],
        ["simulate", "--out", "{files}/new", "--snr", "inf"],
        ["simulate", "--out", "{files}/new", "--apix", "nan"],
    ],
)
def test_other_commands_end_with_2_and_one_message(files, capsys, words):
    before = sorted(files.iterdir())
    assert locref(*[word.replace("{files}", str(files)) for word in words]) == 2
    assert_one_message(capsys, "")
    assert sorted(files.iterdir()) == before


def test_a_comparison_is_written_over_nothing_but_pages(files, capsys):
    before = (files / "piece.mrc").read_bytes()
    assert locref("compare", "run1", "run2", "--out", files / "piece.mrc") == 2
    assert_one_message(capsys, "ends in .html")
    assert (files / "piece.mrc").read_bytes() == before


def test_unknown_words_end_with_2(capsys):
    assert locref("refine", "--fulcrumm", "1,2,3") == 2
    assert "--fulcrumm" in capsys.readouterr().err
    assert locref("refin") == 2


def test_refine_status_info_and_report(files, run_path, capsys, fake_refinement):
    words = refine_words(files, run_path)
    assert locref(*words, "--iterations", "1", "--fulcrum", "mask", "--no-subtract") == 0
    said = capsys.readouterr()
    assert str(run_path / "final" / "report.html") in said.out
    assert "iteration   1" in said.err
    assert "\r" not in said.err

    assert locref("status", run_path, "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert values["status"] == "finished"
    assert values["iterations"] == [0, 1]
    settings = json.loads((run_path / "run.json").read_text())["settings"]
    assert (settings["fulcrum"], settings["subtract"], settings["iterations"]) == ("mask", False, 1)

    assert locref("info", run_path, "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "run"
    assert locref("status", run_path) == 0
    assert "finished" in capsys.readouterr().out
    assert locref("watch", run_path) == 0
    assert "finished after iteration 1" in capsys.readouterr().out
    (run_path / "final" / "report.html").unlink()
    assert locref("report", run_path) == 0
    assert (run_path / "final" / "report.html").is_file()
    assert locref("stop", run_path) == 2
    assert "not running (finished)" in capsys.readouterr().err


def test_resume_needs_only_the_folder_and_refuses_other_settings(
    files, run_path, capsys, fake_refinement, monkeypatch
):
    def stop_at_once(inputs, settings, observer, resume=None):
        from locref_widgets.runs import control

        control.request(run_path, "stop")
        return make_loop()(inputs, settings, observer, resume=resume)

    with monkeypatch.context() as patch:
        patch.setattr(job, "_real_loop", lambda: stop_at_once)
        assert locref(*refine_words(files, run_path), "--iterations", "2", "--seed", "4") == 130
    assert "--resume" in capsys.readouterr().out
    assert locref("refine", "--resume", "--out", run_path, "--seed", "5") == 2
    assert "seed: 4 then, 5 now" in capsys.readouterr().err
    assert locref(*refine_words(files, run_path)) == 2
    assert "holds a run already (stopped)" in capsys.readouterr().err
    assert locref("refine", "--resume", "--out", run_path) == 0
    assert locref("refine", "--resume", "--out", run_path) == 0


def test_a_settings_file_and_flags_over_it(files, run_path, tmp_path, fake_refinement):
    path = tmp_path / "settings.yaml"
    path.write_text("iterations: 3\nshift_extent: 4\nfulcrum: [12, 13, 14.5]\n")
    words = ["--settings", str(path), "--iterations", "1", "--fulcrum-angstrom", "-6,0,6"]
    assert locref(*refine_words(files, run_path), *words) == 0
    settings = json.loads((run_path / "run.json").read_text())["settings"]
    assert (settings["iterations"], settings["shift_extent"]) == (1, 4.0)
    assert (settings["fulcrum"], settings["fulcrum_angstrom"]) == (None, [-6.0, 0.0, 6.0])


def test_a_fulcrum_far_from_the_mask_is_a_warning(files, run_path, capsys, fake_refinement):
    words = ["--iterations", "1", "--fulcrum", "0,0,0"]
    assert locref(*refine_words(files, run_path), *words) == 0
    assert "far beyond the mask's radius" in capsys.readouterr().err


def test_unequal_half_sets_are_a_warning(files, run_path, tmp_path, capsys, fake_refinement):
    from locref_widgets.io.particles import read_particles

    particles = read_particles(files / "particles.star")
    unequal = tmp_path / "unequal.star"
    first_half = np.flatnonzero(particles.half_sets == 1)
    particles.take(np.append(first_half, [1])).write_star(unequal)
    words = refine_words(files, run_path, particles=str(unequal))
    assert locref(*words, "--iterations", "1") == 0
    warning = f"warning: {unequal}: the half-sets are unequal: 20 particles in half 1, 1 in half 2"
    assert warning in capsys.readouterr().err


def test_a_fault_of_the_disc_ends_with_1_and_one_message(files, run_path, capsys, monkeypatch):
    def full(*arguments, **keywords):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    assert locref(*refine_words(files, run_path)) == 1
    assert_one_message(capsys, "No space left on device")


def test_info_tells_a_file_and_its_faults(files, capsys):
    assert locref("info", files / "map.mrc") == 0
    assert "map" in capsys.readouterr().out
    assert locref("info", files / "no_halves.star", "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert any("rlnRandomSubset" in fault for fault in values["faults"])


def test_the_program_itself_ends_with_2_and_no_traceback(files, run_path):
    words = refine_words(files, run_path, mask="empty_mask.mrc")
    repository = Path(__file__).resolve().parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "locref_widgets", *words],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(repository)},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


def test_lab_opens_a_copy_of_the_workbench_and_keeps_notebooks_that_are_there(
    tmp_path, monkeypatch
):
    started = []
    monkeypatch.setattr(demo_job.os, "execv", lambda *command: started.append(command))
    folder = tmp_path / "lab"
    assert locref("lab", "--folder", folder, "--no-browser") == 0
    copy = folder / demo_job.NOTEBOOK
    assert started[0][1][1:] == ["-m", "jupyterlab", str(copy), "--no-browser"]
    ours = {path.name for path in demo_job.find_notebooks().glob("*.ipynb")}
    assert {path.name for path in folder.iterdir()} == ours
    assert "01_first_refinement.ipynb" in ours
    copy.write_text('{"own": "work"}')
    assert locref("lab", "--folder", folder) == 0
    assert copy.read_text() == '{"own": "work"}'


def assert_one_message(capsys: pytest.CaptureFixture, message: str) -> None:
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert message in said.err
    assert said.err.startswith("locref: ")
    assert said.err.count("\n") == 1


def test_demo_refines_the_sample_and_tells_what_it_gained(run_path, capsys, fake_refinement):
    assert locref("demo", "--out", run_path) == 0
    said = capsys.readouterr().out
    assert str(run_path / "final" / "report.html") in said
    assert "against the true poses" in said
    # Made again, it only says what is there.
    assert locref("demo", "--out", run_path) == 0


def test_simulate_writes_a_set_that_info_describes(tmp_path, capsys):
    out = tmp_path / "data"
    words = ["--n", "6", "--box", "48", "--apix", "6", "--seed", "2"]
    assert locref("simulate", "--out", out, *words) == 0
    capsys.readouterr()
    assert locref("info", out / "consensus.star", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "particles"


def test_ctrl_c_ends_with_130_and_a_run_to_resume(files, run_path, monkeypatch, fake_refinement):
    def interrupted(inputs, settings, observer, resume=None):
        os.kill(os.getpid(), signal.SIGINT)
        return make_loop()(inputs, settings, observer, resume=resume)

    with monkeypatch.context() as patch:
        patch.setattr(job, "_real_loop", lambda: interrupted)
        assert locref(*refine_words(files, run_path), "--iterations", "1") == 130
    assert json.loads((run_path / "run.json").read_text())["status"] == "stopped"
    assert locref("refine", "--resume", "--out", run_path) == 0


def test_convert_there_and_back_lists_what_is_left(files, tmp_path, capsys):
    given, there, back = files / "particles.star", tmp_path / "there.cs", tmp_path / "back.star"
    assert locref("convert", given, there) == 0
    assert locref("convert", there, back) == 0
    said = capsys.readouterr().out
    assert f"{back}: written" in said
    assert "alignments3D/alpha: RELION has no column for it" in said
    assert read_star(back)["particles"].strings("rlnRandomSubset") == read_star(given)[
        "particles"
    ].strings("rlnRandomSubset")
    assert locref("info", there) == 0
    assert "format: cryoSPARC" in capsys.readouterr().out
    assert locref("convert", there, tmp_path / "back.txt") == 2
    assert_one_message(capsys, "name it so")
