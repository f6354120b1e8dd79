"""``locref sweep --resume``: what is left out is as it was, what is given must be the same."""

import json

import pytest
from typer.testing import CliRunner

from locref_widgets.cli import app
from locref_widgets.io.mrc import write_map
from tests.runs.fake_job import make_loop, soft_ball
from tests.runs.test_sweep import FakeMeter


@pytest.fixture
def locref(monkeypatch):
    """The command line in this process, with a refinement and a yardstick that cost nothing."""
    monkeypatch.setattr("locref_widgets.runs.process_setup.prepare_process", lambda: None)
    monkeypatch.setattr("locref_widgets.runs.sweep_job._shared_loop", make_loop)
    monkeypatch.setattr("locref_widgets.runs.sweep_job.meter_of", FakeMeter)

    def call(*words):
        done = CliRunner().invoke(app, ["sweep", *map(str, words)])
        return done.exit_code, " ".join(done.output.split())

    return call


@pytest.fixture
def asked(job_folder, tmp_path):
    """Words of a sweep over masks, which needs no --mask."""
    for name, radius in (("a", 5.0), ("b", 6.0)):
        write_map(tmp_path / f"{name}.mrc", soft_ball(24, (2, -1, 3), radius, 4.0), 6.0)
    grid = tmp_path / "grid.yaml"
    grid.write_text("mask: [a.mrc, b.mrc]\nrotation_extent: [0.1, 0.2]\n")
    return [
        *(job_folder / "particles.star", "--map", job_folder / "map.mrc", "--grid", grid),
        *("--out", tmp_path / "sweep", "--iterations", 1),
    ]


def test_what_is_given_beside_resume_must_be_the_same(locref, asked, job_folder, tmp_path):
    code, said = locref(*asked)
    assert code == 0, said
    out = tmp_path / "sweep"
    before = (out / "events.jsonl").read_bytes()
    (tmp_path / "other.yaml").write_text("mask: [a.mrc, b.mrc]\nrotation_extent: [0.1, 0.3]\n")
    (tmp_path / "more.yaml").write_text("folds: 3\n")
    refused = {
        "grid: {": ["--grid", tmp_path / "other.yaml"],
        "map: ": ["--map", job_folder / "mask.mrc"],
        "mask: ": ["--mask", tmp_path / "b.mrc"],
        "mask of the comparison: ": ["--evaluation-mask", tmp_path / "b.mrc"],
        "subset: 40 then, 20 now": ["--subset", 20],
        "iterations: 1 then, 2 now": ["--iterations", 2],
        "seed: 0 then, 4 now": ["--seed", 4],
        "shift_extent: 10.0 then, 5.0 now": ["--shift-extent", 5.0],
        "folds: ": ["--settings", tmp_path / "more.yaml"],
    }
    for words, given in refused.items():
        code, said = locref("--resume", "--out", out, *given)
        assert code == 2, (words, said)
        assert "begun with other inputs or settings: " + words in said
    for given in ([], ["--subset", 40, "--map", job_folder / "map.mrc"], asked):
        code, said = locref("--resume", "--out", out, *given)
        assert code == 0, said
    assert (out / "events.jsonl").read_bytes() == before
    status = CliRunner().invoke(app, ["sweep-status", str(out), "--json"])
    told = json.loads(status.stdout)
    assert (told["status"], told["message"], told["done"], told["total"]) == (
        "finished",
        None,
        4,
        4,
    )


def test_what_is_missing_is_named(locref, tmp_path):
    code, said = locref("--resume", "--out", tmp_path / "sweep")
    assert code == 2
    assert "is missing;" in said
    assert "holds no sweep" in said
