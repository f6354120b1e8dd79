"""The rehearsal of the first search."""

import jax
import pytest

from locref_widgets.refinement import rehearsal
from locref_widgets.refinement.executor import LocalExecutor
from locref_widgets.refinement.problem import pose_problem
from locref_widgets.refinement.refine import refine_loop
from locref_widgets.refinement.rehearsal import Rehearsal
from tests.refinement.following import Recorder
from tests.refinement.hinged import hinged_input, hinged_settings

THREAD = "locref-rehearsal"


@pytest.fixture(scope="module")
def inputs(hinged_blob_set):
    return hinged_input(hinged_blob_set)


@pytest.fixture(scope="module")
def settings(hinged_blob_set):
    return hinged_settings(hinged_blob_set, iterations=1, subset=40)


@pytest.fixture
def compilations(caplog):
    """Names of the threads in which a program was compiled, by a part of its name."""
    before = jax.config.jax_log_compiles
    jax.config.update("jax_log_compiles", True)  # in all threads
    yield lambda name: [
        record.threadName
        for record in caplog.records
        if record.getMessage().startswith("Compiling") and name in record.getMessage()
    ]
    jax.config.update("jax_log_compiles", before)


@pytest.fixture
def problem(inputs, settings):
    return pose_problem(inputs, settings)


@pytest.mark.parametrize("marginalize", [True, False])
def test_the_search_compiles_nothing_after_it(inputs, settings, compilations, marginalize):
    # Batches as no other test has them, so that nothing is ready.
    batch_size = 7 + marginalize
    update = {"batch_size": batch_size, "marginalize": marginalize}
    recorder = Recorder()
    refine_loop(inputs, settings.model_copy(update=update), recorder)
    assert len(recorder.results) == 2
    for name in ("search_particles", "region_boxes", "region_images", "found_poses"):
        threads = compilations(name)
        assert len(threads) == 1
        assert threads[0].startswith(THREAD)


def test_what_goes_wrong_is_left_to_the_search(problem, settings, monkeypatch):
    called = []

    def fail(*told):
        called.append(told)
        raise MemoryError

    monkeypatch.setattr(rehearsal, "rehearse", fail)
    about = Rehearsal(problem, settings, 4, LocalExecutor())
    about.begin()
    about.wait()
    assert called == [(problem, settings, 4, None)]


class _Elsewhere:
    def run(self, task, report):
        raise NotImplementedError


def test_nothing_is_rehearsed_where_the_search_is_computed_elsewhere(
    problem, settings, monkeypatch
):
    called = []
    monkeypatch.setattr(rehearsal, "rehearse", lambda *_: called.append(1))
    about = Rehearsal(problem, settings, 4, _Elsewhere())
    about.begin()
    about.wait()
    assert not called
