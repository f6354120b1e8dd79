"""Settings changed while a run goes on: asked, taken up, refused, and honoured after a kill."""

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from locref_widgets.errors import InputError
from locref_widgets.io.mrc import Map, read_map, write_map
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.steering import STEERABLE, changed_settings
from locref_widgets.runs import control, steward
from locref_widgets.runs.changes import in_effect, pending_changes
from locref_widgets.runs.run import open_run
from tests.runs.fake_job import make_loop, soft_ball
from tests.runs.test_run import assert_same_results, kinds, run_fake

SETTINGS = RefinementSettings(iterations=4, seed=3)


class Killed(BaseException):
    """Ends a run as a kill does: nothing that tidies up for an `Exception` is done."""


def asking(actions, *, killed_at: int | None = None):
    """A loop that acts upon the run when an iteration is finished, and then may be killed."""

    def loop(inputs, settings, observer, resume=None):
        finished = observer.iteration_finished

        def and_then(result):
            finished(result)
            run = open_run(observer.folder.path)
            if result.iteration in actions:
                actions[result.iteration](run)
            if result.iteration == killed_at:
                raise Killed

        observer.iteration_finished = and_then
        return make_loop()(inputs, settings, observer, resume=resume)

    return loop


def changing(**values):
    return lambda run: run.change(**values)


def told(run, kind: str) -> list[dict]:
    return [event for event in run.events() if event["kind"] == kind]


def other_mask(job, folder: Path) -> Path:
    path = folder / "other_mask.mrc"
    write_map(path, soft_ball(job.volume.box_px, (-3, 2, 1), 4.0, 3.0), 6.0)
    return path


def test_a_change_is_taken_up_by_the_next_iteration_and_recorded(job, run_path):
    actions = {1: changing(rotation_extent=0.2, prior_rotation=True)}
    run = run_fake(job, run_path, SETTINGS, asking(actions))
    record = run.folder.read_record()
    assert record["settings"] == SETTINGS.model_dump(mode="json")
    (change,) = record["changes"]
    assert change["iteration"] == 2
    assert change["settings"]["rotation_extent"] == {"before": 0.35, "after": 0.2}
    assert change["settings"]["prior_rotation"] == {"before": None, "after": 15.0}
    for iteration, expected in ((0, 0.35), (1, 0.35), (2, 0.2), (4, 0.2)):
        assert in_effect(record, iteration)[0].rotation_extent == expected
    assert run.settings.rotation_extent == 0.2
    (event,) = told(run, "settings_changed")
    assert (event["iteration"], event["rotation_extent"]) == (2, 0.2)
    limits = [e["pose_change"]["limit_deg"] for e in told(run, "iteration_finished")]
    np.testing.assert_allclose(np.deg2rad(limits), [0.35, 0.35, 0.2, 0.2, 0.2], rtol=1e-4)
    assert not pending_changes(run.folder)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rotation_extent": 4.0}, "rotation_extent"),
        ({"rotation_extent": "wide"}, "rotation_extent"),
        ({"rotation_exent": 0.3}, "rotation_exent is no setting"),
        ({"subset": 10}, "subset cannot be changed while a run goes on"),
        ({"symmetry": "C2"}, "symmetry cannot be changed"),
        ({"fulcrum": (400.0, 1.0, 1.0)}, "outside the box"),
        ({"shift_extent": 100.0}, "wider than the box"),
        ({"rotation_extent": 0.35}, "nothing would change"),
        ({}, "nothing would change"),
        ({"mask": "absent.mrc"}, "absent.mrc"),
    ],
)
def test_a_wrong_change_is_refused_at_once_and_nothing_is_asked(job, run_path, wrong, message):
    refused = []

    def ask(run):
        with pytest.raises(InputError, match=message) as caught:
            run.change(**wrong)
        refused.append(caught.value)
        assert not list((run.path / "control").iterdir())

    run = run_fake(job, run_path, SETTINGS, asking({1: ask}))
    assert refused
    assert run.folder.read_record()["changes"] == []
    assert "settings_changed" not in kinds(run)


def test_a_mask_that_does_not_fit_is_refused_at_once(job, run_path, tmp_path):
    wrong = tmp_path / "wrong.mrc"
    write_map(wrong, soft_ball(20, (0, 0, 0), 4.0, 3.0), 6.0)
    speck = Map(soft_ball(24, (0, 0, 0), 0.5, 1.0), 6.0)

    def ask(run):
        with pytest.raises(InputError, match="20 voxels"):
            run.change(mask=wrong)
        with pytest.raises(InputError, match="nothing so small can be aligned"):
            run.change(mask=speck)
        assert not list((run.path / "control").iterdir())

    assert run_fake(job, run_path, SETTINGS, asking({0: ask})).status == "finished"


def test_a_mask_is_kept_with_the_run(job, run_path, tmp_path):
    path = other_mask(job, tmp_path)
    values = read_map(path).data

    def ask(run):
        run.change(mask=path)
        path.unlink()  # what happens to it afterwards does not matter

    run = run_fake(job, run_path, SETTINGS, asking({1: ask}))
    (change,) = run.folder.read_record()["changes"]
    kept = run_path / change["mask"]["path"]
    assert kept.parent == run_path / "inputs"
    assert change["mask"]["from"] == str(path)
    assert len(change["mask"]["sha256"]) == 64
    np.testing.assert_array_equal(read_map(kept).data, values)
    np.testing.assert_array_equal(run.iteration(1).mask, job.mask.data)
    np.testing.assert_array_equal(run.iteration(2).mask, values)
    assert told(run, "settings_changed")[0]["mask"] == kept.name
    assert not list((run_path / "control").iterdir())


def test_changes_add_up_in_their_order(job, run_path):
    def ask(run):
        run.change(rotation_extent=0.2, shift_extent=4.0)
        run.change(rotation_extent=0.1)
        with pytest.raises(InputError, match="nothing would change"):
            run.change(rotation_extent=0.1)

    run = run_fake(job, run_path, SETTINGS, asking({1: ask, 2: changing(shift_extent=2.0)}))
    record = run.folder.read_record()
    assert [change["iteration"] for change in record["changes"]] == [2, 2, 3]
    settings = in_effect(record, 2)[0]
    assert (settings.rotation_extent, settings.shift_extent) == (0.1, 4.0)
    assert run.settings.shift_extent == 2.0


def actions_of_a_story(job, folder):
    """Changes of every kind, at three iterations."""
    path = other_mask(job, folder)
    return {
        0: changing(rotation_extent=0.2),
        1: lambda run: (run.change(mask=path), run.change(iterations=5)),
        3: changing(shift_extent=3.0, marginalize=False),
    }


@pytest.fixture
def uninterrupted(job, tmp_path):
    (tmp_path / "one").mkdir()
    actions = actions_of_a_story(job, tmp_path / "one")
    return run_fake(job, tmp_path / "whole", SETTINGS, asking(actions)).path


@pytest.mark.parametrize("killed_at", [0, 1, 2, 3, 4])
def test_a_run_killed_with_changes_pending_or_taken_up_comes_to_the_same(
    job, run_path, tmp_path, uninterrupted, killed_at
):
    actions = actions_of_a_story(job, tmp_path)
    with pytest.raises(Killed):
        run_fake(job, run_path, SETTINGS, asking(actions, killed_at=killed_at))
    assert open_run(run_path).status == "lost"
    later = {number: action for number, action in actions.items() if number > killed_at}
    run = run_fake(job, run_path, SETTINGS, asking(later), resume=True)
    assert run.iterations() == [0, 1, 2, 3, 4, 5]
    assert_same_results(run_path, uninterrupted)


@pytest.mark.parametrize("instant", ["kept, not removed", "mask moved, not kept", "in the middle"])
def test_killed_while_a_change_is_taken_up(
    job, run_path, tmp_path, uninterrupted, monkeypatch, instant
):
    def die(*_, **__):
        raise Killed

    def in_the_middle(inputs, settings, observer, resume=None):
        event = observer.event

        def until(kind, **values):
            event(kind, **values)
            if kind == "progress" and values["iteration"] == 2:
                raise Killed

        observer.event = until
        return asking(actions)(inputs, settings, observer, resume=resume)

    actions, loop = actions_of_a_story(job, tmp_path), None
    if instant == "kept, not removed":
        monkeypatch.setattr(steward, "_remove", die)
    elif instant == "mask moved, not kept":
        moving = steward.Steward._keep_mask
        monkeypatch.setattr(
            steward.Steward, "_keep_mask", lambda *arguments: (moving(*arguments), die())
        )
    else:
        loop = in_the_middle
    with pytest.raises(Killed):
        run_fake(job, run_path, SETTINGS, loop or asking(actions))
    monkeypatch.undo()
    monkeypatch.setattr("locref_widgets.figures.report.write_report", lambda folder: None)
    done = open_run(run_path).iterations()[-1]
    later = {number: action for number, action in actions.items() if number > done}
    run_fake(job, run_path, SETTINGS, asking(later), resume=True)
    assert_same_results(run_path, uninterrupted)
    assert not list((run_path / "control").iterdir())


def test_a_stopped_run_takes_a_change_up_when_it_goes_on(job, run_path):
    run = run_fake(job, run_path, SETTINGS, asking({1: lambda run: run.stop(after_iteration=True)}))
    assert run.status == "stopped"
    assert run.iterations() == [0, 1]
    run.change(rotation_extent=0.1)
    resumed = run_fake(job, run_path, SETTINGS, resume=True)
    assert [c["iteration"] for c in resumed.folder.read_record()["changes"]] == [2]
    with pytest.raises(InputError, match=r"is finished.*locref branch"):
        resumed.change(rotation_extent=0.2)


def test_with_the_settings_it_has_come_to_a_run_is_resumed_as_well(job, run_path):
    actions = {0: changing(shift_extent=4.0), 1: lambda run: run.stop(after_iteration=True)}
    run = run_fake(job, run_path, SETTINGS, asking(actions))
    with pytest.raises(InputError, match=r"shift_extent: 10.0 then, 5.0 now"):
        run_fake(job, run_path, SETTINGS.model_copy(update={"shift_extent": 5.0}), resume=True)
    assert run_fake(job, run_path, run.settings, resume=True).status == "finished"


def test_fewer_iterations_still_end_with_one_that_makes_the_final_maps(job, run_path):
    run = run_fake(job, run_path, SETTINGS, asking({2: changing(iterations=1)}))
    # Iteration 2 was not made as the last one.
    assert run.iterations() == [0, 1, 2, 3]
    assert run.settings.iterations == 3


def test_more_iterations_asked_in_the_last_one_are_made(job, run_path):
    run = run_fake(job, run_path, SETTINGS, asking({4: changing(iterations=6)}))
    assert run.iterations() == list(range(7))


def test_a_change_that_comes_too_late_is_refused_in_words(job, run_path):
    run = run_fake(job, run_path, SETTINGS, asking({4: changing(rotation_extent=0.1)}))
    assert run.status == "finished"
    (event,) = told(run, "change_refused")
    assert "was over before" in event["message"]
    assert "locref branch" in event["message"]


def test_a_stop_after_the_last_iteration_lets_it_finish(job, run_path):
    stop = {4: lambda run: run.stop(after_iteration=True)}
    assert run_fake(job, run_path, SETTINGS, asking(stop)).status == "finished"


def test_continue_takes_back_a_stop_after_the_iteration(job, run_path):
    def think_better_of_it(run):
        run.stop(after_iteration=True)
        run.continue_()

    assert run_fake(job, run_path, SETTINGS, asking({1: think_better_of_it})).status == "finished"


# What a program that means ill might leave in the folder.
def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


ILL_MEANT = {
    "no JSON": (lambda p: _write(p, b"__import__('os').system('true')"), "is no request"),
    "too large": (lambda p: _write(p, b" " * (control.MOST_BYTES + 1)), "larger than a request"),
    "nested": (lambda p: _write(p, b"[" * 50_000), "is no request"),
    "a list": (lambda p: _write(p, b"[]"), "is no request"),
    "a link": (lambda p: p.symlink_to("/etc/passwd"), "cannot be read"),
    "a pipe": (os.mkfifo, "is no plain file"),
    "a wrong value": (lambda p: _leave(p, {"rotation_extent": 9}), "rotation_extent"),
    "code for a value": (lambda p: _leave(p, {"fulcrum": "exec('1')"}), "fulcrum"),
    "a fixed setting": (lambda p: _leave(p, {"seed": 9}), "seed cannot be changed"),
    "a path for an id": (lambda p: _leave(p, {}, id="../../x", mask={"sha256": "0"}), "id"),
    "a mask not there": (lambda p: _leave(p, {}, mask={"sha256": "0"}), "is not the mask"),
    "a mask that is a link": (
        lambda p: (
            _leave(p, {}, mask={"sha256": "0"}),
            p.with_suffix(".mrc").symlink_to("/etc/passwd"),
        ),
        "is not the mask",
    ),
}


def _leave(path: Path, settings: dict, **more) -> None:
    content = {"schema": 1, "id": "abc", "asked": "now", "settings": settings}
    path.write_text(json.dumps(content | more))


@pytest.mark.parametrize("what", ILL_MEANT)
def test_a_request_that_means_ill_is_refused_and_the_run_goes_on(job, run_path, what):
    spoil, message = ILL_MEANT[what]
    actions = {1: lambda run: spoil(run.path / "control" / "change-0-abc.json")}
    run = run_fake(job, run_path, SETTINGS, asking(actions))
    assert run.status == "finished"
    refused = told(run, "change_refused")
    assert message in refused[0]["message"]
    assert len(refused) == 1
    assert not list((run_path / "control").iterdir())
    assert run.folder.read_record()["changes"] == []


def test_a_running_process_takes_up_what_another_asks(job, run_path):
    """As from another kernel: nothing but files passes between the two."""
    thread = threading.Thread(target=lambda: run_fake(job, run_path, SETTINGS, make_loop(0.1)))
    thread.start()
    from tests.runs.test_run import wait_for

    wait_for((run_path / "events.jsonl").exists)
    run = open_run(run_path)
    wait_for(lambda: "progress" in kinds(run))
    run.change(shift_extent=2.5)
    thread.join(60)
    assert run.status == "finished"
    assert run.settings.shift_extent == 2.5


def test_what_can_be_changed_is_named_by_the_settings():
    assert set(STEERABLE) <= set(RefinementSettings.model_fields)
    for name in ("rotation_extent", "fulcrum", "prior_shift", "non_uniform", "iterations"):
        assert name in STEERABLE
    settings = RefinementSettings(fulcrum=(1.0, 2.0, 3.0))
    new, differences = changed_settings(settings, {"fulcrum_angstrom": (4.0, 5.0, 6.0)})
    assert new.fulcrum is None
    assert differences == {"fulcrum": None, "fulcrum_angstrom": [4.0, 5.0, 6.0]}
