"""A whole run in this process: folder, events, requests, interruption, resuming, failure."""

import errno
import json
import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError, OutputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.state import StopRequested
from locref_widgets.runs import iteration_files
from locref_widgets.runs import job as job_module
from locref_widgets.runs.folder import RunFolder
from locref_widgets.runs.lock import WriterLock, read_owner
from locref_widgets.runs.run import Run, open_run, refine
from tests.runs.fake_job import Job, make_loop

SETTINGS = RefinementSettings(iterations=2, seed=3)


def run_fake(job: Job, out: Path, settings=SETTINGS, loop=None, **keywords) -> Run:
    loop = loop or make_loop()
    return refine(*job.arguments, settings, out, progress=False, refine_loop=loop, **keywords)


def kinds(run: Run) -> list[str]:
    return [event["kind"] for event in run.events()]


def test_a_finished_run_holds_everything(job, run_path, real_report):
    run = run_fake(job, run_path)
    assert run.status == "finished"
    assert run.iterations() == [0, 1, 2]
    maps = {"half1.mrc", "half2.mrc", "map.mrc", "mask.mrc", "cutoff_resolution.mrc"}
    iteration = {p.name for p in run.folder.iteration_folder(2).iterdir()}
    assert iteration == maps | {"particles.star", "fsc.json", "info.npz"}
    final = {p.name for p in (run_path / "final").iterdir()}
    curves = {"fsc.star", "fsc.xml", "fsc.txt"}
    particles = {"particles.star", "particles.cs"}
    assert final == maps | curves | particles | {"map_sharpened.mrc", "report.html"}
    told = kinds(run)
    assert told.count("iteration_finished") == 3
    assert told[-1] == "run_finished"
    record = json.loads((run_path / "run.json").read_text())
    assert record["settings"] == SETTINGS.model_dump(mode="json")
    assert len(record["inputs"]["map"]["sha256"]) == 64
    assert record["device"]["platform"] == "cpu"
    assert {"jax", "numpy", "python", "locref_widgets"} <= record["versions"].keys()
    assert run.summary["resolution_angstrom"] == 10.0
    assert read_owner(run_path) is None


def test_a_report_that_fails_is_a_warning_and_the_run_is_finished(job, run_path, monkeypatch):
    def fail(folder):
        raise RuntimeError("no ink")

    monkeypatch.setattr("locref_widgets.figures.report.write_report", fail)
    run = run_fake(job, run_path)
    assert run.status == "finished"
    warnings = [e["message"] for e in run.events() if e["kind"] == "warning"]
    assert any("no ink" in message and "locref report" in message for message in warnings)


def test_an_iteration_comes_back_bit_for_bit(job, run_path):
    kept = []

    def loop(inputs, settings, observer, resume=None):
        finished = observer.iteration_finished
        observer.iteration_finished = lambda result: (kept.append(result), finished(result))
        return make_loop()(inputs, settings, observer, resume=resume)

    run = run_fake(job, run_path, loop=loop)
    before, after = kept[-1], run.iteration(2)
    for name in ("map", "mask", "indices", "rotations", "origins_angstrom"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
        assert getattr(after, name).dtype == getattr(before, name).dtype
    np.testing.assert_array_equal(after.half_maps, before.half_maps)
    assert after.info.keys() == before.info.keys()
    for name, values in before.info.items():
        np.testing.assert_array_equal(after.info[name], values)
        assert after.info[name].dtype == values.dtype
    for name, curve in before.fsc.items():
        np.testing.assert_array_equal(after.fsc[name].values, curve.values)
    assert (after.seconds, after.converged) == (before.seconds, before.converged)


def test_the_summary_of_an_iteration_can_be_made_anew_from_its_files(job, run_path):
    """With half-sets apart and a part of the table: rows are those of the iterations."""
    part = Job(job.particles.take(np.arange(7, 35)), job.volume, job.mask)
    run = run_fake(part, run_path)
    for event in run.events():
        if event["kind"] == "iteration_finished":
            told = {name: v for name, v in event.items() if name not in ("schema", "time", "kind")}
            assert run.summarise(event["iteration"]) == told
    with pytest.raises(InputError, match="has no iteration 9"):
        run.summarise(9)


def test_every_input_column_passes_through(job, run_path):
    from locref_widgets.io.particles import read_particles

    run = run_fake(job, run_path)
    final = read_particles(run_path / "final" / "particles.star")
    given = job.particles.table
    assert final.table.columns.keys() == given.columns.keys()
    for name in given.columns.keys() - {"rlnImageName"}:
        if "Origin" not in name and "Angle" not in name:
            assert final.table.strings(name) == given.strings(name)
    # The poses are written with six decimals.
    np.testing.assert_allclose(final.origins_angstrom, run.iteration(2).origins_angstrom, atol=1e-5)
    np.testing.assert_array_equal(final.images(np.arange(3)), job.particles.images(np.arange(3)))


def test_pause_continue_and_stop_work_by_files(job, run_path):
    finished = []
    thread = threading.Thread(
        target=lambda: finished.append(run_fake(job, run_path, loop=make_loop(0.1)))
    )
    thread.start()
    wait_for((run_path / "events.jsonl").exists)
    run = open_run(run_path)
    run.pause()
    wait_for(lambda: run.status == "paused")
    before = len(run.events())
    time.sleep(0.5)
    assert len(run.events()) == before
    run.continue_()
    wait_for(lambda: run.status == "running")
    run.stop()
    thread.join(30)
    assert run.status == "stopped"
    told = kinds(run)
    assert [k for k in told if k in ("paused", "continued", "stopped")] == [
        "paused",
        "continued",
        "stopped",
    ]
    with pytest.raises(InputError, match="not running"):
        run.pause()
    resumed = run_fake(job, run_path, resume=True)
    assert resumed.status == "finished"


def test_an_interrupt_stops_the_run_and_resuming_completes_it(job, run_path, tmp_path):
    def loop(inputs, settings, observer, resume=None):
        event = observer.event

        def interrupting(kind, **values):
            event(kind, **values)
            if kind == "progress" and values["iteration"] == 1:
                os.kill(os.getpid(), signal.SIGINT)

        observer.event = interrupting
        return make_loop()(inputs, settings, observer, resume=resume)

    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run_fake(job, run_path, loop=loop)
    assert signal.getsignal(signal.SIGINT) is handler
    assert open_run(run_path).status == "stopped"
    assert open_run(run_path).iterations() == [0]
    run_fake(job, run_path, resume=True)
    whole = run_fake(job, tmp_path / "whole")
    assert_same_results(run_path, whole.path)


def test_an_iteration_lost_to_the_events_is_told_on_resuming(job, run_path):
    class Killed(BaseException):
        pass

    def loop(inputs, settings, observer, resume=None):
        def die(result):
            raise Killed

        observer.tell_iteration = die
        return make_loop()(inputs, settings, observer, resume=resume)

    with pytest.raises(Killed):
        run_fake(job, run_path, loop=loop)
    run = open_run(run_path)
    assert run.status == "lost"
    assert run.iterations() == [0]
    assert "iteration_finished" not in kinds(run)
    run = run_fake(job, run_path, resume=True)
    told = [e["iteration"] for e in run.events() if e["kind"] == "iteration_finished"]
    assert told == [0, 1, 2]


def test_a_failure_is_recorded_and_the_run_can_go_on(job, run_path):
    def loop(inputs, settings, observer, resume=None):
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError):
        run_fake(job, run_path, loop=loop)
    run = open_run(run_path)
    assert run.status == "failed"
    assert run.message == "RuntimeError: out of luck"
    assert run.events()[-1]["kind"] == "failed"
    assert "out of luck" in (run_path / "log.txt").read_text()
    assert run_fake(job, run_path, resume=True).status == "finished"
    assert open_run(run_path).message is None


def test_a_run_that_failed_before_its_first_iteration_can_be_begun_anew(job, run_path):
    """The message said how to mend the input; the mended one must be taken in the same folder."""

    def loop(inputs, settings, observer, resume=None):
        raise InputError("given in the wrong order")

    with pytest.raises(InputError):
        run_fake(job, run_path, loop=loop)
    other = SETTINGS.model_copy(update={"shift_extent": 4.0})
    run = run_fake(job, run_path, settings=other)
    assert run.status == "finished"
    assert run.settings.shift_extent == 4.0
    assert kinds(run).count("failed") == 0
    with pytest.raises(InputError, match="holds a run already"):
        run_fake(job, run_path)


def test_the_status_of_an_ended_run_is_written_last(job, run_path, monkeypatch):
    """Whoever waits for the end reads the events next: the last one must be there by then."""
    seen = {}

    def noting(self, status, message=None):
        seen[status] = Run(self.path).events()[-1]["kind"] if self.events_path.exists() else None
        set_status(self, status, message)

    def failing(inputs, settings, observer, resume=None):
        raise RuntimeError("out of luck")

    def stopping(inputs, settings, observer, resume=None):
        raise StopRequested

    set_status = RunFolder.set_status
    monkeypatch.setattr(RunFolder, "set_status", noting)
    with pytest.raises(RuntimeError):
        run_fake(job, run_path, loop=failing)
    run_fake(job, run_path, loop=stopping, resume=True)
    run_fake(job, run_path, resume=True)
    del seen["running"]
    assert seen == {"failed": "failed", "stopped": "stopped", "finished": "run_finished"}


def test_a_full_disc_leaves_whole_iterations_and_a_run_to_resume(job, run_path, monkeypatch):
    save = np.savez

    def full(path, **arrays):
        if int(arrays["iteration"]) == 2:
            Path(path).write_bytes(b"torn")
            raise OSError(28, "No space left on device")
        save(path, **arrays)

    monkeypatch.setattr(iteration_files.np, "savez", full)
    with pytest.raises(OutputError, match=r"No space left.*resume"):
        run_fake(job, run_path)
    run = open_run(run_path)
    assert run.status == "failed"
    assert "No space left" in run.message
    assert run.iterations() == [0, 1]
    assert sorted(p.name for p in (run_path / "iterations").iterdir()) == ["000", "001"]
    monkeypatch.undo()
    assert run_fake(job, run_path, resume=True).status == "finished"


def test_a_run_is_not_begun_over_another(job, run_path):
    run_fake(job, run_path)
    content = {p: p.stat().st_mtime_ns for p in run_path.rglob("*")}
    with pytest.raises(InputError, match=r"holds a run already \(finished\).*--resume"):
        run_fake(job, run_path)
    assert run_fake(job, run_path, resume=True).status == "finished"
    assert {p: p.stat().st_mtime_ns for p in run_path.rglob("*")} == content


def test_other_inputs_or_settings_are_listed(job, run_path):
    run_fake(job, run_path)
    changed = Job(
        job.particles.take(np.arange(10, 30)),
        job.volume,
        type(job.mask)(job.mask.data * np.float32(0.9), job.mask.voxel_size_angstrom),
    )
    with pytest.raises(InputError) as caught:
        run_fake(changed, run_path, SETTINGS.model_copy(update={"seed": 4}), resume=True)
    message = str(caught.value)
    assert "seed: 3 then, 4 now" in message
    assert "mask: " in message
    assert "particles: " in message
    assert "map: " not in message


def test_a_folder_with_other_things_is_not_touched(job, run_path):
    run_path.mkdir()
    (run_path / "thesis.tex").write_text("years")
    with pytest.raises(InputError, match=r"not empty and holds no run \(thesis.tex"):
        run_fake(job, run_path)
    assert [p.name for p in run_path.iterdir()] == ["thesis.tex"]


@pytest.mark.parametrize("method", ["exists", "iterdir"])
def test_a_folder_that_may_not_be_read_says_so(job, run_path, monkeypatch, method):
    run_path.mkdir()
    real = getattr(Path, method)

    def closed(self, *arguments, **keywords):
        # Only this folder, and as the system does it: tests may be run by root.
        if self in (run_path, run_path / "run.json"):
            raise PermissionError(errno.EACCES, "Permission denied", str(self))
        return real(self, *arguments, **keywords)

    monkeypatch.setattr(Path, method, closed)
    with pytest.raises(InputError, match=r"cannot be looked at \(Permission denied\)") as caught:
        run_fake(job, run_path)
    assert str(caught.value).startswith(str(run_path))


def test_a_jaxlib_that_is_slow_on_the_device_is_a_warning(job, run_path, monkeypatch):
    gpu = {"platform": "gpu", "kind": "NVIDIA A100", "count": 1}
    monkeypatch.setattr(job_module, "describe_device", lambda: gpu)
    monkeypatch.setattr(job_module, "versions", lambda: {"jaxlib": "0.10.2"})
    run = run_fake(job, run_path)
    warnings = [e["message"] for e in run.events() if e["kind"] == "warning"]
    assert any("jaxlib 0.10.2" in message for message in warnings)


def test_what_is_only_in_memory_is_kept_with_the_run(job, run_path):
    volume = type(job.volume)(job.volume.data * 2, job.volume.voxel_size_angstrom)
    run = run_fake(Job(job.particles, volume, job.mask), run_path)
    recorded = run.folder.read_record()["inputs"]["map"]["path"]
    assert Path(recorded) == run_path / "inputs" / "map.mrc"
    assert (
        run_fake(Job(job.particles, volume, job.mask), run_path, resume=True).status == "finished"
    )


def test_a_second_writer_is_refused(job, run_path):
    def loop(inputs, settings, observer, resume=None):
        with pytest.raises(InputError, match="is writing into this run"):
            WriterLock.acquire(run_path)
        with pytest.raises(InputError, match="is writing into this run"):
            run_fake(job, run_path, resume=True)
        return make_loop()(inputs, settings, observer, resume=resume)

    assert run_fake(job, run_path, loop=loop).status == "finished"


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}'])
def test_an_unreadable_run_says_so(run_path, content):
    run_path.mkdir()
    (run_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run\.json"):
        open_run(run_path)


def test_no_run_says_so(tmp_path):
    with pytest.raises(InputError, match="is not a run folder"):
        open_run(tmp_path)


def wait_for(condition, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def assert_same_results(one: Path, other: Path) -> None:
    """The files of both runs agree byte for byte, but for times of day and durations."""
    files = [
        {
            path.relative_to(run): path.read_bytes()
            for folder in ("iterations", "final")
            for path in (run / folder).rglob("*.*")
            # The report holds times, the title in fsc.xml is the folder's name.
            if path.name not in ("report.html", "fsc.xml")
        }
        for run in (one, other)
    ]
    assert files[0].keys() == files[1].keys()
    differing = [name for name, content in files[0].items() if files[1][name] != content]
    # info.npz also says how long the iteration took.
    assert [str(name) for name in differing if name.name != "info.npz"] == []
    for name in differing:
        arrays = [np.load(run / name) for run in (one, other)]
        assert arrays[0].keys() == arrays[1].keys()
        for key in set(arrays[0].keys()) - {"seconds"}:
            np.testing.assert_array_equal(arrays[0][key], arrays[1][key], err_msg=f"{name} {key}")
