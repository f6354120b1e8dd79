import pytest

from locref_widgets.runs.run_state import RunState
from locref_widgets.runs.time_left import duration_words
from locref_widgets.widgets.words import at_bound_words, progress_words, status_html


def event(kind, second=0, **values):
    return {"kind": kind, "time": f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z", **values}


def fed(*events):
    state = RunState()
    for one in events:
        state.add(one)
    return state


STARTED = event(
    "run_started",
    n_particles=1000,
    pixel_size_angstrom=1.5,
    rotation_extent=0.35,
    shift_extent=10.0,
    settings={"iterations": 5},
)


def finished(iteration, seconds=60.0, resolution=9.0, second=0):
    return event(
        "iteration_finished",
        second,
        iteration=iteration,
        seconds=seconds,
        resolution_angstrom=resolution,
    )


def test_status_follows_the_events():
    story = [
        (STARTED, "running"),
        (event("paused"), "paused"),
        (event("progress", iteration=1, phase="search", done=1, total=9), "paused"),
        (event("continued"), "running"),
        (event("stopped"), "stopped"),
        (STARTED, "running"),
        (event("failed", message="no space"), "failed"),
    ]
    state = RunState()
    assert state.status == "waiting"
    for one, expected in story:
        state.add(one)
        assert state.status == expected
    assert state.message == "no space"


def test_extents_in_the_units_shown():
    state = fed(STARTED)
    assert state.rotation_extent_deg == pytest.approx(20.05, abs=0.01)
    # The shift extent is a diameter.
    assert state.shift_radius_px == 5.0


def searched(iteration, start, *reports):
    """A search's events: reports are (seconds since its start, particles done)."""
    return [
        event("phase", start, iteration=iteration, name="search"),
        *(
            event(
                "progress", start + second, iteration=iteration, phase="search", done=n, total=1000
            )
            for second, n in reports
        ),
    ]


COMPILED = ((0, 0), (40, 50), (45, 100), (50, 150), (55, 200))
"""40 s for the first batch, of which the programs took 35; then 5 s each."""


def test_while_nothing_is_measured_no_time_is_told():
    for known in range(len(COMPILED)):
        state = fed(STARTED, finished(0, 3.0), *searched(1, 10, *COMPILED[:known]))
        assert state.phase_seconds_left() is None
        assert state.seconds_left() is None
    assert fed(STARTED).seconds_left() is None
    assert fed(STARTED, finished(1), event("run_finished")).seconds_left() is None


def test_time_left_follows_from_the_pace_without_the_first_batch():
    state = fed(STARTED, finished(0, 3.0), *searched(1, 10, *COMPILED))
    assert state.phase_seconds_left() == pytest.approx(80)
    # Four more iterations of 1000 particles at 10 a second.
    assert state.seconds_left() == pytest.approx(80 + 4 * 100)


def test_what_follows_the_search_takes_as_long_as_in_the_iteration_before():
    first = [
        *searched(1, 0, *COMPILED, (135, 1000)),
        event("phase", 135, iteration=1, name="fsc"),
        finished(1, 155.0, second=155),
    ]
    state = fed(STARTED, *first, *searched(2, 200, *COMPILED))
    assert state.iteration_seconds_left() == pytest.approx(80 + 20)
    assert state.seconds_left() == pytest.approx(100 + 3 * 155)


def test_a_pause_is_no_work():
    reports = [event("paused", 70), event("continued", 500)]
    later = [(490, 250), (495, 300)]
    state = fed(STARTED, *searched(1, 10, *COMPILED), *reports, *searched(1, 10, *later)[1:])
    assert state.phase_seconds_left() == pytest.approx(70)


def test_between_searches_the_last_iteration_counts():
    state = fed(STARTED, finished(0, 3.0), finished(1, 60.0), finished(2, 20.0))
    assert state.seconds_left() == pytest.approx(3 * 20)


def test_a_queued_run_says_for_whom_it_waits():
    state = fed(event("queued", waiting_for=["/runs/a", "/runs/b"]))
    assert state.status == "queued"
    line = status_html("queued", state)
    assert "Waiting for the device" in line
    assert "first comes /runs/a, then /runs/b" in line
    assert fed(event("queued", waiting_for=["/a"]), event("turn_came")).status == "running"


def test_changed_settings_are_the_ones_shown():
    changed = event(
        "settings_changed",
        iteration=2,
        rotation_extent=0.1,
        shift_extent=4.0,
        settings={"iterations": 8},
    )
    state = fed(STARTED, finished(1), changed)
    assert state.rotation_extent_deg == pytest.approx(5.73, abs=0.01)
    assert (state.shift_radius_px, state.maximum_iterations) == (2.0, 8)
    refused = fed(STARTED, event("change_refused", message="too wide"))
    assert refused.warnings == ["A change was refused: too wide"]


def test_a_resumed_run_repeats_iterations():
    state = fed(STARTED, finished(0), finished(1), finished(2), STARTED, finished(2, resolution=7))
    assert sorted(state.iterations) == [0, 1, 2]
    assert state.latest["resolution_angstrom"] == 7


def test_unknown_events_and_odd_values_change_nothing():
    state = fed(STARTED, event("a kind of tomorrow", value=1), {"kind": "progress", "time": "?"})
    assert (state.status, state.total) == ("running", 0)


def test_words():
    state = fed(STARTED, finished(1), event("phase", iteration=2, name="search"))
    state.add(event("progress", 5, iteration=2, phase="search", done=400, total=1000))
    line = status_html("running", state)
    assert "Running" in line
    assert "iteration 2, searching" in line
    assert "9.00 Å" in line
    iterations, particles = progress_words(state)
    assert iterations.startswith("1 of at most 5 done, 4 min left")
    assert particles == "400 of 1,000, measuring"
    assert [duration_words(s) for s in (0.2, 59, 61, 3600, 7900)] == [
        "1 s",
        "59 s",
        "1 min",
        "1 h 00 min",
        "2 h 12 min",
    ]


def test_a_preview_is_told_of_until_its_iteration_is_there():
    begun = (STARTED, finished(0), event("phase", iteration=1, name="search"))
    state = fed(*begun, event("preview", iteration=1, done=1500, resolution_angstrom=8.6))
    assert "map of its first 1,500 particles under Maps" in status_html("running", state)
    state.add(finished(1))
    assert state.preview is None
    assert "under Maps" not in status_html("running", state)
    odd = fed(*begun, event("preview", iteration=1, done="?"))
    assert odd.preview is None


def test_many_particles_at_the_bound_get_advice():
    few, many = fed(STARTED, finished(1)), fed(STARTED, finished(1))
    few.latest["at_bound_fraction"], many.latest["at_bound_fraction"] = 0.01, 0.2
    assert "wider" not in at_bound_words(few.latest)
    assert "20.0 %" in at_bound_words(many.latest)
    assert "wider" in at_bound_words(many.latest)


def test_text_from_a_run_is_escaped():
    state = fed(STARTED, event("phase", iteration=1, name="<script>"))
    assert "<script>" not in status_html("running", state)


def test_settings_are_told_by_the_iteration_that_they_hold_for():
    changed = event("settings_changed", iteration=2, rotation_extent=0.5, shift_extent=8.0)
    state = fed(STARTED, finished(0), finished(1), changed)
    assert state.in_effect(1)["kind"] == "run_started"
    assert state.in_effect(2)["rotation_extent"] == 0.5
    assert state.in_effect(9)["rotation_extent"] == 0.5
    assert RunState().in_effect(0) == {}
