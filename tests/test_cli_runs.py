"""The commands that steer, branch and list runs, as a user meets them."""

import json
from pathlib import Path

import pytest

from locref_widgets.runs import job
from locref_widgets.runs.control import take_request
from locref_widgets.runs.lock import WriterLock
from locref_widgets.runs.run import open_run
from locref_widgets.runs.sweep_folder import SweepFolder
from tests.runs.fake_job import make_loop, write_job
from tests.runs.test_changes import asking
from tests.test_cli import (  # noqa: F401 - fixtures
    assert_one_message,
    fake_refinement,
    locref,
    refine_words,
)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli_runs")
    write_job(folder)
    return folder


@pytest.fixture
def stopped(files, run_path, fake_refinement, monkeypatch) -> Path:  # noqa: F811
    """A run that was asked, by the command, to stop after iteration 1."""
    stop = {1: lambda run: locref("stop", run.path, "--after-iteration")}
    monkeypatch.setattr(job, "_real_loop", lambda: asking(stop))
    assert locref(*refine_words(files, run_path), "--iterations", "3") == 130
    monkeypatch.setattr(job, "_real_loop", make_loop)
    return run_path


def test_a_change_is_asked_told_and_taken_up(files, stopped, capsys):
    mask = files / "other.mrc"
    mask.write_bytes((files / "mask.mrc").read_bytes())
    words = ["change", stopped, "--rotation-extent", "0.2", "--no-marginalize", "--mask", mask]
    assert locref(*words) == 0
    assert "when the run goes on" in capsys.readouterr().out
    assert locref("status", stopped) == 0
    asked = "asked for from the next iteration on: rotation_extent, marginalize, mask"
    assert asked in capsys.readouterr().out
    assert locref("refine", "--resume", "--out", stopped) == 0
    assert locref("status", stopped) == 0
    told = capsys.readouterr().out
    assert "from iteration 2 on: rotation_extent 0.35 → 0.2, marginalize on → off, mask" in told
    assert locref("status", stopped, "--json") == 0
    (change,) = json.loads(capsys.readouterr().out)["changes"]
    assert change["settings"]["marginalize"] == {"before": True, "after": False}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--rotation-extent", "9"], "rotation_extent"),
        (["--fulcrum", "1,2"], "expected three numbers"),
        (["--fulcrum", "99,2,3"], "lies outside the box"),
        (["--mask", "absent.mrc"], "absent.mrc"),
        ([], "nothing would change"),
    ],
)
def test_a_wrong_change_ends_with_2_and_one_message(stopped, capsys, words, message):
    capsys.readouterr()
    assert locref("change", stopped, *words) == 2
    assert_one_message(capsys, message)
    assert not list((stopped / "control").iterdir())


def test_what_cannot_be_changed_is_no_flag_of_the_command(stopped, capsys):
    assert locref("change", stopped, "--seed", "4") == 2
    assert "No such option" in capsys.readouterr().err


def test_a_branch_refines_on_and_says_where_it_comes_from(stopped, tmp_path, capsys):
    words = ["branch", stopped, "--from-iteration", "1", "--shift-extent", "4"]
    assert locref(*words, "--out", tmp_path / "new") == 0
    told = capsys.readouterr().out
    assert f"from iteration 1 of {stopped}" in told
    assert "shift_extent 10 → 4" in told
    assert open_run(tmp_path / "new").iterations() == [0, 1, 2, 3]
    assert open_run(stopped).iterations() == [0, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "new"], "--from-iteration is missing"),
        (["--from-iteration", "1"], "--out is missing"),
        (["--from-iteration", "9", "--out", "new"], "has no iteration 9"),
    ],
)
def test_a_wrong_branch_ends_with_2_and_one_message(
    stopped, tmp_path, monkeypatch, capsys, words, message
):
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    assert locref("branch", stopped, *words) == 2
    assert_one_message(capsys, message)
    assert not (tmp_path / "new").exists()


def test_the_runs_of_a_folder_are_listed(stopped, capsys):
    capsys.readouterr()
    assert locref("runs", stopped.parent) == 0
    head, line = capsys.readouterr().out.splitlines()
    assert head.split() == ["run", "state", "iteration", "resolution", "particles", "updated"]
    assert line.split()[:5] == ["run", "stopped", "1", "of", "3"]
    assert locref("runs", stopped.parent, "--json") == 0
    (listed,) = json.loads(capsys.readouterr().out)
    assert (listed["folder"], listed["status"]) == (str(stopped), "stopped")
    assert locref("runs", stopped.parent / "absent") == 2


def test_a_sweep_is_paused_and_stopped_as_a_run_is(tmp_path, capsys):
    path = tmp_path / "tuning"
    path.mkdir()
    lock = WriterLock.acquire(path)
    SweepFolder.create(path, {"grid": {}, "candidates": []})
    try:
        assert locref("pause", path) == 0
        assert take_request(path) == "pause"
        assert locref("stop", path, "--after-iteration") == 2
        assert "is a sweep" in capsys.readouterr().err
        assert take_request(path) is None
        assert locref("stop", path) == 0
        assert take_request(path) == "stop"
        assert f"locref sweep --resume --out {path}" in capsys.readouterr().out
    finally:
        lock.release()
    assert locref("pause", path) == 2
    assert "is not running (lost)" in capsys.readouterr().err
