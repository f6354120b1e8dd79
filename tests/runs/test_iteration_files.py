"""The arrays of an iteration: whatever is wrong with their file is said in words."""

import io
import shutil

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.branch import make_branch
from locref_widgets.runs.compare import compare_runs
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.particle_columns import ParticleColumns
from locref_widgets.runs.run import refine
from locref_widgets.runs.searches import found_in_iteration
from tests.runs.fake_job import make_loop, read_job


def single_array() -> bytes:
    held = io.BytesIO()
    np.save(held, np.zeros(3))
    return held.getvalue()


DAMAGE = {
    "empty": lambda whole: b"",
    "truncated": lambda whole: whole[: len(whole) // 2],
    "of other content": lambda whole: b"half of it",
    "a single array": lambda whole: single_array(),
    "spoilt but for its end": lambda whole: bytes(len(whole) - 4000) + whole[-4000:],
}


@pytest.fixture(scope="module")
def run_path(job_folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("arrays") / "run"
    job, settings = read_job(job_folder), RefinementSettings(iterations=3)
    options = {"progress": False, "refine_loop": make_loop(), "wait_for_device": False}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("locref_widgets.runs.job.write_report_of", lambda *_: None)
        return refine(*job.arguments, settings, out, **options).path


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_of_arrays_is_named_by_all_who_read_it(damage, run_path, tmp_path):
    for name in ("one", "two"):
        shutil.copytree(run_path, tmp_path / name)
    folder = RunFolder(tmp_path / "one")
    for iteration in (2, 3):
        file = folder.iteration_folder(iteration) / "info.npz"
        file.write_bytes(DAMAGE[damage](file.read_bytes()))
    readers = [
        lambda: folder.read_iteration(3),
        lambda: folder.read_changes(3),
        lambda: [ParticleColumns(folder, 3).column(name) for name in ("indices", "rotations")],
        lambda: found_in_iteration(folder.path, 3),
        lambda: compare_runs([tmp_path / "one", tmp_path / "two"]).summary(),
        lambda: make_branch(folder, 2, tmp_path / "branch", {"rotation_extent": 0.2}),
    ]
    for read in readers:
        with pytest.raises(InputError, match=r"info\.npz: cannot be read .*Remove the folder"):
            read()
    assert not (tmp_path / "branch").exists()
