"""``locref refine`` with the real search, as a user runs it: interrupted, killed, resumed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from locref_widgets.runs.run import open_run
from tests.runs.test_documents import assert_documented
from tests.runs.test_run import assert_same_results

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def command(hinged_blob_set, tmp_path_factory) -> list[str]:
    """The command line of a small refinement, without ``--out``."""
    s = hinged_blob_set
    folder = tmp_path_factory.mktemp("maps")
    n, a = s.box_px, s.pixel_size_angstrom
    body = s.hinge.body
    volume = s.blobs.volume(n, a) + body.volume(n, a)
    axis = (np.arange(n) - n // 2) * a
    z, y, x = np.meshgrid(axis, axis, axis, indexing="ij")
    cx, cy, cz = body.centres_angstrom.mean(axis=0)
    r = np.sqrt((x - cx) ** 2 + (y - cy) ** 2 + (z - cz) ** 2)
    mask = np.clip((48.0 - r) / 15.0, 0, 1)
    for name, data in (("map", volume), ("mask", mask)):
        with mrcfile.new(folder / f"{name}.mrc") as file:
            file.set_data(data.astype(np.float32))
            file.voxel_size = a
    fulcrum = ",".join(f"{v:g}" for v in s.hinge.fulcrum_angstrom)
    return [
        *(sys.executable, "-m", "locref_widgets", "refine", str(s.star)),
        *("--map", str(folder / "map.mrc"), "--mask", str(folder / "mask.mrc")),
        *(f"--fulcrum-angstrom={fulcrum}", "--rotation-extent", "0.26", "--shift-extent", "2"),
        *("--initial-lowpass", "20", "--iterations", "3"),
        # Programs of the same shapes as those of `tests.runs.test_dask_executor`.
        *("--folds", "2", "--batch-size", "4"),
    ]


def start(command: list[str], out: Path, *more: str) -> subprocess.Popen:
    return subprocess.Popen(
        [*command, "--out", str(out), *more],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def wait_for(process: subprocess.Popen, out: Path, words: str) -> None:
    """Until the events tell of something."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline and process.poll() is None:
        events = out / "events.jsonl"
        if events.exists() and words in events.read_text():
            return
        time.sleep(0.02)
    pytest.fail(f"{words} never came: {process.communicate()[0]}")


@pytest.fixture(scope="module")
def uninterrupted(command, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("real") / "uninterrupted"
    process = start(command, out)
    printed, _ = process.communicate(timeout=600)
    assert process.returncode == 0, printed
    return out


def test_the_run_folder_is_complete(uninterrupted):
    final = {p.name for p in (uninterrupted / "final").iterdir()}
    assert final >= {
        *("map.mrc", "map_sharpened.mrc", "half1.mrc", "half2.mrc", "mask.mrc"),
        *("particles.star", "particles.cs", "fsc.star", "fsc.xml", "fsc.txt", "report.html"),
        "cutoff_resolution.mrc",
    }
    for iteration in (uninterrupted / "iterations").iterdir():
        assert {p.name for p in iteration.iterdir()} == {
            *("half1.mrc", "half2.mrc", "map.mrc", "mask.mrc"),
            *("particles.star", "fsc.json", "info.npz", "cutoff_resolution.mrc"),
        }


def test_its_events_are_those_of_the_document(uninterrupted):
    seen = assert_documented(open_run(uninterrupted).events())
    assert seen >= {"run_started", "phase", "progress", "iteration_finished", "fulcrum_estimate"}
    assert "preview" in seen


def test_the_first_search_tells_of_its_map_before_it_ends(uninterrupted):
    kinds = [event["kind"] for event in open_run(uninterrupted).events()]
    told = [event for event in open_run(uninterrupted).events() if event["kind"] == "preview"]
    ends = [n for n, kind in enumerate(kinds) if kind == "iteration_finished"]
    assert ends[0] < kinds.index("preview") < ends[1]
    total = open_run(uninterrupted).summary["n_particles"]
    assert 0 < told[0]["done"] < total
    assert not (uninterrupted / "preview").exists()


def test_killed_in_a_search_and_resumed(command, run_path, uninterrupted):
    process = start(command, run_path)
    wait_for(process, run_path, '"phase": "search"')
    process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    again = start(command, run_path, "--resume")
    printed, _ = again.communicate(timeout=600)
    assert again.returncode == 0, printed
    assert_same_results(run_path, uninterrupted)


def test_interrupted_by_the_keyboard_and_resumed(command, run_path, uninterrupted):
    process = start(command, run_path)
    wait_for(process, run_path, '"iteration": 2, "phase": "search"')
    os.kill(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 130, printed
    assert "Traceback" not in printed
    again = start(command, run_path, "--resume")
    printed, _ = again.communicate(timeout=600)
    assert again.returncode == 0, printed
    assert_same_results(run_path, uninterrupted)
