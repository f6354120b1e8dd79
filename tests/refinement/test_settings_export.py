"""Settings as text that other programs read: command line and Python give the same settings."""

import shlex

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from locref_widgets.cli.settings_flags import with_settings
from locref_widgets.refinement.settings import RefinementSettings
from locref_widgets.refinement.settings_export import changed_settings, to_command, to_python

coordinate = st.floats(-200, 200, allow_nan=False)
SETTINGS = st.builds(
    RefinementSettings,
    fulcrum=st.one_of(st.none(), st.just("mask"), st.tuples(coordinate, coordinate, coordinate)),
    rotation_extent=st.floats(1e-6, 3.14),
    shift_extent=st.floats(0.01, 500),
    prior_rotation=st.one_of(st.none(), st.floats(0.01, 90)),
    marginalize=st.booleans(),
    subtract=st.sampled_from([None, True, False]),
    masking=st.sampled_from(["dynamic", "static", "none"]),
    symmetry=st.sampled_from(["C1", "C4", "D2"]),
    subset=st.one_of(st.none(), st.integers(2, 10**7)),
)


def read_flags(arguments):
    """What the command line makes of the flags."""
    seen = {}
    app = typer.Typer()

    @app.command()
    @with_settings
    def refine(*, given: dict):
        seen.update(given)

    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    return RefinementSettings(**seen)


@given(SETTINGS)
@settings(max_examples=40, deadline=None)
def test_the_command_line_gives_the_same_settings(chosen):
    words = shlex.split(to_command(chosen).replace("\\\n", " "))
    assert words[:3] == ["locref", "refine", "particles.star"]
    at = words.index("--out") + 2
    assert read_flags(words[at:]) == chosen


@given(SETTINGS)
@settings(max_examples=40, deadline=None)
def test_the_python_gives_the_same_settings(chosen):
    names = {}
    exec(to_python(chosen), names)  # noqa: S102 - it is made to be pasted and run
    assert names["settings"] == chosen


def test_only_what_differs_from_the_defaults_is_written():
    assert changed_settings(RefinementSettings()) == {}
    assert "--rotation" not in to_command(RefinementSettings())
    assert list(changed_settings(RefinementSettings(seed=3, folds=2))) == ["folds", "seed"]


def test_names_of_files_are_quoted():
    line = to_command(RefinementSettings(), particles="my particles.star", out="runs/a b")
    assert "'my particles.star'" in line
    assert shlex.split(line.replace("\\\n", " "))[-1] == "runs/a b"


@pytest.mark.parametrize("point", [(-1.5, 2.0, 3.0), (1.0, -2.0, 0.25)])
def test_a_point_with_a_minus_is_no_flag(point):
    words = shlex.split(to_command(RefinementSettings(fulcrum_angstrom=point)).replace("\\\n", " "))
    assert read_flags(words[words.index("--out") + 2 :]).fulcrum_angstrom == point
