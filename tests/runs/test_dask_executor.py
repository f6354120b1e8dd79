"""A run computed by Dask workers: the same result, whoever computes what, dies, or joins late."""

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from distributed import Client, LocalCluster

from locref_widgets.errors import OutputError
from locref_widgets.runs import chunk_worker
from locref_widgets.runs.run import Run, open_run, refine, start_refinement
from locref_widgets.runs.run_state import ENDED
from tests.refinement.hinged import hinged_input, hinged_settings


@pytest.fixture(scope="module")
def arguments(hinged_blob_set):
    made = hinged_input(hinged_blob_set)
    # Chunks of 32 particles: two for each half-set and fold.
    settings = hinged_settings(hinged_blob_set, folds=2, subset=256, batch_size=4)
    return made.particles, made.volume, made.mask, settings


@pytest.fixture(scope="module")
def local(arguments, tmp_path_factory) -> Run:
    """The run as this machine computes it."""
    out = tmp_path_factory.mktemp("local") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("locref_widgets.figures.report.write_report", _no_report)
        return refine(*arguments, out, progress=False, wait_for_device=False)


def _no_report(folder: Path) -> Path:
    return Path(folder) / "final" / "report.html"


@pytest.fixture
def cluster():
    """Two workers, each a process with one thread."""
    options = {"threads_per_worker": 1, "dashboard_address": "127.0.0.1:0"}
    with LocalCluster(n_workers=2, processes=True, **options) as started:
        yield started


def executor_of(cluster: LocalCluster) -> str:
    return f"dask:{cluster.scheduler_address}"


@contextmanager
def once(run_path: Path, happened: Callable[[dict], bool], act: Callable[[], None]):
    """Do something, in a thread, when a run first tells of something."""
    over, faults = threading.Event(), []

    def follow() -> None:
        try:
            while not (run_path / "run.json").exists():
                if over.wait(0.05):
                    return
            for event in open_run(run_path).follow():
                if happened(event):
                    act()
                    return
        except Exception as fault:
            faults.append(fault)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(120)
    assert not faults
    assert not thread.is_alive()


def in_search(iteration: int) -> Callable[[dict], bool]:
    """When some chunks of a search are done, and others are not."""

    def happened(event: dict) -> bool:
        place = event["kind"], event.get("phase"), event.get("iteration")
        return place == ("progress", "search", iteration) and 0 < event["done"] < event["total"]

    return happened


def hold_back(run_path: Path) -> None:
    """On a worker: only the first chunk after iteration 1 is computed until the run has ended.

    An iteration here takes a third of a second, in which a request may or may not be seen.
    """
    compute, passed = chunk_worker.compute_chunk, []

    def compute_when_let(*parcels: chunk_worker.Parcel):
        if (run_path / "iterations" / "001").exists():
            while passed and open_run(run_path).status not in ENDED:
                time.sleep(0.05)
            passed.append(parcels)
        return compute(*parcels)

    chunk_worker.compute_chunk = compute_when_let


def assert_same(one: Run, other: Run) -> None:
    assert one.iterations() == other.iterations()
    for iteration in one.iterations():
        a, b = one.iteration(iteration), other.iteration(iteration)
        np.testing.assert_allclose(a.rotations, b.rotations, atol=np.deg2rad(1e-4))
        np.testing.assert_allclose(a.origins_angstrom, b.origins_angstrom, atol=1e-4)
        for first, second in zip((*a.half_maps, a.map), (*b.half_maps, b.map), strict=True):
            assert np.linalg.norm(first - second) <= 1e-5 * np.linalg.norm(second)


def test_a_worker_is_killed_in_a_search_and_another_joins(cluster, arguments, local, run_path):
    with Client(cluster, set_as_default=False) as client:
        pids = client.run(os.getpid)

    def kill_and_add() -> None:
        os.kill(next(iter(pids.values())), signal.SIGKILL)
        cluster.scale(3)

    with once(run_path, in_search(1), kill_and_add):
        executor = executor_of(cluster)
        run = refine(*arguments, run_path, progress=False, executor=executor)
    assert run.status == "finished"
    assert_same(run, local)
    with Client(cluster, set_as_default=False) as client:
        after = client.run(os.getpid)
    assert len(after) == 3
    assert len(set(after.values()) & set(pids.values())) == 1


def test_stopped_in_a_search_and_resumed_here(cluster, arguments, local, run_path):
    executor = executor_of(cluster)
    with Client(cluster, set_as_default=False) as client:
        client.run(hold_back, run_path)
    run = start_refinement(*arguments, run_path, executor=executor)
    with once(run_path, in_search(2), run.stop):
        assert run.wait(600) == "stopped"
    assert run.iterations() == [0, 1]
    told = [event for event in run.events() if event["kind"] == "executor"]
    record = run.folder.read_record()["executor"]
    assert record["choice"] == told[0]["choice"] == executor
    assert record["dashboard"] == told[0]["dashboard"] == cluster.dashboard_link
    assert told[0]["workers"] == 2
    run = refine(*arguments, run_path, progress=False, resume=True, executor="local")
    assert run.folder.read_record()["executor"]["choice"] == "local"
    assert_same(run, local)


def test_without_its_scheduler_a_run_fails_in_words_and_can_be_resumed(
    cluster, arguments, local, run_path
):
    with (
        once(run_path, in_search(1), cluster.close),
        pytest.raises(OutputError, match=r"scheduler at tcp://.* was lost.*resume the run"),
    ):
        refine(*arguments, run_path, progress=False, executor=executor_of(cluster))
    assert open_run(run_path).status == "failed"
    run = refine(*arguments, run_path, progress=False, resume=True, executor="local")
    assert_same(run, local)
