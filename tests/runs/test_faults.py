"""The fault table: whatever breaks under a run, what is finished is safe and the run goes on later.

Full and read-only discs are real ones, small file systems in memory, which only root can mount.
"""

import errno
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import jax
import numpy as np
import pytest

from locref_widgets.cli.run_words import describe_status
from locref_widgets.errors import InputError, OutputError
from locref_widgets.refinement import search_pass
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.runs.inputs import load_inputs
from locref_widgets.runs.lock import is_held
from locref_widgets.runs.run import Run, open_run
from tests.runs.fake_job import make_loop, read_job
from tests.runs.killable import real_settings, write_real_job
from tests.runs.test_run import assert_same_results, run_fake

SETTINGS = RefinementSettings(iterations=3, seed=3)


@pytest.fixture
def mount() -> Iterator[Callable[..., None]]:
    """``mount(folder, options)`` mounts a file system in memory, or mounts it anew."""
    mounted = []

    def make(folder: Path, options: str, *, kind: str = "-t tmpfs tmpfs") -> None:
        words = ["mount", "-o", options, *kind.split(), str(folder)]
        done = subprocess.run(words, capture_output=True, text=True)
        if done.returncode != 0:
            pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)

    if os.getuid() != 0:
        pytest.skip("only root can mount a file system")
    yield make
    for folder in reversed(dict.fromkeys(mounted)):
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True)


@pytest.fixture(scope="module")
def whole(job_folder, tmp_path_factory) -> Path:
    """The run as it is when nothing breaks."""
    out = tmp_path_factory.mktemp("whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("locref_widgets.figures.report.write_report", lambda folder: None)
        run_fake(read_job(job_folder), out, SETTINGS)
    return out


def size_of(folder: Path) -> int:
    """Bytes in pages, as a file system in memory counts."""
    return sum(-(-p.stat().st_size // 4096) * 4096 for p in folder.rglob("*") if p.is_file())


def assert_goes_on(run: Run, job, whole: Path, statuses: tuple[str, ...] = ("failed",)) -> None:
    """Nothing finished is lost, the state is told, and resuming comes to the same."""
    assert run.status in statuses
    assert not is_held(run.path)
    for iteration in run.iterations():
        np.testing.assert_array_equal(
            run.iteration(iteration).map, Run(whole).iteration(iteration).map
        )
    assert "--resume" in describe_status(run)
    assert run_fake(job, run.path, SETTINGS, resume=True).status == "finished"
    assert_same_results(run.path, whole)


@pytest.mark.parametrize("share", [0.02, 0.15, 0.3, 0.45, 0.6, 0.75, 0.85, 0.95, 0.99])
def test_a_disc_that_fills_up_at_any_point(job, tmp_path, run_path, whole, mount, share):
    # Stacks are named relative to the table, so the run must lie as deep as the other one.
    mount(tmp_path, f"size={max(4096 * 4, int(share * size_of(whole)))}")
    with pytest.raises(OutputError, match="No space left"):
        run_fake(job, run_path, SETTINGS)
    mount(tmp_path, "remount,size=100m", kind="")
    if not (run_path / "run.json").exists():
        # It was full before there was a run: the same command begins it.
        assert run_fake(job, run_path, SETTINGS).status == "finished"
        return
    # Where not even the failure could be written, the run is lost rather than failed.
    assert_goes_on(open_run(run_path), job, whole, ("failed", "lost"))


def test_a_folder_that_becomes_read_only(job, run_path, whole, mount):
    run_path.mkdir()

    def loop(inputs, settings, observer, resume=None):
        finished = observer.iteration_finished

        def and_then(result):
            finished(result)
            if result.iteration == 1:
                mount(run_path, "bind", kind=str(run_path))
                mount(run_path, "remount,ro,bind", kind="")

        observer.iteration_finished = and_then
        return make_loop()(inputs, settings, observer, resume=resume)

    with pytest.raises(OutputError, match="Read-only file system"):
        run_fake(job, run_path, SETTINGS, loop)
    # It can be looked at as it is.
    run = open_run(run_path)
    assert run.iterations() == [0, 1]
    assert run.events()
    assert run.status in ("lost", "running")
    with pytest.raises(OutputError, match=r"cannot be written|cannot leave"):
        run_fake(job, run_path, SETTINGS, resume=True)
    subprocess.run(["umount", "--lazy", str(run_path)], check=True)
    assert_goes_on(run, job, whole, ("lost",))


def test_a_folder_that_is_read_only_from_the_start(job, tmp_path, mount):
    mount(tmp_path, "size=10m,ro")
    with pytest.raises(OutputError, match=r"cannot be written \(Read-only file system\).*--out"):
        run_fake(job, tmp_path / "run", SETTINGS)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_quota_or_a_broken_disc_in_the_middle_of_a_file(
    job, run_path, whole, monkeypatch, number
):
    """The map is half written when the system says no."""
    from locref_widgets.io import atomic

    opened = atomic.os.fdopen

    class Stubborn:
        def __init__(self, handle):
            self.handle, self.written = handle, 0

        def write(self, content):
            self.written += memoryview(content).nbytes
            if self.written > 30_000 and not broken:
                broken.append(number)
                self.handle.write(bytes(100))
                raise OSError(number, os.strerror(number))
            return self.handle.write(content)

        def __getattr__(self, name):
            return getattr(self.handle, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.handle.close()

    def loop(inputs, settings, observer, resume=None):
        finished = observer.iteration_finished

        def and_then(result):
            if result.iteration == 2:
                monkeypatch.setattr(
                    atomic.os, "fdopen", lambda *words, **more: Stubborn(opened(*words, **more))
                )
            finished(result)

        observer.iteration_finished = and_then
        return make_loop()(inputs, settings, observer, resume=resume)

    broken: list[int] = []
    with pytest.raises(OutputError, match=os.strerror(number)):
        run_fake(job, run_path, SETTINGS, loop)
    monkeypatch.setattr(atomic.os, "fdopen", opened)
    assert broken
    run = open_run(run_path)
    assert run.iterations() == [0, 1]
    assert os.strerror(number) in (run.message or "")
    assert_goes_on(run, job, whole)


@pytest.mark.parametrize("name", ["particles.star", "map.mrc", "mask.mrc", "particles.mrcs"])
def test_an_input_that_is_gone_when_the_run_is_to_go_on(
    job, job_folder, tmp_path, run_path, whole, name
):
    def failing(inputs, settings, observer, resume=None):
        finished = observer.iteration_finished

        def and_then(result):
            finished(result)
            if result.iteration == 1:
                raise RuntimeError("out of luck")

        observer.iteration_finished = and_then
        return make_loop()(inputs, settings, observer, resume=resume)

    with pytest.raises(RuntimeError):
        run_fake(job, run_path, SETTINGS, failing)
    run = open_run(run_path)
    before = {p: p.read_bytes() for p in run_path.rglob("*") if p.is_file()}
    (job_folder / name).rename(tmp_path / name)
    try:
        with pytest.raises(InputError, match=name):
            load_inputs(run.folder.read_record()["inputs"])
    finally:
        (tmp_path / name).rename(job_folder / name)
    assert {p: p.read_bytes() for p in run_path.rglob("*") if p.is_file()} == before
    load_inputs(run.folder.read_record()["inputs"])
    assert_goes_on(run, job, whole)


def test_a_log_that_cannot_be_written_does_not_stop_a_run(job, run_path):
    from locref_widgets.runs.progress import ProgressPrinter

    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails, too
    run = run_fake(job, run_path, SETTINGS)
    printer = ProgressPrinter(full, bar=False)
    for event in run.events():
        printer(event)
    with pytest.raises(OSError, match="No space left"):
        full.close()
    assert run.status == "finished"


# From here on with the real search, which reads images and uses the device.
@pytest.fixture(scope="module")
def real_job(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("real_job")
    write_real_job(folder)
    return folder


@pytest.fixture(scope="module")
def real_whole(real_job, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("real_whole") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("locref_widgets.figures.report.write_report", lambda folder: None)
        run_fake(read_job(real_job), out, real_settings(), refine_loop)
    return out


def breaking(action: Callable[[], None], iteration: int = 1):
    """The real refinement, under which something breaks when a search begins."""

    def loop(inputs, settings, observer, resume=None):
        event = observer.event

        def and_then(kind, **values):
            event(kind, **values)
            if kind == "phase" and values["name"] == "search" and values["iteration"] == iteration:
                action()

        observer.event = and_then
        return refine_loop(inputs, settings, observer, resume=resume)

    return loop


@pytest.mark.parametrize("fault", ["truncated", "gone"])
def test_a_stack_that_is_cut_or_gone_while_it_is_read(
    real_job, real_whole, run_path, tmp_path, fault
):
    stack = real_job / "particles.mrcs"
    kept = shutil.copy2(stack, tmp_path / "kept.mrcs")

    def spoil():
        if fault == "gone":
            stack.unlink()
        else:
            os.truncate(stack, stack.stat().st_size // 3)

    try:
        with pytest.raises(InputError, match=r"ended early|cannot be read any more"):
            run_fake(read_job(real_job), run_path, real_settings(), breaking(spoil))
        run = open_run(run_path)
        assert run.status == "failed"
        assert "particles.mrcs" in (run.message or "")
        assert run.iterations() == [0]
        np.testing.assert_array_equal(run.iteration(0).map, Run(real_whole).iteration(0).map)
    finally:
        shutil.copy2(kept, stack)
    resumed = run_fake(read_job(real_job), run_path, real_settings(), refine_loop, resume=True)
    assert resumed.status == "finished"
    assert_same_results(run_path, real_whole)


def too_small(limit: int):
    """A device that can search only so many particles at once."""
    search = search_pass.search_poses

    def searching(*arguments):
        asked.append(arguments[-1])
        if arguments[-1] > limit:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory")
        return search(*arguments)

    asked: list[int] = []
    return searching, asked


def test_a_device_too_small_for_what_was_planned(real_job, run_path, monkeypatch):
    searching, asked = too_small(1)
    monkeypatch.setattr(search_pass, "search_poses", searching)
    monkeypatch.setattr(search_pass, "particles_at_once", lambda *_: 4)
    run = run_fake(read_job(real_job), run_path, real_settings(), refine_loop)
    assert run.status == "finished"
    assert asked[:3] == [4, 2, 1]


def test_a_device_too_small_for_anything(real_job, real_whole, run_path, monkeypatch):
    searching, _ = too_small(0)
    monkeypatch.setattr(search_pass, "search_poses", searching)
    with pytest.raises(jax.errors.JaxRuntimeError):
        run_fake(read_job(real_job), run_path, real_settings(), refine_loop)
    run = open_run(run_path)
    assert run.status == "failed"
    assert "RESOURCE_EXHAUSTED" in (run.message or "")
    assert "smaller rotation extent" in (run.message or "")
    assert run.iterations() == [0]
    monkeypatch.undo()
    monkeypatch.setattr("locref_widgets.figures.report.write_report", lambda folder: None)
    run_fake(read_job(real_job), run_path, real_settings(), refine_loop, resume=True)
    assert_same_results(run_path, real_whole)
