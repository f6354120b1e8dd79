"""The documents of events and steering say what is: held against what runs write."""

import ast
import re
from pathlib import Path

import pytest

import locref_widgets
from locref_widgets.errors import OutputError
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.steering import STEERABLE
from locref_widgets.runs.branch import make_branch
from locref_widgets.runs.events import SCHEMA
from locref_widgets.runs.run import open_run
from tests.runs.test_changes import asking
from tests.runs.test_run import run_fake

PACKAGE = Path(locref_widgets.__file__).parent
DOCS = Path(__file__).resolve().parents[2] / "docs"
SWEEP = {
    *("sweep_started", "sweep_finished", "setting_started", "setting_iteration"),
    *("setting_finished", "setting_failed", "measuring", "verdict"),
}
COMMON = {"schema", "time", "kind"}


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """By kind: the fields that every event has, and those that some have."""
    kinds: dict[str, tuple[set[str], set[str]]] = {}
    for section in re.split(r"^#{2,3} ", (DOCS / "events.md").read_text(), flags=re.M)[1:]:
        head, _, body = section.partition("\n")
        always, sometimes = set(), set()
        for row in re.findall(r"^\| (`.*?) \| (.*?) \|$", body, flags=re.M):
            fields = set(re.findall(r"`(\w+)`", row[0]))
            (sometimes if row[1].startswith("(optional)") else always).update(fields)
        for kind in re.findall(r"`(\w+)`", head):
            kinds[kind] = always, sometimes
    return kinds


def assert_documented(events) -> set[str]:
    kinds = documented()
    for event in events:
        always, sometimes = kinds[event["kind"]]
        fields = set(event) - COMMON
        assert always <= fields <= always | sometimes, event["kind"]
        assert set(event) >= COMMON
        assert event["schema"] == SCHEMA
    return {event["kind"] for event in events}


def test_every_event_of_an_eventful_run_is_documented(job, run_path, tmp_path, monkeypatch):
    settings = RefinementSettings(iterations=2, seed=3)

    def failing(inputs, settings, observer, resume=None):
        observer.say("queued", waiting_for=["/a"])
        observer.say("turn_came")
        observer.say("paused")
        observer.say("continued")
        raise OutputError("out of luck")

    def steered(run):
        run.change(shift_extent=3.0)
        (run.path / "control" / "change-0.json").write_text("no request")
        run.stop(after_iteration=True)

    with pytest.raises(OutputError):
        run_fake(job, run_path, settings, failing)
    run_fake(job, run_path, settings, asking({0: steered}))
    run = run_fake(job, run_path, settings, resume=True)
    seen = assert_documented(run.events())
    make_branch(run.folder, 1, tmp_path / "branch", {})
    seen |= assert_documented(open_run(tmp_path / "branch").events())
    with pytest.raises(OutputError):
        run_fake(job, tmp_path / "other", settings, failing)
    seen |= assert_documented(open_run(tmp_path / "other").events())
    # These are told of results that a pretended refinement does not have, and those of sweeps.
    others = {"note", "fulcrum_estimate", "executor", *SWEEP}
    assert set(documented()) - seen <= others


def test_every_event_that_is_told_is_documented_and_no_other():
    """Every call in the source that tells an event, with its kind and the fields it names."""
    kinds, told = documented(), set()
    for path in sorted([*PACKAGE.glob("runs/*.py"), *PACKAGE.glob("refinement/*.py")]):
        for call in ast.walk(ast.parse(path.read_text())):
            match call:
                case ast.Call(func=function, args=[ast.Constant(value=str(kind))]):
                    if not re.fullmatch(r"(.*\.)?(say|event|log\.append)", ast.unparse(function)):
                        continue
                    told.add(kind)
                    always, sometimes = kinds[kind]
                    fields = {option.arg for option in call.keywords if option.arg}
                    assert fields <= always | sometimes, f"{path}:{call.lineno}"
    # A branch's events are written as one file.
    assert told | {"branched"} == set(kinds)


def test_what_can_be_changed_is_listed_and_nothing_else():
    text = (DOCS / "steering.md").read_text()
    section = text.split("## What can be changed")[1]
    listed, fixed = section.split("\n\n")[1:3]
    names = re.sub(r";.*", "", listed, flags=re.S).replace("\n", " ").split(", ")
    assert sorted(name.strip() for name in names) == sorted(STEERABLE)
    others = set(RefinementSettings.model_fields) - set(STEERABLE)
    assert others == {"initial_lowpass", "symmetry", "subtract", "subset", "seed"}
    assert all(name in fixed for name in others)
