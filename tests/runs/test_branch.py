"""A run that goes on from an iteration of another one, which stays as it was."""

import errno
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs import branch as branch_module
from locref_widgets.runs import launch
from locref_widgets.runs.branch import make_branch
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.run import open_run
from tests.runs.fake_job import Job, soft_ball
from tests.runs.test_changes import asking, changing, told
from tests.runs.test_run import assert_same_results, run_fake

SETTINGS = RefinementSettings(iterations=4, seed=3)


def content(folder: Path) -> dict[Path, tuple[int, bytes]]:
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


def go_on(job, path: Path):
    return run_fake(job, path, open_run(path).folder.settings, resume=True)


@pytest.fixture
def parent(job, tmp_path):
    return run_fake(job, tmp_path / "parent", SETTINGS, asking({0: changing(shift_extent=6.0)}))


def test_without_changes_it_comes_to_the_same(job, run_path, parent):
    before = content(parent.path)
    folder, warnings = make_branch(parent.folder, 2, run_path, {})
    assert (folder.iterations(), warnings) == ([0, 1, 2], [])
    run = go_on(job, run_path)
    assert run.status == "finished"
    assert content(parent.path) == before
    assert_same_results(run_path, parent.path)


def test_what_is_the_same_is_shared_and_the_branch_needs_nothing_of_the_first(
    job, run_path, tmp_path
):
    # A map that was never a file: the first run keeps its own copy of it.
    volume = Map(job.volume.data * 2, job.volume.voxel_size_angstrom)
    own = Job(job.particles, volume, job.mask)
    parent = run_fake(own, tmp_path / "parent", SETTINGS)
    make_branch(parent.folder, 3, run_path, {"rotation_extent": 0.1})
    for name in ("iterations/002/half1.mrc", "iterations/003/info.npz", "inputs/map.mrc"):
        assert (run_path / name).samefile(parent.path / name)
    parent.path.rename(tmp_path / "moved away")
    record = RunFolder(run_path).read_record()
    assert record["inputs"]["map"]["path"] == str(run_path / "inputs" / "map.mrc")
    assert record["parent"] == {"path": str(parent.path), "iteration": 3}
    assert go_on(own, run_path).status == "finished"


def test_on_a_file_system_without_links_it_is_copied(job, run_path, parent, monkeypatch):
    def refuse(source, target):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(branch_module.os, "link", refuse)
    make_branch(parent.folder, 2, run_path, {})
    assert not (run_path / "iterations/002/half1.mrc").samefile(
        parent.path / "iterations/002/half1.mrc"
    )
    go_on(job, run_path)
    assert_same_results(run_path, parent.path)


def test_with_changes_it_goes_another_way_from_there_on(job, run_path, parent):
    make_branch(parent.folder, 2, run_path, {"rotation_extent": 0.1, "iterations": 6})
    run = go_on(job, run_path)
    assert run.iterations() == [0, 1, 2, 3, 4, 5, 6]
    changes = run.folder.read_record()["changes"]
    # What the first run had changed before then holds here, too.
    assert [change["iteration"] for change in changes] == [1, 3]
    assert run.settings.shift_extent == 6.0
    assert run.settings.rotation_extent == 0.1
    same = [np.array_equal(run.iteration(i).map, parent.iteration(i).map) for i in range(5)]
    assert same == [True, True, True, False, False]


def test_the_events_tell_the_whole_story(job, run_path, parent):
    make_branch(parent.folder, 2, run_path, {})
    run = go_on(job, run_path)
    assert [e["iteration"] for e in told(run, "iteration_finished")] == [0, 1, 2, 3, 4]
    (branched,) = told(run, "branched")
    assert (branched["parent"], branched["iteration"]) == (str(parent.path), 2)
    assert len(told(run, "settings_changed")) == 1
    first, last = (r.summary["start_resolution_angstrom"] for r in (parent, run))
    assert first == last
    assert run.summary["seconds"] == parent.summary["seconds"]


def test_a_branch_can_be_branched_off(job, run_path, parent, tmp_path):
    first = Map(soft_ball(24, (1, 1, 1), 5.0, 4.0), 6.0)
    second = Map(soft_ball(24, (-1, -1, 1), 5.0, 4.0), 6.0)
    make_branch(parent.folder, 1, run_path, {}, first)
    branch = go_on(job, run_path)
    np.testing.assert_array_equal(branch.iteration(2).mask, first.data)
    make_branch(branch.folder, 2, tmp_path / "third", {}, second)
    third = go_on(job, tmp_path / "third")
    np.testing.assert_array_equal(third.iteration(2).mask, first.data)
    np.testing.assert_array_equal(third.iteration(3).mask, second.data)
    np.testing.assert_array_equal(branch.iteration(3).mask, first.data)


@pytest.mark.parametrize(
    ("iteration", "changes", "message"),
    [
        (7, {}, r"has no iteration 7 .*has 0, 1, 2, 3, 4"),
        (4, {}, "nothing follows iteration 4"),
        (2, {"seed": 5}, "seed cannot be changed"),
        (2, {"rotation_extent": -1.0}, "rotation_extent"),
        (2, {"fulcrum": (400.0, 1.0, 1.0)}, "outside the box"),
        (2, {"iterations": 2}, "nothing follows iteration 2"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_made(run_path, parent, iteration, changes, message):
    with pytest.raises(InputError, match=message):
        make_branch(parent.folder, iteration, run_path, changes)
    assert not run_path.exists()


def test_a_folder_that_holds_something_is_not_touched(run_path, parent):
    run_path.mkdir()
    (run_path / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match="not empty"):
        make_branch(parent.folder, 2, run_path, {})
    assert [p.name for p in run_path.iterdir()] == ["thesis.tex"]


def test_from_a_run_under_way_in_a_process_of_its_own(job, run_path, tmp_path, monkeypatch):
    monkeypatch.setattr(launch, "WORKER_MODULE", "tests.runs.fake_worker")
    branches = []

    def branch_off(run):
        branches.append(run.branch(1, run_path, wait_for_device=False, rotation_extent=0.2))

    parent = run_fake(job, tmp_path / "parent", SETTINGS, asking({2: branch_off}))
    assert parent.status == "finished"
    (branch,) = branches
    assert branch.wait(120) == "finished"
    assert branch.settings.rotation_extent == 0.2
    shared = "iterations/001/map.mrc"
    assert (run_path / shared).samefile(parent.path / shared)
