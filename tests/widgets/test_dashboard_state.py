import pytest

from locref_widgets.widgets.dashboard_state import DashboardState
from locref_widgets.widgets.words import at_bound_words, duration_words, progress_words, status_html


def event(kind, second=0, **values):
    return {"kind": kind, "time": f"2026-01-01T00:{second // 60:02d}:{second % 60:02d}Z", **values}


def fed(*events):
    state = DashboardState()
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
    state = DashboardState()
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


def test_time_left_from_the_finished_iterations_and_the_pace():
    first = fed(
        STARTED,
        finished(0, 3.0),
        event("phase", 10, iteration=1, name="search"),
        event("progress", 20, iteration=1, phase="search", done=250, total=1000),
    )
    # A quarter in 10 s: 40 s an iteration, 4.75 iterations to come.
    assert first.seconds_left() == pytest.approx(190)
    second = fed(STARTED, finished(0, 3.0), finished(1, 60.0), finished(2, 20.0))
    assert second.seconds_left() == pytest.approx(3 * 40)
    assert fed(STARTED).seconds_left() is None
    assert fed(STARTED, finished(1), event("run_finished")).seconds_left() is None


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
    assert particles == "400 of 1,000"
    assert [duration_words(s) for s in (0.2, 59, 61, 3600, 7900)] == [
        "1 s",
        "59 s",
        "1 min",
        "1 h 00 min",
        "2 h 12 min",
    ]


def test_many_particles_at_the_bound_get_advice():
    few, many = fed(STARTED, finished(1)), fed(STARTED, finished(1))
    few.latest["at_bound_fraction"], many.latest["at_bound_fraction"] = 0.01, 0.2
    assert "wider" not in at_bound_words(few)
    assert "20.0 %" in at_bound_words(many)
    assert "wider" in at_bound_words(many)


def test_text_from_a_run_is_escaped():
    state = fed(STARTED, event("phase", iteration=1, name="<script>"))
    assert "<script>" not in status_html("running", state)
